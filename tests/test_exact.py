"""Property tests of the exact solver: recovery, uniqueness, zero probabilities, misuse."""
import itertools
import warnings
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings, strategies as st

from dimm_nb.mixture.mixture import Mixture, max_abs_error, mixture_marginals, random_mixture
from dimm_nb.network.axis import Marginals, NotUniqueWarning
from dimm_nb.network.network import CausalNetwork, random_network
from dimm_nb.network.oracle import Oracle
from dimm_nb.solvers.exact import InconsistentMarginals, error_gain, solve_exact

seeds = st.integers(0, 10_000)
few = settings(max_examples=40, deadline=None)


def mixture(net, shares):
    "A mixture from {(node, state): share}; the rest is 0."
    return Mixture(pd.Series([shares.get(label, 0.) for label in net.index], net.index, name="share"))


def with_zeros(net, rng, n_zeros):
    "The network with some states that never occur, and their positions on the category axis."
    cpts, zeros = [c.copy() for c in net.cpts], []
    for j in rng.permutation(len(net.names))[:n_zeros]:
        k = rng.integers(len(net.states[j]))
        cpts[j][..., k] = 0
        cpts[j] /= cpts[j].sum(axis=-1, keepdims=True)
        zeros.append(net.slices[j].start + k)
    return CausalNetwork(net.names, net.states, net.parents, tuple(cpts)), np.array(zeros, int)


def draw_shares(oracle, rng, forced, banned=()):
    "Random shares on about half of the states and all `forced` ones; a common state of each node is left out."
    x = np.where(rng.random(len(oracle.index)) < .5, rng.random(len(oracle.index)), 0)
    x[forced] = rng.uniform(.2, 1, len(forced))
    for s in oracle.slices: x[s.start + oracle.base[s].argmax()] = 0
    x[list(banned)] = 0
    return Mixture(pd.Series(.8 * x / max(x.sum(), 1), oracle.index, name="share"))


@given(seeds, st.integers(1, 6), st.data())
@few
def test_exact_mixtures_are_recovered(seed, n, data):
    sizes = data.draw(st.lists(st.integers(2, 5), min_size=n, max_size=n))
    net = random_network(n, sizes, max_parents=3, seed=seed)
    oracle = Oracle.from_network(net)
    truth = random_mixture(
        net,
        data.draw(st.integers(1, sum(sizes) - n)),
        base_weight=data.draw(st.sampled_from([0.0, 0.2, 0.9])),
        seed=seed,
    )
    solution = solve_exact(oracle, mixture_marginals(oracle, truth))
    assert max_abs_error(truth, solution.mixture) < 1e-8
    assert solution.status == "unique" and not solution.open_nodes
    assert solution.nodes["total"].sum() == pytest.approx(truth.weights.sum())


@given(seeds)
@few
def test_only_one_choice_of_unused_states_is_a_mixture(seed):
    net = random_network(3, 3, max_parents=2, seed=seed)
    oracle = Oracle.from_network(net)
    truth = random_mixture(net, 5, seed=seed)
    shift = mixture_marginals(oracle, truth).p - oracle.base
    valid = []
    for choice in itertools.product(range(3), repeat=3):
        used = np.setdiff1d(np.arange(9), [3 * j + k for j, k in enumerate(choice)])
        x = np.zeros(9)
        x[used] = np.linalg.lstsq(oracle.effects[:, used], shift, rcond=None)[0]
        if x.min() > -1e-7 and x.sum() < 1 + 1e-7: valid.append(x)
    assert valid
    answer = solve_exact(oracle, mixture_marginals(oracle, truth)).mixture.weights.to_numpy()
    # the same point, reached by other choices when shares tie
    for x in valid: np.testing.assert_allclose(x, answer, atol=1e-4)


@given(seeds)
@few
def test_labels_count_and_positions_do_not(seed):
    net = random_network(4, [2, 3, 4, 2], seed=seed)
    oracle = Oracle.from_network(net)
    marginals = mixture_marginals(oracle, random_mixture(net, 5, seed=seed))
    order = np.random.default_rng(seed).permutation(len(net.index))
    shuffled = Marginals(marginals.index[order], marginals.p[order], marginals.n)
    pd.testing.assert_series_equal(solve_exact(oracle, shuffled).weights, solve_exact(oracle, marginals).weights)


@given(seeds)
@few
def test_nodes_given_effects_first(seed):
    "The network's own order need not be causal."
    net = random_network(4, [2, 3, 2, 3], seed=seed)
    flip = [3, 2, 1, 0]
    back = CausalNetwork([net.names[j] for j in flip], [net.states[j] for j in flip],
                         [[3 - p for p in net.parents[j]] for j in flip], [net.cpts[j] for j in flip])
    oracle = Oracle.from_network(back)
    truth = random_mixture(back, 5, seed=seed)
    assert max_abs_error(truth, solve_exact(oracle, mixture_marginals(oracle, truth)).mixture) < 1e-8


@given(seeds)
@few
def test_states_that_never_occur_but_take_part(seed):
    rng = np.random.default_rng(seed)
    net, zeros = with_zeros(random_network(5, 3, seed=seed), rng, 3)
    oracle = Oracle.from_network(net)
    assert (oracle.base[zeros] == 0).all()
    truth = draw_shares(oracle, rng, zeros)
    solution = solve_exact(oracle, mixture_marginals(oracle, truth))
    assert max_abs_error(truth, solution.mixture) < 1e-8 and solution.status == "unique"


@given(seeds)
@few
def test_an_unused_state_that_never_occurs_leaves_the_answer_open(seed):
    rng = np.random.default_rng(seed)
    net, zeros = with_zeros(random_network(5, 3, seed=seed), rng, 2)
    oracle = Oracle.from_network(net)
    truth = draw_shares(oracle, rng, [], banned=zeros)
    marginals = mixture_marginals(oracle, truth)
    with pytest.warns(NotUniqueWarning): solution = solve_exact(oracle, marginals)
    assert solution.status == "not unique"
    assert set(solution.open_nodes) == {oracle.index[k][0] for k in zeros}
    # a common state is unused at each node, so the least totals are the true ones
    assert max_abs_error(truth, solution.mixture) < 1e-8
    # the claim "not unique", constructed: raise the last open node's total and solve what follows
    last = oracle.names.index(solution.open_nodes[-1])
    x = np.zeros(len(oracle.index))
    for j in oracle.order:
        s = oracle.slices[j]
        a, b = oracle.base[s], marginals.p[s] - oracle.base[s] - oracle.effects[s] @ x
        t = max(-b[k] / a[k] for k in range(len(a)) if a[k] > 0) + (1e-3 if j == last else 0)
        x[s] = b + t * a
    assert x.min() > -1e-9 and x.sum() < 1
    assert all(x[s].min() < 1e-9 for s in oracle.slices)  # Assumption 1
    np.testing.assert_allclose(oracle.base + oracle.effects @ x, marginals.p, atol=1e-12)
    assert abs(x - truth.weights).max() > 1e-4


def test_open_nodes_with_nothing_untouched_are_undecided():
    net = CausalNetwork(["X"], [["a", "b", "never"]], [[]], [[.5, .5, 0.]])
    oracle = Oracle.from_network(net)
    with pytest.warns(NotUniqueWarning, match="may have"):
        solution = solve_exact(oracle, mixture_marginals(oracle, mixture(net, {("X", "a"): 1.})))
    assert solution.status == "undecided" and solution.open_nodes == ("X",)


@pytest.mark.parametrize("rare", [1e-9, 1e-15, 1e-40, 1e-300])
def test_nearly_zero_probabilities_count_as_zero(rare):
    cpt = np.array([[.5 - rare, .5, rare], [.2, .8 - rare, rare]])
    net = CausalNetwork(["X", "Y"], [["a", "b"], ["a", "b", "rare"]], [[], [0]], [[.5, .5], cpt])
    oracle = Oracle.from_network(net)
    taking_part = mixture(net, {("X", "a"): .2, ("Y", "a"): .1, ("Y", "rare"): .3})
    solution = solve_exact(oracle, mixture_marginals(oracle, taking_part))
    assert max_abs_error(taking_part, solution.mixture) < 1e-8 and solution.status == "unique"
    with pytest.warns(NotUniqueWarning, match="unused at Y"):
        solve_exact(oracle, mixture_marginals(oracle, mixture(net, {("Y", "a"): .1, ("Y", "b"): .3})))


@given(seeds)
@few
def test_skewed_networks_are_recovered_in_spite_of_ties(seed):
    rng = np.random.default_rng(seed)
    net = random_network(6, 4, max_parents=2, seed=seed)
    skewed = tuple(rng.dirichlet(np.full(4, .05), size=c.shape[:-1]) + 1e-7 for c in net.cpts)
    net = CausalNetwork(net.names, net.states, net.parents, tuple(c / c.sum(axis=-1, keepdims=True) for c in skewed))
    oracle = Oracle.from_network(net)
    truth = draw_shares(oracle, rng, [])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotUniqueWarning)
        solution = solve_exact(oracle, mixture_marginals(oracle, truth))
    assert max_abs_error(truth, solution.mixture) < 1e-8


def test_a_node_with_one_state_gets_no_share():
    net = CausalNetwork(["one", "two"], [["only"], ["a", "b"]], [[], [0]], [[1.], [[.3, .7]]])
    oracle = Oracle.from_network(net)
    truth = mixture(net, {("two", "a"): .25})
    solution = solve_exact(oracle, mixture_marginals(oracle, truth))
    assert max_abs_error(truth, solution.mixture) < 1e-12 and solution.status == "unique"


def two_coins():
    net = CausalNetwork(["A", "B"], [["h", "t"], ["h", "t"]], [[], []], [[.5, .5], [.5, .5]])
    return net, Oracle.from_network(net)


def test_shares_that_sum_to_more_than_one():
    net, oracle = two_coins()
    impossible = Marginals(net.index, np.array([.9, .1, .8, .2]), np.full(2, np.inf))
    with pytest.raises(InconsistentMarginals, match="node B: .* 0.4 too many") as caught:
        solve_exact(oracle, impossible)
    assert caught.value.node == "B" and caught.value.amount == pytest.approx(.4)
    assert isinstance(caught.value, ValueError)
    raw = solve_exact(oracle, impossible, check=False)
    assert raw.status == "inconsistent" and raw.mixture is None
    np.testing.assert_allclose(raw.weights, [.8, 0, .6, 0], atol=1e-12)


def test_a_negative_share_is_named():
    # X=c never occurs, and brings Y=c when it is forced; yet Y=c is not in the data
    net = CausalNetwork(
        ["X", "Y"], [list("abc"), list("abc")], [[], [0]], [[0.5, 0.5, 0], [[0.5, 0.5, 0], [0.2, 0.8, 0], [0, 0, 1.0]]]
    )
    oracle = Oracle.from_network(net)
    marginals = Marginals(net.index, np.array([.35, .35, .3, .4, .6, 0]), np.full(2, np.inf))
    with pytest.raises(InconsistentMarginals, match="node Y: state 'c' never occurs by itself .* 0.3 more") as caught:
        solve_exact(oracle, marginals)
    assert caught.value.node == "Y" and caught.value.amount == pytest.approx(.3)
    assert solve_exact(oracle, marginals, check=False).weights["Y", "c"] == pytest.approx(-.3)


def test_an_oracle_that_contradicts_its_graph():
    net, oracle = two_coins()
    do = oracle.do.copy()
    do[2, :2] = [.9, .1]  # do(B=h) moves A, which comes first
    with pytest.raises(InconsistentMarginals, match="node A: .* stays unexplained"):
        solve_exact(replace(oracle, do=do), Marginals(net.index, np.array([.5, .5, .7, .3]), np.full(2, np.inf)))


@given(seeds)
@few
def test_the_raw_point_always_explains_the_marginals(seed):
    rng = np.random.default_rng(seed)
    net = random_network(5, 3, seed=seed)
    oracle = Oracle.from_network(net)
    counts = pd.Series(np.concatenate([rng.multinomial(300, rng.dirichlet(np.ones(3))) for _ in net.names]), net.index)
    assume(all(counts.loc[[name]].sum() for name in net.names))
    marginals = Marginals.from_counts(net, counts)
    raw = solve_exact(oracle, marginals, check=False)
    assert raw.weights.min() > -1e-9
    scale = max(1, raw.weights.sum())
    np.testing.assert_allclose(oracle.base + oracle.effects @ raw.weights.to_numpy(), marginals.p, atol=1e-9 * scale)
    assert (raw.status == "inconsistent") == (raw.weights.sum() > 1 + 1e-8) == (raw.mixture is None)


@given(seeds)
@few
def test_marginals_of_six_digits_are_taken(seed):
    """Each side may sum to 1 within 1e-6, as Marginals and Oracle allow: their difference then sums to 0 only within
    twice that."""
    net = random_network(4, 5, max_parents=2, seed=seed)
    oracle, pi = Oracle.from_network(net), random_mixture(net, 4, seed=seed)
    seen = mixture_marginals(oracle, pi)
    less, more = (
        replace(oracle, base=oracle.base * (1 - 0.9e-6), do=oracle.do * (1 - 0.9e-6)),
        Marginals(seen.index, seen.p * (1 + 0.9e-6), seen.n),
    )
    solution = solve_exact(less, more, tol=1e-5)
    np.testing.assert_allclose(solution.weights, pi.weights, atol=1e-6 * error_gain(oracle, solution).max())


@given(seeds)
@few
def test_gain_bounds_the_effect_of_an_error(seed):
    rng = np.random.default_rng(seed)
    net = random_network(4, 3, seed=seed)
    oracle = Oracle.from_network(net)
    marginals = mixture_marginals(oracle, random_mixture(net, 8, seed=seed))  # one unused state a node: no ties
    solution = solve_exact(oracle, marginals)
    noise = np.concatenate([e - e.mean() for e in rng.uniform(-1e-9, 1e-9, (4, 3))])
    again = solve_exact(oracle, Marginals(marginals.index, np.abs(marginals.p + noise), marginals.n), check=False)
    assume((again.nodes["unused"] == solution.nodes["unused"]).all())
    gain = error_gain(oracle, solution)
    moved = abs(again.weights - solution.weights)[gain.index]
    assert (moved <= gain * abs(noise).max() * (1 + 1e-6) + 1e-14).all()


def test_misuse_is_refused():
    net, oracle = two_coins()
    marginals = mixture_marginals(oracle, mixture(net, {("A", "h"): .2}))
    with pytest.raises(ValueError, match="1 interventions for 4 states"):
        solve_exact(Oracle.from_network(net, [{"A": "h", "B": "t"}]), marginals)
    other = random_network(2, 2, seed=0)
    with pytest.raises(ValueError, match="the marginals lack node 'A', state 'h'"):
        solve_exact(oracle, mixture_marginals(Oracle.from_network(other), mixture(other, {})))
    larger = CausalNetwork(["A", "B", "C"], [["h", "t"]] * 3, [[], [], []], [[.5, .5]] * 3)
    with pytest.raises(ValueError, match="the marginals have node 'C', state 'h'"):
        solve_exact(oracle, mixture_marginals(Oracle.from_network(larger), mixture(larger, {})))
    for tol in (0, -1, .5, np.nan):
        with pytest.raises(ValueError, match="tol"): solve_exact(oracle, marginals, tol=tol)


def test_counts_that_some_mixture_fits_say_that_they_are_counts():
    net, oracle = two_coins()
    counted = Marginals.from_counts(net, pd.Series([60, 40, 50, 50], net.index))
    assert "are counts" in solve_exact(oracle, counted).message
    assert "are counts" not in solve_exact(oracle, mixture_marginals(oracle, mixture(net, {("A", "h"): .2}))).message


def test_the_result_prints_and_is_frozen():
    net = CausalNetwork(["A"], [["<b>", "t"]], [[]], [[.5, .5]])
    oracle = Oracle.from_network(net)
    solution = solve_exact(oracle, mixture_marginals(oracle, mixture(net, {("A", "<b>"): .2})))
    assert "unique" in repr(solution) and "0.8" in repr(solution)
    assert "&lt;b&gt;" in solution._repr_html_() and "<b>t" not in solution._repr_html_()
    with pytest.raises(FrozenInstanceError): solution.status = "else"
