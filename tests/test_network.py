"""Networks: what is one and what is not, surgery, sampling, probabilities, labels, files, pictures."""
import copy
import gc
import gzip
import importlib.util
import itertools
import math
import pickle
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st
from scipy.stats import chisquare

from dimm_nb.network import network
from dimm_nb.network.axis import Marginals, NetworkWarning, code_type, topological_order
from dimm_nb.network.bif import checked_cpt
from dimm_nb.network.drawing import crossings, draw_network, layered, ordered
from dimm_nb.network.network import (
    CausalNetwork,
    Intervention,
    as_network,
    draw_states,
    load_network,
    packaged_files,
    random_network,
)

ASIA, ALARM = load_network("asia"), load_network("alarm")
COIN, PAID = ("heads", "tails"), ("yes", "no")
BET = CausalNetwork(("coin", "paid"), (COIN, PAID), ((), (0,)), ([.5, .5], [[.9, .1], [0, 1]]))
PGMPY = Path(importlib.util.find_spec("pgmpy").origin).parent / "utils" / "example_models"
seeds = st.integers(0, 10**6)


def changed(**parts) -> CausalNetwork:
    return CausalNetwork(**dict(names=BET.names, states=BET.states, parents=BET.parents, cpts=BET.cpts) | parts)


def small(seed: int) -> CausalNetwork:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 6))
    net = random_network(n, rng.integers(1, 4, n), 3, seed)
    cpts = [np.where(rng.random(cpt.shape) < .2, 0, cpt) for cpt in net.cpts]  # some of it impossible
    cpts = [np.where(cpt.sum(-1, keepdims=True) == 0, 1, cpt) for cpt in cpts]
    return CausalNetwork(net.names, net.states, net.parents, [cpt / cpt.sum(-1, keepdims=True) for cpt in cpts])


def every_row(net: CausalNetwork) -> np.ndarray:
    return np.array(list(itertools.product(*map(range, net.sizes))))


def product_of_tables(net: CausalNetwork, row: tuple[int, ...], do: dict[int, int]) -> float:
    "The truncated factorisation below Definition 1."
    if any(row[j] != k for j, k in do.items()):
        return 0.0
    return math.prod(
        float(net.cpts[i][(*(row[p] for p in net.parents[i]), row[i])]) for i in range(len(row)) if i not in do
    )


# what is a network


WRONG = {
    "cycle of two": (
        dict(parents=((1,), (0,))),
        "the graph has a cycle, (coin → paid → coin|paid → coin → paid): remove one",
    ),
    "own parent": (dict(parents=((), (1,))), "the graph has a cycle, paid → paid"),
    "no such parent": (
        dict(parents=((), (2,))),
        "node 'paid' has parent 2: parents are positions of nodes, from 0 to 1",
    ),
    "negative parent": (dict(parents=((), (-2,))), "node 'paid' has parent -2"),
    "half a parent": (dict(parents=((), (0.0,))), "whole numbers from 0 to 1"),
    "parent by name": (dict(parents=((), ("coin",))), "positions of nodes, whole numbers"),
    "parents not a list": (dict(parents=((), 0)), "parents are lists of positions"),
    "parent twice": (dict(parents=((), (0, 0))), "node 'paid' has parents coin, coin: name each once"),
    "parents missing": (dict(parents=((),)), "there are 2 nodes and 1 lists of parents"),
    "shape": (
        dict(cpts=([0.5, 0.5], [0.5, 0.5])),
        r"the CPT of 'paid' has shape \(2,\): its parents and its own states ask for \(2, 2\)",
    ),
    "transposed": (
        dict(states=(COIN, ("a", "b", "c")), cpts=([0.5, 0.5], np.full((3, 2), 0.5))),
        r"has shape \(3, 2\).*ask for \(2, 3\)",
    ),
    "negative": (dict(cpts=([-0.1, 1.1], BET.cpts[1])), r"the CPT of 'coin' is no distribution: \[-0.1  1.1\]"),
    "tiny negative": (dict(cpts=([-1e-12, 1], BET.cpts[1])), "the CPT of 'coin' is no distribution"),
    "nan": (
        dict(cpts=([0.5, 0.5], [[0.5, 0.5], [np.nan, 1]])),
        "the CPT of 'paid', row coin=tails, is no distribution: .nan",
    ),
    "inf": (dict(cpts=([np.inf, 0], BET.cpts[1])), "the CPT of 'coin' is no distribution"),
    "sum": (dict(cpts=([0.5, 0.5], [[0.5, 0.5], [0.5, 0.6]])), "the CPT of 'paid', row coin=tails, is no distribution"),
    "sum off by 1e-3": (dict(cpts=([0.5, 0.5011], BET.cpts[1])), "should be numbers from 0 to 1 that sum to 1"),
    "all zero": (dict(cpts=([0, 0], BET.cpts[1])), "no distribution"),
    "texts": (dict(cpts=(["half", "half"], BET.cpts[1])), "the CPT of 'coin' is no array of numbers"),
    "ragged": (dict(cpts=(BET.cpts[0], [[0.5, 0.5], [1]])), "the CPT of 'paid' is no array of numbers"),
    "complex": (dict(cpts=([0.5 + 0j, 0.5], BET.cpts[1])), "no array of numbers"),
    "cpts missing": (dict(cpts=BET.cpts[:1]), "there are 2 nodes and 1 CPTs"),
    "name twice": (dict(names=("coin", "coin")), "a node named 'coin' is there twice"),
    "empty name": (dict(names=("coin", "")), "a node has an empty name"),
    "blank name": (dict(names=("coin", " \t")), "a node has an empty name"),
    "name a number": (dict(names=("coin", 3)), "a node is named 3: names are text, write '3'"),
    "name missing": (dict(names=("coin", None)), "a node is named None"),
    "state twice": (dict(states=(COIN, ("yes", "yes"))), "a state of node 'paid' named 'yes' is there twice"),
    "empty state": (dict(states=(COIN, ("yes", ""))), "a state of node 'paid' has an empty name"),
    "state a number": (dict(states=(COIN, (0, 1))), "a state of node 'paid' is named 0: names are text, write '0'"),
    "no states": (dict(states=(COIN, ())), "node 'paid' has no states"),
    "states a text": (dict(states=(COIN, "yn")), "expected a list of names, found the text 'yn'"),
    "names a text": (dict(names="cp"), "expected a list of names, found the text 'cp'"),
    "states missing": (dict(states=(COIN,)), "there are 2 nodes and 1 lists of states"),
    "nothing": (dict(names=(), states=(), parents=(), cpts=()), "at least one node"),
}


@pytest.mark.parametrize("parts, message", WRONG.values(), ids=WRONG)
def test_what_is_no_network_never_becomes_one(parts, message):
    with pytest.raises(ValueError, match=message):
        changed(**parts)


def test_a_long_cycle_is_shown_all_the_way_round():
    with pytest.raises(ValueError, match="a cycle, ") as caught:
        topological_order("abcdef", [(), (5,), (1,), (2,), (0,), (3,)])
    way = str(caught.value).partition("cycle, ")[2].partition(":")[0].split(" → ")
    assert way[0] == way[-1] and sorted(way[:-1]) == ["b", "c", "d", "f"]


@pytest.mark.parametrize(
    "off, warned", [(0, False), (1e-15, False), (1e-10, False), (1e-8, True), (9.9e-5, True), (-9.9e-5, True)]
)
def test_rounded_rows_are_scaled_and_said_to_be(off, warned):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        net = changed(cpts=(BET.cpts[0], [[.9, .1], [.25, .75 + off]]))
    assert bool(said) == warned and abs(net.cpts[1].sum(axis=-1) - 1).max() < 1e-12
    if warned:
        assert (
            "1 of them at 1 of 2 nodes" in str(said[0].message)
            and "the CPT of 'paid', row coin=tails, was off most" in str(said[0].message)
            and said[0].filename == __file__
        )


@given(seeds)
@settings(max_examples=50, deadline=None)
def test_what_was_scaled_once_is_not_scaled_again(seed):
    row = np.random.default_rng(seed).dirichlet(np.ones(50)) * (1 + 1e-10)
    once = checked_cpt(row, [("x", list(map(str, range(50))))])[0]
    assert (checked_cpt(once, [("x", list(map(str, range(50))))])[0] == once).all()


def test_a_network_keeps_its_own_read_only_copy():
    mine = np.array([.5, .5])
    net = changed(cpts=(mine, BET.cpts[1]))
    mine[:] = 7
    assert net == BET
    for change in (
        lambda: net.cpts[0].fill(1),
        lambda: net.cpts[1].__setitem__(0, 1),
        lambda: setattr(net, "names", ("a", "b")),
        lambda: setattr(net, "anything", 1),
    ):
        with pytest.raises((ValueError, AttributeError)):
            change()


def test_equal_networks_are_equal_and_have_one_hash():
    for other in (changed(), pickle.loads(pickle.dumps(BET)), copy.deepcopy(BET)):
        assert other == BET and hash(other) == hash(BET) and {other: 1}[BET]
    assert (
        BET != changed(cpts=([0.25, 0.75], BET.cpts[1]))
        and BET != changed(names=("coin", "pay"))
        and BET != "BET"
        and not BET == 3
    )
    assert changed(parents=((), ()), cpts=([.5, .5], [.5, .5])) != BET


def test_the_category_axis():
    assert (
        ALARM.index.names == ["node", "state"] and len(ALARM.index) == 105 == sum(ALARM.sizes) and ALARM.index.is_unique
    )
    for j, (name, states) in enumerate(zip(ALARM.names, ALARM.states)):
        assert list(ALARM.index[ALARM.slices[j]]) == [(name, state) for state in states]
    assert sorted(ALARM.order) == list(range(37)) and all(
        ALARM.order.index(p) < ALARM.order.index(j) for j in range(37) for p in ALARM.parents[j]
    )
    assert ALARM.position("HR") == ALARM.names.index("HR") and ALARM.position("HR", "HIGH")[1] == ALARM.states[
        ALARM.position("HR")
    ].index("HIGH")


def test_parts_may_be_lists_and_numpy_integers():
    net = CausalNetwork(
        list(BET.names), [list(s) for s in BET.states], [[], np.array([0])], [[0.5, 0.5], [[0.9, 0.1], [0, 1]]]
    )
    assert net == BET and type(net.parents[1][0]) is int


# interventions and surgery


def test_an_intervention_is_named_frozen_and_copied():
    do = {"A": "x", "B": "y"}
    one = Intervention(do)
    do["A"] = "z"
    assert one.name == "A=x & B=y" and one.do == {"A": "x", "B": "y"} and Intervention({"HR": "HIGH"}).name == "HR=HIGH"
    for change in (
        lambda: one.do.update(A="z"),
        lambda: one.do.__setitem__("A", "z"),
        lambda: setattr(one, "name", ""),
    ):
        with pytest.raises((TypeError, AttributeError)):
            change()
    for other in (
        Intervention({"A": "x", "B": "y"}),
        pickle.loads(pickle.dumps(one)),
        copy.deepcopy(one),
        eval(repr(one)),
    ):
        assert other == one and hash(other) == hash(one)
    assert one != Intervention({"A": "x", "B": "y"}, "other")


@pytest.mark.parametrize("do", [{}, None, "HR=HIGH", [("HR", "HIGH")]])
def test_an_intervention_maps_nodes_to_states(do):
    with pytest.raises(ValueError, match="an intervention maps nodes to states"):
        Intervention(do)


@given(seeds)
@settings(max_examples=60, deadline=None)
def test_surgery_is_the_truncated_factorisation(seed):
    net, rng = small(seed), np.random.default_rng(seed)
    rows = every_row(net)
    for size in range(min(3, len(net.names)) + 1):
        do = {int(j): int(rng.integers(net.sizes[j])) for j in rng.choice(len(net.names), size, replace=False)}
        after = net.do({net.names[j]: net.states[j][k] for j, k in do.items()})
        wanted = [product_of_tables(net, row, do) for row in rows]
        np.testing.assert_allclose(np.exp(after.log_prob(rows)), wanted, rtol=1e-12, atol=1e-300)
        assert sum(wanted) == pytest.approx(1)


def test_surgery_leaves_all_else_and_the_network_itself_alone():
    before = copy.deepcopy(ALARM)
    after = ALARM.do(Intervention({"HR": "HIGH", "BP": "LOW"}, "panic"))
    assert ALARM == before and after.index.equals(ALARM.index)
    for j, name in enumerate(ALARM.names):
        if name in ("HR", "BP"):
            assert after.parents[j] == () and after.cpts[j].tolist() == [
                float(s == {"HR": "HIGH", "BP": "LOW"}[name]) for s in ALARM.states[j]
            ]
        else:
            assert after.parents[j] == ALARM.parents[j] and (after.cpts[j] == ALARM.cpts[j]).all()
    assert after.do({"HR": "HIGH"}) == after and ALARM.do({}) == ALARM


@pytest.mark.parametrize(
    "do, message",
    [
        ({"HRX": "HIGH"}, "the network has no node 'HRX'; did you mean 'HR"),
        ({"hr": "HIGH"}, "did you mean 'HR'"),
        ({"HR": "HIHG"}, "node 'HR' has no state 'HIHG'; did you mean 'HIGH'?"),
        ({"HR": "high"}, "did you mean 'HIGH'"),
        ({"HR": 2}, "node 'HR' has no state 2; there are 'LOW', 'NORMAL', 'HIGH'"),
        ({3: "HIGH"}, "has no node 3"),
        ({"zzz": "x"}, "there are 'HISTORY'"),
        ("HR", "do takes nodes and their states, as in {'HISTORY': 'TRUE'}"),
        ([("HR", "HIGH")], "do takes nodes and their states"),
        (None, "do takes"),
    ],
)
def test_what_is_not_there_cannot_be_forced(do, message):
    with pytest.raises(ValueError, match=message):
        ALARM.do(do)


# sampling


@given(seeds, st.integers(1, 200))
@settings(max_examples=60, deadline=None)
def test_a_state_is_the_one_whose_interval_holds_the_number(seed, size):
    rng = np.random.default_rng(seed)
    cpt = rng.dirichlet(np.full(size, .2), size=3)
    cpt[rng.random(cpt.shape) < .3] = 0
    cpt[:, rng.integers(size)] += .1
    cpt /= cpt.sum(axis=1, keepdims=True)
    rows, edges = rng.integers(3, size=200), np.cumsum(cpt, axis=1)
    uniform = np.concatenate(
        [
            rng.random(100),
            [0, np.nextafter(1, 0)],
            rng.choice(edges.ravel()[edges.ravel() < 1], 98) if (edges < 1).any() else rng.random(98),
        ]
    )
    drawn = draw_states(cpt, rows, uniform)
    assert (cpt[rows, drawn] > 0).all()
    wanted = [int(np.searchsorted(edges[r] / edges[r, -1], u, side="right")) for r, u in zip(rows, uniform)]
    assert drawn.tolist() == wanted


@pytest.mark.parametrize("seed", range(6))
def test_samples_are_as_frequent_as_probable(seed):
    whole = random_network(4, [3, 2, 4, 2], 3, seed)
    for net in (whole, whole.do({"X1": "s0"}), whole.do({"X0": "s2", "X2": "s1"})):
        expected = 200_000 * np.exp(net.log_prob(every_row(net)))
        observed = np.bincount(np.ravel_multi_index(net.sample(200_000, seed).T, net.sizes), minlength=len(expected))
        assert observed[expected == 0].sum() == 0
        assert chisquare(observed[expected > 0], expected[expected > 0]).pvalue > 1e-4


def test_sampling_says_the_same_for_the_same_seed():
    codes = ALARM.sample(500, 3)
    assert codes.shape == (500, 37) and codes.dtype == np.int16
    assert [code_type(SimpleNamespace(sizes=(2, k))) for k in (2**15, 2**15 + 1)] == [np.int16, np.int32]
    np.testing.assert_array_equal(codes, ALARM.sample(500, np.random.default_rng(3)))
    assert (codes != ALARM.sample(500, 4)).any()
    rng = np.random.default_rng(3)
    assert (ALARM.sample(500, rng) != ALARM.sample(500, rng)).any()


@pytest.mark.parametrize("n", [-1, 1.5, "10", None])
def test_a_number_of_rows_is_whole(n):
    with pytest.raises(ValueError, match="the number of rows must be whole and at least 0, not "):
        random_network(2).sample(n)


@pytest.mark.parametrize(
    "net",
    [random_network(1, 1), random_network(3, [1, 300, 1], seed=1), random_network(14, 2, 12, seed=2)],
    ids=["one state", "300 states", "big tables"],
)
def test_odd_sizes_can_be_sampled(net):
    codes = net.sample(1000, 0)
    assert np.isfinite(net.log_prob(codes)).all() and net.sample(0).shape == (0, len(net.names))


def test_impossible_rows_are_never_drawn():
    for name in ("asia", "insurance", "win95pts"):
        net = load_network(name)
        assert np.isfinite(net.log_prob(net.sample(20_000, 0))).all()


# probabilities


@pytest.mark.parametrize(
    "codes, message",
    [
        ([[0, 0], [0, 2]], "codes row 1, node 'paid' is 2: its 2 states have positions 0 to 1"),
        ([[0, -1]], "codes row 0, node 'paid' is -1"),
        ([[0.0, 1.0]], "codes are whole numbers"),
        ([0, 1], r"of shape \(2,\)"),
        ([[0, 1, 0]], r"of shape \(1, 3\)"),
        ([["heads", "yes"]], "codes are whole numbers"),
        ([[True, False]], "these are bool"),
        ([], "codes are whole numbers"),
    ],
)
def test_codes_are_checked(codes, message):
    for use in (BET.log_prob, BET.frame):
        with pytest.raises(ValueError, match=message):
            use(codes)


def test_probabilities_do_not_depend_on_how_many_are_asked_for():
    codes = ALARM.sample(2000, 0)
    together = ALARM.log_prob(codes)
    np.testing.assert_array_equal(together[:5], ALARM.log_prob(codes[:5]))
    np.testing.assert_array_equal(together, ALARM.log_prob(codes.astype(np.uint8)))
    assert ALARM.log_prob(codes[:0]).shape == (0,)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert BET.log_prob([[1, 0]]) == -np.inf


def test_pgmpy_finds_alarm_rows_as_probable():
    pgmpy = ALARM.to_pgmpy()
    rows = ALARM.frame(ALARM.sample(40, 1))
    theirs = [
        sum(math.log(cpd.get_value(**{v: row[v] for v in cpd.variables})) for cpd in pgmpy.get_cpds())
        for row in rows.to_dict("records")
    ]
    np.testing.assert_allclose(ALARM.log_prob(ALARM.codes(rows)), theirs, rtol=1e-12)


# labels


def test_tables_and_codes_go_back_and_forth():
    codes = ALARM.sample(300, 0)
    frame = ALARM.frame(codes)
    shuffled = (
        frame.astype(str)[np.random.default_rng(0).permutation(frame.columns)]
        .assign(more=1.5)
        .set_index(np.arange(300) * 7)
    )
    np.testing.assert_array_equal(ALARM.codes(shuffled), codes)
    np.testing.assert_array_equal(ALARM.codes(frame), codes)
    assert list(frame.columns) == list(ALARM.names) and list(frame["HR"].cat.categories) == list(
        ALARM.states[ALARM.position("HR")]
    )


def test_numbers_are_read_as_the_text_they_print():
    net = CausalNetwork(("x",), (("1", "2", "True"),), ((),), ([.2, .3, .5],))
    assert net.codes(pd.DataFrame({"x": [2, 1, 2]})).tolist() == [[1], [0], [1]]
    assert net.codes(pd.DataFrame({"x": [True, True]})).tolist() == [[2], [2]]
    with pytest.raises(ValueError, match="table row 0, node 'x' is '1.0'; there are '1', '2', 'True'"):
        net.codes(pd.DataFrame({"x": [1.0]}))


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda f: f.drop(columns="paid"), "the table has 0 columns named 'paid'"),
        (lambda f: pd.concat([f, f[["coin"]]], axis=1), "the table has 2 columns named 'coin'"),
        (lambda f: f.replace("tails", "Tails"), "table row 2, node 'coin' is 'Tails'; did you mean 'tails'?"),
        (lambda f: f.replace("tails", None), "table row 2, node 'coin' is empty"),
        (
            lambda f: f.replace("tails", float("nan")).set_index(np.array([5, 6, 7])),
            "table row 2, node 'coin' is empty",
        ),
    ],
)
def test_tables_are_checked(change, message):
    frame = pd.DataFrame({"paid": ["yes", "no", "no"], "coin": ["heads", "heads", "tails"]})
    assert BET.codes(frame).tolist() == [[0, 0], [0, 1], [1, 1]]
    with pytest.raises(ValueError, match=message):
        BET.codes(change(frame))
    assert BET.codes(frame[:0]).shape == (0, 2)


# random networks


def test_random_networks_are_as_asked_for():
    net = random_network(30, 3, 2, seed=5)
    assert (
        set(net.sizes) == {3}
        and max(map(len, net.parents)) == 2
        and net == random_network(30, np.int64(3), 2, seed=np.random.default_rng(5))
    )
    assert random_network(3, (2, 5, 4)).sizes == (2, 5, 4) and random_network(5, 2, 0).parents == ((),) * 5


@pytest.mark.parametrize("arguments", [(0,), (2, 0), (2, [2]), (2, [2, 0]), (2, 2, -1)])
def test_random_networks_of_no_size_are_refused(arguments):
    with pytest.raises(ValueError, match="a random network needs at least one node"):
        random_network(*arguments)


# files


@pytest.mark.parametrize("name", ["net.bif", "net.bif.gz"])
def test_a_network_survives_its_file_to_the_last_bit(tmp_path, name):
    for net in (ALARM, small(3), random_network(5, [2, 7, 3, 1, 4], seed=9), ALARM.do({"HR": "HIGH"})):
        net.to_bif(tmp_path / name)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert CausalNetwork.from_bif(str(tmp_path / name)) == net
    assert ((tmp_path / name).read_bytes()[:2] == b"\x1f\x8b") == name.endswith(".gz") and [
        p.name for p in tmp_path.iterdir()
    ] == [name]


def test_nothing_is_left_of_a_file_that_could_not_be_written(tmp_path, monkeypatch):
    BET.to_bif(tmp_path / "net.bif")
    before = (tmp_path / "net.bif").read_bytes()
    monkeypatch.setattr(network.os, "replace", lambda *_: (_ for _ in ()).throw(OSError("no room")))
    with pytest.raises(OSError, match="no room"):
        ASIA.to_bif(tmp_path / "net.bif")
    assert [p.name for p in tmp_path.iterdir()] == ["net.bif"] and (tmp_path / "net.bif").read_bytes() == before


@pytest.mark.parametrize("name", ["net.bif", "net.bif.gz"])
def test_a_missing_folder_is_named_with_the_file_that_was_asked_for(tmp_path, name):
    with pytest.raises(
        FileNotFoundError, match="there is no folder .*nowhere.* to write this file to: make it first"
    ) as caught:
        ASIA.to_bif(tmp_path / "nowhere" / name)
    assert caught.value.filename == str(tmp_path / "nowhere" / name) and not list(tmp_path.iterdir())
    (tmp_path / "nowhere").write_text("a file")
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        ASIA.to_bif(tmp_path / "nowhere" / name)


def test_rounded_files_are_warned_of():
    with pytest.warns(UserWarning, match=r"were scaled, 29 of them at \d of 11 nodes: the CPT of"):
        assert len(load_network("sachs").names) == 11


@pytest.mark.parametrize("name", ["alarm", "asia"])
def test_what_ships_here_is_what_pgmpy_packages(name):
    assert packaged_files()[name].parent == Path(network.__file__).parent.parent / "networks"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert load_network(name) == CausalNetwork.from_bif(PGMPY / f"{name}.bif.gz")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            load_network(name)


def test_networks_are_there_without_pgmpy(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(network.importlib.util, "find_spec", lambda name: None if name == "pgmpy" else find(name))
    assert list(packaged_files()) == ["alarm", "asia"] and len(load_network("alarm").names) == 37
    with pytest.raises(ValueError, match="no packaged network 'child'.* The names are alarm, asia"):
        load_network("child")


def test_a_network_is_meant_by_name_by_path_or_by_model(tmp_path):
    ASIA.to_bif(tmp_path / "asia.net.gz")
    for meant in ("asia", tmp_path / "asia.net.gz", str(tmp_path / "asia.net.gz"), ASIA.to_pgmpy(), ASIA):
        assert as_network(meant) == ASIA
    assert load_network(tmp_path / "asia.net.gz") == ASIA
    with pytest.raises(FileNotFoundError):
        load_network("mine.bif")
    for other in (None, 3, {"asia": 1}, [ASIA]):
        with pytest.raises(ValueError, match=f"a packaged name, not {type(other).__name__}"):
            as_network(other)


def test_an_unknown_network_is_answered_with_the_names():
    with pytest.raises(
        ValueError, match="no packaged network 'alam'; did you mean 'alarm'.*andes, asia, barley"
    ) as caught:
        load_network("alam")
    assert "win95pts" in str(caught.value)


def test_alarm_loads_without_heavy_libraries():
    code = "import sys; from dimm_nb.network.network import load_network; load_network('alarm').sample(9); "
    code += "print(*({'scipy', 'pgmpy', 'matplotlib', 'sklearn'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == ""


@pytest.mark.parametrize(
    "name, nodes, edges, categories",
    [
        ("alarm", 37, 46, 105),
        ("child", 20, 25, 60),
        ("insurance", 27, 52, 89),
        ("hailfinder", 56, 66, 223),
        ("win95pts", 76, 112, 152),
        ("andes", 223, 338, 446),
        ("pigs", 441, 592, 1323),
        ("munin1", 186, 273, 992),
    ],
)
def test_packaged_networks_are_those_of_the_repository(name, nodes, edges, categories):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = load_network(name)
    assert (len(net.names), sum(map(len, net.parents)), len(net.index)) == (nodes, edges, categories)


# pgmpy


@pytest.mark.parametrize(
    "net",
    [ASIA, ALARM, small(3), random_network(6, [1, 2, 3, 4, 2, 1], 3, seed=4)],
    ids=["asia", "alarm", "zeros", "sizes"],
)
def test_there_and_back_through_pgmpy(net):
    model = net.to_pgmpy()
    assert model.check_model() and CausalNetwork.from_pgmpy(model) == net


def test_pgmpy_models_with_states_that_are_numbers():
    from pgmpy.factors.discrete import TabularCPD
    from pgmpy.models import DiscreteBayesianNetwork

    model = DiscreteBayesianNetwork([("a", "b")])
    model.add_cpds(TabularCPD("a", 2, [[.25], [.75]]), TabularCPD("b", 3, [[.1, .2], [.3, .3], [.6, .5]], ["a"], [2]))
    net = CausalNetwork.from_pgmpy(model)
    assert net.states == (("0", "1"), ("0", "1", "2")) and net.cpts[1].tolist() == [[.1, .3, .6], [.2, .3, .5]]


def test_pgmpy_models_that_are_not_whole():
    from pgmpy.factors.discrete import TabularCPD
    from pgmpy.models import DiscreteBayesianNetwork

    model = DiscreteBayesianNetwork([("a", "b"), ("c", "b")])
    model.add_cpds(TabularCPD("a", 2, [[.25], [.75]], state_names={"a": ["x", "y"]}), TabularCPD("c", 1, [[1]]))
    with pytest.raises(ValueError, match="pgmpy's node 'b' has no table"):
        CausalNetwork.from_pgmpy(model)
    model.add_cpds(TabularCPD("b", 1, [[1, 1]], ["a"], [2], state_names={"b": ["z"], "a": ["x", "y"]}))
    with pytest.raises(ValueError, match=r"pgmpy's node 'b' has parents \['a', 'c'\], and a table for \['a'\]"):
        CausalNetwork.from_pgmpy(model)
    model.remove_edge("c", "b")
    model.remove_cpds("b")
    model.add_cpds(TabularCPD("b", 1, [[1, 1]], ["a"], [2], state_names={"b": ["z"], "a": ["y", "x"]}))
    with pytest.raises(ValueError, match="list the states of 'a' differently"):
        CausalNetwork.from_pgmpy(model)


# pictures


@pytest.fixture
def plt():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("agg")
    pyplot = importlib.import_module("matplotlib.pyplot")
    yield pyplot
    pyplot.close("all")
    gc.collect()


def test_the_picture_of_alarm_is_readable(plt):
    ax = draw_network(ALARM, {"VENTTUBE": "NORMAL", "HR": "LOW"})
    ax.figure.canvas.draw()
    assert {text.get_text().split("\n")[0] for text in ax.texts} == set(ALARM.names) and sum(
        "=" in text.get_text() for text in ax.texts
    ) == 2
    boxes = [text.get_bbox_patch().get_window_extent() for text in ax.texts]
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))
    whole = ax.figure.bbox
    assert all(whole.x0 <= box.x0 and box.x1 <= whole.x1 and whole.y0 <= box.y0 and box.y1 <= whole.y1 for box in boxes)
    dashed = [patch for patch in ax.patches if patch.get_linestyle() not in ("-", "solid")]
    assert len(ax.patches) == 46 and len(dashed) == sum(
        len(ALARM.parents[ALARM.position(name)]) for name in ("VENTTUBE", "HR")
    )
    assert ax.figure.get_size_inches().max() <= 10


def test_a_picture_goes_where_it_is_told(plt):
    _, ax = plt.subplots()
    assert draw_network(ASIA, ax=ax) is ax and len(ax.patches) == 8
    assert draw_network(ASIA, Intervention({"either": "yes"})) is not ax


def test_pictures_of_odd_networks(plt):
    hostile = CausalNetwork(("$x^", "_{" * 20), (("$", "%"), ("a", "b")), ((), (0,)), ([.5, .5], [[.5, .5]] * 2))
    for net in (
        hostile,
        random_network(1),
        random_network(8, max_parents=0),
        random_network(12, max_parents=6, seed=1),
    ):
        draw_network(net, {net.names[0]: net.states[0][0]}).figure.canvas.draw()


def test_unknown_names_are_not_drawn(plt):
    for do, message in (({"smok": "yes"}, "no node 'smok'"), ({"smoke": "maybe"}, "node 'smoke' has no state 'maybe'")):
        with pytest.raises(ValueError, match=message):
            draw_network(ASIA, do)
    assert not plt.get_fignums()


@given(seeds)
@settings(max_examples=25, deadline=None)
def test_sorting_never_adds_crossings(seed):
    net = random_network(9, 2, 3, seed)
    arrows, layers = layered(net)
    after = ordered(arrows, layers, starts=3)
    assert [sorted(map(str, points)) for points in after] == [sorted(map(str, points)) for points in layers]
    assert crossings(arrows, after) <= crossings(arrows, layers)
    at = {point: level for level, points in enumerate(layers) for point in points}
    assert all(at[b] - at[a] == 1 for points in arrows.values() for a, b in zip(points, points[1:]))


# what a network rests on

TOSS = CausalNetwork(
    ("coin", "paid"), (("h", "t"), ("yes", "no", "late")), ((), (0,)), ([0.5, 0.5], [[0.9, 0.1, 0.0], [0.0, 1.0, 0.0]])
)
SEEN = Marginals(TOSS.index, [.52, .48, .47, .03, .5], [100, 90])
KNOWN = replace(TOSS, stable=SEEN, rows=[100, [52, np.inf]], smoothing=2, reversible=[("coin", "paid")],
                others=[replace(TOSS, parents=((), ()), cpts=([.5, .5], [.2, .3, .5]), rows=[7, 7])])


def test_what_a_network_rests_on_is_kept_and_cannot_be_changed():
    assert KNOWN.rows[0].shape == () and KNOWN.rows[1].tolist() == [52, np.inf] and KNOWN.smoothing == 2.0
    assert KNOWN.reversible == frozenset([("coin", "paid")]) and KNOWN.stable == SEEN and KNOWN.others[0].rows[1] == 7
    with pytest.raises(ValueError, match="read-only"):
        KNOWN.rows[1][0] = 3
    assert replace(TOSS, rows=[5, 5]).rows[1].tolist() == [5, 5], "one number stands for every row of a table"


@pytest.mark.parametrize(
    "changes",
    [
        dict(stable=None),
        dict(rows=None),
        dict(rows=[100, [52, 1]]),
        dict(rows=[99, [52, np.inf]]),
        dict(smoothing=1),
        dict(reversible=()),
        dict(others=()),
        dict(stable=Marginals(TOSS.index, SEEN.p, [100, 91])),
    ],
)
def test_networks_that_rest_on_something_else_are_not_equal(changes):
    assert KNOWN == replace(KNOWN) == pickle.loads(pickle.dumps(KNOWN)) and replace(KNOWN, **changes) != KNOWN != TOSS
    assert hash(replace(KNOWN)) == hash(KNOWN)


def test_stable_counts_are_aligned_by_label():
    order = [2, 4, 3, 1, 0]
    other = Marginals(TOSS.index[order], SEEN.p[order], [90, 100])
    assert other != SEEN and replace(TOSS, stable=other) == replace(TOSS, stable=SEEN)


@pytest.mark.parametrize(
    "changes, message",
    [
        (dict(rows=[100]), "there are 2 nodes, and rows for 1"),
        (dict(rows=[100, [52, 48, 1]]), r"behind node 'paid' have shape \(3,\): its parents ask for \(2,\)"),
        (dict(rows=[[100], 5]), r"behind node 'coin' have shape \(1,\)"),
        (dict(rows=[100, [52, -1]]), "node 'paid' rests on -1 rows"),
        (dict(rows=[np.nan, 5]), "node 'coin' rests on nan rows"),
        (dict(rows=["many", 5]), "behind node 'coin' are no numbers"),
        (dict(smoothing=-1), "smoothing is a number of pseudo-rows"),
        (dict(smoothing=np.inf), "smoothing"),
        (dict(smoothing="2"), "smoothing"),
        (dict(reversible=[("paid", "coin")]), "reversible names paid → coin, which is no edge"),
        (dict(reversible=["coin"]), "reversible names c → o → i → n, which is no edge"),
        (dict(stable={"coin": {"h": 1}}), "stable counts are Marginals, not dict"),
        (dict(others=[ASIA]), "same nodes and states"),
        (dict(others=["coin"]), "same nodes and states"),
        (dict(stable=Marginals([("coin", "h"), ("coin", "t")], [0.5, 0.5], 10)), "of other categories: paid="),
    ],
)
def test_what_a_network_cannot_rest_on_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        replace(TOSS, **changes)


def test_surgery_and_samples_know_nothing_of_it():
    cut = KNOWN.do({"coin": "h"})
    assert (cut.stable, cut.rows, cut.smoothing, cut.reversible, cut.others) == (
        None,
        None,
        0,
        frozenset(),
        (),
    ) and cut.parents["paid"] == ("coin",)
    assert (KNOWN.sample(50, seed=1) == TOSS.sample(50, seed=1)).all()


# other networks in a file beside the BIF


@pytest.mark.parametrize("name", ["net.bif", "net.bif.gz"])
def test_others_that_would_make_a_file_large_lie_beside_it(tmp_path, monkeypatch, name):
    path, beside = tmp_path / name, tmp_path / f"{name}.others.json.gz"
    net = replace(KNOWN, others=(replace(KNOWN, stable=None, others=()),) * 2)
    net.to_bif(path)
    assert not beside.exists() and CausalNetwork.from_bif(path) == net
    monkeypatch.setattr("dimm_nb.network.network.MOST_BIF", 500)
    net.to_bif(path)
    assert beside.exists() and CausalNetwork.from_bif(path) == net
    text = gzip.decompress(path.read_bytes()) if name.endswith("gz") else path.read_bytes()
    assert b"dimm_beside = 2" in text and b"dimm_other" not in text
    beside.write_bytes(b"no gzip")
    with pytest.raises(ValueError, match="others.json.gz is damaged"):
        CausalNetwork.from_bif(path)
    beside.unlink()
    with pytest.warns(NetworkWarning, match="which is not beside it"):
        assert CausalNetwork.from_bif(path) == replace(net, others=())


def test_other_readers_pass_over_the_word_of_a_file_beside(tmp_path, monkeypatch):
    monkeypatch.setattr("dimm_nb.network.network.MOST_BIF", 500)
    replace(KNOWN, others=(replace(KNOWN, stable=None, others=()),)).to_bif(tmp_path / "net.bif")
    gum = pytest.importorskip("pyagrum")
    assert set(gum.loadBN(str(tmp_path / "net.bif")).names()) == set(KNOWN.names)
    readwrite = pytest.importorskip("pgmpy.readwrite")
    assert set(readwrite.BIFReader(str(tmp_path / "net.bif")).get_model().nodes()) == set(KNOWN.names)
