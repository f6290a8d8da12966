"Edge cases and properties of maximum likelihood beyond those shown in nbs/04-solvers/em.ipynb."
import itertools
import warnings

import clarabel
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given, settings, strategies as st

from dimm_nb.mixture.mixture import Mixture, canonical, mae, sample_mixture
from dimm_nb.network.axis import MisfitWarning, NotConvergedWarning, NotUniqueWarning
from dimm_nb.network.network import CausalNetwork, Intervention, load_network, random_network
from dimm_nb.solvers.em import (
    checked_samples,
    components,
    curvature,
    distinct_rows,
    em_step,
    em_step_as_written,
    fit_em,
    gains,
    joint_probabilities,
    likelihood,
    mean_log_likelihood,
)

ASIA = load_network("asia")
GOOD = ASIA.sample(10, 0)
LABELS = ASIA.frame(GOOD).astype(str)
pytestmark = pytest.mark.filterwarnings("ignore:the samples do not determine")


def all_rows(net): return np.array(list(itertools.product(*map(range, net.sizes))))


def table(like): return like.ratio.toarray() * np.exp(like.log_scale)[:, None]


def sparse_network(seed, n=4):
    "A random network in which many CPT entries are 0, and some tiny."
    rng = np.random.default_rng(seed)
    net = random_network(n, rng.integers(1, 4, n).tolist(), 2, seed)
    def thinned(cpt):
        cpt = np.where(rng.random(cpt.shape) < .3, 0, cpt ** rng.choice([1, 8, 40]))
        cpt[..., 0] += cpt.sum(axis=-1) == 0
        return cpt / cpt.sum(axis=-1, keepdims=True)
    return CausalNetwork(net.names, net.states, net.parents, tuple(thinned(c) for c in net.cpts))


def samples(net, seed, m=300):
    "Rows from a random mixture of all components."
    weights = np.random.default_rng(seed).dirichlet(np.full(len(net.index) + 1, .3))[:-1]
    return sample_mixture(net, Mixture(pd.Series(weights, net.index)), m, seed)[0]


def pairs(net, seed):
    "A catalogue of interventions on one, two and three nodes."
    rng = np.random.default_rng(seed)
    sets = [[i] for i in range(len(net.names))] + list(itertools.combinations(range(len(net.names)), 2)) + [(0, 1, 2)]
    out = [{net.names[i]: net.states[i][rng.integers(len(net.states[i]))] for i in nodes} for nodes in sets]
    return [Intervention(do) for do in out]


def cone_optimum(probability, frequency):
    "The highest mean log-likelihood by an exponential-cone program: max Σ f_r t_r, (t_r, 1, (L x)_r) in the cone."
    rows, size = probability.shape
    cost = np.r_[np.zeros(size), -frequency]
    blocks, right = [], []
    for r in range(rows):
        block = np.zeros((3, size + rows))
        block[0, size + r], block[2, :size] = -1, -probability[r]
        blocks.append(block)
        right += [0, 1, 0]
    total = np.r_[np.ones(size), np.zeros(rows)][None]
    nonnegative = np.hstack([-np.eye(size), np.zeros((size, rows))])
    A, b = sp.csc_matrix(np.vstack([total, nonnegative, *blocks])), np.r_[1, np.zeros(size), right]
    cones = [clarabel.ZeroConeT(1), clarabel.NonnegativeConeT(size)] + [clarabel.ExponentialConeT()] * rows
    options = clarabel.DefaultSettings()
    options.verbose = False
    answer = clarabel.DefaultSolver(sp.csc_matrix((size + rows,) * 2), cost, A, b, cones, options).solve()
    return -answer.obj_val


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000))
def test_likelihood_is_the_joint_table(seed):
    net = sparse_network(seed)
    rows = all_rows(net)
    for interventions in (None, pairs(net, seed)):
        expected = joint_probabilities(net, rows, interventions)
        like, allowed = likelihood(net, rows, np.ones(len(rows)), components(net, interventions)[0])
        np.testing.assert_array_equal(allowed, expected.any(axis=1))
        np.testing.assert_allclose(table(like), expected[allowed], rtol=1e-10, atol=1e-300)
        np.testing.assert_allclose(like.ratio.toarray().max(axis=1), 1)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["sqp", "em"]))
def test_trace_rises_and_certificate_holds(seed, solver):
    net = sparse_network(seed)
    codes = samples(net, seed)
    fit = fit_em(net, codes, solver=solver, tol=1e-7 if solver == "sqp" else 1e-3)
    assert fit.status == "optimal"
    assert np.all(np.diff(fit.trace) >= -1e-12 * abs(fit.trace[0]))
    assert fit.mixture.weights.min() >= 0 and fit.mixture.weights.sum() <= 1 + 1e-12
    # the certificate recomputed from the cut networks, and the likelihood of the canonical answer
    used = np.delete(codes, fit.excluded, axis=0)
    probability = joint_probabilities(net, used)
    canonical = np.r_[fit.mixture.weights, fit.mixture.base_weight]
    gain = (probability / (probability @ canonical)[:, None]).mean(axis=0)
    assert gain.max() - 1 <= fit.gap + 1e-9
    assert np.isclose(mean_log_likelihood(probability, canonical) * len(used), fit.log_likelihood, rtol=1e-10)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_maximum_agrees_with_a_cone_program(seed):
    net = random_network(3, [2, 3, 2], 2, seed)
    codes = samples(net, seed, 200)
    first, group = distinct_rows(codes, net.sizes)
    frequency = np.bincount(group) / len(codes)
    best = cone_optimum(joint_probabilities(net, codes[first]), frequency)
    assert abs(fit_em(net, codes, tol=1e-9).trace[-1] - best) < 1e-6


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_answer_is_canonical(seed):
    net = sparse_network(seed)
    fit = fit_em(net, samples(net, seed))
    for j, parents in enumerate(net.parents):
        if not parents: assert fit.mixture.weights.iloc[net.slices[j]].min() == 0
    pd.testing.assert_series_equal(canonical(net, Mixture(fit.weights)).weights, fit.mixture.weights)


@pytest.mark.parametrize("cost", [0, np.inf])  # sparse blocks, dense blocks
def test_curvature_is_minus_the_hessian(cost, monkeypatch):
    monkeypatch.setattr("dimm_nb.solvers.em.SPARSE_COST", cost)
    net = random_network(3, 3, 2, 4)
    codes = samples(net, 4)
    first, group = distinct_rows(codes, net.sizes)
    like, _ = likelihood(net, codes[first], np.bincount(group), components(net)[0])
    shares = np.full(10, .1)
    hessian = curvature(like, like.ratio @ shares, block=7)
    step = 1e-5
    numeric = np.array(
        [(gains(like, shares - step * e) - gains(like, shares + step * e)) / (2 * step) for e in np.eye(10)]
    )
    np.testing.assert_allclose(hessian, numeric, rtol=1e-5, atol=1e-6)


@settings(max_examples=50, deadline=None)
@given(
    st.integers(0, 10_000),
    st.integers(1, 60),
    st.sampled_from([[2, 3], [5] * 40, [2] * 64, [2] * 65, [1, 1, 7], [300] * 9]),
)
def test_distinct_rows(seed, m, sizes):
    rng = np.random.default_rng(seed)
    base = rng.integers(0, sizes, (max(m // 3, 1), len(sizes)))
    codes = base[rng.integers(0, len(base), m)].astype(rng.choice([np.int16, np.int64, np.uint16]))
    first, group = distinct_rows(codes, sizes)
    np.testing.assert_array_equal(codes[first][group], codes)
    assert len(first) == len(np.unique(codes, axis=0))
    assert all(first[group[r]] <= r for r in range(m))


@pytest.mark.parametrize("sizes", [[2] * 64, [2] * 65, [2] * 130, [300] * 9, [3, 2**31, 2**31, 5]])
def test_no_two_rows_share_a_key(sizes):
    "Rows that differ in one column only stay apart, whichever column it is."
    codes = np.vstack([np.zeros(len(sizes), int), np.eye(len(sizes), dtype=int)])
    assert len(distinct_rows(codes, sizes)[0]) == len(sizes) + 1


def test_em_step_equals_the_closed_form():
    net = ASIA
    codes = samples(net, 1)
    first, group = distinct_rows(codes, net.sizes)
    like, _ = likelihood(net, codes[first], np.bincount(group), components(net)[0])
    shares = np.random.default_rng(0).dirichlet(np.ones(17))
    np.testing.assert_allclose(shares * gains(like, shares), em_step_as_written(net, codes, shares), rtol=1e-9)
    np.testing.assert_allclose(em_step(joint_probabilities(net, codes), shares), em_step_as_written(net, codes, shares))


def test_rows_beyond_floating_point():
    "Probabilities of 1e-400 neither overflow nor vanish."
    rare = CausalNetwork(("a", "b"), (("0", "1"),) * 2, ((), ()), (np.array([1 - 1e-200, 1e-200]),) * 2)
    like, _ = likelihood(rare, np.array([[1, 1]]), np.ones(1), components(rare)[0])
    assert joint_probabilities(rare, np.array([[1, 1]]))[0, -1] == 0
    np.testing.assert_allclose(like.ratio.toarray()[0], [0, 1, 0, 1, 1e-200])
    np.testing.assert_allclose(like.log_scale[0] / np.log(10), -200)
    fit = fit_em(rare, np.array([[1, 1], [0, 0], [0, 1]]))
    assert fit.status == "optimal" and fit.rows["impossible under P"] == 0


def test_two_rules_broken_need_a_two_node_intervention():
    copies = CausalNetwork(
        ("a", "b", "c"), (("0", "1"),) * 3, ((), (0,), (1,)), (np.array([0.5, 0.5]), np.eye(2), np.eye(2))
    )
    broken = np.array([[0, 1, 0]] * 4 + [[0, 0, 0]] * 6)
    with pytest.warns(MisfitWarning, match=r"4 of 10 rows are impossible .* row 0, where b and c have states"):
        fit = fit_em(copies, broken)
    assert fit.excluded.tolist() == [0, 1, 2, 3] and fit.rows["excluded"] == 4 and fit.rows["impossible under P"] == 4
    both = fit_em(copies, broken, interventions=[{"b": "1", "c": "0"}, {"a": "0"}])
    assert both.rows["excluded"] == 0 and np.isclose(both.mixture.weights.iloc[0], .4, atol=1e-6)
    with pytest.raises(ValueError, match="all 4 rows are impossible"): fit_em(copies, broken[:4])


def test_pair_catalogue_is_recovered():
    net = random_network(4, 3, 2, 8)
    catalogue = [
        Intervention({"X0": "s0", "X2": "s1"}, name="both"),
        Intervention({"X1": "s2"}),
        Intervention({"X3": "s0"}, name="late"),
    ]
    parts = [net.do(i.do).sample(n, k) for k, (i, n) in enumerate(zip(catalogue, (6000, 3000, 1000)))]
    fit = fit_em(net, np.vstack([*parts, net.sample(10_000, 9)]), interventions=catalogue)
    np.testing.assert_allclose(fit.mixture.weights.loc[["both", "X1=s2", "late"]], [.3, .15, .05], atol=.02)


def test_error_falls_with_the_root_of_the_rows():
    net = random_network(3, 2, 2, 1)
    truth = Mixture(pd.Series([0, .0, .2, 0, 0, .1], net.index))
    error = [
        np.mean([mae(truth, fit_em(net, sample_mixture(net, truth, m, s)[0]).mixture) for s in range(15)])
        for m in (1_000, 100_000)
    ]
    assert 5 < error[0] / error[1] < 20


def test_starts_agree():
    net = ASIA
    codes = samples(net, 3, 2000)
    fit = fit_em(net, codes, n_starts=20, seed=1)
    assert len(fit.starts) == 20 and np.ptp(fit.starts["mean_log_likelihood"]) <= 1e-6
    again = fit_em(net, codes, n_starts=20, seed=np.random.default_rng(1))
    pd.testing.assert_series_equal(fit.mixture.weights, again.mixture.weights)


@pytest.mark.filterwarnings("ignore:not converged")
def test_the_best_start_is_kept():
    fit = fit_em(ASIA, samples(ASIA, 3), solver="em", n_starts=5, max_iter=2)
    assert np.ptp(fit.starts["mean_log_likelihood"]) > 0
    assert fit.trace[-1] == fit.starts["mean_log_likelihood"].max()
    assert np.isclose(fit.log_likelihood, 300 * fit.trace[-1])


@pytest.mark.parametrize("tol", [.01, .3, 5])
def test_coarse_tolerance(tol):
    fit = fit_em(ASIA, samples(ASIA, 4), tol=tol)
    assert fit.status == "optimal" and fit.gap <= tol


def test_undetermined_shares_are_named():
    coins = CausalNetwork(("first", "second"), (("tails", "heads"),) * 2, ((), ()), (np.array([.5, .5]),) * 2)
    with pytest.warns(NotUniqueWarning, match="do not determine the shares of 2 interventions"):
        fit = fit_em(coins, np.ones((5, 2), int))
    assert set(fit.undetermined) == {("first", "heads"), ("second", "heads")}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not len(fit_em(coins, coins.sample(1000, 0)).undetermined)
        assert not len(fit_em(ASIA, samples(ASIA, 2, 3000)).undetermined)  # nearly flat is not flat


def test_not_converged_has_its_own_status():
    net = ASIA
    codes = samples(net, 5, 1000)
    with pytest.warns(NotConvergedWarning, match="not converged: after 5 iterations"):
        fit = fit_em(net, codes, solver="em", max_iter=5)
    assert fit.status == "not converged" and fit.iterations == 5 and fit.gap > 1e-6
    assert fit_em(net, codes).log_likelihood - fit.log_likelihood <= fit.gap * len(codes)


def test_one_row_and_one_node():
    lone = CausalNetwork(("x",), (("a", "b"),), ((),), (np.array([.25, .75]),))
    fit = fit_em(lone, np.array([[0]]))
    assert np.isclose(fit.log_likelihood, 0, atol=1e-5) and fit.mixture.weights["x", "b"] == 0
    assert "optimal" in repr(fit) and "<table" in fit._repr_html_()


def test_labels_in_html_are_escaped():
    lone = CausalNetwork(("<b>x",), (("<i>", "b"),), ((),), (np.array([.25, .75]),))
    page = fit_em(lone, np.zeros((4, 1), int))._repr_html_()
    assert "<i>" not in page and "<b>" not in page


def test_result_is_frozen():
    fit = fit_em(ASIA, samples(ASIA, 0))
    with pytest.raises(AttributeError): fit.gap = 0


def spoiled(value, dtype=float):
    out = GOOD.astype(dtype)
    out[3, 2] = value
    return out


@pytest.mark.parametrize(
    "codes, message",
    [
        (spoiled(2, int), f"row 3, node {ASIA.names[2]!r} is 2: its 2 states have positions 0 to 1"),
        (spoiled(-1, int), f"row 3, node {ASIA.names[2]!r} is -1"),
        (spoiled(np.nan), f"row 3, node {ASIA.names[2]!r} is NaN"),
        (spoiled(np.inf), "whole numbers"),
        (spoiled(0.5), "whole numbers"),
        (GOOD.astype(str), "whole numbers"),
        (GOOD.astype(bool), "whole numbers"),
        (GOOD.astype(object), "whole numbers"),
        (GOOD[:, 1:], r"shape \(rows, 8\)"),
        (GOOD[0], r"shape \(rows, 8\)"),
        (GOOD[:0], "no samples"),
        ([], "no samples"),
        (LABELS.drop(columns="dysp"), "'dysp'"),
        (LABELS.iloc[:0], "no samples"),
        (LABELS.assign(dysp="maybe"), "row 0, node 'dysp' is 'maybe'"),
        (LABELS.assign(dysp=None), "row 0, node 'dysp' is empty"),
        (LABELS.iloc[:, [0, *range(8)]], "2 columns"),
    ],
)
def test_bad_samples(codes, message):
    with pytest.raises(ValueError, match=message): fit_em(ASIA, codes)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"solver": "newton"}, "solver must be 'sqp' or 'em'"),
        ({"n_starts": 0}, "n_starts"),
        ({"n_starts": 1.5}, "n_starts"),
        ({"n_starts": True}, "n_starts"),
        ({"tol": 0}, "tol"),
        ({"tol": -1}, "tol"),
        ({"tol": np.nan}, "tol"),
        ({"tol": np.inf}, "tol"),
        ({"max_iter": 0}, "max_iter"),
        ({"interventions": []}, "empty"),
        ({"interventions": [{"smoke": "yes"}, Intervention({"smoke": "yes"}, name="b")]}, "do the same"),
        ({"interventions": [{"smoke": "maybe"}]}, "maybe"),
        ({"interventions": [{"smoking": "yes"}]}, "smoking"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message): fit_em(ASIA, GOOD, **options)


def test_tables_go_by_label():
    np.testing.assert_array_equal(checked_samples(ASIA, LABELS[list(ASIA.names[::-1])]), GOOD)
