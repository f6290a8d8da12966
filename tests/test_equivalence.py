"""Graphs that data cannot tell apart: Meek's rules beside brute force, and one distribution in many networks."""
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from dimm_nb.network.axis import Marginals
from dimm_nb.network.equivalence import covered, equivalent_graphs, member_networks, open_arrows, turned
from dimm_nb.network.network import CausalNetwork, load_network, random_network


def arrows(net):
    return [(p, j) for j, above in enumerate(net.parents) for p in above]


def learned(seed, nodes=5, zero=False):
    "A network that says what it rests on, all arrows but those that collisions settle open."
    net = random_network(nodes, [2 + (seed + j) % 2 for j in range(nodes)], 2, seed)
    if zero:
        cpts = [np.where(np.arange(cpt.shape[-1]) == 0, 0.0, cpt) for cpt in net.cpts]
        net = CausalNetwork(net.names, net.states, net.parents, [cpt / cpt.sum(axis=-1, keepdims=True) for cpt in cpts])
    rows = [np.full(cpt.shape[:-1], 1000.0) for cpt in net.cpts]
    names = [(net.names[a], net.names[b]) for a, b in open_arrows(net.parents)]
    return CausalNetwork(net.names, net.states, net.parents, net.cpts, rows=rows, smoothing=10, reversible=names,
                         stable=Marginals.from_codes(net, net.sample(50, 0)))


def every_row(net):
    return np.array(list(product(*map(range, net.sizes))))


@given(st.integers(0, 10**6), st.integers(3, 6), st.lists(st.integers(0, 9), max_size=3))
@settings(max_examples=40)
def test_meek_s_rules_find_what_trying_all_directions_finds(seed, nodes, chosen):
    net = random_network(nodes, max_parents=3, seed=seed)
    edges = arrows(net)
    settled = [edges[k % len(edges)] for k in chosen if edges]
    graphs = list(equivalent_graphs(net.parents, settled))
    assert frozenset(edges) in graphs
    assert open_arrows(net.parents, settled) == {(a, b) for a, b in edges if any((b, a) in graph for graph in graphs)}


@pytest.mark.parametrize("edges, settled, left", [
    ([(0, 1), (1, 2)], [], {(0, 1), (1, 2)}), ([(0, 1), (1, 2)], [(0, 1)], set()), ([(0, 2), (1, 2)], [], set()),
    ([(0, 1), (1, 2), (0, 2)], [], {(0, 1), (1, 2), (0, 2)}), ([(0, 1), (1, 2), (0, 2)], [(0, 1), (1, 2)], set()),
    ([(0, 1), (0, 2), (0, 3), (2, 1), (3, 1)], [], {(0, 2), (0, 3)}),  # rule 3 directs 0 → 1
    ([(0, 3), (3, 2), (2, 1), (0, 2), (0, 1)], [(3, 2), (2, 1)], {(0, 3), (0, 2)}),  # rule 4 directs 0 → 1
])
def test_each_rule_by_hand(edges, settled, left):
    n = 1 + max(map(max, edges))
    parents = [[a for a, b in edges if b == j] for j in range(n)]
    assert open_arrows(parents, settled) == left


@given(st.integers(0, 10**6), st.booleans())
@settings(max_examples=25)
def test_members_have_the_joint_distribution_and_the_class(seed, zero):
    net = learned(seed, zero=zero)
    rows, graphs = every_row(net), list(equivalent_graphs(net.parents))
    for member in member_networks(net, 5, seed):
        np.testing.assert_allclose(np.exp(member.log_prob(rows)), np.exp(net.log_prob(rows)), atol=1e-12)
        assert frozenset(arrows(member)) in graphs and member.stable == net.stable and member.smoothing == 10
        assert member.reversible == {(member.names[a], member.names[b]) for a, b in open_arrows(member.parents)}
        assert all(rows.shape == cpt.shape[:-1] and (rows >= 0).all() for rows, cpt in zip(member.rows, member.cpts))


@given(st.integers(0, 10**6), st.integers(0, 9))
@settings(max_examples=25)
def test_members_keep_what_is_settled(seed, which):
    net = learned(seed)
    if not net.reversible:
        return
    settled = [sorted(arrows(net))[which % len(arrows(net))]]
    still = [(net.names[a], net.names[b]) for a, b in open_arrows(net.parents, settled)]
    for member in member_networks(replace(net, reversible=frozenset(still)), 6, seed):
        assert settled[0] in arrows(member)


def test_rows_go_with_the_tables():
    net = CausalNetwork(["a", "b"], [["x", "y"]] * 2, [(), (0,)], [[.25, .75], [[.5, .5], [0, 1]]], rows=[80, [20, 60]])
    other = turned(net, 0, 1)
    np.testing.assert_allclose(other.cpts[1], [.125, .875])
    np.testing.assert_allclose(other.cpts[0], [[1, 0], [.125 / .875, .75 / .875]])
    assert other.rows[1] == 80 and other.rows[0].tolist() == [10, 70]
    exact = turned(CausalNetwork(net.names, net.states, net.parents, net.cpts, rows=[np.inf, [20, 60]]), 0, 1)
    assert np.isinf(exact.rows[1]) and np.isinf(exact.rows[0]).all()
    sure = CausalNetwork(["a", "b"], [["x", "y"]] * 2, [(), (0,)], [[.25, .75], [[1, 0], [1, 0]]], rows=[80, [20, 60]])
    # b = y cannot be: a keeps its chances
    np.testing.assert_allclose(turned(sure, 0, 1).cpts[0], [[.25, .75], [.25, .75]])
    assert turned(load_network("asia"), *map(load_network("asia").position, ("smoke", "lung"))).rows is None


def test_only_covered_edges_are_turned():
    asia = load_network("asia")
    lung, either = asia.position("lung"), asia.position("either")
    assert not covered(asia.parents, lung, either)
    with pytest.raises(ValueError, match="the edge lung → either is not covered"):
        turned(asia, lung, either)


def test_members_by_hand():
    net = learned(3)
    others = (replace(learned(3), others=()),) * 2
    known = replace(net, others=others, reversible=frozenset())
    assert member_networks(known, 3)[0] == known and len(member_networks(known, 8)) == 8
    asia = load_network("asia")
    assert asia.members(5) == (asia,), "nothing open: itself"
    assert net.members(1) == (net,) and net.members(4, seed=1) == net.members(4, seed=1)
    for n in (0, -1, 1.5, True, "3"):
        with pytest.raises(ValueError, match="the number of members is whole and at least 1"):
            net.members(n)
