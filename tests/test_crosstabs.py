"""Tables of two variables: what a Crosstab is, the oracle's tables against enumeration and pyAgrum, bad input."""
import pickle
from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st
from test_oracle import make_network

from dimm_nb import Crosstab, Marginals, Oracle, load_network
from dimm_nb.network.axis import table_nodes

COIN = (("h", "t"), ("y", "n"))
networks = st.builds(
    make_network,
    st.lists(st.integers(1, 4), min_size=2, max_size=5),
    st.sampled_from([0.0, 0.4, 1.0]),
    st.sampled_from([0.0, 0.4]),
    st.integers(0, 10**6),
)


def enumerated(net, dos, nodes):
    "The table of these nodes by summing over every joint state, under each intervention."
    at = [net.names.index(node) for node in nodes]
    shape = tuple(net.sizes[j] for j in at)
    codes = np.array(list(product(*(range(k) for k in net.sizes))))
    tables = [cpt[tuple(codes[:, v] for v in (*pa, j))] for j, (pa, cpt) in enumerate(zip(net.parents, net.cpts))]
    cells, out = np.ravel_multi_index(list(codes[:, at].T), shape), []
    for do in dos:
        p = np.prod([codes[:, j] == do[j] if j in do else tables[j] for j in range(len(net.names))], axis=0)
        out.append(np.bincount(cells, p, int(np.prod(shape))).reshape(shape))
    return np.array(out)


@settings(max_examples=80, deadline=None)
@given(networks, st.integers(0, 10**6))
def test_tables_equal_enumeration(net, seed):
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(net.names))
    tables = [tuple(net.names[j] for j in order[k : k + 2]) for k in range(len(order) - 1)]
    if len(order) > 2:
        tables.append(tuple(net.names[j] for j in order[:3]))
    dos = [{j: k} for j, size in enumerate(net.sizes) for k in range(size)]
    dos += [{order[0]: 0, order[1]: net.sizes[order[1]] - 1}]
    catalogue = [{net.names[j]: net.states[j][k] for j, k in do.items()} for do in dos]
    oracle = Oracle.from_network(net, catalogue, tables)
    plain = Oracle.from_network(net, catalogue)
    np.testing.assert_allclose(oracle.do, plain.do, atol=1e-12, rtol=0)
    for nodes, base, under in zip(oracle.tables, oracle.table_base, oracle.table_do):
        np.testing.assert_allclose(base, enumerated(net, [{}], nodes)[0], atol=1e-12, rtol=0)
        np.testing.assert_allclose(under, enumerated(net, dos, nodes), atol=1e-12, rtol=0)
        for k, node in enumerate(nodes):  # margins are the oracle's own marginals
            rest = tuple(1 + i for i in range(len(nodes)) if i != k)
            own = oracle.do[:, net.slices[net.names.index(node)]]
            np.testing.assert_allclose(under.sum(axis=rest), own, atol=1e-12)


def test_tables_equal_pyagrum_on_cut_networks():
    gum = pytest.importorskip("pyagrum")
    net = load_network("alarm")
    catalogue = [{"HR": "HIGH"}, {"INTUBATION": "ESOPHAGEAL"}, {"VENTLUNG": "LOW", "SHUNT": "HIGH"}]
    oracle = Oracle.from_network(net, catalogue, "edges")
    for c, do in enumerate(catalogue):
        cut, bn = net.do(do), gum.BayesNet()
        for j, k in enumerate(cut.sizes): bn.add(gum.LabelizedVariable(f"v{j}", "", k))
        for j, pa in enumerate(cut.parents):
            for p in reversed(pa): bn.addArc(f"v{p}", f"v{j}")
            bn.cpt(f"v{j}").fillWith(cut.cpts[j].ravel().tolist())
        engine = gum.LazyPropagation(bn)
        for (a, b), table in zip(oracle.tables, oracle.table_do):
            names = [f"v{net.names.index(node)}" for node in (a, b)]
            engine.addJointTarget(set(names))
            theirs = engine.jointPosterior(set(names)).reorganize(names[::-1]).toarray()  # its first axis runs fastest
            np.testing.assert_allclose(table[c], theirs, atol=1e-12)


def test_an_oracle_says_which_tables_it_has():
    oracle = Oracle.from_network(load_network("asia"), tables="edges")
    assert "8 tables" in repr(oracle) and oracle.crosstab("smoke", "bronc").n == np.inf
    with pytest.raises(ValueError, match="no table of bronc × smoke: name it"):
        oracle.crosstab("bronc", "smoke")


# what a table is


def test_a_table_compares_by_value_and_is_pickled():
    table = Crosstab(["coin", "paid"], COIN, [[0.5, 0.1], [0.1, 0.3]], 100)
    same = Crosstab(("coin", "paid"), COIN, np.array([[0.5, 0.1], [0.1, 0.3]]), 100)
    assert table == same == pickle.loads(pickle.dumps(table)) and hash(table) == hash(same)
    assert table != Crosstab(["coin", "paid"], COIN, [[0.5, 0.1], [0.1, 0.3]], 99) and table != 3
    assert table.counts[("h", "n")] == 10 and "coin × paid, 2 × 2 cells, 100 rows" in repr(table)
    np.testing.assert_allclose(table.margin("paid"), [0.6, 0.4])
    np.testing.assert_allclose(table.margin("paid", "coin"), [[0.5, 0.1], [0.1, 0.3]])


@pytest.mark.parametrize(
    "nodes, p, n, message",
    [
        (["coin"], [0.5, 0.5], 1, "a table of coin: give two nodes or more"),
        (["coin", "coin"], [[0.5, 0], [0, 0.5]], 1, "a table of 'coin' with itself"),
        (["coin", "paid"], [0.5, 0.5], 1, r"has shape \(2,\): the states ask for \(2, 2\)"),
        (["coin", "paid"], [[0.5, 0], [0, 0.4]], 1, "they sum to 0.9"),
        (["coin", "paid"], [[0.5, 0.6], [0, -0.1]], 1, "are no distribution"),
        (["coin", "paid"], [[np.nan, 0.6], [0, 0.1]], 1, "are no distribution"),
        (["coin", "paid"], [[0.5, 0], [0, 0.5]], 0, "n is 0"),
    ],
)
def test_what_is_no_table_is_refused(nodes, p, n, message):
    with pytest.raises(ValueError, match=message):
        Crosstab(nodes, COIN[: len(nodes)], p, n)


def test_marginals_take_tables_along():
    asia = load_network("asia")
    codes = asia.sample(500, seed=1)
    seen = Marginals.from_codes(asia, codes, tables="families")
    assert [len(t.nodes) for t in seen.tables] == [len(p) + 1 for p in asia.parents if p]
    edges = Marginals.from_codes(asia, codes, tables="edges")
    assert {frozenset(t.nodes) for t in seen.pairs} == {frozenset(e) for e in asia.edges}
    for pair in edges.pairs:
        other = next(t for t in seen.pairs if set(t.nodes) == set(pair.nodes))
        np.testing.assert_allclose(pair.p, other.margin(*pair.nodes), atol=1e-15)
    assert seen != edges and seen.without_tables() == edges.without_tables() == Marginals.from_codes(asia, codes)
    back = asia.index[::-1]
    assert edges.reindex(back).reindex(asia.index) == edges
    assert edges.reindex(back).tables[0].states[0] == asia.states[asia.names.index(edges.tables[0].nodes[0])][::-1]
    for (a, b), table in zip(asia.edges, edges.tables):
        by_pandas = pd.crosstab(*(asia.frame(codes)[node].to_numpy() for node in (a, b)))
        for (x, y), count in table.counts.items():
            assert count == by_pandas.get(y, {}).get(x, 0)


def test_tables_that_contradict_the_counts_are_refused():
    asia = load_network("asia")
    seen = Marginals.from_codes(asia, asia.sample(2000, seed=1), tables=[("smoke", "lung")])
    other = Marginals.from_codes(asia, asia.do({"smoke": "yes"}).sample(2000, seed=2), tables=[("smoke", "lung")])
    with pytest.raises(ValueError, match="has smoke=no in 0.0% of 2,000 rows, the counts of smoke in 4"):
        Marginals(seen.index, seen.p, seen.n, other.tables)
    with pytest.raises(ValueError, match="smoke × lung is there twice"):
        Marginals(seen.index, seen.p, seen.n, seen.tables * 2)
    with pytest.raises(ValueError, match="no counts of 'smoke', a node by itself"):
        Marginals([("lung", "yes"), ("lung", "no")], [0.1, 0.9], 100, seen.tables)


@pytest.mark.parametrize(
    "tables, message",
    [
        ([("smoke", "smoke")], "'smoke' with itself"),
        ([("smoke", "nobody")], "no node 'nobody'"),
        (["smoke"], "a table of 'smoke': give two nodes"),
        ([()], "a table of 'nothing'"),
        ([("smoke", "lung"), ("lung", "smoke")], "asked for twice"),
        ("pairs", "'edges', 'families', or a list of pairs"),
    ],
)
def test_tables_are_asked_for_by_name(tables, message):
    with pytest.raises(ValueError, match=message):
        table_nodes(load_network("asia"), tables)
