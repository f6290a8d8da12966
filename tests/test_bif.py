"""The BIF reader: what it takes, what it refuses, and where it says the fault lies."""
import gzip
import importlib.util
import itertools
import os
import tracemalloc
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dimm_nb.network import bif
from dimm_nb.network.bif import BIFError, Tables, format_bif, parse_bif, quoted, read_bif, tokens
from dimm_nb.network.network import CausalNetwork, packaged_files

WEATHER = """network weather { property author nobody; }
variable sky {  // a comment
  type discrete [ 2 ] { clear, <1/2 }; property x = (3, "a;b");
}
variable grass { type discrete[3]{dry,"a bit wet",wet}; }
/* another
   comment */
probability ( sky ) { table 0.75, 0.25; }
probability ( grass | sky ) {
  (clear) 0.5, 0.25, 0.25;
  (<1/2) 1.25e-1, .125, 0.75;
}
"""
SMALL = ("alarm", "asia", "cancer", "child", "earthquake", "insurance", "sachs", "survey")
PGMPY = Path(importlib.util.find_spec("pgmpy").origin).parent / "utils" / "example_models"
ALL = sorted(path.name.removesuffix(".bif.gz") for path in PGMPY.glob("*.bif.gz"))


def equal(a: Tables, b: Tables) -> bool:
    return a[:3] == b[:3] and all(x.shape == y.shape and (x == y).all() for x, y in zip(a.cpts, b.cpts))


# what it reads


def test_a_file_with_everything_in_it():
    names, states, parents, cpts = parse_bif(WEATHER)
    assert names == ("sky", "grass") and states == (("clear", "<1/2"), ("dry", "a bit wet", "wet")) and parents == ((), (0,))
    np.testing.assert_array_equal(cpts[0], [.75, .25])
    np.testing.assert_array_equal(cpts[1], [[.5, .25, .25], [.125, .125, .75]])


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\n\n  ", ""])
def test_line_ends_do_not_matter(ending):
    assert equal(parse_bif(WEATHER.strip().replace("\n", ending or "\n") + ending), parse_bif(WEATHER))


def test_variables_and_probabilities_may_mix_as_long_as_a_name_is_declared_first():
    lines = ["variable b { type discrete [ 1 ] { x }; }", "probability ( b ) { table 1; }",
             "variable a { type discrete [ 2 ] { y, z }; }", "probability ( a | b ) { (x) 0, 1; }"]
    assert parse_bif("\n".join(lines)).parents == ((), (0,))
    with pytest.raises(BIFError, match="line 1, column 15: 'b' is no variable declared above"):
        parse_bif("\n".join([lines[1], lines[0]]))


def test_a_table_lists_the_childs_first_state_first():
    variables = "".join(f"variable {name} {{ type discrete [ {k} ] {{ {', '.join(f's{i}' for i in range(k))} }}; }}\n" for name, k in (("p", 2), ("q", 3), ("x", 2)))
    first = np.arange(6) / 10
    text = variables + "probability ( p ) { table 0.5, 0.5; }\nprobability ( q ) { table 0.25, 0.25, 0.5; }\n"
    text += f"probability ( x | p, q ) {{ table {', '.join(map(str, [*first, *(1 - first)]))}; }}\n"
    np.testing.assert_array_equal(parse_bif(text).cpts[2], np.stack([first, 1 - first], -1).reshape(2, 3, 2))
    pgmpy = pytest.importorskip("pgmpy.readwrite").BIFReader(string=text).variable_cpds["x"]
    np.testing.assert_array_equal(np.reshape(pgmpy, (2, 2, 3)), np.moveaxis(parse_bif(text).cpts[2], -1, 0))


def test_default_fills_what_is_not_listed_wherever_it_stands():
    rows = WEATHER[WEATHER.index("(clear)") : WEATHER.rindex("}")]
    for spelling in ("default .125, .125, .75; (clear) .5, .25, .25;", "(clear) .5, .25, .25; default .125, .125, .75;"):
        assert equal(parse_bif(WEATHER.replace(rows, spelling)), parse_bif(WEATHER))
    np.testing.assert_array_equal(parse_bif(WEATHER.replace(rows, "default .5, .5, 0;")).cpts[1], [[.5, .5, 0]] * 2)


@pytest.mark.parametrize("name", SMALL)
def test_reads_what_pgmpy_reads(name):
    agrees_with_pgmpy(PGMPY / f"{name}.bif.gz")


@pytest.mark.skipif("DIMM_SLOW" not in os.environ, reason="over a minute: set DIMM_SLOW to run it; chapter 01 keeps its answer")
@pytest.mark.parametrize("name", sorted(set(ALL) - set(SMALL)))
def test_reads_what_pgmpy_reads_in_every_packaged_network(name):
    agrees_with_pgmpy(PGMPY / f"{name}.bif.gz")


def agrees_with_pgmpy(path: Path):
    from pgmpy.readwrite import BIFReader

    ours, theirs = read_bif(path), BIFReader(string=gzip.decompress(path.read_bytes()).decode())
    states, parents, values = theirs.variable_states, theirs.variable_parents, theirs.variable_cpds
    assert sorted(ours.names) == sorted(theirs.variable_names)
    for name, labels, ps, cpt in zip(*ours):
        assert list(labels) == list(states[name]) and [ours.names[p] for p in ps] == list(parents[name])
        np.testing.assert_array_equal(np.moveaxis(cpt, -1, 0).reshape(len(labels), -1), values[name])


@pytest.mark.parametrize("name", ["asia", "survey", "cancer", "alarm"])
def test_reads_what_pyagrum_reads(name, tmp_path):
    gum = pytest.importorskip("pyagrum")
    (tmp_path / "net.bif").write_bytes(gzip.decompress((PGMPY / f"{name}.bif.gz").read_bytes()))
    ours, theirs = read_bif(tmp_path / "net.bif"), gum.loadBN(str(tmp_path / "net.bif"))
    for name, labels, ps, cpt in zip(*ours):
        parents = [ours.names[p] for p in ps]
        assert set(theirs.variable(name).labels()) == set(labels)
        for at in itertools.product(*(ours.states[p] for p in ps)):
            row = theirs.cpt(name)[dict(zip(parents, at))] if ps else theirs.cpt(name)[:]
            mine = dict(zip(labels, cpt[tuple(ours.states[p].index(state) for p, state in zip(ps, at))]))
            np.testing.assert_allclose(row, [mine[label] for label in theirs.variable(name).labels()], atol=1e-6)


def test_other_readers_read_what_it_writes(tmp_path):
    from pgmpy.readwrite import BIFReader

    net = read_bif(PGMPY / "insurance.bif.gz")
    theirs = BIFReader(string=format_bif(net))
    for name, labels, ps, cpt in zip(*net):
        assert list(theirs.variable_states[name]) == list(labels)
        np.testing.assert_array_equal(theirs.variable_cpds[name], np.moveaxis(cpt, -1, 0).reshape(len(labels), -1))


# what it refuses

VARIABLES = "variable a { type discrete [ 2 ] { x, y }; }\nvariable b { type discrete [ 2 ] { u, v }; }\n"
ROOTS = "probability ( a ) { table 0.5, 0.5; }\n"
REFUSED = {
    "empty": ("", "line 1, column 1: there is no variable in this file"),
    "blank": (" \n\t\n", "there is no variable"),
    "other text": ("{\"a\": 1}", "line 1, column 1: expected 'variable' or 'probability', found '{'"),
    "two networks": ("network a { }\nnetwork b { }", "line 2, column 1"),
    "trailing word": (VARIABLES + ROOTS + "probability ( b ) { table 0.5, 0.5; }\nend", "line 5, column 1: expected 'variable' or 'probability', found 'end'"),
    "trailing brace": (VARIABLES + ROOTS + "probability ( b ) { table 0.5, 0.5; } }", "line 4, column 39"),
    "no table": (VARIABLES + ROOTS, "there are no probabilities for 'b': is the file cut off?"),
    "empty block": (VARIABLES + ROOTS + "probability ( b ) { }", "1 of 1 rows are missing"),
    "missing row": (VARIABLES + ROOTS + "probability ( b | a ) { (x) 0.5, 0.5; }", "line 4, column 25: 1 of 2 rows are missing, the first of them ('y')"),
    "row twice": (VARIABLES + ROOTS + "probability ( b | a ) { (x) 0.5, 0.5;\n(x) 0.5, 0.5; }", "line 5, column 1: this row was given before"),
    "row and table": (VARIABLES + ROOTS + "probability ( b | a ) { (x) 0.5, 0.5; table 0.5, 0.5, 0.5, 0.5; }", "given before"),
    "table twice": (VARIABLES + "probability ( a ) { table 0.5, 0.5; table 0.5, 0.5; }", "given before"),
    "default twice": (VARIABLES + ROOTS + "probability ( b | a ) { default 0.5, 0.5; default 0.5, 0.5; }", "a default was given before"),
    "block twice": (VARIABLES + ROOTS + ROOTS, "line 4, column 15: the probabilities of 'a' were given before"),
    "variable twice": (VARIABLES + VARIABLES, "line 3, column 10: variable 'a' is declared twice"),
    "states twice": ("variable a { type discrete [ 1 ] { x }; type discrete [ 1 ] { x }; }", "expected '}', found 'type'"),
    "state twice": ("variable a { type discrete [ 2 ] { x, x }; }", "line 1, column 39: 'a' lists the state 'x' twice"),
    "wrong size": ("variable a { type discrete [ 3 ] { x, y }; }", "'a' is said to have 3 states, and lists 2"),
    "size no number": ("variable a { type discrete [ two ] { x, y }; }", "'two'"),
    "size 0": ("variable a { type discrete [ 0 ] { }; }", "expected a number from 1"),
    "size negative": ("variable a { type discrete [ -1 ] { }; }", "expected a number from 1"),
    "no states": ("variable a { }", "'a' has no states"),
    "blank state": ('variable a { type discrete [ 1 ] { " " }; }', "expected a state, found ' '"),
    "blank name": ('variable "" { }', "expected a variable's name, found ''"),
    "continuous": ("variable a { type continuous; }", "expected 'discrete', found 'continuous'"),
    "unknown variable": (VARIABLES + "probability ( c ) { }", "'c' is no variable declared above"),
    "unknown parent": (VARIABLES + ROOTS + "probability ( b | c ) { }", "line 4, column 19: 'c' is no variable declared above"),
    "own parent": (VARIABLES + "probability ( a | a ) { }", "'a' stands twice in this list"),
    "parent twice": (VARIABLES + "probability ( a | b, b ) { }", "'b' stands twice in this list"),
    "no parent": (VARIABLES + "probability ( a | ) { }", "expected a parent's name, found ')'"),
    "unknown state": (VARIABLES + ROOTS + "probability ( b | a ) { (z) 0.5, 0.5; }", "line 4, column 26: 'z' is no state of this parent: its states are 'x, y'"),
    "row too wide": (VARIABLES + ROOTS + "probability ( b | a ) { (x, x) 0.5, 0.5; }", "expected 1 states, one a parent, found 2"),
    "row of a root": (VARIABLES + "probability ( a ) { (x) 0.5, 0.5; }", "expected 0 states, one a parent, found 1"),
    "too few numbers": (VARIABLES + "probability ( a ) { table 1; }", "line 3, column 27: expected 2 numbers, found 1"),
    "too many numbers": (VARIABLES + "probability ( a ) { table 0.5, 0.25, 0.25; }", "expected 2 numbers, found more"),
    "no numbers": (VARIABLES + "probability ( a ) { table ; }", "expected 2 numbers, found 0"),
    "no comma": (VARIABLES + "probability ( a ) { table 0.5 0.5; }", "expected ',', found '0.5'"),
    "comma at the end": (VARIABLES + "probability ( a ) { table 0.5, 0.5, ; }", "expected 2 numbers, found more"),
    "sum too small": (VARIABLES + "probability ( a ) { table 0.5, 0.4; }", "the probabilities '0.5, 0.4' sum to 0.9, not to 1"),
    "sum off by 1e-4": (VARIABLES + "probability ( a ) { table 0.5, 0.50011; }", "sum to 1.00011, not to 1"),
    "sum of a column": (VARIABLES + ROOTS + "probability ( b | a ) { table 0.5, 0.25, 0.5, 0.5; }", "the probabilities '0.25, 0.5' sum to 0.75"),
    "default sum": (VARIABLES + ROOTS + "probability ( b | a ) { default 0.5, 0.6; }", "sum to 1.1"),
    "unused default": (VARIABLES + "probability ( a ) { table 0.5, 0.5; default 2, 0; }", "expected a probability, found '2'"),
    "open string": ('variable "a', "line 1, column 10: expected a variable's name, found '\"'"),
    "string over lines": ('variable "a\nb" { }', "line 1, column 10"),
    "open comment": ("/* variable", "line 1, column 1"),
    "open property": ("network a { property x = 1 }", "expected ';' after the property, found the end of the file"),
    "quoted keyword": ('"variable" a { type discrete [ 1 ] { x }; }', "expected 'variable'"),
    "too many states": (f"variable a {{ type discrete [ {bif.MAX_STATES + 1} ] {{ x", "expected a number from 1 to 32,767"),
    "too many parents": ("".join(f"variable x{j} {{ type discrete [ 1 ] {{ a }}; }}\n" for j in range(70))
                         + f"probability ( x0 | {', '.join(f'x{j}' for j in range(1, 70))} ) {{ }}", "expected ')' after 32 names"),
}
for number in ("-0.5", "nan", "inf", "1e999", "-1e-9", "1_0", "0x1", "1.5", "half", "٠", "0.5.5", "e5", "."):
    REFUSED[f"number {number}"] = (VARIABLES + f"probability ( a ) {{ table {number}, 0.5; }}", f"line 3, column 27: expected a probability, found '{number}'")


@pytest.mark.parametrize("text, message", REFUSED.values(), ids=REFUSED)
def test_what_is_wrong_is_named_with_its_place(text, message):
    with pytest.raises(BIFError) as caught:
        parse_bif(text, "net.bif")
    assert message in str(caught.value) and str(caught.value).startswith("net.bif, line ") and "\n" not in str(caught.value)


def test_a_sum_is_off_by_less_than_1e_4_or_an_error():
    assert parse_bif("variable a { type discrete [ 2 ] { x, y }; }" + "probability ( a ) { table 0.5, 0.50009; }").cpts[0].tolist() == [.5, .50009]


@pytest.mark.parametrize("name", ["asia", "survey"])
def test_every_truncation_is_an_error(name):
    text = gzip.decompress((PGMPY / f"{name}.bif.gz").read_bytes()).decode().rstrip()
    for length in range(len(text)):
        with pytest.raises(BIFError):
            parse_bif(text[:length])


def test_a_long_word_makes_a_short_message():
    with pytest.raises(BIFError) as caught:
        parse_bif("x" * 10**6)
    assert len(str(caught.value)) < 200


# files


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("data", [WEATHER.encode(), gzip.compress(WEATHER.encode()), b"\xef\xbb\xbf" + WEATHER.encode(),
                                  gzip.compress(WEATHER[:100].encode()) + gzip.compress(WEATHER[100:].encode())], ids=["plain", "gzip", "mark", "two parts"])
def test_files_come_plain_or_gzipped_whatever_they_are_called(tmp_path, data):
    assert equal(read_bif(written(tmp_path / "x.txt", data)), parse_bif(WEATHER))
    assert equal(read_bif(str(tmp_path / "x.txt")), parse_bif(WEATHER))


@pytest.mark.parametrize("data, message", [
    (b"", "there is no variable in this file"), (b"\x01", "expected 'variable'"), (b"\x1f\x8b", "damaged gzip file"),
    (gzip.compress(WEATHER.encode())[:-5], "damaged gzip file"), (gzip.compress(WEATHER.encode())[:30] + b"junk" * 9, "damaged gzip file"),
    (gzip.compress(WEATHER.encode()) + b"junk", "damaged gzip file"), (gzip.compress(b""), "there is no variable"), (bytes(range(256)), "is not UTF-8"),
    (WEATHER.encode("utf-16"), "is not UTF-8 text"), (WEATHER.replace("dry", "séc").encode("latin-1"), r"is not UTF-8 text \(byte \d+\)"),
    (WEATHER.encode().replace(b"dry", b"d\0y"), "holds zero bytes"), (gzip.compress(gzip.compress(WEATHER.encode())), "is not UTF-8")])
def test_files_that_are_no_bif_files(tmp_path, data, message):
    with pytest.raises(BIFError, match=message) as caught:
        read_bif(written(tmp_path / "odd.bif", data))
    assert str(tmp_path / "odd.bif") in str(caught.value)


@pytest.mark.parametrize("path, error", [("nowhere.bif", FileNotFoundError), (".", IsADirectoryError)])
def test_files_that_cannot_be_opened(tmp_path, path, error):
    with pytest.raises(error):
        read_bif(tmp_path / path)


def peak_mib(call) -> float:
    tracemalloc.start()
    try:
        with pytest.raises(BIFError):
            call()
        return tracemalloc.get_traced_memory()[1] / 2**20
    finally:
        tracemalloc.stop()


def test_a_gzip_bomb_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(bif, "MAX_BYTES", 2**20)
    bomb = written(tmp_path / "bomb.bif.gz", gzip.compress(b" " * 2**27, 1))
    assert peak_mib(lambda: read_bif(bomb)) < 8


def test_a_table_is_counted_before_there_is_room_for_it():
    binary = "".join(f"variable x{j} {{ type discrete [ 2 ] {{ a, b }}; }}\n" for j in range(40))
    one = f"probability ( x0 | {', '.join(f'x{j}' for j in range(1, 32))} ) {{ default 0.5, 0.5; }}"
    with pytest.raises(BIFError, match="line 41, column 15: with the table of 'x0' the file has over 16,777,216 probabilities"):
        parse_bif(binary + one)
    assert peak_mib(lambda: parse_bif(binary + one)) < 1


def test_many_tables_are_counted_together(monkeypatch):
    monkeypatch.setattr(bif, "MAX_ENTRIES", 5)
    with pytest.raises(BIFError, match="with the table of 'b' the file has over 5 probabilities"):
        parse_bif(VARIABLES + ROOTS + "probability ( b | a ) { default 0.5, 0.5; }")
    assert parse_bif(VARIABLES + ROOTS + "probability ( b ) { table 0.5, 0.5; }")


# there and back

LABELS = st.text(min_size=1, max_size=8).filter(str.strip) | st.sampled_from(
    ["<5.5", "1/2", "-", "+x", "0.5", "nan", "a b", " a", "a ", '"', '\\"', "\\", "\\n", "x\ny", "//", "/*x*/", "{", "}", "(a)", "a,b", "a;b", "|", "table", "default",
     "property", "variable", "network", "é", "日本", "\u00a0x", "\ud800", "\x00", "\x85y", "\ufeff"])


@st.composite
def random_tables(draw) -> Tables:
    names = draw(st.lists(LABELS, min_size=1, max_size=4, unique=True))
    states = [draw(st.lists(LABELS, min_size=1, max_size=4, unique=True)) for _ in names]
    place = draw(st.permutations(range(len(names))))
    parents = [draw(st.lists(st.sampled_from([p for p in range(len(names)) if place[p] < place[j]]), unique=True, max_size=2)) if place[j] else []
               for j in range(len(names))]
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    cpts = [rng.dirichlet(np.full(len(s), 0.3), size=tuple(len(states[p]) for p in ps)) for s, ps in zip(states, parents)]
    return Tables(tuple(names), tuple(map(tuple, states)), tuple(map(tuple, parents)), tuple(cpts))


@given(random_tables())
@settings(max_examples=150, deadline=None)
def test_what_is_written_is_read_again_to_the_last_bit(tables):
    assert equal(parse_bif(format_bif(tables, tables.names[0])), tables)


@given(LABELS)
def test_a_name_is_one_token(name):
    found = list(tokens(quoted(name)))
    assert [token.text for token in found[:-1]] == [name] and found[0].kind in ("word", "string")


def test_plain_names_stay_plain():
    for name in ("VENTTUBE", "<5.5", "1/2", "a-b", "x_1", "50%", "Zürich", "a//b", "back\\slash"):
        assert quoted(name) == name


@pytest.mark.parametrize("name", ["alarm", "sachs", "hailfinder", "munin1"])
def test_packaged_networks_survive_the_writer(name):
    tables = read_bif(PGMPY / f"{name}.bif.gz")
    assert equal(parse_bif(format_bif(tables)), tables)


# damaged text


def network_or_none(text: str) -> CausalNetwork | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return CausalNetwork(*parse_bif(text))
        except ValueError as error:
            assert str(error)
            return None


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_damaged_text_is_an_error_or_a_network(data):
    text = data.draw(st.sampled_from([WEATHER, gzip.decompress((PGMPY / "cancer.bif.gz").read_bytes()).decode()]))
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(len(text), start + data.draw(st.sampled_from([0, 1, 5, 60, 1000])))))
        patch = data.draw(st.text(max_size=3) | st.sampled_from([text[end : end + 30], "{", "}", ";", ",", '"', "(", "-", "e", "[ 9 ]", "0", "1e308", "nan", "default", "|", "\\"]))
        text = text[:start] + patch + text[end:]
    net = network_or_none(text)
    if net is not None:
        assert all(np.isfinite(cpt).all() and np.allclose(cpt.sum(axis=-1), 1, rtol=0, atol=1e-12) for cpt in net.cpts)


@given(st.text(max_size=60) | st.lists(st.sampled_from(list("{}()[],;|\"\\/*") + ["variable", "probability", "network", "type", "discrete", "a", "b", "1", "0.5", "table", " "])).map(" ".join))
@settings(max_examples=200, deadline=None)
def test_any_text_is_an_error_or_a_network(text):
    network_or_none(text)


@given(st.binary(max_size=80) | st.binary(max_size=40).map(gzip.compress) | st.binary(max_size=40).map(lambda b: b"\x1f\x8b\x08" + b))
@settings(max_examples=150, deadline=None)
def test_any_bytes_are_an_error_or_a_network(tmp_path_factory, data):
    path = written(tmp_path_factory.getbasetemp() / "fuzz.bif", data)
    with pytest.raises(BIFError):
        read_bif(path)


def test_packaged_networks_are_all_there():
    wanted = """alarm asia child insurance water mildew barley hailfinder hepar2 win95pts pathfinder munin1 andes pigs diabetes link
                sachs survey cancer earthquake""".split()
    assert set(wanted) <= set(packaged_files())
