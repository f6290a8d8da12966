"""The BIF reader: what it takes, what it refuses, and where it says the fault lies."""
import gzip
import importlib.util
import itertools
import os
import tracemalloc
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from dimm_nb.network import bif
from dimm_nb.network.axis import Marginals, NetworkWarning
from dimm_nb.network.bif import (
    BIFError,
    Tables,
    format_bif,
    parse_bif,
    parse_document,
    quick_rows,
    quoted,
    read_bif,
    tokens,
)
from dimm_nb.network.network import CausalNetwork, origin_properties, packaged_files

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


def zipped(data: bytes) -> bytes:
    "Without the time of day: two processes that collect these tests must name them alike."
    return gzip.compress(data, mtime=0)


def equal(a: Tables, b: Tables) -> bool:
    return a[:3] == b[:3] and all(x.shape == y.shape and (x == y).all() for x, y in zip(a.cpts, b.cpts))


# what it reads


def test_a_file_with_everything_in_it():
    names, states, parents, cpts = parse_bif(WEATHER)
    assert (
        names == ("sky", "grass")
        and states == (("clear", "<1/2"), ("dry", "a bit wet", "wet"))
        and parents == ((), (0,))
    )
    np.testing.assert_array_equal(cpts[0], [.75, .25])
    np.testing.assert_array_equal(cpts[1], [[.5, .25, .25], [.125, .125, .75]])


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\n\n  ", ""])
def test_line_ends_do_not_matter(ending):
    assert equal(parse_bif(WEATHER.strip().replace("\n", ending or "\n") + ending), parse_bif(WEATHER))


def test_blocks_come_in_any_order():
    lines = ["variable b { type discrete [ 1 ] { x }; }", "probability ( b ) { table 1; }",
             "variable a { type discrete [ 2 ] { y, z }; }", "probability ( a | b ) { (x) 0, 1; }"]
    for order in itertools.permutations(lines):
        found = parse_bif("\n".join(order))
        assert found.parents[found.names.index("a")] == (found.names.index("b"),) and found.cpts[
            found.names.index("a")
        ].tolist() == [[0, 1]]
    with pytest.raises(BIFError, match="line 1, column 15: 'b' is no variable of this file"):
        parse_bif("\n".join([lines[1], lines[2]]))


def test_a_table_lists_the_childs_first_state_first():
    variables = "".join(
        f"variable {name} {{ type discrete [ {k} ] {{ {', '.join(f's{i}' for i in range(k))} }}; }}\n"
        for name, k in (("p", 2), ("q", 3), ("x", 2))
    )
    first = np.arange(6) / 10
    text = variables + "probability ( p ) { table 0.5, 0.5; }\nprobability ( q ) { table 0.25, 0.25, 0.5; }\n"
    text += f"probability ( x | p, q ) {{ table {', '.join(map(str, [*first, *(1 - first)]))}; }}\n"
    np.testing.assert_array_equal(parse_bif(text).cpts[2], np.stack([first, 1 - first], -1).reshape(2, 3, 2))
    pgmpy = pytest.importorskip("pgmpy.readwrite").BIFReader(string=text).variable_cpds["x"]
    np.testing.assert_array_equal(np.reshape(pgmpy, (2, 2, 3)), np.moveaxis(parse_bif(text).cpts[2], -1, 0))


def test_default_fills_what_is_not_listed_wherever_it_stands():
    rows = WEATHER[WEATHER.index("(clear)") : WEATHER.rindex("}")]
    for spelling in (
        "default .125, .125, .75; (clear) .5, .25, .25;",
        "(clear) .5, .25, .25; default .125, .125, .75;",
    ):
        assert equal(parse_bif(WEATHER.replace(rows, spelling)), parse_bif(WEATHER))
    np.testing.assert_array_equal(parse_bif(WEATHER.replace(rows, "default .5, .5, 0;")).cpts[1], [[.5, .5, 0]] * 2)


@pytest.mark.parametrize("name", SMALL)
def test_reads_what_pgmpy_reads(name):
    agrees_with_pgmpy(PGMPY / f"{name}.bif.gz")


@pytest.mark.skipif(
    "DIMM_SLOW" not in os.environ, reason="over a minute: set DIMM_SLOW to run it; chapter 01 keeps its answer"
)
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
    for name, labels, _, cpt in zip(*net):
        assert list(theirs.variable_states[name]) == list(labels)
        np.testing.assert_array_equal(theirs.variable_cpds[name], np.moveaxis(cpt, -1, 0).reshape(len(labels), -1))


# what other programs write

SHOP = """network s { }
variable Channel { type discrete [ 3 ] { "Organic, Search", "Paid|Search", "(other)" }; }
variable Device { type discrete [ 2 ] { desktop, mobile }; }
probability ( Channel ) { table 0.5, 0.25, 0.25; }
probability ( Device | Channel ) { ("Organic, Search") 0.625, 0.375; ("Paid|Search") 0.25, 0.75; ("(other)") 0.5, 0.5; }
"""
SPELLINGS = {
    "no commas": [
        ("0.5, 0.25, 0.25", "0.5 0.25 0.25"),
        ("0.625, 0.375", "0.625 0.375"),
        ("desktop, mobile", "desktop mobile"),
    ],
    "comma for bar": [("Device | Channel", "Device, Channel")],
    "no bar": [("Device | Channel", '"Device" "Channel"')],
    "bars": [("0.5, 0.25, 0.25", "0.5|0.25|0.25")],
    "bar of a root": [("( Channel ) {", "( Channel | ) {")],
    "comma at the end": [("0.25, 0.75;", "0.25, 0.75,;"), ("desktop, mobile", "desktop, mobile,")],
    "text before": [("network s", "made by a tool; network of a variable shop's probability\nnetwork s")],
    "text between": [("}\nprobability", "} P(A) = [0.5, \"0.2] it's\nprobability")],
    "text after": [("0.5, 0.5; }\n", "0.5, 0.5; }\nThe end: \"so")],
    "no name": [("network s", "network")],
    "quoted network": [("network s", 'network "s, t"')],
    "comment": [("desktop, mobile", 'desktop,// "x"\nmobile/* } */'), ("table", "/*{*/table")],
    "comment in a block": [('("Paid', '// "(a) 0.5; }\n("Paid'), ("0.75;", "0.75/*;*/;")],
    "properties": [
        ("};", "}; property a b; property \"c;\";"),
        ("{ table", "{ property x = 1; table"),
        ("0.25, 0.75;", "0.25, 0.75; property y;"),
        ("s { }", "s { property z 1.0; }"),
    ],
    "default": [('("Paid|Search") 0.25, 0.75; ', ""), ("{ (", "{ default 0.25, 0.75; (")],
    "tight": [(" ", "")],
    "wide": [(" ", " \t\v\f\u00a0 ")],
    "old Macs": [("\n", "\r")],
    "Windows": [("\n", "\r\n")],
    "later": [("network s { }\nvariable Device { type discrete [ 2 ] { desktop, mobile }; }", "")],
}


@pytest.mark.parametrize("changes", SPELLINGS.values(), ids=SPELLINGS)
def test_dialects_are_read_alike(changes):
    text = SHOP
    for old, new in changes:
        text = (
            text.replace(old, new)
            if old != " "
            else " ".join(text.split())
            .replace("network s", "network\0s")
            .replace("variable ", "variable\0")
            .replace("type discrete", "type\0discrete")
            .replace(", Search", ",\0Search")
            .replace("table ", "table\0")
            .replace(" ", new)
            .replace("\0", " ")
        )
    assert equal(parse_bif(text), parse_bif(SHOP))


def test_a_line_is_counted_whatever_ends_it():
    for end in ("\n", "\r", "\r\n"):
        with pytest.raises(BIFError, match="line 5, column 56: expected a probability, found 'much'"):
            parse_bif(SHOP.replace("0.625", "much").replace("\n", end))


def test_properties_are_kept_as_they_stand_and_written_again():
    text = (
        SHOP.replace("s { }", "s { property version 1.0; property \"a; b\" ; }")
        .replace("}; }", "}; property position = (3, 4); }", 1)
        .replace("{ table", "{ property of table; table")
    )
    read = parse_document(text)
    assert read.properties == {"": ["version 1.0", '"a; b"'], "Channel": ["position = (3, 4)", "of table"]} and equal(
        read.tables, parse_bif(SHOP)
    )
    again = parse_document(format_bif(read.tables, "s", read.properties))
    assert again.properties == read.properties and equal(again.tables, read.tables)
    for wrong in ("", " ", "a; b", "a } b", "a\nb", '"a', "{"):
        with pytest.raises(ValueError, match="cannot be a property"):
            format_bif(read.tables, properties={"Channel": [wrong]})


@pytest.mark.parametrize("name", ["asia", "survey", "cancer", "alarm"])
def test_pyagrum_reads_and_writes_the_same(name, tmp_path):
    gum = pytest.importorskip("pyagrum")
    ours = read_bif(PGMPY / f"{name}.bif.gz")
    (tmp_path / "ours.bif").write_text(format_bif(ours))
    gum.loadBN(str(tmp_path / "ours.bif")).saveBIF(str(tmp_path / "theirs.bif"))
    theirs = read_bif(tmp_path / "theirs.bif")
    assert sorted(theirs.names) == sorted(ours.names)
    for name, _, parents, cpt in zip(*theirs):
        j = ours.names.index(name)
        axes = [[theirs.names[p] for p in parents].index(ours.names[p]) for p in ours.parents[j]]
        picked = np.transpose(cpt, [*axes, cpt.ndim - 1])
        order = [
            [theirs.states[v].index(s) for s in ours.states[k]]
            for k, v in [(p, theirs.names.index(ours.names[p])) for p in ours.parents[j]]
            + [(j, theirs.names.index(name))]
        ]
        np.testing.assert_allclose(
            picked[np.ix_(*order)], ours.cpts[j], rtol=0, atol=1e-7
        )  # pyAgrum prints single precision


# what a network rests on

NET = CausalNetwork(
    ("sky", "a b"),
    (("clear", "grey"), ("x", "y", "z;")),
    ((), (0,)),
    ([0.75, 0.25], [[0.5, 0.25, 0.25], [0, 1e-300, 1]]),
)
KNOWN = replace(
    NET,
    stable=Marginals(NET.index, [1 / 3, 2 / 3, 0.1, 0.2, 0.7], [np.inf, 12.5]),
    rows=[7, [0.1, np.inf]],
    smoothing=0.3,
    reversible=[("sky", "a b")],
    others=[
        replace(
            NET,
            parents=((1,), ()),
            cpts=(np.full((3, 2), 0.5), [0.1, 0.2, 0.7]),
            rows=[[1, 2, 3], 1 / 3],
            smoothing=10,
            reversible=[("a b", "sky")],
        ),
        NET,
    ],
)


@pytest.mark.parametrize(
    "net",
    [
        NET,
        KNOWN,
        replace(KNOWN, rows=None),
        replace(KNOWN, stable=None, others=()),
        replace(NET, others=[replace(NET, others=[KNOWN])]),
    ],
)
def test_what_a_network_rests_on_is_read_again_to_the_last_bit(net, tmp_path):
    net.to_bif(tmp_path / "x.bif")
    assert CausalNetwork.from_bif(tmp_path / "x.bif") == net


def test_other_programs_pass_over_it(tmp_path):
    from pgmpy.readwrite import BIFReader

    gum = pytest.importorskip("pyagrum")
    plain = CausalNetwork(("sky", "grass"), (("clear", "grey"), ("x", "y", "z")), *(NET.parents, NET.cpts))
    full = replace(
        plain,
        stable=Marginals(plain.index, KNOWN.stable.p, KNOWN.stable.n),
        rows=KNOWN.rows,
        smoothing=0.3,
        reversible=[("sky", "grass")],
        others=[replace(plain, rows=[3, 4])],
    )
    for file, net in (("plain.bif", plain), ("full.bif", full)):
        net.to_bif(tmp_path / file)
    one, other = (BIFReader(string=(tmp_path / file).read_text()) for file in ("plain.bif", "full.bif"))
    assert one.variable_states == other.variable_states and all(
        (one.variable_cpds[v] == other.variable_cpds[v]).all() for v in plain.names
    )
    a, b = (gum.loadBN(str(tmp_path / file)) for file in ("plain.bif", "full.bif"))
    assert a.names() == b.names() and all((a.cpt(v).toarray() == b.cpt(v).toarray()).all() for v in plain.names)


@pytest.mark.parametrize(
    "old, new, message",
    [
        (
            "dimm_rows = 7.0",
            "dimm_rows = seven",
            "node 'sky': the property dimm_rows holds something that is no number: 'seven'",
        ),
        ("dimm_rows = 7.0", "dimm_rows = 7.0 8.0", r"behind node 'sky' have shape \(2,\)"),
        ("dimm_rows = 7.0", "x", "node 'sky' has no property dimm_rows, and other nodes have"),
        ("dimm_rows = 7.0", "dimm_rows = -7.0", "node 'sky' rests on -7 rows"),
        (
            "dimm_reversible = 0",
            "dimm_reversible = 1",
            "node 'a b': the property dimm_reversible names parent 1, and it has 1",
        ),
        ("dimm_stable = 12.5", "dimm_stable = 0.5", "node 'a b': n is 0.5"),
        ("dimm_stable = 12.5 0.1", "dimm_stable = 12.5 0.2", "node 'a b': its p sum to 1.1"),
        (
            "dimm_stable = inf 0.3333333333333333 0.6666666666666666",
            "dimm_stable =",
            "node 'sky': the property dimm_stable holds 0 numbers",
        ),
        ("other = 0 parents 1", "other = zero", "the property dimm_other begins with 'zero'"),
        (
            "other = 0 parents 1",
            "other = 0 parents 5",
            "node 'sky': its properties dimm_other hold no parents and table",
        ),
        ("other = 0 table 0.5", "other = 0 table", "node 'sky': its properties dimm_other hold no"),
        ("dimm_smoothing = 0.3", "dimm_smoothing = -1", "smoothing is a number"),
    ],
)
def test_what_was_written_by_hand_is_checked(old, new, message, tmp_path):
    text = format_bif(Tables(NET.names, NET.states, NET.parents, NET.cpts), properties=origin_properties(KNOWN))
    assert text.count(old) == 1
    with pytest.raises(ValueError, match=message) as caught:
        CausalNetwork.from_bif(written(tmp_path / "x.bif", text.replace(old, new).encode()))
    assert "x.bif" in str(caught.value)


# what it refuses

VARIABLES = "variable a { type discrete [ 2 ] { x, y }; }\nvariable b { type discrete [ 2 ] { u, v }; }\n"
ROOTS = "probability ( a ) { table 0.5, 0.5; }\n"
REFUSED = {
    "empty": ("", "line 1, column 1: there is no variable in this file"),
    "blank": (" \n\t\n", "there is no variable"),
    "other text": ("{\"a\": 1}", "line 1, column 1: expected 'variable' or 'probability', found '{'"),
    "two networks": ("network a { }\nnetwork b { }", "line 2, column 9: a second network begins here"),
    "text alone": (
        "the network of our shop, with a variable or two and their probability",
        "there is no variable in this file: is it a BIF file?",
    ),
    "keyword misspelt": (
        VARIABLES + "probabilty ( a ) { table 0.5, 0.5; }",
        "line 3, column 18: expected 'variable' or 'probability', found '{'",
    ),
    "trailing brace": (VARIABLES + ROOTS + "probability ( b ) { table 0.5, 0.5; } }", "line 4, column 39"),
    "no table": (VARIABLES + ROOTS, "there are no probabilities for 'b': is the file cut off?"),
    "empty block": (VARIABLES + ROOTS + "probability ( b ) { }", "1 of 1 rows are missing"),
    "missing row": (
        VARIABLES + ROOTS + "probability ( b | a ) { (x) 0.5, 0.5; }",
        "line 4, column 25: 1 of 2 rows are missing, the first of them ('y')",
    ),
    "row twice": (
        VARIABLES + ROOTS + "probability ( b | a ) { (x) 0.5, 0.5;\n(x) 0.5, 0.5; }",
        "line 5, column 1: this row was given before",
    ),
    "row and table": (
        VARIABLES + ROOTS + "probability ( b | a ) { (x) 0.5, 0.5; table 0.5, 0.5, 0.5, 0.5; }",
        "given before",
    ),
    "table twice": (VARIABLES + "probability ( a ) { table 0.5, 0.5; table 0.5, 0.5; }", "given before"),
    "default twice": (
        VARIABLES + ROOTS + "probability ( b | a ) { default 0.5, 0.5; default 0.5, 0.5; }",
        "a default was given before",
    ),
    "block twice": (VARIABLES + ROOTS + ROOTS, "line 4, column 15: the probabilities of 'a' were given before"),
    "variable twice": (VARIABLES + VARIABLES, "line 3, column 10: variable 'a' is declared twice"),
    "states twice": (
        "variable a { type discrete [ 1 ] { x }; type discrete [ 1 ] { x }; }",
        "expected '}', found 'type'",
    ),
    "state twice": ("variable a { type discrete [ 2 ] { x, x }; }", "line 1, column 39: 'a' lists the state 'x' twice"),
    "wrong size": ("variable a { type discrete [ 3 ] { x, y }; }", "'a' is said to have 3 states, and lists 2"),
    "size no number": ("variable a { type discrete [ two ] { x, y }; }", "'two'"),
    "size 0": ("variable a { type discrete [ 0 ] { }; }", "expected a number from 1"),
    "size negative": ("variable a { type discrete [ -1 ] { }; }", "expected a number from 1"),
    "no states": ("variable a { }", "'a' has no states"),
    "blank state": ('variable a { type discrete [ 1 ] { " " }; }', "expected a state, found ' '"),
    "blank name": ('variable "" { }', "expected a variable's name, found ''"),
    "continuous": ("variable a { type continuous; }", "expected 'discrete', found 'continuous'"),
    "unknown variable": (VARIABLES + "probability ( c ) { }", "'c' is no variable of this file"),
    "unknown parent": (
        VARIABLES + ROOTS + "probability ( b | c ) { }",
        "line 4, column 19: 'c' is no variable of this file",
    ),
    "own parent": (VARIABLES + "probability ( a | a ) { }", "'a' stands twice in this list"),
    "parent twice": (VARIABLES + "probability ( a | b, b ) { }", "'b' stands twice in this list"),
    "no brace": (VARIABLES + "probability ( a )", "expected '{', found the end of the file"),
    "no closing brace": (VARIABLES + "probability ( a ) { table 0.5, 0.5;", "expected '}', found the end of the file"),
    "unknown state": (
        VARIABLES + ROOTS + "probability ( b | a ) { (z) 0.5, 0.5; }",
        "line 4, column 26: 'z' is no state of this parent: its states are 'x, y'",
    ),
    "row too wide": (
        VARIABLES + ROOTS + "probability ( b | a ) { (x, x) 0.5, 0.5; }",
        "expected 1 states, one a parent, found 2",
    ),
    "row of a root": (VARIABLES + "probability ( a ) { (x) 0.5, 0.5; }", "expected 0 states, one a parent, found 1"),
    "too few numbers": (VARIABLES + "probability ( a ) { table 1; }", "line 3, column 27: expected 2 numbers, found 1"),
    "too many numbers": (VARIABLES + "probability ( a ) { table 0.5, 0.25, 0.25; }", "expected 2 numbers, found more"),
    "no numbers": (VARIABLES + "probability ( a ) { table ; }", "expected 2 numbers, found 0"),
    "decimal commas": (VARIABLES + "probability ( a ) { table 0,5 0,5; }", "expected a probability, found '5'"),
    "sum too small": (
        VARIABLES + "probability ( a ) { table 0.5, 0.4; }",
        "the probabilities '0.5, 0.4' sum to 0.9, not to 1",
    ),
    "sum off by 1e-3": (VARIABLES + "probability ( a ) { table 0.5, 0.5011; }", "sum to 1.0011, not to 1"),
    "sum of a column": (
        VARIABLES + ROOTS + "probability ( b | a ) { table 0.5, 0.25, 0.5, 0.5; }",
        "the probabilities '0.25, 0.5' sum to 0.75",
    ),
    "default sum": (VARIABLES + ROOTS + "probability ( b | a ) { default 0.5, 0.6; }", "sum to 1.1"),
    "unused default": (
        VARIABLES + "probability ( a ) { table 0.5, 0.5; default 2, 0; }",
        "expected a probability, found '2'",
    ),
    "open string": ('variable a { type discrete [ 1 ] { "x }; }', "line 1, column 36: expected a state, found '\"'"),
    "string over lines": ('variable "a\nb" { }', "line 2, column 4: expected 'variable' or 'probability', found '{'"),
    "open comment": ("/* variable", "line 1, column 1: this comment has no end"),
    "open comment inside": (VARIABLES + "probability ( a ) { table 0.5, 0.5; /* }", "line 3, column 37"),
    "property over a brace": (
        VARIABLES.replace("; }", "; property x }", 1),
        "expected ';' after the property, found '}'",
    ),
    "open property": ("network a { property x = 1 }", "line 1, column 28: expected ';' after the property, found '}'"),
    "quoted keyword": ('"variable" a { type discrete [ 1 ] { x }; }', "line 1, column 14: expected 'variable'"),
    "too many states": (
        f"variable a {{ type discrete [ {bif.MAX_STATES + 1} ] {{ x",
        "expected a number from 1 to 32,767",
    ),
    "too many parents": (
        "".join(f"variable x{j} {{ type discrete [ 1 ] {{ a }}; }}\n" for j in range(70))
        + f"probability ( x0 | {', '.join(f'x{j}' for j in range(1, 70))} ) {{ }}",
        "expected ')' after 32 names",
    ),
}
for number in ("-0.5", "nan", "inf", "1e999", "-1e-9", "1_0", "0x1", "1.5", "half", "٠", "0.5.5", "e5", "."):
    REFUSED[f"number {number}"] = (
        VARIABLES + f"probability ( a ) {{ table {number}, 0.5; }}",
        f"line 3, column 27: expected a probability, found '{number}'",
    )


@pytest.mark.parametrize("text, message", REFUSED.values(), ids=REFUSED)
def test_what_is_wrong_is_named_with_its_place(text, message):
    with pytest.raises(BIFError) as caught:
        parse_bif(text, "net.bif")
    assert (
        message in str(caught.value)
        and str(caught.value).startswith("net.bif, line ")
        and "\n" not in str(caught.value)
    )


def test_a_sum_is_off_by_less_than_1e_3_or_an_error(tmp_path):
    text = "variable a { type discrete [ 2 ] { x, y }; }" + "probability ( a ) { table .2500 .7504; }"
    assert parse_bif(text).cpts[0].tolist() == [.25, .7504]
    with pytest.warns(NetworkWarning, match="1 of them at 1 of 1 nodes: the CPT of 'a' was off most, by 0.0004"):
        net = CausalNetwork.from_bif(written(tmp_path / "a.bif", text.encode()))
    np.testing.assert_allclose(net.cpts[0], [.25 / 1.0004, .7504 / 1.0004], rtol=1e-12)


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


@pytest.mark.parametrize(
    "data",
    [
        WEATHER.encode(),
        zipped(WEATHER.encode()),
        b"\xef\xbb\xbf" + WEATHER.encode(),
        zipped(WEATHER[:100].encode()) + zipped(WEATHER[100:].encode()),
    ],
    ids=["plain", "gzip", "mark", "two parts"],
)
def test_files_come_plain_or_gzipped_whatever_they_are_called(tmp_path, data):
    assert equal(read_bif(written(tmp_path / "x.txt", data)), parse_bif(WEATHER))
    assert equal(read_bif(str(tmp_path / "x.txt")), parse_bif(WEATHER))


@pytest.mark.parametrize(
    "data, message",
    [
        (b"", "there is no variable in this file"),
        (b"\x01", "there is no variable in this file"),
        (b"\x1f\x8b", "damaged gzip file"),
        (zipped(WEATHER.encode())[:-5], "damaged gzip file"),
        (zipped(WEATHER.encode())[:30] + b"junk" * 9, "damaged gzip file"),
        (zipped(WEATHER.encode()) + b"junk", "damaged gzip file"),
        (zipped(b""), "there is no variable"),
        (bytes(range(256)), "is not UTF-8"),
        (WEATHER.encode("utf-16-le"), "holds zero bytes"),
        (WEATHER.encode("utf-16")[:-1], "is not UTF-8 text"),
        (WEATHER.replace("dry", "séc\x81").encode("latin-1"), r"is not UTF-8 text \(byte \d+\)"),
        (WEATHER.encode().replace(b"dry", b"d\0y"), "holds zero bytes"),
        (zipped(zipped(WEATHER.encode())), "is not UTF-8"),
    ],
)
def test_files_that_are_no_bif_files(tmp_path, data, message):
    with pytest.raises(BIFError, match=message) as caught:
        read_bif(written(tmp_path / "odd.bif", data))
    assert str(tmp_path / "odd.bif") in str(caught.value)


@pytest.mark.parametrize("path, error", [("nowhere.bif", FileNotFoundError), (".", IsADirectoryError)])
def test_files_that_cannot_be_opened(tmp_path, path, error):
    with pytest.raises(error):
        read_bif(tmp_path / path)


def test_other_encodings_are_read_if_they_are_plain(tmp_path):
    for data in (
        WEATHER.encode("utf-16"),
        b"\xfe\xff" + WEATHER.encode("utf-16-be"),
        zipped(WEATHER.encode("utf-16")),
    ):
        assert equal(read_bif(written(tmp_path / "x.bif", data)), parse_bif(WEATHER))
    with pytest.warns(NetworkWarning, match=r"x.bif is not UTF-8 \(byte \d+\): read as Windows-1252"):
        assert (
            read_bif(
                written(
                    tmp_path / "x.bif", WEATHER.replace("dry", "très €").replace("très €", '"très €"').encode("cp1252")
                )
            ).states[1][0]
            == "très €"
        )


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
    with pytest.raises(
        BIFError, match="line 41, column 15: with the table of 'x0' the file has over 16,777,216 probabilities"
    ):
        parse_bif(binary + one)
    assert peak_mib(lambda: parse_bif(binary + one)) < 1


def test_many_tables_are_counted_together(monkeypatch):
    monkeypatch.setattr(bif, "MAX_ENTRIES", 5)
    with pytest.raises(BIFError, match="with the table of 'b' the file has over 5 probabilities"):
        parse_bif(VARIABLES + ROOTS + "probability ( b | a ) { default 0.5, 0.5; }")
    assert parse_bif(VARIABLES + ROOTS + "probability ( b ) { table 0.5, 0.5; }")


# there and back

LABELS = st.text(min_size=1, max_size=8).filter(str.strip) | st.sampled_from(
    [
        "<5.5",
        "1/2",
        "-",
        "+x",
        "0.5",
        "nan",
        "a b",
        " a",
        "a ",
        '"',
        '\\"',
        "\\",
        "\\n",
        "x\ny",
        "//",
        "/*x*/",
        "{",
        "}",
        "(a)",
        "a,b",
        "a;b",
        "|",
        "table",
        "default",
        "property",
        "variable",
        "network",
        "é",
        "日本",
        "\u00a0x",
        "\ud800",
        "\x00",
        "\x85y",
        "\ufeff",
    ]
)


@st.composite
def random_tables(draw) -> Tables:
    names = draw(st.lists(LABELS, min_size=1, max_size=4, unique=True))
    states = [draw(st.lists(LABELS, min_size=1, max_size=4, unique=True)) for _ in names]
    place = draw(st.permutations(range(len(names))))
    parents = [
        draw(st.lists(st.sampled_from([p for p in range(len(names)) if place[p] < place[j]]), unique=True, max_size=2))
        if place[j]
        else []
        for j in range(len(names))
    ]
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    cpts = [
        rng.dirichlet(np.full(len(s), 0.3), size=tuple(len(states[p]) for p in ps)) for s, ps in zip(states, parents)
    ]
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
    for name in ("VENTTUBE", "<5.5", "1/2", "a-b", "x_1", "50%", "Zürich", "back\\slash", "a/"):
        assert quoted(name) == name
    for name in ("a//b", "a/*b", "a,b", "a|b", "a b", ""):
        assert quoted(name) == f'"{name}"'


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


def careful(text: str) -> Tables | str:
    "What the reader makes of a text, or says of it, when it may not be quick."
    quick, bif.quick_rows = bif.quick_rows, lambda *_: None
    try:
        return parse_bif(text)
    except BIFError as error:
        return str(error)
    finally:
        bif.quick_rows = quick


def quickly(text: str) -> Tables | str:
    try:
        return parse_bif(text)
    except BIFError as error:
        return str(error)


def test_plain_rows_are_read_quickly():
    assert quick_rows(" (y) 0.25, .75;\n(x) 1e-1 9E-1 ; ", [{"x": 0, "y": 1}], 2).tolist() == [[.1, .9], [.25, .75]]
    assert quick_rows('("a;)") 0, 1; // x', [{"a;)": 0}], 2).tolist() == [[0, 1]] and quick_rows(
        "table .5 .5;", [], 2
    ).tolist() == [0.5, 0.5]
    for body in (
        "table 0.5 0.6;",
        "(x) 0.5 0.5; (x) 0.5 0.5;",
        "(x) 0.5 0.5;",
        "(x) 1_0 0; (y) 0 1;",
        "(x) nan 1; (y) 0 1;",
        "(x) 0.5 0.5; (y) 0.5 0.5; z",
        "(x) (y) 0.5 0.5; (y) 1 0;",
        "(x) 0.5; (y) 0.5 0.5 0.5;",
        "x) 0.5 0.5; (y) 0.5 0.5;",
        "default 0.5 0.5;",
        "(x) 1 0; (z) 1 0;",
        "",
        ";",
        "(x) \u0661 0; (y) 0 1;",
        "(x) -0.5 1.5; (y) 0 1;",
    ):
        assert quick_rows(body, [{"x": 0, "y": 1}], 2) is None


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_damaged_text_is_an_error_or_a_network(data):
    text = data.draw(st.sampled_from([WEATHER, SHOP, gzip.decompress((PGMPY / "cancer.bif.gz").read_bytes()).decode()]))
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(len(text), start + data.draw(st.sampled_from([0, 1, 5, 60, 1000])))))
        patch = data.draw(
            st.text(max_size=3)
            | st.sampled_from(
                [
                    text[end : end + 30],
                    "{",
                    "}",
                    ";",
                    ",",
                    '"',
                    "(",
                    "-",
                    "e",
                    "[ 9 ]",
                    "0",
                    "1e308",
                    "nan",
                    "default",
                    "|",
                    "\\",
                ]
            )
        )
        text = text[:start] + patch + text[end:]
    quick, slow = quickly(text), careful(text)
    assert quick == slow if isinstance(slow, str) or isinstance(quick, str) else equal(quick, slow)
    net = network_or_none(text)
    if net is not None:
        assert all(np.isfinite(cpt).all() and np.allclose(cpt.sum(axis=-1), 1, rtol=0, atol=1e-12) for cpt in net.cpts)


@given(
    st.text(max_size=60)
    | st.lists(
        st.sampled_from(
            list("{}()[],;|\"\\/*")
            + ["variable", "probability", "network", "type", "discrete", "a", "b", "1", "0.5", "table", " "]
        )
    ).map(" ".join)
)
@settings(max_examples=200, deadline=None)
def test_any_text_is_an_error_or_a_network(text):
    network_or_none(text)


@given(
    st.binary(max_size=80)
    | st.binary(max_size=40).map(gzip.compress)
    | st.binary(max_size=40).map(lambda b: b"\x1f\x8b\x08" + b)
)
@settings(max_examples=150, deadline=None)
def test_any_bytes_are_an_error_or_a_network(tmp_path_factory, data):
    path = written(tmp_path_factory.getbasetemp() / "fuzz.bif", data)
    with pytest.raises(BIFError):
        read_bif(path)


def test_packaged_networks_are_all_there():
    wanted = """alarm asia child insurance water mildew barley hailfinder hepar2 win95pts pathfinder munin1
                andes pigs diabetes link sachs survey cancer earthquake""".split()
    assert set(wanted) <= set(packaged_files())
