"""The junction tree and the oracle against enumeration of every joint state, on random networks; and bad input."""
import math
import warnings
from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st

from dimm_nb.network.axis import Marginals
from dimm_nb.network.cover import Part, ancestor_sets, parts_of, restricted
from dimm_nb.network.junction import (
    best_tree,
    elimination_order,
    fill_in,
    junction_tree,
    members,
    randomised,
    weighted_fill_in,
)
from dimm_nb.network.network import CausalNetwork, Intervention, ancestral_rows, cut, load_network, random_network
from dimm_nb.network.oracle import Oracle, chunks, descendants, live_messages, marginals_under, propagate
from dimm_nb.network.sampled import sampled_marginals
from dimm_nb.network.soft import Soft, placed_table


def make_network(sizes, density, zeros, seed):
    "A random graph whose node order is not topological, with a share of zero probabilities."
    rng = np.random.default_rng(seed)
    n = len(sizes)
    rank = rng.permutation(n)
    parents, cpts = [], []
    for j in range(n):
        pa = [int(p) for p in rng.permutation(n) if rank[p] < rank[j] and rng.random() < density]
        cpt = rng.dirichlet(np.ones(sizes[j]), size=tuple(sizes[p] for p in pa))
        cpt = np.where((rng.random(cpt.shape) < zeros) & (cpt < cpt.max(-1, keepdims=True)), 0, cpt)
        parents.append(tuple(pa))
        cpts.append(cpt / cpt.sum(-1, keepdims=True))
    states = tuple(tuple(f"s{k}" for k in range(size)) for size in sizes)
    return CausalNetwork(tuple(f"X{j}" for j in range(n)), states, tuple(parents), tuple(cpts))


networks = st.builds(
    make_network,
    st.lists(st.integers(1, 4), min_size=1, max_size=6),
    st.sampled_from([0.0, 0.2, 0.5, 1.0]),  # from no edge at all to every possible one
    st.sampled_from([0.0, 0.4, 1.0]),  # at 1.0 every CPT is deterministic
    st.integers(0, 10**6),
)


def enumerate_states(net, dos):
    "Marginals by summing over every joint state, the intervened nodes' CPTs replaced by indicators."
    codes = np.array(list(product(*(range(k) for k in net.sizes))))
    tables = [cpt[tuple(codes[:, v] for v in (*pa, j))] for j, (pa, cpt) in enumerate(zip(net.parents, net.cpts))]
    rows = []
    for do in dos:
        p = np.prod([codes[:, j] == do[j] if j in do else tables[j] for j in range(len(net.names))], axis=0)
        rows.append(np.concatenate([np.bincount(codes[:, j], p, k) for j, k in enumerate(net.sizes)]))
    return np.array(rows)


def large_network(name):
    with warnings.catch_warnings(action="ignore"):  # rows rounded in the files
        return load_network(name)


def every_single_do(net):
    return [{j: k} for j, size in enumerate(net.sizes) for k in range(size)]


@settings(max_examples=150, deadline=None)
@given(networks)
def test_default_catalogue_equals_enumeration(net):
    oracle = Oracle.from_network(net)
    np.testing.assert_allclose(oracle.base, enumerate_states(net, [{}])[0], atol=1e-12, rtol=0)
    np.testing.assert_allclose(oracle.do, enumerate_states(net, every_single_do(net)), atol=1e-12, rtol=0)
    assert oracle.is_default and oracle.do.min() >= 0
    for s in oracle.slices: np.testing.assert_allclose(oracle.do[:, s].sum(axis=1), 1, atol=1e-12)


@settings(max_examples=100, deadline=None)
@given(networks, st.data())
def test_any_catalogue_equals_enumeration(net, data):
    nodes = range(len(net.names))
    some = st.lists(st.sampled_from(nodes), min_size=1, max_size=4, unique=True)
    chosen = data.draw(st.lists(some, max_size=8))
    dos = [{j: data.draw(st.integers(0, net.sizes[j] - 1)) for j in js} for js in chosen]
    catalogue = [
        Intervention({net.names[j]: net.states[j][k] for j, k in do.items()}, name=f"i{c}") for c, do in enumerate(dos)
    ]
    oracle = Oracle.from_network(net, catalogue)
    assert list(oracle.interventions) == [i.name for i in catalogue] and oracle.effects.shape == (
        len(net.index),
        len(dos),
    )
    if dos: np.testing.assert_allclose(oracle.do, enumerate_states(net, dos), atol=1e-12, rtol=0)
    reach = descendants(net.parents, net.order)
    for c, do in enumerate(dos):
        for j, s in enumerate(oracle.slices):
            if not reach[list(do), j].any(): assert (oracle.effects[s, c] == 0).all()


@settings(max_examples=60, deadline=None)
@given(networks, st.integers(1, 200))
def test_chunks_change_nothing(net, limit):
    tree = junction_tree(net.parents, net.sizes)
    node, state = np.array([(i, k) for do in every_single_do(net) for i, k in do.items()]).T
    live = live_messages(tree, node, descendants(net.parents, net.order)[node])
    parts = chunks(tree, node, live, limit)
    assert sorted(np.concatenate(parts)) == list(range(len(node)))
    whole, pieces = propagate(tree, net, node, state)[1], propagate(tree, net, node, state, limit)[1]
    np.testing.assert_allclose(whole, pieces, atol=1e-12)


@settings(max_examples=100, deadline=None)
@given(networks, st.sampled_from([fill_in, weighted_fill_in]))
def test_tree_covers_families_and_hangs_together(net, rule):
    assert is_junction_tree(junction_tree(net.parents, net.sizes, rule), net)
    assert is_junction_tree(junction_tree(net.parents, net.sizes, randomised(rule, len(net.names), 0)), net)


def is_junction_tree(tree, net):
    for j, pa in enumerate(net.parents):
        assert {*pa, j} <= set(tree.cliques[tree.home[j]]) and j in tree.cliques[tree.seat[j]]
    for v in range(len(net.names)):
        holders = sum(v in c for c in tree.cliques)
        edges = sum(v in s for near in tree.neighbours for s in near.values()) // 2
        assert holders - edges == 1
    assert not any(set(a) < set(b) for a in tree.cliques for b in tree.cliques)  # all of them maximal
    return True


@settings(max_examples=60, deadline=None)
@given(st.integers(5, 24), st.sampled_from([0.5, 0.8, 1.0]), st.booleans(), st.integers(0, 10**6))
def test_the_cheapest_node_goes_first(n, density, weighted, seed):
    "Min-fill taken literally, on sets: at each step every node that is left is weighed anew."
    rng = np.random.default_rng(seed)
    size = rng.integers(2, 5, n).tolist()
    parents = [tuple(int(v) for v in rng.permutation(j)[:2] if rng.random() < density) for j in range(n)]
    neighbours = {v: set() for v in range(n)}
    for j, pa in enumerate(parents):
        for v in (*pa, j): neighbours[v] |= {*pa, j} - {v}

    def cost(v):
        near = neighbours[v]
        pairs = [(u, w) for u in near for w in near if w != u and w not in neighbours[u]]
        missing = [size[u] * size[w] if weighted else 1 for u, w in pairs]
        return sum(missing), size[v] * math.prod(size[u] for u in near)

    for v, near in elimination_order(parents, size, weighted_fill_in if weighted else fill_in):
        assert set(members(near)) == neighbours[v] and cost(v) == min(map(cost, neighbours))
        del neighbours[v]
        for u in members(near): neighbours[u] = (neighbours[u] | set(members(near))) - {u, v}
    assert not neighbours


def test_default_equals_the_same_interventions_spelt_out():
    net = load_network("asia")
    spelt = Oracle.from_network(net, [Intervention({n: s}) for n, s in net.index])
    default = Oracle.from_network(net)
    np.testing.assert_array_equal(default.do, spelt.do)
    assert default.is_default and not spelt.is_default


def test_all_pairs_on_asia():
    net = load_network("asia")
    dos = [{i: a, j: b} for i in range(8) for j in range(i) for a in range(2) for b in range(2)]
    _, out = marginals_under(net, dos)
    np.testing.assert_allclose(out.T, enumerate_states(net, dos), atol=1e-12)


def test_empty_catalogue():
    oracle = Oracle.from_network(load_network("asia"), [])
    assert oracle.do.shape == (0, 16) and oracle.effects.shape == (16, 0) and oracle.frame().shape == (0, 16)
    assert oracle.base[0] == pytest.approx(0.01)


def test_nothing_is_kept_between_calls():
    net = make_network([2, 3, 2], 1.0, 0.0, 0)
    first = Oracle.from_network(net)
    first.do[:] = -1
    np.testing.assert_allclose(Oracle.from_network(net).do, enumerate_states(net, every_single_do(net)), atol=1e-12)


@pytest.mark.parametrize(
    "catalogue, message",
    [
        ([{"smok": "no"}], "no node 'smok'"),
        ([{"smoke": "perhaps"}], "smoke has no state 'perhaps'; its states are yes, no"),
        ([{"smoke": "no"}, {"smoke": "no"}], "two interventions are named 'smoke=no'"),
        ({"smoke": "no"}, "must be a list of interventions"),
        (
            [Intervention({"smoke": "no"}, name="a"), Intervention({"tub": "no"}, name="a")],
            "two interventions are named 'a'",
        ),
    ],
)
def test_bad_catalogues(catalogue, message):
    with pytest.raises(ValueError) as error: Oracle.from_network(load_network("asia"), catalogue)
    assert message in str(error.value)


@pytest.mark.parametrize("net, message", [
    ("alarm", "a network is a CausalNetwork, not str: build one, as in load_network('alarm')"),
    (load_network("asia").to_pgmpy(), "not DiscreteBayesianNetwork: build one"), (None, "not NoneType: build one"),
])
def test_what_is_no_network(net, message):
    for catalogue in (None, [{"smoke": "no"}]):
        with pytest.raises(ValueError) as error: Oracle.from_network(net, catalogue)
        assert message in str(error.value)


def test_intervention_that_sets_nothing():
    with pytest.raises(ValueError): Oracle.from_network(load_network("asia"), [Intervention({}, name="nothing")])


def test_too_large_says_so_before_any_work(monkeypatch):
    side = 40
    grid = [
        tuple(k for k, there in ((side * r + c - 1, c), (side * (r - 1) + c, r)) if there)
        for r in range(side)
        for c in range(side)
    ]
    with pytest.raises(
        ValueError, match=r"the largest clique has [\d,]+ entries, the limit is 10,000,000\. Its nodes: "
    ):
        best_tree([str(k) for k in range(side**2)], grid, [2] * side**2)
    monkeypatch.setattr("dimm_nb.network.oracle.propagate", lambda *_, **__: pytest.fail("work was begun"))
    monkeypatch.setattr("dimm_nb.network.oracle.parts_of", lambda net: parts_of(net, max_entries=4, small=0))
    with pytest.raises(ValueError, match="the largest clique has 8 entries"): Oracle.from_network(load_network("asia"))


def test_a_few_orders_by_chance_are_tried_before_a_network_is_refused():
    net = large_network("munin1")
    rules = [junction_tree(net.parents, net.sizes, rule) for rule in (fill_in, weighted_fill_in)]
    least = min(tree.entries(tree.largest) for tree in rules)
    assert best_tree(net.names, net.parents, net.sizes, least).entries(rules[1].largest) <= least
    tree = best_tree(net.names, net.parents, net.sizes, least - 1)  # neither rule is good enough: chance is
    assert tree.entries(tree.largest) < least and is_junction_tree(tree, net)


# parts


@settings(max_examples=100, deadline=None)
@given(networks, st.data())
def test_parts_change_nothing(net, data):
    parts = parts_of(net, small=0)
    assert sorted(v for part in parts for v in part.reads) == list(range(len(net.names)))
    assert all(set(net.parents[v]) <= set(part.nodes) for part in parts for v in part.nodes)
    dos = every_single_do(net) + [
        dict.fromkeys(data.draw(st.sets(st.sampled_from(range(len(net.names))), min_size=1)), 0)
    ]
    base, out = marginals_under(net, dos, parts)
    whole, columns = marginals_under(net, dos)
    np.testing.assert_allclose(base, whole, atol=1e-12)
    np.testing.assert_allclose(out, columns, atol=1e-12)
    np.testing.assert_allclose(out.T, enumerate_states(net, dos), atol=1e-12)


def test_parts_of_andes_agree_with_the_whole():
    net = load_network("andes")
    dos = every_single_do(net)[::7] + [{3: 0, 100: 1}, {200: 1, 50: 0, 7: 1}]
    assert len(parts_of(net)) > 1
    whole = Part(
        tuple(range(len(net.names))), tuple(range(len(net.names))), best_tree(net.names, net.parents, net.sizes)
    )
    for ours, theirs in zip(marginals_under(net, dos), marginals_under(net, dos, [whole])):
        np.testing.assert_allclose(ours, theirs, atol=1e-12, rtol=0)


@pytest.mark.parametrize("name", ["munin1", "link", "barley"])
def test_networks_too_large_as_wholes_agree_with_pyagrum(name):
    gum = pytest.importorskip("pyagrum")
    net = large_network(name)
    rng = np.random.default_rng(0)
    reach = descendants(net.parents, net.order)
    chosen = []
    while len(chosen) < 3:  # an intervention, and a node that it moves
        i = int(rng.integers(len(net.names)))
        below = np.flatnonzero(reach[i] & (np.arange(len(net.names)) != i))
        if len(below): chosen.append((i, int(rng.integers(net.sizes[i])), int(rng.choice(below))))
    ours = Oracle.from_network(net, [{net.names[i]: net.states[i][k]} for i, k, _ in chosen])
    for row, (i, k, j) in zip(ours.do, chosen):
        ancestors = sorted(members(ancestor_sets(net.parents, net.order)[j]))
        small = restricted(net, ancestors).do({net.names[i]: net.states[i][k]})
        bn = gum.BayesNet()
        for v, size in enumerate(small.sizes): bn.add(gum.LabelizedVariable(f"v{v}", "", size))
        for v, ps in enumerate(small.parents):
            for p in reversed(ps): bn.addArc(f"v{p}", f"v{v}")
            bn.cpt(f"v{v}").fillWith(small.cpts[v].ravel().tolist())
        theirs = gum.LazyPropagation(bn).posterior(f"v{ancestors.index(j)}").toarray()
        np.testing.assert_allclose(row[net.slices[j]], theirs, atol=1e-7)


def test_a_plan_is_made_once():
    net = large_network("munin1")
    assert parts_of(net) is parts_of(net.do({})) and len(parts_of(net)) > 1
    assert max(part.tree.entries(part.tree.largest) for part in parts_of(net)) < 1_000_000


# from_marginals

@pytest.fixture(scope="module")
def asia():
    net = load_network("asia")
    oracle = Oracle.from_network(net)
    graph = {name: [net.names[p] for p in pa] for name, pa in zip(net.names, net.parents)}
    return net, oracle, graph, pd.Series(oracle.base, net.index), oracle.frame()


@settings(max_examples=60, deadline=None)
@given(networks)
def test_round_trip(net):
    oracle = Oracle.from_network(net)
    again = Oracle.from_marginals(net.index, net.parents, oracle.base, oracle.do)
    np.testing.assert_array_equal(again.do, oracle.do)
    assert (
        again.is_default
        and again.parents == oracle.parents
        and again.slices == oracle.slices
        and again.names == oracle.names
    )


def test_labels_not_positions(asia):
    net, oracle, graph, base, do = asia
    shuffled = do.sample(frac=1, random_state=0).sample(frac=1, axis=1, random_state=1)
    np.testing.assert_array_equal(Oracle.from_marginals(net.index, graph, base[::-1], shuffled).do, oracle.do)


def test_rounding_is_removed_where_the_graph_decides(asia):
    net, oracle, graph, base, do = asia
    given = Oracle.from_marginals(net.index, graph, base, do + 1e-9)
    assert ((given.effects == 0) == (oracle.effects == 0)).all()


def test_input_is_copied(asia):
    net, oracle, graph, *_ = asia
    mine = oracle.do.copy()
    given = Oracle.from_marginals(net.index, graph, oracle.base, mine)
    mine[:] = 0
    np.testing.assert_array_equal(given.do, oracle.do)


def wrong(asia, **changes):
    net, _, graph, base, do = asia
    arguments = dict(index=net.index, parents=graph, base=base, do=do) | changes
    with pytest.raises(ValueError) as error: Oracle.from_marginals(**arguments)
    return str(error.value)


def changed(table, entries):
    table = table.copy()
    for where, value in entries.items(): table.loc[where] = value
    return table


def test_bad_axes(asia):
    net, _, _, base, do = asia
    assert "twice" in wrong(asia, index=[*net.index, net.index[0]])
    assert "empty" in wrong(asia, index=[])
    assert "'asia' are not side by side" in wrong(asia, index=[net.index[0], *net.index[2:], net.index[1]])
    assert "shape (16,)" in wrong(asia, base=base.to_numpy()[:-1])
    assert "shape (16, 16)" in wrong(asia, do=do.to_numpy()[:-1])
    assert "occurs twice" in wrong(asia, base=pd.concat([base, base[:1]]))
    assert "('tub', 'yes')" in wrong(asia, base=base.drop(("tub", "yes")))


def test_bad_graphs(asia):
    net, _, graph, *_ = asia
    assert "cycle" in wrong(asia, parents={**graph, "asia": ["dysp"]})
    assert "cycle" in wrong(asia, parents={**graph, "asia": ["asia"]})
    assert "'lungs'" in wrong(asia, parents={**graph, "asia": ["lungs"]})
    assert "'asia'" in wrong(asia, parents={k: v for k, v in graph.items() if k != "asia"})
    assert "8 nodes" in wrong(asia, parents=net.parents[:-1])
    assert "positions must be 0 to 7" in wrong(asia, parents=(*net.parents[:-1], (9,)))
    assert "twice" in wrong(asia, parents=(*net.parents[:-1], (4, 4)))
    assert "cycle" in wrong(asia, parents=[*net.parents[:-1], [7]])


@pytest.mark.parametrize("value", [np.nan, np.inf, -0.2])
def test_bad_numbers(asia, value):
    _, _, _, base, do = asia
    assert "base: the probability of ('tub', 'no') is" in wrong(asia, base=changed(base, {("tub", "no"): value}))
    assert "do(lung=yes): the probability of ('tub', 'no') is" in wrong(
        asia, do=changed(do, {(("lung", "yes"), ("tub", "no")): value})
    )


def test_impossible_marginals(asia):
    _, _, _, base, do = asia
    lung, tub = ("lung", "yes"), ("tub", "no")
    assert "base: the probabilities of node 'tub' sum to" in wrong(asia, base=changed(base, {tub: 0.5}))
    assert "do(lung=yes): the probabilities of node 'tub' sum to" in wrong(asia, do=changed(do, {(lung, tub): 0.5}))
    moved = changed(do, {(lung, tub): 0.5, (lung, ("tub", "yes")): 0.5})
    assert "do(lung=yes) moves tub=yes from 0.0104 to 0.5, but tub is not a descendant of lung" in wrong(asia, do=moved)
    undecided = changed(do, {(lung, lung): 0.5, (lung, ("lung", "no")): 0.5})
    assert "the intervened node must be yes for certain" in wrong(asia, do=undecided)


# simulated


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000))
def test_a_simulated_oracle_is_what_cut_networks_draw_with_the_same_numbers(seed):
    net, rng = random_network(5, [2, 3, 2, 4, 2], max_parents=3, seed=seed), np.random.default_rng(seed)
    new = placed_table(net, Soft(net.names[1], rng.dirichlet(np.ones(3), net.cpts[1].shape[:-1])))
    dos = [{0: 1}, {3: 2, 4: 0}, new, dict.fromkeys(range(5), 0)]
    base, columns = sampled_marginals(net, dos, 200, seed)
    numbers = np.random.default_rng(seed).random((5, 200))
    for column, do in zip((base, *columns.T), ({}, *dos)):
        done = cut(net, do)
        rows = ancestral_rows(done, 200, numbers.__getitem__)
        np.testing.assert_allclose(column, Marginals.from_codes(net, rows).p, atol=1e-12)


def test_blocks_and_errors_of_a_simulated_oracle(monkeypatch):
    net = load_network("asia")
    exact = Oracle.from_network(net)
    monkeypatch.setattr("dimm_nb.network.sampled.BLOCK", 700)
    some = Oracle.from_network(net, samples=5_000, seed=3)
    assert some.samples == 5_000 and "from 5,000 simulated rows" in repr(some) and not exact.error.any()
    assert (some.effects[exact.effects == 0] == 0).all()
    scaled = (some.do - exact.do)[some.error > 0] / some.error[some.error > 0]
    assert .5 < np.sqrt((scaled**2).mean()) < 1.5 and (some.error[np.isin(exact.do, (0, 1))] == 0).all()
    np.testing.assert_allclose(some.error, np.sqrt(some.do * (1 - some.do) / 5_000))
    again = Oracle.from_network(net, samples=5_000, seed=3)
    assert np.array_equal(again.do, some.do)
    for bad in (0, -3, 2.5, True):
        with pytest.raises(ValueError, match="samples is the number of simulated rows"):
            Oracle.from_network(net, samples=bad)


def test_what_is_too_wide_says_how_and_can_be_simulated(monkeypatch):
    net = load_network("asia")
    monkeypatch.setattr("dimm_nb.network.oracle.parts_of", lambda net: parts_of(net, max_entries=3, small=0))
    with pytest.raises(ValueError, match=r"Oracle.from_network\(net, samples=100_000\)"): Oracle.from_network(net)
    assert Oracle.from_network(net, samples=100).do.shape == (16, 16)
