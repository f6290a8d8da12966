"""Tetrad's graphs: both formats, every kind of edge, and what is refused."""
import json
import re

import pytest
from hypothesis import given, strategies as st

from dimm_nb.learning.tetrad import TetradGraph, parse_json, parse_text, read_tetrad

NODES = ("Device", "Landing page", "Cart")


def text(*edges, nodes=NODES, sep=";", tail=""):
    return f"Graph Nodes:\n{sep.join(nodes)}\n\nGraph Edges:\n" + "".join(f"{k}. {edge}\n"
                                                                          for k, edge in enumerate(edges, 1)) + tail


def as_json(*edges, nodes=NODES, wrap=False):
    graph = {"nodes": [{"name": n} for n in nodes],
             "edgesSet": [{"node1": {"name": a}, "endpoint1": p, "endpoint2": q, "node2": {"name": b}}
                          for a, p, q, b in edges]}
    return json.dumps({"graph": graph} if wrap else graph)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)).filter(lambda e: e[0] < e[1]), unique=True))
def test_both_formats_hold_the_same_graph(pairs):
    nodes = tuple(f"node {k}" for k in range(6))
    edges = [(nodes[a], nodes[b]) for a, b in pairs]
    by_text = parse_text(text(*(f"{a} --> {b}" for a, b in edges), nodes=nodes))
    by_json = parse_json(as_json(*((b, {"ordinal": 1}, {"ordinal": 0}, a) for a, b in edges), nodes=nodes))
    assert by_text.directed() == by_json.directed() == edges


@pytest.mark.parametrize("sep", [";", ","])
def test_attributes_after_an_edge_and_after_the_graph_are_left_alone(sep):
    tail = "\nGraph Attributes:\nBIC: -1234.5\n\nGraph Node Attributes:\nBIC: [Cart: -3]\n"
    graph = parse_text(text("Device --> Landing page [no edge]:0.1;[Device --> Landing page]:0.9;",
                            "Landing page --> Cart dd nl", sep=sep, tail=tail))
    assert graph.directed() == [("Device", "Landing page"), ("Landing page", "Cart")]


@pytest.mark.parametrize("points",
                         [({"ordinal": 0}, {"ordinal": 1}), ("TAIL", "ARROW"), ({"name": "Tail"}, {"name": "Arrow"})])
@pytest.mark.parametrize("wrap", [False, True])
def test_end_points_as_numbers_and_words(points, wrap):
    assert parse_json(as_json(("Device", *points, "Cart"), wrap=wrap)).directed() == [("Device", "Cart")]


@pytest.mark.parametrize("marks", ["---", "o--", "--o", "o-o", "<-o", "<--"])
def test_tiers_direct_what_has_no_direction(marks):
    graph = parse_text(text(f"Cart {marks} Device"))
    assert graph.directed([["Device"], ["Cart"]]) == [("Device", "Cart")]
    if marks != "<--":
        with pytest.raises(ValueError, match="1 edges have no direction, "):
            graph.directed([["Device", "Cart"]])


@pytest.mark.parametrize("marks", ["-->", "o->"])
def test_tiers_that_contradict_an_arrowhead_are_refused(marks):
    for edge in (f"Cart {marks} Device", f"Device {marks[::-1].replace('>', '<')} Cart"):
        says = f"the edge Cart {marks} Device says that 'Device' is no cause of 'Cart', and the tiers"
        with pytest.raises(ValueError, match=says):
            parse_text(text(edge)).directed([["Device"], ["Cart"]])


def test_every_undirected_edge_is_named_up_to_five():
    nodes = tuple("abcdefgh")
    with pytest.raises(ValueError,
                       match="7 edges have no direction, a --- b, b --- c, c --- d, d --- e, e --- f and 2 more"):
        parse_text(text(*(f"{a} --- {b}" for a, b in zip(nodes, nodes[1:])), nodes=nodes)).directed()


@pytest.mark.parametrize("gap", ["\n", "\n\n", "   \n", "\r\n"])
def test_blank_lines_between_edges_say_nothing(gap):
    graph = parse_text(f"Graph Nodes:\nX;Y;Z\n\nGraph Edges:\n{gap}1. X --> Y\n{gap}2. Y --> Z\n{gap}")
    assert graph.directed() == [("X", "Y"), ("Y", "Z")]


def test_long_lines_and_many_nodes_are_read_in_one_pass():
    names = tuple(f"node {k}" for k in range(3000))
    big = text(*(f"{a} --> {b} [{a} --> {b}]:0.9;[no edge]:0.1;" for a, b in zip(names, names[1:])), nodes=names)
    assert len(parse_text(big).directed()) == 2999
    for line in (" " * 5000 + "X" + " " * 5000, "1. " + "Device " * 5000, "X --> " * 5000,
                 "1. Device --> " + "[" * 50_000):
        with pytest.raises(ValueError, match="graph|edge"):
            parse_text(text(line))


def test_names_may_hold_marks_digits_and_blanks():
    nodes = ("a --> b", "2. c", "graph d", "e (f)", "e")
    graph = parse_text(text("a --> b --> 2. c", "2. c --> graph d", "graph d --> e (f) pd nl", "graph d --> e [x]:1",
                            nodes=nodes))
    assert graph.directed() == [("a --> b", "2. c"), ("2. c", "graph d"), ("graph d", "e (f)"), ("graph d", "e")]


def test_a_common_hidden_cause_is_not_an_edge_whatever_the_tiers():
    with pytest.raises(ValueError, match="unobserved cause"):
        parse_text(text("Device <-> Cart")).directed([["Device"], ["Cart"]])


@pytest.mark.parametrize("content, message", [
    ("", "it needs the lines 'Graph Nodes:'"),
    ("Graph Edges:\n1. a --> b", "it needs the lines"),
    (text("Device -> Cart"), "line 5: '1. Device -> Cart' is no edge"),
    (text("Device --> Kart"), "names 'Kart', which is no node of the graph; did you mean 'Cart'?"),
    (text("Device --> Cart", "Cart --> Device"), "two edges between"),
    (text("Cart --> Cart"), "from a node to itself"),
    (text("Device --> Cart", nodes=("Device", "Cart", "Cart")), "'Cart' is there twice"),
])
def test_bad_text_is_refused_with_its_place(content, message):
    with pytest.raises(ValueError, match="graph|edge") as caught:
        parse_text(content)
    assert message in str(caught.value)


@pytest.mark.parametrize("content, message", [
    ('{"graph":' * 100_000, "nested too deep"), ('{"graph":' * 30 + "1" + "}" * 30, "no graph of Tetrad's"),
    ('{"nodes": [{"name": "a"}], "edgesSet": [{"endpoint1": ' + "[" * 500 + "]" * 500 + "}]}", "is no end point"),
    ("{", "not JSON"), ("[]", "no graph of Tetrad's"), ('{"nodes": [{}], "edgesSet": []}', "no graph of Tetrad's"),
    ("3", "no graph of Tetrad's"),
    (as_json(("Device", "STAR", "ARROW", "Cart")), "'STAR' is no end point"),
    (as_json(("Device", {"ordinal": 7}, "ARROW", "Cart")), "is no end point"),
])
def test_bad_json_is_refused(content, message):
    with pytest.raises(ValueError) as caught:
        parse_json(content)
    assert message in str(caught.value)


def test_a_file_is_read_by_what_it_holds(tmp_path):
    file = tmp_path / "graph"
    for content in (text("Device --> Cart"), as_json(("Device", "TAIL", "ARROW", "Cart"))):
        file.write_text(content)
        assert read_tetrad(file).directed() == [("Device", "Cart")]
    file.write_bytes(b"\xff\xfe\x00G")
    with pytest.raises(ValueError, match="UTF-8"):
        read_tetrad(file)
    file.write_text(text("Device --> Kart"))
    with pytest.raises(ValueError, match=f"^{re.escape(str(file))}: the edge Device --> Kart names 'Kart'"):
        read_tetrad(file)
    with pytest.raises(OSError):
        read_tetrad(tmp_path / "none")


def test_a_cycle_is_shown():
    with pytest.raises(ValueError, match="the graph has a cycle, .*Device → Cart"):
        TetradGraph(("A", "Device", "Cart"),
                    (("A", "-->", "Device"), ("Device", "-->", "Cart"), ("Cart", "-->", "A"))).directed()
