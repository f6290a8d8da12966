"""Touched nodes: no false alarm where nobody touched a node, families from rows and tables alike, bad input."""
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st
from scipy.stats import chi2_contingency, chisquare
from test_oracle import make_network

from dimm_nb import Intervention, Marginals, Mixture, load_network, random_mixture, sample_mixture, touched_nodes
from dimm_nb.mixture.crossing import local_shares, target_equations
from dimm_nb.mixture.touched import holm, lumped, row_test
from dimm_nb.network.network import random_network
from dimm_nb.posterior.tables import estimated


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(2, 3), min_size=2, max_size=5), st.integers(0, 10**6))
def test_an_untouched_node_keeps_its_family_whatever_happened(sizes, seed):
    "The theorem, from the joint distribution: interventions on one to three nodes at once."
    net, rng = make_network(sizes, 0.5, 0.3, seed), np.random.default_rng(seed)
    codes = np.indices(net.sizes).reshape(len(sizes), -1).T
    p, forced = np.zeros(len(codes)), set()
    for share in rng.dirichlet(np.ones(3)):
        nodes = rng.choice(len(sizes), int(rng.integers(0, min(3, len(sizes)))), replace=False)
        do = {net.names[j]: net.states[j][rng.integers(net.sizes[j])] for j in nodes}
        forced |= set(nodes.tolist())
        p += share * np.exp((net.do(do) if do else net).log_prob(codes))
    for j in set(range(len(sizes))) - forced:
        place = np.ravel_multi_index([codes[:, v] for v in (*net.parents[j], j)], net.cpts[j].shape)
        family = np.bincount(place, p, net.cpts[j].size).reshape(-1, net.sizes[j])
        expected = net.cpts[j].reshape(-1, net.sizes[j]) * family.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(family, expected, atol=1e-12)


def test_alarm_is_found_without_a_false_alarm():
    "Three mixtures of 17, and two of two nodes at once; at level .01 one false alarm in a hundred periods."
    net = load_network("alarm")
    for seed in range(3):
        truth = random_mixture(net, 17, seed=seed)
        found = touched_nodes(net, sample_mixture(net, truth, 100_000, seed=seed + 10)[0])
        forced = set(truth.weights[truth.weights > 0].index.get_level_values("node"))
        assert set(found.index[found["touched"]]) <= forced
        assert found["touched"].sum() >= 0.8 * len(forced)
    pair = [Intervention({"CO": "LOW", "HR": "LOW"}, name="both")]
    rows = sample_mixture(net, Mixture({"both": 0.1}), 50_000, seed=1, interventions=pair)[0]
    assert set(touched_nodes(net, rows).query("touched").index) == {"CO", "HR"}


def test_it_is_honest_with_learned_tables():
    net = load_network("sachs")
    p = []
    for k in range(20):
        learned = estimated(net, net.sample(1_000, seed=[k, 0]))
        p.append(touched_nodes(learned, net.sample(100_000, seed=[k, 1]))["p_value"])
    p = pd.concat(p).dropna()
    assert (p < 0.05).mean() < 0.05 + 4 * np.sqrt(0.05 * 0.95 / len(p))  # four standard errors


def test_tables_answer_for_the_nodes_whose_family_they_hold():
    net = load_network("asia")
    rows = sample_mixture(net, Mixture({("lung", "yes"): 0.1}), 20_000, seed=3)[0]
    whole = touched_nodes(net, net.frame(rows))
    families = touched_nodes(net, Marginals.from_codes(net, rows, tables="families"))
    pd.testing.assert_frame_equal(whole, families)
    pairs = touched_nodes(net, Marginals.from_codes(net, rows, tables="edges"))
    alone = touched_nodes(net, Marginals.from_codes(net, rows))
    one, none = [len(p) <= 1 for p in net.parents], [not p for p in net.parents]
    assert (pairs["left_out"] == "").tolist() == one and (alone["left_out"] == "").tolist() == none
    np.testing.assert_allclose(pairs["chi2"][one], whole["chi2"][one])
    assert pairs.loc["dysp", "left_out"] == "needs a table of it with all its 2 parents"
    assert pairs.loc["lung", "touched"]
    turned = Marginals.from_codes(net, rows, tables=[("lung", "smoke")]).reindex(net.index[::-1])
    again = touched_nodes(net, turned.reindex(net.index))
    np.testing.assert_allclose(again.loc["lung", "chi2"], whole.loc["lung", "chi2"])


def test_one_row_is_pearsons_and_two_samples_are_scipys():
    seen, table, stable = np.array([30.0, 50, 20]), np.array([0.2, 0.5, 0.3]), np.array([200.0, 500, 300])
    assert row_test(seen, table, None)[0] == pytest.approx(chisquare(seen, 100 * table).statistic)
    assert row_test(seen, table, stable)[0] == pytest.approx(chi2_contingency([seen, stable], correction=False)[0])
    assert row_test(np.array([3.0, 0]), np.array([0.0, 1]), None) == (np.inf, 1)
    assert row_test(np.zeros(2), np.array([0.5, 0.5]), None) == (0.0, 0)
    assert lumped(np.array([100, 3, 1.0])).tolist() == [0, 0, 0] or lumped(np.array([100, 3, 1.0])).max() == 0
    assert len(set(lumped(np.array([100, 4, 3.0])))) == 2
    np.testing.assert_allclose(holm(np.array([0.01, np.nan, 0.02, 0.5])), [0.03, np.nan, 0.04, 0.5])


@pytest.mark.parametrize("level", [0, 1, 5])
def test_a_level_is_a_probability(level):
    net = load_network("asia")
    with pytest.raises(ValueError, match="level is a probability"):
        touched_nodes(net, net.sample(10), level=level)


def test_exact_marginals_have_no_noise_to_test_against():
    net = load_network("asia")
    with pytest.raises(ValueError, match="exact"):
        touched_nodes(net, Marginals(net.index, np.tile([0.5, 0.5], 8), np.inf))


# the equations of the chapter


def test_local_shares_of_random_networks():
    for seed in range(30):
        net = make_network([3, 2, 3], 1.0, 0.0, seed)
        j = next(j for j, parents in enumerate(net.parents) if len(parents) == 2)
        rng = np.random.default_rng(seed)
        shares = rng.dirichlet(np.ones(len(net.index) + 1))[:-1]
        codes = np.indices(net.sizes).reshape(3, -1).T
        p = (1 - shares.sum()) * np.exp(net.log_prob(codes))
        for (node, state), share in zip(net.index, shares): p += share * np.exp(net.do({node: state}).log_prob(codes))
        place = np.ravel_multi_index([codes[:, v] for v in (*net.parents[j], j)], net.cpts[j].shape)
        joint, stable = (np.bincount(place, q, net.cpts[j].size).reshape(-1, net.sizes[j])
                         for q in (p, np.exp(net.log_prob(codes))))
        found, rank = local_shares(net.cpts[j].reshape(-1, net.sizes[j]), stable.sum(axis=1), joint)
        assert rank == net.sizes[j]
        np.testing.assert_allclose(found, shares[net.slices[j]], atol=1e-8)


def test_targets_of_pairs_are_as_many_as_the_cells():
    A = target_equations(random_network(4, [3, 2, 3, 2], 2, 1), 2)
    singles, pairs = 2 + 1 + 2 + 1, 2 * 1 + 2 * 2 + 2 * 1 + 1 * 2 + 1 * 1 + 2 * 1
    assert A.shape == (singles + pairs,) * 2 and np.linalg.matrix_rank(A, tol=1e-9) == len(A)
