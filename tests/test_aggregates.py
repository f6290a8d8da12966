"""Counting: every source gives the same counts, every rule has its place, and what does not fit is refused with its name."""
import warnings

import ibis
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dimm_nb.mixture.aggregates import (MISSING, OTHER, bin_labels, binned, count_categories, count_report, count_values, cut_points, open_table, read_report)
from dimm_nb.network.axis import Marginals
from dimm_nb.network.network import CausalNetwork


def network(**states):
    return CausalNetwork(list(states), list(states.values()), [()] * len(states), [np.full(len(s), 1 / len(s)) for s in states.values()])


NET = network(Browser=["Chrome", "Safari", OTHER, MISSING], Device=["phone", "desktop"])


def rows(n=50, seed=0):
    return NET.frame(NET.sample(n, seed)).astype(str)


@pytest.fixture
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def write(frame, folder, kind):
    path = folder / f"hits.{kind}"
    if kind == "parquet":
        frame.to_parquet(path)
    elif kind == "duckdb":
        frame.to_parquet(folder / "for_database.parquet")
        database = ibis.duckdb.connect(path)
        database.create_table("hits", database.read_parquet(folder / "for_database.parquet"))
        database.disconnect()
    else:
        frame.to_csv(path, index=False, sep="\t" if kind.startswith("tsv") else ",")
    return path


# sources


@pytest.mark.parametrize("kind", ["parquet", "csv", "csv.gz", "tsv", "duckdb"])
def test_every_source_gives_the_same_counts(kind, tmp_path):
    frame = rows()
    found = count_categories(write(frame, tmp_path, kind), NET)
    assert found.counts.equals(Marginals.from_codes(NET, NET.codes(frame)).counts) and found.n.tolist() == [50, 50]


def test_a_folder_of_parquet_files_is_one_table(tmp_path):
    (tmp_path / "day=1").mkdir()
    rows(30, 1).to_parquet(tmp_path / "day=1" / "a.parquet")
    rows(20, 2).to_parquet(tmp_path / "b.parquet")
    assert count_categories(tmp_path, NET).counts.equals(count_categories(pd.concat([rows(30, 1), rows(20, 2)]), NET).counts)


cells = st.sampled_from(["Chrome", "Safari", "chrome", "Lynx", "(other)", "low traffic", "(not set)", "", None, "phone", "desktop", " "])


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(cells, cells), min_size=1, max_size=30))
def test_duckdb_and_pandas_follow_the_same_rules(lines):
    frame = pd.DataFrame(lines + [("Chrome", "phone")], columns=["Browser", "Device"], dtype=object)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        here, there = count_values(frame, NET), count_values(ibis.memtable(frame.astype("string")), NET)
        by_rule = [found.groupby(["node", "rule"])["count"].sum() for found in (here, there)]
        assert by_rule[0].equals(by_rule[1]), "nothing is lost, whatever it is"
        assert here["count"].sum() == 2 * len(frame)
        assert count_categories(frame, NET).counts.equals(count_categories(ibis.memtable(frame.astype("string")), NET).counts)


@pytest.mark.parametrize("column, states", [
    (pd.Series([1.0, 2.0, None, 2.0]), ["1", "2", MISSING]), (pd.Series([1, 2, 2, 3]), ["1", "2", "3"]), (pd.Series([True, False, True, True]), ["TRUE", "FALSE"]),
    (pd.Series([True, False, True, True]), ["true", "false"]), (pd.Series(["a", "b", "a", "b"], dtype="category"), ["b", "a"]),
    (pd.Series([0.5, 1.5, 0.5, 2.0]), ["0.5", "1.5", "2"]), (pd.Series(["01", "1", "1", "01"]), ["1", "01"]),
])
def test_types_become_text_the_same_way_everywhere(column, states, tmp_path, quiet):
    net, frame = network(x=states), pd.DataFrame({"x": column})
    here = count_categories(frame, net)
    frame.to_parquet(tmp_path / "x.parquet")
    assert count_categories(tmp_path / "x.parquet", net).counts.equals(here.counts) and here.n[0] == 4


# rules


def test_what_is_left_over_is_said(tmp_path):
    frame = pd.DataFrame({"Browser": ["Chrome", "Netscape", "Netscape", None], "Device": ["phone", "watch", None, "desktop"]})
    for table in (frame, write(frame, tmp_path, "parquet")):
        with pytest.warns(UserWarning) as said:
            found = count_categories(table, NET)
        text = "\n".join(str(w.message) for w in said)
        assert "'Browser': 2 rows (50.00%) with 1 unseen value, such as 'Netscape', counted as '(other)'" in text
        assert "'Browser': 1 row (25.00%) without a value counted as '(missing)'" in text
        assert "'Device': 1 row (25.00%) with 1 unseen value, such as 'watch', left out of its total, as it has no state '(other)'" in text
        assert found.counts.tolist() == [1, 0, 2, 1, 1, 1] and found.n.tolist() == [4, 2]


def test_a_column_of_identifiers_comes_back_as_one_row(tmp_path):
    frame = pd.DataFrame({"Browser": ["Chrome", *(f"id-{k}" for k in range(2000))], "Device": "phone"})
    found = count_values(write(frame, tmp_path, "parquet"), NET)
    unseen = found[found.rule == "unseen"]
    assert len(unseen) == 1 and unseen.kinds.iloc[0] == unseen["count"].iloc[0] == 2000


def test_true_states_come_before_rules():
    net = network(x=["other", "nan", "None"])
    frame = pd.DataFrame({"x": ["other", "nan", "None"]})
    assert count_categories(frame, net).counts.tolist() == [1, 1, 1]


# bins


@given(st.lists(st.integers(-1000, 1000).map(lambda k: k / 8), min_size=1, max_size=8, unique=True).map(sorted))
def test_cuts_survive_their_names(cuts):
    labels = bin_labels(cuts)
    assert cut_points(labels).tolist() == cuts and cut_points([*labels, MISSING, OTHER]).tolist() == cuts
    values = pd.Series([*cuts, cuts[0] - 1, cuts[-1] + 1])
    assert binned(values, np.array(cuts)).tolist() == [*labels[1:], labels[0], labels[-1]], "closed on the left"


@pytest.mark.parametrize("cuts", [[], [1, 1], [2, 1], [float("nan")], [float("inf")]])
def test_bad_cuts_are_refused(cuts):
    with pytest.raises(ValueError, match="ascend"):
        bin_labels(cuts)


@pytest.mark.parametrize("states", [["<1"], ["<1", "2..3", ">=3"], [">=1", "<1"], ["<1", ">=1", "x"], ["low", "high"]])
def test_other_names_are_no_bins(states):
    assert cut_points(states) is None


@pytest.mark.parametrize("values", [[-1, 0, 0.5, 9.99, 10, 1e9, None], ["-1", "0", "0.5", "9.99", "10", "1e9", None]])
def test_numbers_are_cut_in_every_source(values, tmp_path, quiet):
    net, frame = network(x=[*bin_labels([0, 10]), MISSING]), pd.DataFrame({"x": values})
    frame.to_parquet(tmp_path / "x.parquet")
    frame.to_csv(tmp_path / "x.csv", index=False)
    for table in (frame, tmp_path / "x.parquet", tmp_path / "x.csv"):
        assert count_categories(table, net).counts.tolist() == [1, 3, 2, 1]


def test_text_in_a_column_of_numbers_is_unseen(quiet):
    net = network(x=[*bin_labels([0]), OTHER, MISSING])
    for table in (frame := pd.DataFrame({"x": ["1", "-1", "many", "nan", None]}), ibis.memtable(frame)):
        assert count_categories(table, net).counts.tolist() == [1, 1, 1, 2]


# names that look like SQL

HOSTILE = ['"; DROP TABLE hits; --', "a'b", "x;y", " lead", "SELECT *", "a\nb", "%s", "{x}", "naïve", "`", "a.b", "--", "/* */"]


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_hostile_names_are_names(kind, tmp_path):
    names = HOSTILE if kind == "parquet" else [name.strip() for name in HOSTILE]  # DuckDB trims the header of a CSV file
    net = network(**{name: ["'; DROP TABLE x; --", 'q"q', "a,b", "é"] for name in names})
    frame = net.frame(net.sample(40, 0)).astype(str)
    file = write(frame, tmp_path, kind)
    assert count_categories(file, net).counts.equals(Marginals.from_codes(net, net.codes(frame)).counts) and file.exists()


def test_a_hostile_file_name(tmp_path):
    file = tmp_path / "it's; DROP \"x\".parquet"
    rows().to_parquet(file)
    assert count_categories(file, NET).n[0] == 50


# what does not fit


@pytest.mark.parametrize("change, message", [
    (lambda f: f[["Browser"]], "the table has no column 'Device'"),
    (lambda f: f.rename(columns={"Device": "Devise"}), "did you mean 'Devise'?"),
    (lambda f: f.assign(Device="x"), "feature 'Device': none of its values is a state of the network: found 'x'"),
    (lambda f: f[:0], "no rows at all"),
    (lambda f: f.assign(Device=None), "feature 'Device': none of its values"),
])
@pytest.mark.parametrize("source", ["frame", "parquet"])
def test_a_table_that_does_not_fit(change, message, source, tmp_path, quiet):
    table = change(rows())
    with pytest.raises(ValueError) as caught:
        count_categories(table if source == "frame" else write(table, tmp_path, source), NET)
    assert message in str(caught.value)


def test_two_columns_of_one_name(tmp_path):
    frame = pd.concat([rows(), rows()[["Device"]]], axis=1)
    with pytest.raises(ValueError, match="2 columns named 'Device'"):
        count_categories(frame, NET)
    frame.to_csv(tmp_path / "x.csv", index=False)
    with pytest.raises(ValueError, match="two columns 'Device'"):
        count_categories(tmp_path / "x.csv", NET)


def test_a_truncated_parquet_file_is_said_to_be_one(tmp_path):
    file = write(rows(5000), tmp_path, "parquet")
    whole = file.read_bytes()
    for part in (whole[: len(whole) // 2], whole[:8], b"", whole[:-20] + whole[-8:]):
        file.write_bytes(part)
        with pytest.raises(ValueError, match="hits.parquet cannot be read as Parquet: is it whole?"):
            count_categories(file, NET)


@pytest.mark.parametrize("content", ['Browser,Device\n"Chrome,phone\n', "Browser,Device\nChrome,phone,extra,more\nSafari\n"])
def test_a_damaged_csv_file(content, tmp_path):
    (tmp_path / "x.csv").write_text(content)
    with pytest.raises(ValueError, match="x.csv cannot be read as CSV|no column"):
        count_categories(tmp_path / "x.csv", NET)


def test_files_that_are_none(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        count_categories(tmp_path / "none.parquet", NET)
    assert caught.value.filename.endswith("none.parquet")
    (tmp_path / "x.xlsx").write_text("")
    with pytest.raises(ValueError, match="what kind of file"):
        count_categories(tmp_path / "x.xlsx", NET)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="a folder without Parquet files"):
        count_categories(tmp_path / "empty", NET)
    with pytest.raises(ValueError, match="not int"):
        count_categories(3, NET)


def test_a_database_needs_the_table_s_name(tmp_path):
    file = write(rows(), tmp_path, "duckdb")
    with pytest.raises(ValueError, match="has no table 'hit'; did you mean 'hits'"):
        open_table(file, "hit")
    assert count_categories(file, NET, name="hits").n[0] == 50


# reports


def long(text):
    return "feature,value,count\n" + text


GOOD = "Browser,Chrome,70\nBrowser,Safari,20\nDevice,phone,60\nDevice,desktop,39\n"


def test_a_long_report_and_one_file_a_feature(tmp_path, quiet):
    (tmp_path / "long.csv").write_text(long(GOOD + "Region,North,5\n"))
    found = count_report(tmp_path / "long.csv", NET)
    assert found.counts.tolist() == [70, 20, 0, 0, 60, 39] and found.n.tolist() == [90, 99]
    folder = tmp_path / "reports"
    folder.mkdir()
    (folder / "Browser.csv").write_text("Value,Hits,note\nChrome,70,x\nSafari,20,y\n")
    (folder / "Device.csv").write_text("﻿item,visits\nphone,60.0\ndesktop,39\n", encoding="utf-8")
    assert count_report(folder, NET).counts.equals(found.counts)


def test_unequal_totals_are_said(tmp_path):
    (tmp_path / "r.csv").write_text(long(GOOD))
    with pytest.warns(UserWarning, match=r"from 90 \(Browser\) to 99 \(Device\)"):
        count_report(tmp_path / "r.csv", NET)


@pytest.mark.parametrize("text, message", [
    ("feature,value\nBrowser,Chrome\n", "the first line has no column for the count"),
    ("feature,value,count,hits\nBrowser,Chrome,1,1\n", "the first line has 2 columns for the count"),
    (long(""), "holds no counts"), ("", "no column for the feature"),
    (long(GOOD + "Browser,Chrome,1\n"), "line 6: 'Browser', 'Chrome' was counted before"),
    (long(GOOD + "Browser,x\n"), "line 6: 2 cells where the header has 3"),
    *((long(GOOD + f"Browser,x,{bad}\n"), "line 6: a count is a whole number") for bad in ("-1", "1.5", "nan", "1e5", "", "١٢")[:5]),
    (long(GOOD + "Browser,Total,90\n"), "the line 'Total' with 90 looks like the sum"),
    (long("Browser,Chrome,70\n"), "has no feature 'Device'"),
    (long('Browser,"Chrome,70\n'), "not CSV"),
])
def test_a_report_that_does_not_fit(text, message, tmp_path, quiet):
    (tmp_path / "r.csv").write_text(text)
    with pytest.raises(ValueError) as caught:
        count_report(tmp_path / "r.csv", NET)
    assert message in str(caught.value) and ("r.csv" in str(caught.value) or "Total" in message)


def test_a_report_in_another_encoding(tmp_path):
    (tmp_path / "r.csv").write_bytes("feature,value,count\nBrowser,Chröme,3\n".encode("latin-1"))
    with pytest.raises(ValueError, match="UTF-8"):
        read_report(tmp_path / "r.csv")


def test_numbers_in_a_report_are_cut_too(tmp_path, quiet):
    (tmp_path / "r.csv").write_text(long("x,3,5\nx,12,2\nx,<0,1\n"))
    assert count_report(tmp_path / "r.csv", network(x=bin_labels([0, 10]))).counts.tolist() == [1, 5, 2]
