"""Prior knowledge: each key of its own kind, a table's columns as categories, and a draft that reads back."""
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st

from dimm_nb.learning.knowledge import (
    FEW,
    MISSING,
    OTHER,
    Knowledge,
    categorize,
    check_knowledge,
    draft_knowledge,
    forbidden_edges,
    read_knowledge,
    round_cuts,
)

COLUMNS = ["Country", "Device", "Browser", "Cart"]

# from a file


def write_yaml(folder, text):
    (folder / "tiers.yaml").write_text(text, encoding="utf-8")
    return folder / "tiers.yaml"


def test_knowledge_from_a_file(tmp_path):
    text = ("tiers: [[Country, Device], [Cart]]\nrequired: [[Device, Cart]]\n"
            "cuts: {age: [18, 65]}\nkeep: {Page: 50}\nmax_parents: 2\n")
    expected = Knowledge([["Country", "Device"], ["Cart"]], [["Device", "Cart"]], (), 2, {"age": [18, 65]},
                         {"Page": 50})
    assert read_knowledge(write_yaml(tmp_path, text)) == expected
    assert read_knowledge(write_yaml(tmp_path, "")) == Knowledge()


@pytest.mark.parametrize("text, message", [
    ("tiers: [a", "is not YAML"), ("tears: []", "found 'tears'"), ("- a", "holds no keys"),
    ("just words", "holds no keys"),
    ("tiers: [[yes, no]]", "put names such as yes"), ("tiers: [a, b]", "list of lists"),
    ("tiers: 3", "tiers is a list of lists"),
    ("tiers: ab", "tiers is a list of lists"), ("tiers: {a: b}", "tiers is a list of lists"),
    ("tiers: [[[a]]]", "list of lists"),
    ("tiers: [[a], [a]]", "'a' stands in two tiers"), ("tiers:", "tiers is empty"),
    ("tiers: [[a]]\ntiers: [[b]]", "'tiers' stands there twice"),
    ("required: [[a]]", "required edges are pairs"), ("required: [ab]", "required edges are pairs"),
    ("forbidden: 1", "forbidden is a list of lists"),
    ("required: [[a, 1]]", "put names such as yes or 1 in quotes"),
    ("max_parents: -1", "max_parents is a whole number"), ("max_parents: two", "max_parents is a whole number"),
    ("max_parents: 1.5", "max_parents is a whole number"), ("max_parents: yes", "max_parents is a whole number"),
    ("cuts: {a: 3}", "cuts of 'a' are a list of numbers"), ("cuts: {a: {b: 1}}", "cuts of 'a' are a list"),
    ("cuts: {a: abc}", "cuts of 'a' are a list"),
    ("cuts: {a: [x]}", "cuts of 'a' are a list of numbers"),
    ("cuts: {a: [yes, no]}", "cuts of 'a' are a list of numbers"),
    ("cuts: {a: [2, 1]}", "cuts of 'a': cuts are finite numbers that ascend"), ("cuts: {a: []}", "cuts of 'a': "),
    ("cuts: {a: [.nan]}", "cuts of 'a'"),
    ("cuts: {a: [.inf]}", "cuts of 'a'"), ("cuts: [a]", "cuts names columns"), ("cuts:", "cuts is empty"),
    ("cuts: {a: 2024-13-45}", "not '2024-13-45'"),
    ("keep: {a: -1}", "keep of 'a' is how many"), ("keep: {a: 0}", "keep of 'a' is how many"),
    ("keep: {a: 1.5}", "keep of 'a' is how many"),
    ("keep: {a: many}", "keep of 'a' is how many"), ("keep: {a: yes}", "keep of 'a' is how many"),
    ("keep: {a: [1]}", "keep of 'a' is how many"),
    ("keep: [a]", "keep names columns"), ("keep: {a: 1, a: 2}", "'a' stands there twice"),
    ("leave_out: ab", "leave_out is a list of names"), ("leave_out: 1", "leave_out is a list of names"),
    ("leave_out: [1]", "leave_out is a list of names"),
    ("leave_out:", "leave_out is empty"), ("[" * 5000, "nested too deep"), ("{a: " * 3000, "nested too deep"),
    ("tiers: !!python/object/apply:os.system ['true']", "is not YAML"), ("a: &a [*a]", "found 'a'"),
], ids=lambda text: text[:30])
def test_bad_knowledge_is_refused_with_the_file_s_name(text, message, tmp_path):
    with pytest.raises(ValueError, match="tiers.yaml") as caught:
        read_knowledge(write_yaml(tmp_path, text))
    assert message in str(caught.value) and len(str(caught.value)) < 500


def test_a_file_that_is_no_text(tmp_path):
    file = tmp_path / "tiers.yaml"
    for data, message in [("tiers: [[ä]]".encode("utf-16"), "no UTF-8"),
                          (b"# " + b"x" * 2**20, "more than a mebibyte"), (b"tiers: [[\x00]]", "not YAML")]:
        file.write_bytes(data)
        with pytest.raises(ValueError, match=message):
            read_knowledge(file)
    file.write_bytes("\ufefftiers: [[ä], [2024-01-01]]".encode())
    assert read_knowledge(file).tiers == [["ä"], ["2024-01-01"]]
    with pytest.raises(OSError):
        read_knowledge(tmp_path / "none")
    with pytest.raises(TypeError):  # a number would be somebody's open file
        read_knowledge(1)


JUNK = st.recursive(st.none() | st.booleans() | st.floats() | st.text(max_size=3),
                    lambda x: st.lists(x, max_size=3) | st.dictionaries(st.text(max_size=3), x, max_size=3))


@given(st.sampled_from(["tiers", "required", "forbidden", "max_parents", "cuts", "keep", "leave_out"]), JUNK)
def test_knowledge_takes_its_kind_or_raises_a_value_error_that_names_the_key(key, value):
    try:
        Knowledge(**{key: value})
    except ValueError as error:
        assert key in str(error) or "two tiers" in str(error)


# against a table


@pytest.mark.parametrize("knowledge, message", [
    (Knowledge([["Country"], ["Browzer"]]),
     "the tiers name 'Browzer', which is no column of the table; did you mean 'Browser'"),
    (Knowledge(forbidden=[["Country", "Basket"]]), "the edges name 'Basket'"),
    (Knowledge(required=[["Cart", "Browser"], ["Browser", "Device"], ["Device", "Cart"]]), "has a cycle, "),
    (Knowledge(required=[["Cart", "Cart"]]), "has a cycle, "),
    (Knowledge([["Country"], ["Cart"]], required=[["Cart", "Country"]]), "Cart → Country is required, and forbidden"),
    (Knowledge(required=[["Cart", "Country"]], forbidden=[["Cart", "Country"]]),
     "Cart → Country is required, and forbidden"),
    (Knowledge(required=[["Cart", "Country"], ["Device", "Country"]], max_parents=1),
     "2 edges into 'Country' are required"),
])
def test_knowledge_that_contradicts_itself_or_the_table(knowledge, message):
    with pytest.raises(ValueError) as caught:
        check_knowledge(knowledge, COLUMNS)
    assert message in str(caught.value)


def test_tiers_forbid_the_way_back_only():
    knowledge = Knowledge([["Country"], ["Device", "Browser"]])
    assert forbidden_edges(knowledge, COLUMNS) == {("Device", "Country"),
                                                   ("Browser", "Country")}, "Cart is in no tier, so it is free"


# columns


def test_columns_become_categories():
    raw = pd.DataFrame({"age": [3, 40, None, 70], "page": ["/", "/", "/x", " "], "paid": [True, False, True, True],
                        "n": [1.0, 2.0, None, 2.0]})
    tidy = categorize(raw, Knowledge(cuts={"age": [18, 65]}, keep={"page": 1}), other=True)
    assert list(tidy.age) == ["<18", "18..65", MISSING, ">=65"] and list(tidy.page) == ["/", "/", OTHER, OTHER]
    assert list(tidy.paid) == ["True", "False", "True", "True"] and list(tidy.n) == ["1", "2", MISSING, "2"]
    assert all(OTHER in tidy[name].cat.categories for name in tidy)


@pytest.mark.parametrize("column, message", [
    (["x"] * 2000, "has the one value 'x' in every row"), ([None] * 2000, "has the one value '\\(missing\\)'"),
    (range(2000), "has 2,000 values.*keep: {odd: 50}"),
])
def test_columns_that_teach_nothing(column, message):
    with pytest.raises(ValueError, match=message):
        categorize(pd.DataFrame({"odd": list(column), "fine": ["a", "b"] * 1000}))


def test_all_columns_that_need_a_decision_are_named_at_once():
    frame = pd.DataFrame({"visit": range(2000), "site": "DE", "age": ["old"] + ["1", "2"] * 999 + ["3"],
                          "fine": ["a", "b"] * 1000})
    with pytest.raises(ValueError, match="3 of 4 columns need a decision") as caught:
        categorize(frame, Knowledge(cuts={"age": [2]}))
    assert (all(f"column {name!r}" in str(caught.value) for name in ("visit", "site", "age"))
            and "dimm init" in str(caught.value))


@pytest.mark.parametrize("empty", ["", " ", "null", "NaN"])
def test_cuts_need_numbers_and_forgive_what_is_empty(empty):
    frame = pd.DataFrame({"age": ["1", "2", empty, "3"]})
    assert list(categorize(frame, Knowledge(cuts={"age": [2]})).age.cat.categories)[:2] == ["<2", ">=2"]
    with pytest.raises(ValueError, match="column 'age' has cuts, and 'x' in it is no number"):
        categorize(frame.assign(age=["1", "x", "2", "3"]), Knowledge(cuts={"age": [2]}))


def test_columns_are_left_out_by_name(tmp_path):
    frame = pd.DataFrame({"id": [f"v{k}" for k in range(2000)], "a": ["x", "y"] * 1000})
    frame.to_parquet(tmp_path / "x.parquet")
    for table in (frame, tmp_path / "x.parquet"):
        assert list(categorize(table, Knowledge(leave_out=["id"]))) == ["a"]
        with pytest.raises(ValueError, match="no column 'ix'"):
            categorize(table, Knowledge(leave_out=["ix"]))
        with pytest.raises(ValueError, match="leave_out leaves no column"):
            categorize(table, Knowledge(leave_out=["id", "a"]))


def test_a_long_tail_is_grouped_when_asked():
    frame = pd.DataFrame({"page": [f"/{k}" for k in range(2000)] + ["/cart"] * 50 + ["/home"] * 40})
    assert list(categorize(frame, Knowledge(keep={"page": 2})).page.cat.categories) == ["/cart", "/home", OTHER]


def test_columns_to_cut_must_be_there():
    with pytest.raises(ValueError, match="no column 'aeg' to cut or group; did you mean 'age'"):
        categorize(pd.DataFrame({"age": [1, 2]}), Knowledge(cuts={"aeg": [1]}))
    with pytest.raises(ValueError, match="no rows"):
        categorize(pd.DataFrame({"age": []}))


# a draft


def drafted(frame, folder):
    return read_knowledge(write_yaml(folder, draft_knowledge(frame)))


def test_a_draft_tells_names_numbers_tails_and_identifiers_apart(tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({
        "visit id": range(3000), "hash": [f"{k:x}" for k in rng.integers(0, 2**40, 3000)],
        "day": pd.date_range("2026-01-01", periods=3000, freq="h").astype(str),
        "site": "DE", "nothing": None, "hour": rng.integers(0, 24, 3000), "age": rng.integers(18, 90, 3000),
        "seconds": rng.gamma(2, 90, 3000),
        "browser": rng.choice(5, 3000, p=[.6, .39, .005, .003, .002]),
        "yes": rng.choice(["no", "yes"], 3000),
        "zip": rng.choice([f"0{k}" for k in range(40)], 3000, p=(w := .8 ** np.arange(40)) / w.sum())})
    known = drafted(frame, tmp_path)
    assert (set(known.leave_out) == {"visit id", "hash", "day", "site", "nothing"}
            and set(known.cuts) == {"age", "seconds"} and set(known.keep) == {"zip", "browser"}
            and known.keep["browser"] == 2)
    assert known.tiers == [["hour", "age", "seconds", "browser", "yes", "zip"]]
    tidy = categorize(frame, known)
    assert list(tidy) == known.tiers[0] and all(2 <= tidy[name].nunique() <= 31 for name in tidy)
    frame.to_csv(tmp_path / "t.csv", index=False)
    assert (read_knowledge(write_yaml(tmp_path, draft_knowledge(tmp_path / "t.csv")))
            == known), "a file is read as the table it holds"


VALUES = st.lists(st.none() | st.text(max_size=4) | st.integers(-10**9, 10**9).map(str)
                  | st.floats(allow_nan=False, allow_infinity=False).map(str), min_size=26, max_size=26)


@settings(max_examples=15)
@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6), VALUES, min_size=1,
                       max_size=2))
def test_a_draft_reads_back_whatever_the_columns(tmp_path_factory, columns):
    frame = pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in columns.items()})
    known = drafted(frame, tmp_path_factory.getbasetemp())
    assert {*(name for tier in known.tiers for name in tier), *known.leave_out} == set(columns)
    if any(known.tiers):
        tidy = categorize(frame, known)
        assert all(tidy[name].nunique() >= 2 for name in tidy)


@given(st.lists(st.integers(0, 10**6) | st.floats(0, 1e9), min_size=FEW,
                max_size=200).filter(lambda v: len(set(v)) > 1))
def test_round_cuts_leave_no_interval_empty(values):
    numbers = np.array(values, float)
    cuts = round_cuts(numbers)
    assert sorted(set(cuts)) == cuts
    assert not cuts or (np.bincount(np.searchsorted(cuts, numbers, side="right"), minlength=len(cuts) + 1) > 0).all()


def test_a_table_without_rows_has_no_draft():
    with pytest.raises(ValueError, match="no rows"):
        draft_knowledge(pd.DataFrame({"a": []}))


@pytest.mark.parametrize("names", [["Feb", "Mar", "may"], ["January", "Sept"], ["2026-03-01", "2026-03-02"]])
def test_a_draft_leaves_out_what_names_the_period(names, tmp_path):
    frame = pd.DataFrame({"when": names * 40, "day": ["Mon", "Tue"] * (20 * len(names))})
    known = drafted(frame, tmp_path)
    assert list(known.leave_out) == ["when"]
    assert "day" in [name for tier in known.tiers for name in tier]
