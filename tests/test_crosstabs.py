"""Tables of two variables: what a Crosstab is, the oracle's tables against enumeration and pyAgrum, bad input."""
import pickle
import re
import warnings
from itertools import product

import ibis
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from hypothesis import given, settings, strategies as st
from test_oracle import make_network

from dimm_nb import (
    CausalNetwork,
    CountsWarning,
    Crosstab,
    Marginals,
    Mixture,
    Oracle,
    attribute,
    count_categories,
    count_report,
    fit_posterior,
    identify,
    load_network,
    mixture_marginals,
    random_mixture,
    read_counts,
    sample_mixture,
    write_counts,
)
from dimm_nb.attribution.explain import witness_notes
from dimm_nb.mixture.cells import bin_labels
from dimm_nb.mixture.marginals import read_period
from dimm_nb.network.axis import table_nodes
from dimm_nb.posterior.crossed import kept_cells, wide_codes
from dimm_nb.posterior.evidence import drawn_at, evidence_at, kept_categories, noise_of, read_shift
from dimm_nb.posterior.identification import share_bounds
from dimm_nb.posterior.tables import estimated
from dimm_nb.use.cli import commands

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


# evidence, identification, posterior


def joint(net, shares):
    "Every state of a small network and its probability under a mixture of single interventions."
    codes = np.array(list(product(*(range(k) for k in net.sizes))))
    p = (1 - shares.sum()) * np.exp(net.log_prob(codes))
    for (node, state), share in zip(net.index, shares):
        if share: p = p + share * np.exp(net.do({node: state}).log_prob(codes))
    return codes, p


def test_the_noise_of_cells_is_that_of_counts():
    asia = load_network("asia")
    oracle = Oracle.from_network(asia, tables="edges")
    shares = random_mixture(asia, 3, seed=3).weights.to_numpy()
    codes, p = joint(asia, shares)
    n, rng = 4000, np.random.default_rng(1)
    seen = Marginals.from_codes(asia, codes[rng.choice(len(codes), n, p=p)], tables="edges")
    period = read_shift(asia, oracle, seen)
    wide, expected = period.wide, period.wide.base + period.wide.effects @ shares
    marks = np.zeros((len(codes), len(expected)))
    at = wide_codes(wide, codes) + np.array([s.start for s in wide.net.slices])
    np.put_along_axis(marks, at, 1, axis=1)
    np.testing.assert_allclose(p @ marks, expected, atol=1e-12)  # the cells are where the rows fall
    whole = (marks * p[:, None]).T @ marks - np.outer(expected, expected)
    found = noise_of(period, expected, drawn_at(period, shares, 2)) * n
    keep = np.r_[kept_categories(oracle), kept_cells(wide, expected, period.n)]
    sd = np.sqrt(whole.diagonal()[keep])
    scaled = lambda covariance: covariance[np.ix_(keep, keep)] / np.outer(sd, sd)
    # 50,000 rows drawn: correlations are known to .0045 where both categories are common, and these are not
    np.testing.assert_allclose(scaled(found), scaled(whole), atol=0.05)
    assert expected[keep].min() * n >= 10 or len(keep) < len(expected)


def test_misfit_at_the_truth_is_chi_squared_with_tables():
    asia = load_network("asia")
    oracle = Oracle.from_network(asia, tables="edges")
    truth = random_mixture(asia, 3, seed=4)
    found, freedom = [], []
    for k in range(40):
        seen = Marginals.from_codes(asia, sample_mixture(asia, truth, 20_000, seed=k)[0], tables="edges")
        evidence = evidence_at(asia, oracle, seen, truth.weights.to_numpy(), seed=k)
        found.append(evidence.misfit(truth.weights.to_numpy()))
        freedom.append(len(evidence.target))
    d = np.mean(freedom)
    assert d > 8 and abs(np.mean(found) - d) < 4 * np.sqrt(2 * d / 40) + 0.5  # four standard errors; .5: few rows


def test_estimated_tables_and_stable_counts_with_crosstabs():
    "At the truth the misfit is χ², whichever of counts, tables and stable period have crosstabs."
    asia = load_network("asia")
    truth = random_mixture(asia, 3, base_weight=0.6, seed=4)
    share, found = truth.weights.to_numpy(), []
    for k in range(30):
        stable = asia.sample(3_000, seed=[k, 0])
        learned = estimated(asia, stable, smoothing=1.0)
        crossed = CausalNetwork(learned.names, learned.states, learned.parents, learned.cpts, rows=learned.rows,
                                smoothing=1.0, stable=Marginals.from_codes(asia, stable, tables="edges"))
        seen = Marginals.from_codes(asia, sample_mixture(asia, truth, 20_000, seed=[k, 1])[0], tables="edges")
        other = Marginals.from_codes(asia, asia.sample(3_000, seed=[k, 2]), tables="edges")
        oracle = Oracle.from_network(learned, tables="edges")
        row = {}
        for name, net, base in [("own counts", learned, None), ("own tables", crossed, None), ("other", learned, other),
                                ("other counts", learned, other.without_tables())]:
            evidence = evidence_at(net, oracle, seen, share, baseline=base, seed=k)
            row[name] = evidence.misfit(share) / len(evidence.target)
        found.append(row)
    means = pd.DataFrame(found).mean()
    assert means.between(0.7, 1.35).all(), means  # 1 with a standard error of .07; smoothing and rare cells add to it


def test_tables_close_what_assumption_1_closed():
    asia = load_network("asia")
    oracle = Oracle.from_network(asia, tables="edges")
    shares = pd.Series(0.0, asia.index)
    shares[[("lung", "yes"), ("lung", "no")]] = 0.1, 0.3  # both states: Assumption 1 does not hold
    codes = sample_mixture(asia, Mixture(shares), 200_000, seed=1)[0]
    crossed = fit_posterior(asia, Marginals.from_codes(asia, codes, tables="edges"), seed=1)
    plain = fit_posterior(asia, Marginals.from_codes(asia, codes), seed=1)
    assert abs(crossed.mixture.weights["lung"] - [0.1, 0.3]).max() < 0.02
    assert (crossed.verdict["lung"] == "supported").all() and crossed.converged
    assert abs(plain.mixture.weights["lung"] - [0.1, 0.3]).max() > 0.05  # Assumption 1 leaves one of them out
    assert identify(oracle).status.value_counts().to_dict() == {"by data": 12, "under Assumption 1": 4}


def test_identify_counts_on_assumption_1_in_any_catalogue():
    net = CausalNetwork(("coin",), (("h", "t"),), ((),), (np.array([0.5, 0.5]),))
    both = identify(Oracle.from_network(net, [{"coin": "h"}, {"coin": "t"}]))
    one = identify(Oracle.from_network(net, [{"coin": "h"}]))
    assert (both.status == "under Assumption 1").all() and "speaks of coin" in both.notes[0]
    assert (one.status == "by data").all() and "says nothing of this catalogue" in one.notes[0]
    asia = load_network("asia")
    catalogue = [{node: state} for node, state in asia.index]
    named, default = identify(Oracle.from_network(asia, catalogue)), identify(Oracle.from_network(asia))
    assert named.rank == default.rank and (named.status.to_numpy() == default.status.to_numpy()).all()


def test_bounds_with_tables_are_no_wider():
    asia = load_network("asia")
    oracle, truth = Oracle.from_network(asia, tables="edges"), random_mixture(asia, 4, seed=2)
    exact = mixture_marginals(oracle, truth)
    assert len(exact.tables) == 8
    plain, crossed = share_bounds(oracle, exact.without_tables()), share_bounds(oracle, exact)
    assert (crossed["upper"] - crossed["lower"] <= plain["upper"] - plain["lower"] + 1e-6).all()
    determined = identify(oracle).status == "by data"
    np.testing.assert_allclose(crossed["lower"][determined], truth.weights[determined], atol=1e-3)
    np.testing.assert_allclose(crossed["upper"][determined], truth.weights[determined], atol=1e-3)


def test_an_oracle_without_the_tables_is_worked_out_again():
    asia = load_network("asia")
    codes = sample_mixture(asia, random_mixture(asia, 2, seed=1), 5_000, seed=1)[0]
    seen = Marginals.from_codes(asia, codes, tables=[("dysp", "smoke")])
    given = fit_posterior(asia, seen, oracle=Oracle.from_network(asia), sweeps=100, seed=1)
    alone = fit_posterior(asia, seen, sweeps=100, seed=1)
    pd.testing.assert_frame_equal(given.to_frame(), alone.to_frame())
    assert len(alone.evidence.target) == 9  # eight nodes of two states, and one cell


# counting and reading


def shop_rows(rows=3000, seed=0):
    net = load_network("sachs")
    codes = net.sample(rows, seed=seed)
    return net, codes, net.frame(codes).astype(str)


@pytest.fixture(scope="module")
def sachs():
    with warnings.catch_warnings(action="ignore"):  # rows rounded in the file
        return shop_rows()


@pytest.mark.parametrize("tables", ["edges", "families", [("Akt", "PKA"), ("Jnk", "P38")]])
def test_tables_are_counted_wherever_the_rows_are(sachs, tables, tmp_path):
    net, codes, frame = sachs
    wanted = Marginals.from_codes(net, codes, tables=tables)
    frame.to_parquet(tmp_path / "rows.parquet")
    frame.to_csv(tmp_path / "rows.csv", index=False)
    ibis.duckdb.connect(tmp_path / "rows.duckdb").create_table("hits", ibis.memtable(frame))
    sources = [frame, ibis.memtable(frame), *(tmp_path / f"rows.{kind}" for kind in ("parquet", "csv", "duckdb"))]
    for source in sources:
        assert count_categories(source, net, tables=tables) == wanted, source


def test_values_that_are_no_state_are_in_no_table(sachs):
    net, codes, frame = sachs
    odd = frame.assign(PKA=frame["PKA"].mask(frame.index < 10, "odd").mask(frame.index == 10))
    with pytest.warns(CountsWarning, match="1 of 1 tables have other totals .* PKA × Akt 2,989 and"):
        seen = count_categories(ibis.memtable(odd), net, tables=[("PKA", "Akt")])
    assert seen.tables[0] == Marginals.from_codes(net, codes[11:], tables=[("PKA", "Akt")]).tables[0]
    with pytest.warns(CountsWarning, match="2,989"):
        assert count_categories(odd, net, tables=[("PKA", "Akt")]).tables == seen.tables


def test_numbers_are_binned_in_tables_too():
    ages = bin_labels([18, 30])
    net = CausalNetwork(["age", "paid"], [ages, ["yes", "no"]], [(), (0,)], [np.full(3, 1 / 3), np.full((3, 2), 0.5)])
    frame = pd.DataFrame({"age": [17.0, 18, 29.9, 30, 31, 44], "paid": ["yes", "no", "yes", "yes", "no", "no"]})
    for source in (frame, ibis.memtable(frame)):
        seen = count_categories(source, net, tables="edges")
        assert seen.tables[0].counts.tolist() == [1, 0, 1, 1, 1, 2]


def test_what_is_written_is_read_again(sachs, tmp_path):
    net, codes, _ = sachs
    for tables in ("edges", "families", [("Akt", "PKA")]):
        seen = Marginals.from_codes(net, codes, tables=tables)
        write_counts(seen, tmp_path / "counts.csv")
        again = count_report(tmp_path / "counts.csv", net)
        assert again == seen
        raw = read_counts(tmp_path / "counts.csv")
        if tables != "families":
            assert Marginals.from_counts(net, raw) == seen
        else:
            with pytest.raises(ValueError, match="read from files: count_report"):
                Marginals.from_counts(net, raw)


ASIA_CODES = load_network("asia").sample(4000, seed=1)


def asia_folder(folder, table):
    "A report per feature but smoke, and a cross-tab beside them."
    asia = load_network("asia")
    counts = Marginals.from_codes(asia, ASIA_CODES).counts
    for node in asia.names:
        if node != "smoke":
            counts[node].rename_axis("value").reset_index().to_csv(folder / f"{node}.csv", index=False)
    (folder / "smoke by bronc.csv").write_text(table, encoding="utf-8")
    return asia


def crosstab_text(corner, sep=",", change=0, thousands=""):
    asia = load_network("asia")
    table = Marginals.from_codes(asia, ASIA_CODES, tables=[("smoke", "bronc")]).tables[0]
    n = table.counts.to_numpy().reshape(2, 2)
    shown = lambda number: f"{number:,}".replace(",", thousands)
    lines = [[corner, "yes", "no", "Total"], ["yes", *n[0], n[0].sum()], ["no", *n[1], n[1].sum() + change],
             ["Gesamt", *n.sum(axis=0), n.sum() + change]]
    return table, "\n".join(sep.join(shown(c) if not isinstance(c, str) else c for c in line) for line in lines) + "\n"


@pytest.mark.parametrize("corner, sep, thousands", [(r"smoke \ bronc", ",", ""), ("smoke × bronc", ";", "."),
                                                    ("Smoke / Bronc", "\t", "")])
def test_a_crosstab_beside_reports(tmp_path, corner, sep, thousands):
    table, text = crosstab_text(corner, sep, thousands=thousands)
    asia = asia_folder(tmp_path, text)
    with pytest.warns(CountsWarning, match="a row of totals is the sum of the others: checked, and left out"):
        seen = count_report(tmp_path, asia)
    assert seen.tables == (table,)
    assert seen.without_tables() == Marginals.from_codes(asia, ASIA_CODES)


@pytest.mark.parametrize(
    "text, message",
    [
        (crosstab_text("smoke / bronc", change=7)[1], "of totals has"),
        (crosstab_text("smoke / bronc")[1].replace("\nno,", "\nnever,"), "csv: node 'smoke' has no state 'never'"),
        (crosstab_text("smoke / smoke")[1], "there are no counts for node 'smoke'"),
        ("node,state,node2,state2,count\nsmoke,yes,smoke,no,3\n", "a table of 'smoke' with itself"),
        ("node,state,node2,state2,count\nsmoke,yes,bronk,no,3\n", "no node 'bronk'; did you mean 'bronc'?"),
        ("node,state,node2,state2,count\nsmoke,yes,bronc,no,3\nbronc,no,smoke,yes,3\n", "is there twice, once as"),
        ("node,state,node2,state2,count\nsmoke,yes,bronc,no,3\nsmoke,yes,bronc,no,3\n", "has yes, no twice"),
        ("node,state,node2,state2,count\nsmoke,yes,bronc,no,2.5\n", "a count is a whole number from 0 up, not 2.5"),
        ("node,state,node2,state2,count\nsmoke,yes,bronc,no,12%\n", "has percentages: give counts"),
        ("node,state,given,count\nbronc,yes,smok=yes,3\n", "the condition 'smok=yes' is not understood"),
        ("node,state,node2,state2,count\nsmoke,yes,bronc,no,1950\nsmoke,no,bronc,no,2050\n", "bronc=yes in 0.0%"),
    ],
)
def test_bad_tables_are_refused_with_the_place(tmp_path, text, message):
    asia = asia_folder(tmp_path, text)
    with pytest.raises(ValueError, match=re.escape(message)):
        count_report(tmp_path, asia)


def test_counts_in_one_file_with_pairs(tmp_path):
    asia = load_network("asia")
    seen = Marginals.from_codes(asia, ASIA_CODES, tables="edges")
    pairs = [pd.DataFrame([(*sum(zip(t.nodes, cell), ()), n) for cell, n in t.counts.items()],
                          columns=["Feature", "Value", "Feature 2", "Value 2", "Hits"]) for t in seen.tables]
    pd.concat(pairs).to_csv(tmp_path / "pairs.csv", index=False)
    assert count_report(tmp_path / "pairs.csv", asia) == seen  # every node is on an edge: the pairs say all
    frame = pd.concat(pairs).rename(columns={"Feature": "node"})
    assert read_period(asia, frame).marginals == seen


def test_a_table_with_too_many_cells_says_its_size_first():
    many = [str(k) for k in range(60)]
    net = CausalNetwork(["page", "land"], [many, many], [(), (0,)], [np.full(60, 1 / 60), np.full((60, 60), 1 / 60)])
    with pytest.raises(ValueError, match="page × land has 60 × 60 = 3,600 cells, more than 2,500"):
        Oracle.from_network(net, tables="edges")
    with pytest.raises(ValueError, match="page × land has 60 × 60 = 3,600 cells"):
        count_categories(ibis.memtable(net.frame(net.sample(10)).astype(str)), net, tables="edges", allow_missing=True)


def test_the_command_counts_tables(tmp_path):
    asia = load_network("asia")
    asia.frame(ASIA_CODES).astype(str).to_parquet(tmp_path / "rows.parquet")
    arguments = ["count", str(tmp_path / "rows.parquet"), "asia", "--out", str(tmp_path / "out.csv")]
    done = CliRunner().invoke(commands, [*arguments, "--tables", "edges"])
    assert done.exit_code == 0 and "8 tables" in done.output, done.output
    assert count_report(tmp_path / "out.csv", asia) == Marginals.from_codes(asia, ASIA_CODES, tables="edges")
    done = CliRunner().invoke(commands, [*arguments, "--tables", "edges", "--report"])
    assert done.exit_code == 2 and "leave --tables out" in done.output


# attribution, and targets of two nodes


def test_attribution_takes_tables_and_hears_the_witness():
    net = load_network("asia")
    pi = Mixture({("lung", "yes"): 0.1, ("smoke", "no"): 0.15})
    codes = sample_mixture(net, pi, 50_000, seed=1)[0]
    seen = Marginals.from_codes(net, codes, tables="edges")
    told = attribute(net, seen)
    assert set(told.shares.index[told.shares["verdict"] == "supported"]) == {("lung", "yes"), ("smoke", "no")}
    assert any("the tables of smoke, lung moved; 2 nodes cannot be asked" in note for note in told.notes)
    assert not any("disagree" in note for note in told.notes)
    plain = attribute(net, seen.without_tables())
    assert not any("by itself" in note for note in plain.notes)
    for method in ("dimm", "exact"):
        given = seen if method == "dimm" else mixture_marginals(Oracle.from_network(net, tables="edges"), pi)
        one = attribute(net, given, method=method)
        assert any(f"{method!r} uses the counts of one node at a time" in note for note in one.notes)
        pd.testing.assert_frame_equal(one.shares, attribute(net, given.without_tables(), method=method).shares)


def test_where_witness_and_answer_disagree_it_is_said():
    net = load_network("asia")
    oracle = Oracle.from_network(net)
    codes = sample_mixture(net, Mixture({("lung", "yes"): 0.1}), 50_000, seed=1)[0]
    shares = pd.DataFrame({"verdict": "not supported"}, net.index)
    reading = read_period(net, codes)
    assert witness_notes(net, reading, oracle, shares) == [
        "The two disagree: lung moved, and no intervention there is supported."
    ]
    shares.loc[[("lung", "yes"), ("xray", "no")], "verdict"] = "supported"
    assert witness_notes(net, reading, oracle, shares) == [
        "The two disagree: interventions on xray are supported, and the tables there did not move."
    ]
    assert witness_notes(net, read_period(net, Marginals.from_codes(net, codes)), oracle, shares) == []


def test_targets_of_two_nodes_from_tables():
    "Three single targets and four pairs among 186: total variation at most .02, where one-variable counts fail."
    with warnings.catch_warnings(action="ignore"):
        net = load_network("sachs")
    states = dict(zip(net.names, net.states))
    pairs = [{a: x, b: y} for a, b in net.edges for x, y in product(states[a], states[b])]
    catalogue = [{node: state} for node, state in net.index] + pairs
    oracle = Oracle.from_network(net, catalogue, "edges")
    rng = np.random.default_rng(0)
    shares = pd.Series(0.0, oracle.interventions)
    chosen = [*rng.choice(33, 3, replace=False), *rng.choice(np.arange(33, 186), 4, replace=False)]
    shares.iloc[chosen] = rng.dirichlet(np.full(7, 3.0)) * 0.6
    codes = sample_mixture(net, Mixture(shares), 100_000, seed=0, interventions=catalogue)[0]
    fit = fit_posterior(net, Marginals.from_codes(net, codes, tables="edges"), interventions=catalogue, seed=0)
    found = fit.mixture.weights
    assert len(catalogue) == 186 and fit.converged
    assert 0.5 * (abs(found - shares).sum() + abs(found.sum() - shares.sum())) <= 0.02
    assert set(fit.verdict.index[fit.verdict == "supported"]) == set(shares.index[shares > 0])
    assert identify(oracle).rank > identify(Oracle.from_network(net, catalogue)).rank


def test_a_pair_that_no_table_determines_is_said_with_what_it_is_mixed_up_with():
    "do(a, b) on two roots that nothing joins: without their table it is do(a) and do(b), apart."
    net = CausalNetwork(["a", "b"], [["0", "1"]] * 2, [(), ()], [[0.5, 0.5], [0.5, 0.5]])
    catalogue = [{"a": "1"}, {"b": "1"}, {"a": "1", "b": "1"}]
    without, with_table = (Oracle.from_network(net, catalogue, tables) for tables in ((), [("a", "b")]))
    assert (identify(without).status == "within bounds").all() and (identify(with_table).status == "by data").all()
    direction = identify(without).directions[1]
    np.testing.assert_allclose(direction / direction.iloc[2], [-1, -1, 1], atol=1e-9)
    codes = sample_mixture(net, Mixture({"a=1 & b=1": 0.3}), 50_000, seed=1, interventions=catalogue)[0]
    plain = fit_posterior(net, Marginals.from_codes(net, codes), interventions=catalogue, seed=1)
    crossed = fit_posterior(net, Marginals.from_codes(net, codes, tables=[("a", "b")]), interventions=catalogue, seed=1)
    assert crossed.verdict.iloc[2] == "supported" and abs(crossed.mixture.weights.iloc[2] - 0.3) < 0.02
    assert plain.verdict.iloc[2] == "cannot tell" and plain.confused_with.iloc[2]
