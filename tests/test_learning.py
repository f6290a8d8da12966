"""Learning: what is known is respected, tables are what counts say, and the network keeps what it rests on."""
import warnings

import numpy as np
import pandas as pd
import pytest

from dimm_nb.learning.knowledge import Knowledge
from dimm_nb.learning.learning import (
    bootstrapped_structures,
    doubt,
    fit_tables,
    learn_network,
    learn_structure,
    recovery,
    stable_families,
    with_open_arrows,
)
from dimm_nb.mixture.marginals import count_categories
from dimm_nb.network.axis import Marginals, NetworkWarning
from dimm_nb.network.network import CausalNetwork, load_network

COLUMNS = ["Country", "Device", "Browser", "Cart"]


def chain(n=3000, seed=0):
    "Country → Device → Browser → Cart, all binary, each mostly following its cause."
    copy = [[.9, .1], [.15, .85]]
    net = CausalNetwork(COLUMNS, [["a", "b"]] * 4, [(), (0,), (1,), (2,)], [[.6, .4], copy, copy, copy])
    return net.frame(net.sample(n, seed))


# the graph


def test_a_chain_is_found_and_directed_by_tiers():
    frame = chain()
    for tiers in (COLUMNS, COLUMNS[::-1]):
        assert set(learn_network(frame, Knowledge([[name] for name in tiers])).edges) == set(zip(tiers, tiers[1:]))


def test_required_and_forbidden_edges_are_kept():
    knowledge = Knowledge([[name] for name in COLUMNS], required=[["Country", "Cart"]],
                          forbidden=[["Device", "Browser"]])
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
    net = fit_tables(frame, [("Country", "Device"), ("Browser", "Device")], smoothing=smoothing)
    at = net.names.index("Device")
    order = [net.names[p] for p in net.parents[at]]
    m = (frame.Device.value_counts()[["a", "b"]].to_numpy() + .5) / (len(frame) + 1)
    for i, u in enumerate("ab"):
        for j, v in enumerate("ab"):
            rows = frame[(frame[order[0]] == u) & (frame[order[1]] == v)]
            here = rows.Device.value_counts().reindex(["a", "b"]).to_numpy()
            np.testing.assert_allclose(net.cpts[at][i, j], (here + alpha * m) / (here.sum() + alpha))


def test_no_probability_is_zero_and_states_never_seen_are_kept():
    frame = pd.DataFrame({"a": pd.Categorical(["x"] * 50 + ["y"] * 50, ["x", "y", "never"]),
                          "b": pd.Categorical(["u", "v"] * 50)})
    net = fit_tables(frame, [("a", "b")])
    assert net.states[0] == ("x", "y", "never") and all(cpt.min() > 0 for cpt in net.cpts)
    np.testing.assert_allclose(net.cpts[1][2], [0.5, 0.5])


@pytest.mark.parametrize("edges, message",
                         [([("Country", "Kart")], "did you mean 'Cart'"),
                          ([("Cart", "Device"), ("Device", "Cart")], "has a cycle, ")])
def test_edges_that_make_no_network(edges, message):
    with pytest.raises(ValueError, match=message):
        fit_tables(chain(50), edges)


# from a table to a network


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
    assert (len(said) == 4 and "4 features with 200 of 200 rows" in said[1]
            and said[-1] == "searching 7 times more, in resampled rows")


# what it rests on


def test_a_network_keeps_the_stable_period_s_counts():
    frame = chain(500)
    net = learn_network(frame, Knowledge([[name] for name in COLUMNS]), bootstrap=2)
    assert net.stable == Marginals.from_codes(net, net.codes(frame)) and net.smoothing == 1
    for parents, rows in zip(net.parents, net.rows):
        by_hand = frame.groupby([net.names[p] for p in parents],
                                observed=False).size().to_numpy() if parents else len(frame)
        np.testing.assert_array_equal(rows.ravel(), by_hand)
    for name, parents, family in zip(net.names, net.parents, stable_families(net)):
        by_hand = frame.groupby([*(net.names[p] for p in parents), name], observed=False).size()
        np.testing.assert_allclose(family.ravel(), by_hand)
    assert len(net.others) == 2 and all(other.rows is not None and other.names == net.names for other in net.others)


def test_a_given_graph_keeps_counts_and_is_taken_as_known():
    net = learn_network(chain(300), edges=[("Country", "Device")])
    assert net.stable.n[0] == 300 and net.reversible == frozenset() and net.others == ()
    with pytest.raises(ValueError, match="does not know its stable period"):
        stable_families(load_network("asia"))


def test_learning_without_tiers_warns_and_names_what_is_open():
    with pytest.warns(NetworkWarning,
                      match="learned without tiers: 3 of 3 arrows could as well point the other way \\(Country → "
                            "Device, ") as said:
        net = learn_network(chain(), bootstrap=0)
    assert said[0].filename == __file__ and net.reversible == set(net.edges) and len(net.members(4)) == 4
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for knowledge in (Knowledge([["Country"], ["Cart"]]), Knowledge(required=[["Country", "Device"]])):
            learn_network(chain(), knowledge, bootstrap=0)
    with pytest.warns(NetworkWarning, match="without tiers"):
        learn_network(chain(), Knowledge([COLUMNS]), bootstrap=0)


def test_tiers_and_required_edges_settle_arrows_and_what_follows():
    frame = chain()
    assert learn_network(frame, Knowledge([[name] for name in COLUMNS]), bootstrap=0).reversible == frozenset()
    net = learn_network(frame, Knowledge(required=[["Country", "Device"]]), bootstrap=0)
    assert net.reversible == frozenset() and doubt(net) == "the data orient all 3 arrows, if the edges are right"
    net = learn_network(frame, Knowledge([["Country", "Device"], ["Browser", "Cart"]]), bootstrap=0)
    settled = "the arrow between the tiers settles Browser → Cart, as nothing collides there"
    assert net.reversible == {("Country", "Device")}, settled
    assert with_open_arrows(net, Knowledge(forbidden=[["Device", "Country"]])).reversible == frozenset()


def test_bootstrapped_graphs_are_seeded_and_their_tables_rest_on_all_rows():
    frame = chain(60)
    graphs = [bootstrapped_structures(frame, Knowledge(), 4, seed=seed) for seed in (0, 0, 1)]
    assert graphs[0] == graphs[1] != graphs[2] and len(set(map(tuple, graphs[0]))) > 1
    with pytest.warns(NetworkWarning):
        net = learn_network(frame, bootstrap=4)
    assert [sorted(other.edges) for other in net.others] == [sorted(graph) for graph in graphs[0]]
    assert all(rows.sum() == 60 for other in net.others for rows in other.rows)
    with pytest.raises(ValueError, match="bootstrap is how many"):
        learn_network(frame, bootstrap=-1)


def test_options_by_position_go_on_for_one_version():
    frame = chain(200)
    with pytest.warns(DeprecationWarning, match="learn_network\\(\\): give columns=, smoothing= by keyword"):
        net = learn_network(frame, Knowledge([["Device"]]), ["Device", "Cart"], 3.0)
    assert net.names == ("Device", "Cart") and net.smoothing == 3
    with pytest.warns(DeprecationWarning, match="give smoothing= by keyword"):
        assert fit_tables(frame, [], 2.0) == fit_tables(frame, [], smoothing=2.0)
    with pytest.warns(DeprecationWarning, match="give rows=, seed= by keyword"):
        assert learn_structure(frame, Knowledge(), 100, 1) == learn_structure(frame, rows=100, seed=1)


@pytest.mark.parametrize("smoothing", [0, -1, float("nan"), float("inf")])
def test_smoothing_is_a_number_of_hits(smoothing):
    with pytest.raises(ValueError, match="smoothing is a number of hits above 0"):
        fit_tables(chain(50), [], smoothing=smoothing)


def test_a_table_too_large_for_memory_is_refused_by_name():
    frame = pd.DataFrame({name: pd.Categorical.from_codes([0, 1], range(1000)) for name in "abc"})
    with pytest.raises(ValueError, match="the table of 'c' would have 1,000,000,000 numbers"):
        fit_tables(frame, [("a", "c"), ("b", "c")])


def test_what_a_network_rests_on_goes_to_file_and_back_and_other_readers_pass_it_over(tmp_path):
    frame = chain(400)
    with pytest.warns(NetworkWarning):
        net = learn_network(frame, Knowledge(max_parents=2), bootstrap=3)
    net.to_bif(tmp_path / "net.bif")
    again = CausalNetwork.from_bif(tmp_path / "net.bif")
    assert again == net and again.others == net.others and again.members(4) == net.members(4)
    from pgmpy.readwrite import BIFReader

    gum = pytest.importorskip("pyagrum")  # which silences SWIG's warnings: as errors they would end the process
    for other in (CausalNetwork.from_pgmpy(BIFReader(str(tmp_path / "net.bif")).get_model()),
                  gum.loadBN(str(tmp_path / "net.bif"))):
        if isinstance(other, CausalNetwork):
            assert set(other.edges) == set(net.edges)
        else:
            assert {(other.variable(a).name(), other.variable(b).name()) for a, b in other.arcs()} == set(net.edges)


# recovery


def test_recovery_counts_edges_by_hand():
    asia = load_network("asia")
    edges = sorted(asia.edges)
    changed = edges[2:] + [edges[0][::-1], ("asia", "smoke")]  # one reversed, one missed, one extra
    frame = asia.frame(asia.sample(500, 0))
    found = recovery(asia, fit_tables(frame, changed))
    assert found[["true edges", "learned edges", "right", "reversed", "missed", "extra"]].tolist() == [8, 8, 6, 1, 1, 1]


def test_recovery_s_total_variation_by_hand():
    one, other = (CausalNetwork(["a", "b"], [["x", "y"]] * 2, [(), (0,)], [[.5, .5], rows])
                  for rows in ([[.9, .1], [.2, .8]], [[.7, .3], [.2, .8]]))
    found = recovery(one, other)
    assert (found["TV under do(), mean"] == pytest.approx((0.2 + 0) / 2)
            and found["the same, effects ignored"] == pytest.approx((0.35 + 0.35) / 2))
