"""Learning: what is known is respected, tables are what counts say, and what cannot be learned from is refused."""
import numpy as np
import pandas as pd
import pytest

from dimm_nb.mixture.aggregates import MISSING, OTHER, count_categories
from dimm_nb.learning.learning import (Knowledge, categorize, check_knowledge, edges_of, fit_tables, forbidden_edges, learn_network, learn_structure,
                              read_knowledge, recovery)
from dimm_nb.network.network import CausalNetwork, load_network

COLUMNS = ["Country", "Device", "Browser", "Cart"]


def chain(n=3000, seed=0):
    "Country → Device → Browser → Cart, all binary, each mostly following its cause."
    copy = [[.9, .1], [.15, .85]]
    net = CausalNetwork(COLUMNS, [["a", "b"]] * 4, [(), (0,), (1,), (2,)], [[.6, .4], copy, copy, copy])
    return net.frame(net.sample(n, seed))


# knowledge


def write_yaml(tmp_path, text):
    (tmp_path / "tiers.yaml").write_text(text, encoding="utf-8")
    return tmp_path / "tiers.yaml"


def test_knowledge_from_a_file(tmp_path):
    found = read_knowledge(write_yaml(tmp_path, "tiers: [[Country, Device], [Cart]]\nrequired: [[Device, Cart]]\ncuts: {age: [18, 65]}\nkeep: {Page: 50}\nmax_parents: 2\n"))
    assert found == Knowledge([["Country", "Device"], ["Cart"]], [["Device", "Cart"]], (), 2, {"age": [18, 65]}, {"Page": 50})
    assert read_knowledge(write_yaml(tmp_path, "")) == Knowledge()


@pytest.mark.parametrize("text, message", [
    ("tiers: [a", "is not YAML"), ("tears: []", "found 'tears'"), ("- a", "holds no keys"), ("tiers: [[yes, no]]", "put names such as yes"),
    ("tiers: [a, b]", "list of lists"), ("tiers: [[a], [a]]", "'a' stands in two tiers"), ("required: [[a]]", "required edges are pairs"),
    ("max_parents: -1", "max_parents is a whole number"), ("max_parents: two", "max_parents is a whole number"),
    ("tiers: !!python/object/apply:os.system ['true']", "is not YAML"),
])
def test_bad_knowledge_is_refused_with_the_file_s_name(text, message, tmp_path):
    with pytest.raises(ValueError) as caught:
        read_knowledge(write_yaml(tmp_path, text))
    assert message in str(caught.value) and "tiers.yaml" in str(caught.value)


@pytest.mark.parametrize("knowledge, message", [
    (Knowledge([["Country"], ["Browzer"]]), "the tiers name 'Browzer', which is no column of the table; did you mean 'Browser'"),
    (Knowledge(forbidden=[["Country", "Basket"]]), "the edges name 'Basket'"),
    (Knowledge(required=[["Cart", "Browser"], ["Browser", "Device"], ["Device", "Cart"]]), "has a cycle, "),
    (Knowledge(required=[["Cart", "Cart"]]), "has a cycle, "),
    (Knowledge([["Country"], ["Cart"]], required=[["Cart", "Country"]]), "Cart → Country is required, and forbidden"),
    (Knowledge(required=[["Cart", "Country"]], forbidden=[["Cart", "Country"]]), "Cart → Country is required, and forbidden"),
    (Knowledge(required=[["Cart", "Country"], ["Device", "Country"]], max_parents=1), "2 edges into 'Country' are required"),
])
def test_knowledge_that_contradicts_itself_or_the_table(knowledge, message):
    for check in (lambda: check_knowledge(knowledge, COLUMNS), lambda: learn_structure(chain(50), knowledge)):
        with pytest.raises(ValueError) as caught:
            check()
        assert message in str(caught.value)


def test_tiers_forbid_the_way_back_only():
    knowledge = Knowledge([["Country"], ["Device", "Browser"]])
    assert forbidden_edges(knowledge, COLUMNS) == {("Device", "Country"), ("Browser", "Country")}, "Cart is in no tier, so it is free"


# the graph


def test_a_chain_is_found_and_directed_by_tiers():
    frame = chain()
    for tiers in (COLUMNS, COLUMNS[::-1]):
        assert edges_of(learn_network(frame, Knowledge([[name] for name in tiers]))) == set(zip(tiers, tiers[1:]))


def test_required_and_forbidden_edges_are_kept():
    knowledge = Knowledge([[name] for name in COLUMNS], required=[["Country", "Cart"]], forbidden=[["Device", "Browser"]])
    for _ in range(2):  # the search changes what it is given: a second time must be the same
        found = set(learn_structure(chain(), knowledge))
        assert ("Country", "Cart") in found and ("Device", "Browser") not in found


@pytest.mark.parametrize("most", [0, 1])
def test_the_bound_on_parents_holds(most):
    found = learn_structure(chain(), Knowledge(max_parents=most))
    assert max([sum(b == name for _, b in found) for name in COLUMNS]) <= most


def test_a_sample_of_the_rows_is_seeded():
    frame = chain()
    assert learn_structure(frame, rows=200, seed=1) == learn_structure(frame, rows=200, seed=1)


# tables


@pytest.mark.parametrize("smoothing", [0.5, 10])
def test_tables_are_smoothed_counts(smoothing):
    frame, alpha = chain(200), smoothing
    net = fit_tables(frame, [("Country", "Device"), ("Browser", "Device")], smoothing)
    at = net.names.index("Device")
    order = [net.names[p] for p in net.parents[at]]
    m = (frame.Device.value_counts()[["a", "b"]].to_numpy() + .5) / (len(frame) + 1)
    for i, u in enumerate("ab"):
        for j, v in enumerate("ab"):
            here = frame[(frame[order[0]] == u) & (frame[order[1]] == v)].Device.value_counts().reindex(["a", "b"]).to_numpy()
            np.testing.assert_allclose(net.cpts[at][i, j], (here + alpha * m) / (here.sum() + alpha))


def test_no_probability_is_zero_and_states_never_seen_are_kept():
    frame = pd.DataFrame({"a": pd.Categorical(["x"] * 50 + ["y"] * 50, ["x", "y", "never"]), "b": pd.Categorical(["u", "v"] * 50)})
    net = fit_tables(frame, [("a", "b")])
    assert net.states[0] == ("x", "y", "never") and all(cpt.min() > 0 for cpt in net.cpts)
    np.testing.assert_allclose(net.cpts[1][2], [0.5, 0.5])


@pytest.mark.parametrize("edges, message", [([("Country", "Kart")], "did you mean 'Cart'"), ([("Cart", "Device"), ("Device", "Cart")], "has a cycle, ")])
def test_edges_that_make_no_network(edges, message):
    with pytest.raises(ValueError, match=message):
        fit_tables(chain(50), edges)


# columns


def test_columns_become_categories():
    raw = pd.DataFrame({"age": [3, 40, None, 70], "page": ["/", "/", "/x", " "], "paid": [True, False, True, True], "n": [1.0, 2.0, None, 2.0]})
    tidy = categorize(raw, Knowledge(cuts={"age": [18, 65]}, keep={"page": 1}), other=True)
    assert list(tidy.age) == ["<18", "18..65", MISSING, ">=65"] and list(tidy.page) == ["/", "/", OTHER, OTHER]
    assert list(tidy.paid) == ["True", "False", "True", "True"] and list(tidy.n) == ["1", "2", MISSING, "2"]
    assert all(OTHER in tidy[name].cat.categories for name in tidy)


@pytest.mark.parametrize("column, message", [
    (["x"] * 2000, "has the one value 'x' in every row"), ([None] * 2000, "has the one value '\\(missing\\)'"), (range(2000), "has 2,000 values.*keep: {odd: 50}"),
])
def test_columns_that_teach_nothing(column, message):
    with pytest.raises(ValueError, match=message):
        categorize(pd.DataFrame({"odd": list(column), "fine": ["a", "b"] * 1000}))


def test_columns_are_left_out_by_name(tmp_path):
    frame = pd.DataFrame({"id": [f"v{k}" for k in range(2000)], "a": ["x", "y"] * 1000})
    frame.to_parquet(tmp_path / "x.parquet")
    for table in (frame, tmp_path / "x.parquet"):
        assert list(categorize(table, Knowledge(leave_out=["id"]))) == ["a"]
        with pytest.raises(ValueError, match="no column 'ix'"):
            categorize(table, Knowledge(leave_out=["ix"]))


def test_a_long_tail_is_grouped_when_asked():
    frame = pd.DataFrame({"page": [f"/{k}" for k in range(2000)] + ["/cart"] * 50 + ["/home"] * 40})
    assert list(categorize(frame, Knowledge(keep={"page": 2})).page.cat.categories) == ["/cart", "/home", OTHER]


def test_columns_to_cut_must_be_there():
    with pytest.raises(ValueError, match="no column 'aeg' to cut or group; did you mean 'age'"):
        categorize(pd.DataFrame({"age": [1, 2]}), Knowledge(cuts={"aeg": [1]}))
    with pytest.raises(ValueError, match="no rows"):
        categorize(pd.DataFrame({"age": []}))


def test_a_file_and_its_next_period_fit_together(tmp_path):
    frame = chain(400).astype(str).assign(seconds=np.arange(400) % 90)
    frame.to_csv(tmp_path / "stable.csv", index=False)
    frame.iloc[:100].to_parquet(tmp_path / "later.parquet")
    knowledge = Knowledge([["Country"]], cuts={"seconds": [10, 60]})
    net = learn_network(tmp_path / "stable.csv", knowledge)
    assert net == learn_network(frame, knowledge)
    net.to_bif(tmp_path / "net.bif")
    again = CausalNetwork.from_bif(tmp_path / "net.bif")
    assert again.states == net.states
    assert count_categories(tmp_path / "later.parquet", again).counts["seconds"].tolist() == [20, 50, 30]


def test_steps_are_told():
    said = []
    learn_network(chain(200), Knowledge([[name] for name in COLUMNS]), say=said.append)
    assert len(said) == 3 and "4 features with 200 of 200 rows" in said[1]


# recovery


def test_recovery_counts_edges_by_hand():
    asia = load_network("asia")
    edges = sorted(edges_of(asia))
    changed = edges[2:] + [edges[0][::-1], ("asia", "smoke")]  # one reversed, one missed, one extra
    frame = asia.frame(asia.sample(500, 0))
    found = recovery(asia, fit_tables(frame, changed))
    assert found[["true edges", "learned edges", "right", "reversed", "missed", "extra"]].tolist() == [8, 8, 6, 1, 1, 1]


def test_recovery_s_total_variation_by_hand():
    one, other = (CausalNetwork(["a", "b"], [["x", "y"]] * 2, [(), (0,)], [[.5, .5], rows]) for rows in ([[.9, .1], [.2, .8]], [[.7, .3], [.2, .8]]))
    found = recovery(one, other)
    assert found["TV under do(), mean"] == pytest.approx((0.2 + 0) / 2) and found["the same, effects ignored"] == pytest.approx((0.35 + 0.35) / 2)
