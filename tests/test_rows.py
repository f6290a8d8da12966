"""Distinct rows and their counts: the same from everywhere, what is missing, and what goes into the likelihood."""
import numpy as np
import pandas as pd
import pytest

import dimm_nb.mixture.rows as rows_module
from dimm_nb import CausalNetwork, CountsWarning, count_rows, fit_em, fit_targets, random_mixture, random_network
from dimm_nb.mixture.mixture import sample_mixture
from dimm_nb.mixture.rows import packing, unpacked
from dimm_nb.network.axis import codes_frame

ibis = pytest.importorskip("ibis")


@pytest.fixture(scope="module")
def net():
    return random_network(5, [2, 3, 2, 4, 3], max_parents=2, seed=1)


@pytest.fixture(scope="module")
def codes(net):
    return sample_mixture(net, random_mixture(net, 4, seed=0), 2_000, seed=1)[0]


@pytest.mark.parametrize("room", [2**62, 30, 5])
def test_packing_takes_nothing_away(monkeypatch, net, codes, room):
    monkeypatch.setattr(rows_module, "ROOM", room)
    groups = packing(net.sizes)
    assert [j for nodes in groups for j in nodes] == list(range(5)) and len(groups) == {2**62: 1, 30: 3, 5: 5}[room]
    keys = np.zeros((len(codes), len(groups)), np.int64)
    for column, nodes in enumerate(groups):
        for j in nodes: keys[:, column] = keys[:, column] * (net.sizes[j] + 1) + codes[:, j]
    assert keys.max() < max(room, 5) and np.array_equal(unpacked(keys, net.sizes), codes)


def test_every_source_gives_the_same_distinct_rows(monkeypatch, net, codes, tmp_path):
    frame = codes_frame(net, codes)
    frame.to_parquet(tmp_path / "hits.parquet")
    frame.to_csv(tmp_path / "hits.csv", index=False)
    found = count_rows(frame, net)
    distinct, times = np.unique(codes, axis=0, return_counts=True)
    assert np.array_equal(net.codes(found), distinct) and np.array_equal(found["count"], times)
    for source in (tmp_path / "hits.parquet", str(tmp_path / "hits.csv"), ibis.memtable(frame)):
        assert count_rows(source, net).equals(found)
    monkeypatch.setattr(rows_module, "ROOM", 20)  # several keys
    assert count_rows(tmp_path / "hits.parquet", net).equals(found)


def test_lines_that_stand_for_rows_have_to_be_named(net, codes, tmp_path):
    found = count_rows(codes_frame(net, codes), net)
    plain = found.astype(dict.fromkeys(net.names, str))
    plain.to_csv(tmp_path / "grouped.csv", index=False)
    twice = pd.concat([plain, plain.assign(count=2)])
    for source in (plain, ibis.memtable(plain), tmp_path / "grouped.csv"):
        assert count_rows(source, net, counts="count").equals(found)
        with pytest.raises(ValueError, match="has a column 'count': if it says how many rows"): count_rows(source, net)
        with pytest.raises(ValueError, match="'hits' is no column of the table; there are 'X0'"):
            count_rows(source, net, counts="hits")
    for source in (twice, ibis.memtable(twice)):
        assert (count_rows(source, net, counts="count")["count"] == found["count"] + 2).all()
    with pytest.raises(ValueError, match="does not hold whole numbers"):
        count_rows(plain.assign(count=.5), net, counts="count")


def test_rows_that_lack_a_value_are_left_out_and_said(net, codes):
    frame = codes_frame(net, codes).astype(object)
    frame.iloc[:15, 2] = None
    for source in (frame, ibis.memtable(frame)):
        with pytest.warns(CountsWarning, match="15 rows of 2,000 lack a value and are left out"):
            some = count_rows(source, net)
        assert some.equals(count_rows(frame.iloc[15:], net))
    frame.iloc[:40, 2] = "elsewhere"
    lines = frame.assign(count=1)
    for source, options in ((frame, {}), (ibis.memtable(frame), {}), (lines, {"counts": "count"})):
        with pytest.raises(ValueError, match="node 'X2': 40 rows"): count_rows(source, net, **options)
        with pytest.warns(CountsWarning, match="40 rows of 2,000"):
            assert count_rows(source, net, allow_missing=True, **options).equals(count_rows(frame.iloc[40:], net))
    with pytest.raises(ValueError, match="empty"): count_rows(frame.iloc[:0], net)
    with pytest.raises(ValueError, match="a node called 'count'"):
        count_rows(pd.DataFrame({"count": ["a"]}), CausalNetwork(["count"], [["a"]], [[]], [[1.0]]))


def test_unknown_values_and_nothing_go_where_the_network_has_a_place_for_them():
    net = CausalNetwork(["a"], [["x", "(other)", "(missing)"]], [[]], [[.5, .3, .2]])
    table = pd.DataFrame({"a": ["x", "new", None, "newer", "n/a", "X"]})
    with pytest.warns(CountsWarning):
        inside, outside = count_rows(table, net), count_rows(ibis.memtable(table), net)
    assert inside.equals(outside)
    assert dict(zip(inside.a.astype(str), inside["count"])) == {"x": 2, "(other)": 2, "(missing)": 2}


def test_a_file_cut_short_and_a_full_disk_are_named(net, codes, tmp_path):
    codes_frame(net, codes).to_parquet(tmp_path / "hits.parquet")
    whole = (tmp_path / "hits.parquet").read_bytes()
    (tmp_path / "cut.parquet").write_bytes(whole[:len(whole) // 2])
    with pytest.raises(ValueError, match=r"cut\.parquet cannot be read as Parquet: is it whole"):
        count_rows(tmp_path / "cut.parquet", net)
    wide = random_network(12, 4, max_parents=1, seed=2)
    connection = ibis.duckdb.connect(temp_directory=str(tmp_path / "spill"))
    connection.raw_sql("SET memory_limit = '30MB'; SET max_temp_directory_size = '1MB'; SET threads = 1")
    states = ", ".join(f"concat('s', (random() * 4)::int % 4) AS {name}" for name in wide.names)
    connection.raw_sql(f"CREATE VIEW hits AS SELECT {states} FROM range(2000000)")
    with pytest.raises(MemoryError, match="more room"): count_rows(connection.table("hits"), wide)


def test_distinct_rows_with_counts_are_as_good_as_all_of_them(net, codes):
    found = count_rows(codes_frame(net, codes), net)
    whole, counted = fit_em(net, codes), fit_em(net, found, counts=found["count"])
    np.testing.assert_allclose(counted.mixture.weights, whole.mixture.weights, atol=1e-9)
    assert counted.log_likelihood == pytest.approx(whole.log_likelihood, rel=1e-12)
    assert counted.rows.equals(whole.rows) and counted.rows["all"] == 2_000 and counted.rows["distinct"] == len(found)
    targets, same = fit_targets(net, codes), fit_targets(net, found, counts=found["count"])
    assert list(same.interventions) == list(targets.interventions)
    np.testing.assert_allclose(same.mixture.weights, targets.mixture.weights, atol=1e-6)
    for counts, message in ((np.ones(3), "one number a row"), (found["count"] - 5, "a whole number from 0 up"),
                            (found["count"] * 0, "all counts are 0")):
        with pytest.raises(ValueError, match=message): fit_em(net, found, counts=counts)


def test_what_is_left_out_is_counted_in_rows():
    net = CausalNetwork(["a", "b"], [["x", "y"]] * 2, [[], [0]], [[.5, .5], [[1, 0], [.5, .5]]])
    rows, counts = np.array([[0, 0], [0, 1], [1, 1], [1, 0]]), np.array([50, 7, 30, 0])
    with pytest.warns(UserWarning, match="7 of 87 rows are impossible under every component.*the first is row 1"):
        fit = fit_em(net, rows, counts=counts, interventions=[{"a": "y"}])
    assert fit.rows.to_dict() == {"all": 87, "distinct": 3, "impossible under P": 7, "excluded": 7}
    assert list(fit.excluded) == [1]
