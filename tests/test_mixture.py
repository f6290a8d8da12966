"Edge cases and properties of mixtures, aggregates and their files beyond those shown in nbs/03-mixture/mixture.ipynb."

import itertools
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st
from scipy.stats import chisquare

from dimm_nb.mixture.marginals import read_period
from dimm_nb.mixture.mixture import (
    Answer,
    Mixture,
    breaks_assumption,
    canonical,
    mae,
    max_abs_error,
    mixture_marginals,
    mse,
    random_mixture,
    sample_mixture,
)
from dimm_nb.network.axis import Marginals
from dimm_nb.network.network import CausalNetwork, Intervention, load_network, random_network
from dimm_nb.network.oracle import Oracle, read_catalogue
from dimm_nb.network.soft import Soft

few = settings(max_examples=40, deadline=None)
seeds = st.integers(0, 10**6)
ASIA, ALARM = load_network("asia"), load_network("alarm")
COUNTS = Marginals.from_codes(ASIA, ASIA.sample(1000, seed=0)).counts


def small_network(seed: int) -> CausalNetwork:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 5))
    return random_network(n, rng.integers(1, 4, n).tolist(), 2, seed)


def any_mixture(net: CausalNetwork, seed: int) -> Mixture:
    "All interventions may take part: Assumption 1 need not hold."
    return Mixture(pd.Series(np.random.default_rng(seed).dirichlet(np.full(len(net.index) + 1, 0.4))[:-1], net.index))


def joint(net: CausalNetwork, pi: Mixture) -> np.ndarray:
    "P_mix of every row, from Definition 2; labels are pairs (node, state)."
    rows = np.array(list(itertools.product(*map(range, net.sizes))))
    return pi.base_weight * np.exp(net.log_prob(rows)) + sum(
        w * np.exp(net.do({node: s}).log_prob(rows)) for (node, s), w in pi.weights.items()
    )


def without_warnings(make, *args):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return make(*args)


# shares


@pytest.mark.parametrize(
    "weights, message",
    [
        ([0.1, 0.2], "need labels"),
        (np.array([0.1]), "need labels"),
        (0.3, "need labels"),
        ({"a": "x"}, "share of a is 'x'"),
        ({"a": None}, "share of a is None"),
        ({"a": 0.2, "b": -0.1}, "share of b is -0.1"),
        ({"a": np.inf}, "share of a is inf"),
        ({"a": np.nan}, "share of a is nan"),
        ({"a": 0.7, "b": 0.4}, "sum to 1.1"),
        (pd.Series([0.1, 0.2], ["a", "a"]), "a has two shares"),
    ],
)
def test_what_cannot_be_shares_is_refused(weights, message):
    with pytest.raises(ValueError, match=message):
        Mixture(weights)


def test_rounding_is_forgiven_and_no_more():
    assert (
        Mixture({"a": 1 + 1e-10, "b": -1e-10}).weights.tolist() == [1 + 1e-10, 0]
        and Mixture({"a": 1 + 1e-10}).base_weight == 0
    )
    with pytest.raises(ValueError, match="sum to"):
        Mixture({"a": 1 + 1e-8})
    with pytest.raises(ValueError, match="share of a"):
        Mixture({"a": -1e-8})


def test_a_mixture_does_not_change():
    given_ = pd.Series([0.1, 0.2], ["a", "b"])
    pi = Mixture(given_)
    given_["a"] = 0.5
    assert pi.weights["a"] == 0.1
    with pytest.raises(ValueError):
        pi.weights.iloc[0] = 0.5
    with pytest.raises(AttributeError):
        pi.weights = given_
    assert pi.base_weight == pytest.approx(0.7)


def test_labels_that_are_pairs_get_the_names_of_the_axis():
    pi = Mixture({("smoke", "yes"): 0.25, ("asia", "no"): 0.25})
    assert pi.weights.index.names == ["node", "state"]
    assert mixture_marginals(Oracle.from_network(ASIA), pi).p.sum() == pytest.approx(8)


def test_a_mixture_without_interventions_is_the_network():
    nothing = Mixture({})
    assert nothing.base_weight == 1 and "0 of 0" in repr(nothing)
    _codes, labels = sample_mixture(ASIA, nothing, 50, seed=3)
    assert (labels == -1).all()
    np.testing.assert_allclose(mixture_marginals(Oracle.from_network(ASIA), nothing).p, Oracle.from_network(ASIA).base)


def test_what_it_shows():
    pi = Mixture({"small": 0.01, "<b>large</b>": 0.3, "none": 0.0})
    assert repr(pi).index("large") < repr(pi).index("small") and "none" not in repr(pi) and "2 of 3" in repr(pi)
    assert "&lt;b&gt;large" in pi._repr_html_() and "<b>large" not in pi._repr_html_()
    assert len(random_mixture(ALARM, 60).largest()) == 10


# marginals


@pytest.mark.parametrize(
    "p, n, message",
    [
        ([0.5, 0.6], [10], "'X0': its p sum to 1.1"),
        ([1.5, -0.5], [10], "state 's1': p is -0.5"),
        ([np.nan, 1], [10], "state 's0': p is nan"),
        ([np.inf, 0], [10], "p sum to inf"),
        ([0.5, 0.5], [0], "n is 0"),
        ([0.5, 0.5], [np.nan], "n is nan"),
        ([0.5, 0.5], [-3], "n is -3"),
        ([0.5, 0.5], [10, 10], "of these lengths"),
        ([1.0], [10], "of these lengths"),
    ],
)
def test_what_is_no_distribution_is_refused(p, n, message):
    with pytest.raises(ValueError, match=message):
        Marginals(random_network(1).index, p, n)


def test_marginals_do_not_change():
    p = np.array([0.5, 0.5])
    marginals = Marginals(random_network(1).index, p, [10])
    p[0] = 0.9
    assert marginals.p[0] == 0.5
    for field in (marginals.p, marginals.n):
        with pytest.raises(ValueError, match="read-only"):
            field[0] = 1


@pytest.mark.parametrize("index", [pd.Index(["a", "b"]), pd.MultiIndex.from_tuples([("a", "x"), ("a", "x")])])
def test_an_axis_that_is_none_is_refused(index):
    with pytest.raises(ValueError, match="two levels"):
        Marginals(index, [0.5, 0.5], [10])


def test_marginals_in_another_order_keep_their_counts():
    counts = COUNTS * np.repeat(np.arange(1, 9), 2)  # totals differ
    order = np.random.default_rng(0).permutation(len(counts))
    p, total = (counts / counts.groupby(level="node").transform("sum")).to_numpy(), counts.groupby(level="node").sum()
    shuffled = counts.index[order]
    assert Marginals(shuffled, p[order], total[shuffled.get_level_values("node").unique()]).counts.equals(
        counts.iloc[order]
    )


@pytest.mark.parametrize(
    "codes, message",
    [
        (np.zeros((0, 8), int), "no rows"),
        (np.zeros((3, 7), int), "shape"),
        (np.zeros(8, int), "shape"),
        (np.zeros((3, 8)), "float64"),
        (np.full((3, 8), -1), "row 0, node 'asia' is -1"),
        (np.eye(8, dtype=int)[:3] * 2, "row 0, node 'asia' is 2"),
        ([["yes"] * 8], "<U3"),
    ],
)
def test_codes_that_are_no_samples_are_refused(codes, message):
    with pytest.raises(ValueError, match=message):
        Marginals.from_codes(ASIA, codes)


def test_exact_marginals_have_no_counts():
    exact = mixture_marginals(Oracle.from_network(ASIA), random_mixture(ASIA, 3))
    assert np.isinf(exact.n).all() and "exact" in repr(exact)
    with pytest.raises(ValueError, match="exact"):
        exact.counts


# counts


def as_frame(counts):
    return counts.reset_index()


def as_swapped(counts):
    return counts.swaplevel()


def as_dict(counts):
    return {node: counts[node].to_dict() for node in counts.index.unique("node")}


def as_dict_of_series(counts):
    return {node: counts[node] for node in counts.index.unique("node")}


def as_text(counts):
    return counts.astype(str)


def as_more_columns(counts):
    return as_frame(counts).assign(week=3)[["week", "count", "state", "node"]]


@pytest.mark.parametrize("form", [as_frame, as_swapped, as_dict, as_dict_of_series, as_text, as_more_columns])
@pytest.mark.parametrize("seed", range(3))
def test_counts_go_by_label_in_every_form(form, seed):
    shuffled = COUNTS.sample(frac=1, random_state=seed)
    assert without_warnings(Marginals.from_counts, ASIA, form(shuffled)).counts.equals(COUNTS)


def changed(at, value):
    counts = COUNTS.astype(object)
    counts[at] = value
    return counts


def dropped(*labels):
    return COUNTS[~COUNTS.index.isin(labels)]


def renamed(old, new):
    return as_frame(COUNTS).replace(old, new)


@pytest.mark.parametrize(
    "counts, message",
    [
        (changed(("smoke", "no"), -1), "node 'smoke', state 'no': a count is a whole number from 0 up to 2.53, not -1"),
        (changed(("smoke", "no"), 1.5), "state 'no'.*not 1.5"),
        (changed(("smoke", "no"), np.nan), "node 'smoke', state 'no': the count nan is not a number"),
        (changed(("smoke", "no"), np.inf), "state 'no'.*not inf"),
        (changed(("smoke", "no"), "many"), "state 'no': the count 'many' is not"),
        (changed(("smoke", "no"), None), "state 'no': the count None"),
        (changed(("smoke", "no"), 1e17), "state 'no'.*not 1e.17"),
        (changed("smoke", 0), "node 'smoke': all its counts are 0"),
        (dropped(("smoke", "no"), ("smoke", "yes")), "no counts for node 'smoke'"),
        (renamed("smoke", "smokes"), "no node 'smokes'; did you mean 'smoke'"),
        (renamed("smoke", "SMOKE"), "did you mean 'smoke'"),
        (renamed("smoke", "zzz"), "no node 'zzz'; there are 'asia'"),
        (renamed("yes", "yess"), "node 'asia' has no state 'yess'; did you mean 'yes'"),
        (pd.concat([COUNTS, COUNTS[:1]]), "'asia', state 'yes' is counted twice"),
        (as_frame(COUNTS).drop(columns="state"), "no column 'state'"),
        (as_frame(COUNTS).rename(columns={"count": "n"}), "no column 'count'"),
        (pd.concat([as_frame(COUNTS), COUNTS.reset_index()[["count"]]], axis=1), "2 columns 'count'"),
        (COUNTS.droplevel("node"), "labelled by node and state"),
        (COUNTS.to_numpy(), "labelled by node and state"),
        (COUNTS.tolist(), "labelled by node and state"),
        ({"smoke": 3}, "labelled by node and state"),
        ({}, "no counts for node 'asia'"),
        (as_frame(COUNTS)[:0], "no counts for node 'asia'"),
        (COUNTS[:0], "no counts for"),
    ],
)
def test_counts_that_are_wrong_are_refused(counts, message):
    with pytest.raises(ValueError, match=message):
        Marginals.from_counts(ASIA, counts)


@pytest.mark.parametrize("read", [Marginals.from_counts, read_period])
@pytest.mark.parametrize(
    "counts",
    [
        COUNTS > 500,
        (COUNTS > 500).astype(object),
        (COUNTS > 500).astype("boolean"),
        as_frame(COUNTS > 500),
        as_dict(COUNTS > 500),
        changed(("asia", "yes"), False),
        as_dict(changed(("asia", "yes"), np.False_)),
    ],
)
def test_true_and_false_are_no_counts(read, counts):
    with pytest.raises(
        ValueError, match="node 'asia', state 'yes': False is no count: add up the rows for which it is so"
    ):
        read(ASIA, counts)


def test_a_state_left_out_counts_as_none_with_a_warning():
    with pytest.warns(UserWarning) as said:
        marginals = Marginals.from_counts(ASIA, dropped(("smoke", "yes")))
    assert [str(w.message)[:24] for w in said] == ["no count for 1 states, t", "totals differ between no"]
    assert all(w.filename == __file__ for w in said), "points at the caller"
    assert marginals.counts["smoke", "yes"] == 0 and marginals.counts.drop(("smoke", "yes")).equals(
        COUNTS.drop(("smoke", "yes"))
    )


def test_totals_that_differ_are_kept_with_a_warning():
    with pytest.warns(UserWarning, match=r"totals differ between nodes, from 1,000 \(asia\) to 3,000 \(dysp\)"):
        marginals = Marginals.from_counts(
            ASIA, COUNTS.where(COUNTS.index.get_level_values("node") != "dysp", COUNTS * 3)
        )
    assert marginals.n.tolist() == [1000] * 7 + [3000] and "1,000 to 3,000" in repr(marginals)
    assert marginals.counts["dysp", "yes"] == 3 * COUNTS["dysp", "yes"]


def test_a_node_with_one_state_needs_its_count():
    net = random_network(2, [1, 2])
    assert without_warnings(Marginals.from_counts, net, {"X0": {"s0": 5}, "X1": {"s0": 2, "s1": 3}}).p.tolist() == [
        1,
        0.4,
        0.6,
    ]


def test_labels_that_are_numbers_are_taken_as_text():
    net = CausalNetwork(("1",), (("0", "True"),), ((),), ([0.5, 0.5],))
    assert Marginals.from_counts(net, {1: {0: 3, True: 4}}).n.tolist() == [7]


@few
@given(seeds, st.integers(1, 300))
def test_codes_counts_and_codes_again(seed, rows):
    net = small_network(seed)
    marginals = Marginals.from_codes(net, net.sample(rows, seed))
    again = without_warnings(Marginals.from_counts, net, marginals.counts.sample(frac=1, random_state=seed % 1000))
    np.testing.assert_array_equal(again.p, marginals.p)
    np.testing.assert_array_equal(again.n, marginals.n)


# section 5.1's generator


@pytest.mark.parametrize("n_interventions", [0, 5, 9, 17, 34, 68])
def test_the_problems_of_the_paper(n_interventions):
    pi = random_mixture(ALARM, n_interventions, seed=7)
    assert (pi.weights > 0).sum() == n_interventions and pi.base_weight == pytest.approx(0.2 if n_interventions else 1)
    assert breaks_assumption(ALARM, pi) == [] and pi.weights.index.equals(ALARM.index)


def test_at_every_node_a_state_that_occurs_is_left_out():
    base = pd.Series(Oracle.from_network(ALARM, interventions=[]).base, ALARM.index)
    for seed in range(5):
        left_out = base[random_mixture(ALARM, 68, seed=seed).weights == 0]
        assert len(left_out) == 37 and left_out.index.get_level_values("node").is_unique and left_out.min() > 1e-3


def test_the_shares_are_uniform_before_they_are_scaled():
    ratios = np.concatenate(
        [w[w > 0] / w.max() for w in (random_mixture(ALARM, 68, seed=s).weights.to_numpy() for s in range(20))]
    )
    assert abs(ratios.mean() - 0.5) < 0.03 and abs(np.quantile(ratios, 0.25) - 0.25) < 0.04


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((69,), "from 0 to 68, not 69"),
        ((-1,), "not -1"),
        ((2.5,), "not 2.5"),
        ((5, 1.0), "base_weight"),
        ((5, -0.1), "base_weight"),
        ((5, np.nan), "base_weight"),
    ],
)
def test_problems_that_cannot_be_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        random_mixture(ALARM, *arguments)


def test_a_state_that_hardly_occurs_is_never_left_out():
    net = CausalNetwork(("A",), (("x", "y", "rare"),), ((),), ([0.5, 0.4999, 1e-4],))
    assert all(random_mixture(net, 2, seed=seed).weights["A", "rare"] > 0 for seed in range(20))


def test_a_node_with_thousands_of_states():
    net = CausalNetwork(("A",), (tuple(f"s{k}" for k in range(2500)),), ((),), (np.full(2500, 1 / 2500),))
    assert (random_mixture(net, 2499).weights > 0).sum() == 2499


def test_same_seed_same_answer():
    assert random_mixture(ASIA, 5, seed=3).weights.equals(random_mixture(ASIA, 5, seed=3).weights)
    assert not random_mixture(ASIA, 5, seed=3).weights.equals(random_mixture(ASIA, 5, seed=4).weights)
    pi = random_mixture(ASIA, 5)
    for left, right in zip(
        sample_mixture(ASIA, pi, 100, seed=2), sample_mixture(ASIA, pi, 100, seed=np.random.default_rng(2))
    ):
        np.testing.assert_array_equal(left, right)


# sampling


@few
@given(seeds)
def test_samples_have_the_distribution_of_definition_2(seed):
    net = small_network(seed)
    pi = any_mixture(net, seed)
    codes, _ = sample_mixture(net, pi, 20_000, seed)
    expected = joint(net, pi)
    seen = np.bincount(np.ravel_multi_index(codes.T, net.sizes), minlength=len(expected))
    likely = expected > 1e-3
    seen, expected = (np.r_[v[likely], v[~likely].sum() + extra] for v, extra in ((seen, 0), (expected * 20_000, 0)))
    kept = expected > 5
    if kept.sum() > 1:
        assert chisquare(seen[kept], expected[kept] * seen[kept].sum() / expected[kept].sum()).pvalue > 1e-5


def test_labels_have_the_shares_and_their_rows_the_interventions():
    pi = random_mixture(ALARM, 30, seed=1)
    codes, labels = sample_mixture(ALARM, pi, 50_000, seed=1)
    seen = np.bincount(labels + 1, minlength=106)
    expected = np.r_[pi.base_weight, pi.weights] * 50_000
    assert (seen[expected == 0] == 0).all() and chisquare(seen[expected > 0], expected[expected > 0]).pvalue > 1e-4
    for c in np.unique(labels[labels >= 0]):
        j, k = ALARM.position(*pi.weights.index[c])
        assert (codes[labels == c, j] == k).all()


def test_labels_are_positions_in_the_mixture_even_of_a_few_interventions():
    pi = Mixture({("dysp", "no"): 0.5, ("asia", "yes"): 0.5})
    codes, labels = sample_mixture(ASIA, pi, 400)
    assert (
        set(labels) == {0, 1}
        and (codes[labels == 0, 7] == ASIA.position("dysp", "no")[1]).all()
        and (codes[labels == 1, 0] == 0).all()
    )


def test_samples_of_interventions_on_two_nodes():
    catalogue = [Intervention({"smoke": "yes", "dysp": "no"}, "both"), Intervention({"xray": "yes"})]
    pi = Mixture({"xray=yes": 0.2, "both": 0.3})
    codes, labels = sample_mixture(ASIA, pi, 20_000, seed=1, interventions=catalogue)
    assert (codes[labels == 1][:, [2, 7]] == [0, 1]).all()
    exact = mixture_marginals(Oracle.from_network(ASIA, catalogue), pi).p
    assert abs(Marginals.from_codes(ASIA, codes).p - exact).max() < 0.02


@pytest.mark.parametrize(
    "labels, interventions",
    [(["HR=LOW"], None), ([("smoke", "maybe")], None), (["b"], [Intervention({"smoke": "yes"}, "a")])],
)
def test_labels_that_are_not_in_the_catalogue_are_refused_everywhere(labels, interventions):
    pi = Mixture(dict.fromkeys(labels, 0.3))
    for function in (sample_mixture, canonical, breaks_assumption):
        with pytest.raises(ValueError, match="not in the catalogue"):
            function(ASIA, pi, **{"n": 10} if function is sample_mixture else {}, interventions=interventions)
    with pytest.raises(ValueError, match="knows no intervention"):
        mixture_marginals(Oracle.from_network(ASIA, interventions), pi)


@pytest.mark.parametrize("n", [0, -5, 10.0, "10", np.nan])
def test_a_number_of_rows_that_is_none(n):
    with pytest.raises(ValueError, match="whole and at least 1"):
        sample_mixture(ASIA, Mixture({}), n)


# Assumption 1


@few
@given(seeds)
def test_the_canonical_form_is_the_same_distribution(seed):
    net = small_network(seed)
    pi = any_mixture(net, seed)
    whole = canonical(net, pi)
    np.testing.assert_allclose(joint(net, whole), joint(net, pi), atol=1e-12)
    roots = [name for name, parents in zip(net.names, net.parents) if not parents]
    assert not set(breaks_assumption(net, whole)) & set(roots)
    assert whole.base_weight >= pi.base_weight - 1e-12
    np.testing.assert_allclose(canonical(net, whole).weights, whole.weights, atol=1e-12)
    later = ~net.index.get_level_values("node").isin(roots)
    np.testing.assert_array_equal(whole.weights[later], pi.weights[later])


def test_a_state_of_a_root_that_never_occurs_keeps_its_share():
    net = CausalNetwork(("A",), (("x", "y", "never"),), ((),), ([0.5, 0.5, 0],))
    whole = canonical(net, Mixture({("A", "x"): 0.2, ("A", "y"): 0.3, ("A", "never"): 0.1}))
    np.testing.assert_allclose(whole.weights, [0, 0.1, 0.1], atol=1e-12)


def test_the_canonical_form_in_another_catalogue():
    catalogue = [Intervention({"asia": s}) for s in ASIA.states[0]] + [
        Intervention({"asia": "yes", "smoke": "no"}, "two"),
        Intervention({"smoke": "yes"}),
    ]
    pi = Mixture({"asia=no": 0.2, "asia=yes": 0.1, "two": 0.3, "smoke=yes": 0.1})
    whole = canonical(ASIA, pi, catalogue)
    assert whole.weights["two"] == 0.3 and whole.weights["smoke=yes"] == 0.1 and whole.weights["asia=no"] == 0
    oracle = Oracle.from_network(ASIA, catalogue)
    np.testing.assert_allclose(mixture_marginals(oracle, whole).p, mixture_marginals(oracle, pi).p, atol=1e-12)
    assert breaks_assumption(ASIA, pi, catalogue) == ["asia"] and breaks_assumption(ASIA, whole, catalogue) == []


def test_a_root_without_its_impossible_state_in_the_catalogue():
    net = CausalNetwork(("A",), (("x", "y", "never"),), ((),), ([0.5, 0.5, 0],))
    catalogue = [Intervention({"A": "x"}), Intervention({"A": "y"})]
    np.testing.assert_allclose(
        canonical(net, Mixture({"A=x": 0.2, "A=y": 0.3}), catalogue).weights, [0, 0.1], atol=1e-12
    )


def test_interventions_on_two_nodes_do_not_break_the_assumption():
    catalogue = [
        Intervention({"asia": "yes", "smoke": "yes"}),
        Intervention({"asia": "no"}),
        Intervention({"smoke": "no"}),
    ]
    assert breaks_assumption(ASIA, Mixture({i.name: 0.2 for i in catalogue}), catalogue) == []


def test_the_check_takes_states_left_out_of_a_mixture_as_unused():
    assert breaks_assumption(ASIA, Mixture({("asia", "yes"): 0.3})) == []
    small = Mixture({("asia", "yes"): 0.3, ("asia", "no"): 1e-9})
    assert breaks_assumption(ASIA, small) == ["asia"] and breaks_assumption(ASIA, small, tol=1e-8) == []


# equation 3 and the metrics


@few
@given(seeds)
def test_equation_3_agrees_with_definition_2(seed):
    net = small_network(seed)
    pi = any_mixture(net, seed)
    rows, weight = np.array(list(itertools.product(*map(range, net.sizes)))), joint(net, pi)
    by_hand = np.concatenate([np.bincount(rows[:, j], weight, k) for j, k in enumerate(net.sizes)])
    np.testing.assert_allclose(mixture_marginals(Oracle.from_network(net), pi).p, by_hand, atol=1e-12)


@few
@given(seeds)
def test_the_metrics_go_by_label(seed):
    net = small_network(seed)
    pi, estimate = any_mixture(net, seed), any_mixture(net, seed + 1)
    shuffled = Mixture(estimate.weights.sample(frac=1, random_state=seed % 1000))
    difference = pi.weights.to_numpy() - estimate.weights.to_numpy()
    assert mse(pi, shuffled) == pytest.approx(np.mean(difference**2)) and mae(pi, shuffled) == pytest.approx(
        np.mean(abs(difference))
    )
    assert max_abs_error(pi, shuffled) == pytest.approx(abs(difference).max()) and mae(pi, pi) == 0


@pytest.mark.parametrize("metric", [mse, mae, max_abs_error])
@pytest.mark.parametrize("other", [{"a": 0.1, "c": 0.1}, {"c": 0.2}, {"c": 0.1, "d": 0.1, "e": 0}, {("a", "b"): 0.1}])
def test_different_interventions_have_no_score(metric, other):
    with pytest.raises(ValueError, match="different interventions"):
        metric(Mixture({"a": 0.1, "b": 0.2}), Mixture(other))


@pytest.mark.parametrize("metric", [mse, mae, max_abs_error])
@few
@given(seeds)
def test_a_share_that_is_not_named_is_none(metric, seed):
    pi, estimate = any_mixture(small_network(seed), seed), any_mixture(small_network(seed), seed + 1)
    named = {label: share for label, share in pi.weights.items() if share > 0}
    assert metric(named, estimate) == metric(estimate, Mixture(named)) == pytest.approx(metric(pi, estimate), abs=1e-12)
    assert metric({}, estimate) == metric(Mixture(estimate.weights * 0), estimate)


def test_without_any_intervention_there_is_no_score():
    with pytest.raises(ValueError, match="nothing to compare"):
        mae({}, Mixture({}))
    for answer in (3, None, "asia", [0.1]):
        with pytest.raises(ValueError, match="a Mixture is wanted"):
            mae(answer, {"a": 0.1})


@few
@given(seeds)
def test_mixtures_are_equal_by_their_shares(seed):
    pi = any_mixture(small_network(seed), seed)
    same = Mixture(pi.weights[pi.weights > 0].sample(frac=1, random_state=seed % 1000))
    assert pi == same and hash(pi) == hash(same) and pi in {same}
    assert pi != Mixture(pi.weights / 2) and pi != pi.weights.to_dict()
    assert (
        list(pi.to_frame().index) == list(pi.weights.index)
        and pi.largest(2).share.tolist() == sorted(pi.weights[pi.weights > 0], reverse=True)[:2]
    )
    assert pi.summary() == repr(pi)


def test_answers_of_methods_are_scored_and_mixed():
    class Found:
        mixture, converged, notes = Mixture({("tub", "yes"): 0.2}), True, ()

        def to_frame(self):
            return self.mixture.to_frame()

        def largest(self, n=10):
            return self.mixture.largest(n)

        def summary(self):
            return self.mixture.summary()

    assert isinstance(Found(), Answer) and not isinstance(Mixture({}), Answer)
    assert mae(Found(), {("tub", "yes"): 0.2, ("tub", "no"): 0}) == 0
    p = mixture_marginals(ASIA, Found()).p
    np.testing.assert_allclose(
        p, 0.8 * mixture_marginals(ASIA, {}).p + 0.2 * mixture_marginals(ASIA.do({"tub": "yes"}), {}).p, atol=1e-12
    )
    Found.mixture = None
    with pytest.raises(ValueError, match="a Mixture is wanted"):
        mixture_marginals(ASIA, Found())


def test_they_can_be_sent_to_another_process():
    pi = random_mixture(ASIA, 3)
    assert pickle.loads(pickle.dumps(pi)).weights.equals(pi.weights)
    marginals = Marginals.from_counts(ASIA, COUNTS)
    assert pickle.loads(pickle.dumps(marginals)).counts.equals(COUNTS)


@pytest.mark.parametrize("together", [1, 40, 20_000])
def test_components_drawn_together_are_the_rows_that_each_cut_network_draws(monkeypatch, together):
    monkeypatch.setattr("dimm_nb.mixture.mixture.TOGETHER", together)
    net = random_network(6, [2, 3, 4, 2, 3, 2], max_parents=3, seed=4)
    new = Soft("X4", np.random.default_rng(0).dirichlet(np.ones(3), net.cpts[4].shape[:-1]))
    assert net.parents[4]
    catalogue = [{"X1": "s2"}, {"X0": "s0", "X4": "s1"}, new, {"X3": "s0"}]
    axis = read_catalogue(net, catalogue)[1]
    pi = Mixture(pd.Series([.2, .1, 0, .4], axis))
    codes, labels = sample_mixture(net, pi, 500, seed=9, interventions=catalogue)
    rng = np.random.default_rng(9)
    np.testing.assert_array_equal(rng.choice(5, 500, p=np.r_[.3, .2, .1, 0, .4]) - 1, labels)
    for z in (-1, 0, 1, 3):
        cut = net.do(catalogue[z]) if z >= 0 else net
        np.testing.assert_array_equal(codes[labels == z], cut.sample((labels == z).sum(), rng))
