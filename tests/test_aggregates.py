"""Counting: every source gives the same counts, every rule has its place, what does not fit is refused by name."""

import warnings

import ibis
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st

from dimm_nb.mixture.cells import MISSING, OTHER, bin_labels, cut_points, interval_names
from dimm_nb.mixture.marginals import count_categories, count_values
from dimm_nb.mixture.warehouse import open_table
from dimm_nb.network.axis import CountsWarning, Marginals
from dimm_nb.network.network import CausalNetwork


def network(**states):
    return CausalNetwork(
        list(states), list(states.values()), [()] * len(states), [np.full(len(s), 1 / len(s)) for s in states.values()]
    )


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
    assert count_categories(tmp_path, NET).counts.equals(
        count_categories(pd.concat([rows(30, 1), rows(20, 2)]), NET).counts
    )


cells = st.sampled_from(
    ["Chrome", "Safari", "chrome", "Lynx", "(other)", "low traffic", "(not set)", "", None, "phone", "desktop", " "]
)


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
        if here[here.state.isna()]["count"].sum() <= len(frame) / 2:
            both = [
                count_categories(table, NET, allow_missing=True)
                for table in (frame, ibis.memtable(frame.astype("string")))
            ]
            assert both[0] == both[1]


@pytest.mark.parametrize(
    "column, states",
    [
        (pd.Series([1.0, 2.0, None, 2.0]), ["1", "2", MISSING]),
        (pd.Series([1, 2, 2, 3]), ["1", "2", "3"]),
        (pd.Series([True, False, True, True]), ["TRUE", "FALSE"]),
        (pd.Series([True, False, True, True]), ["true", "false"]),
        (pd.Series(["a", "b", "a", "b"], dtype="category"), ["b", "a"]),
        (pd.Series([0.5, 1.5, 0.5, 2.0]), ["0.5", "1.5", "2"]),
        (pd.Series(["01", "1", "1", "01"]), ["1", "01"]),
    ],
)
def test_types_become_text_the_same_way_everywhere(column, states, tmp_path, quiet):
    net, frame = network(x=states), pd.DataFrame({"x": column})
    here = count_categories(frame, net)
    frame.to_parquet(tmp_path / "x.parquet")
    assert count_categories(tmp_path / "x.parquet", net).counts.equals(here.counts) and here.n[0] == 4


# rules


def test_what_is_left_over_is_said(tmp_path):
    frame = pd.DataFrame(
        {"Browser": ["Chrome", "Netscape", "Netscape", None], "Device": ["phone", "watch", None, "desktop"]}
    )
    for table in (frame, write(frame, tmp_path, "parquet")):
        with pytest.warns(CountsWarning) as said:
            found = count_categories(table, NET, allow_missing=True)
        [text] = [str(w.message) for w in said if w.category is CountsWarning]  # ibis has deprecations of its own
        assert "'Browser': 2 rows (50.00%) with a value that is no state ('Netscape') counted as '(other)'" in text
        assert "'Browser': 1 row (25.00%) without a value counted as '(missing)'" in text
        assert (
            "'Device': " in text
            and "1 row with a value that is no state ('watch')" in text
            and "50.00% of 4, left out of its total" in text
        )
        assert found.counts.tolist() == [1, 0, 2, 1, 1, 1] and found.n.tolist() == [4, 2]
        with pytest.raises(ValueError, match="node 'Device': .*50.00% of 4, cannot be counted.*allow_missing=True"):
            count_categories(table, NET)


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
    values = np.array([*cuts, cuts[0] - 1, cuts[-1] + 1])
    assert interval_names(values, np.array(cuts)) == [*labels[1:], labels[0], labels[-1]], "closed on the left"


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

HOSTILE = [
    '"; DROP TABLE hits; --',
    "a'b",
    "x;y",
    " lead",
    "SELECT *",
    "a\nb",
    "%s",
    "{x}",
    "naïve",
    "`",
    "a.b",
    "--",
    "/* */",
]


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_hostile_names_are_names(kind, tmp_path):
    names = (
        HOSTILE if kind == "parquet" else [name.strip() for name in HOSTILE]
    )  # DuckDB trims the header of a CSV file
    net = network(**{name: ["'; DROP TABLE x; --", 'q"q', "a,b", "é"] for name in names})
    frame = net.frame(net.sample(40, 0)).astype(str)
    file = write(frame, tmp_path, kind)
    assert (
        count_categories(file, net).counts.equals(Marginals.from_codes(net, net.codes(frame)).counts) and file.exists()
    )


def test_a_hostile_file_name(tmp_path):
    file = tmp_path / 'it\'s; DROP "x".parquet'
    rows().to_parquet(file)
    assert count_categories(file, NET).n[0] == 50


# what does not fit


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda f: f[["Browser"]], "the table has no column 'Device'"),
        (lambda f: f.rename(columns={"Device": "Devise"}), "did you mean 'Devise'?"),
        (lambda f: f.assign(Device="x"), "node 'Device': none of its values is a state of the network: found 'x'"),
        (lambda f: f[:0], "no rows"),
        (lambda f: f.assign(Device=None), "node 'Device': none of its values"),
    ],
)
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
    with pytest.raises(ValueError, match="2 columns named 'Device'"):
        count_categories(tmp_path / "x.csv", NET)


def test_a_truncated_parquet_file_is_said_to_be_one(tmp_path):
    file = write(rows(5000), tmp_path, "parquet")
    whole = file.read_bytes()
    for part in (whole[: len(whole) // 2], whole[:8], b"", whole[:-20] + whole[-8:]):
        file.write_bytes(part)
        with pytest.raises(ValueError, match="hits.parquet cannot be read as Parquet: is it whole?"):
            count_categories(file, NET)


@pytest.mark.parametrize(
    "content", ['Browser,Device\n"Chrome,phone\n', "Browser,Device\nChrome,phone,extra,more\nSafari\n"]
)
def test_a_damaged_csv_file(content, tmp_path):
    (tmp_path / "x.csv").write_text(content)
    with pytest.raises(ValueError, match=r"x.csv, line 2.*(not CSV|4 cells where the header has 2)"):
        count_categories(tmp_path / "x.csv", NET)


def test_files_that_are_none(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        count_categories(tmp_path / "none.parquet", NET)
    assert caught.value.filename.endswith("none.parquet")
    (tmp_path / "x.xlsx").write_text("")
    with pytest.raises(ValueError, match="cannot be read as Excel: is it whole?"):
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
