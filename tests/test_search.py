"""The search for a graph: scores are BIC, steps are the best there are, and what is known holds."""
import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from dimm_nb.learning.search import ADD, Climb, FamilyScores, best_step, reachable, search_graph, shaken
from dimm_nb.network.axis import topological_order
from dimm_nb.network.families import family_counts
from dimm_nb.network.network import load_network

rows_of_four = st.lists(st.tuples(*(st.integers(0, k - 1) for k in (2, 3, 2, 4))), min_size=1, max_size=40)
SIZES = (2, 3, 2, 4)


def plain_bic(codes, j, parents):
    "The definition, row by row."
    total = 0.0
    for row in codes:
        alike = [other for other in codes if all(other[p] == row[p] for p in parents)]
        total += math.log(sum(other[j] == row[j] for other in alike) / len(alike))
    return total - math.log(len(codes)) / 2 * (SIZES[j] - 1) * math.prod(SIZES[p] for p in parents)


@given(rows_of_four)
@settings(max_examples=20)
def test_the_score_of_every_family_is_the_definition_s(rows):
    codes = np.array(rows)
    scores = FamilyScores(codes, SIZES)
    for j in range(4):
        others = [i for i in range(4) if i != j]
        for parents in itertools.chain.from_iterable(itertools.combinations(others, k) for k in range(3)):
            assert scores.score(j, frozenset(parents)) == pytest.approx(plain_bic(rows, j, parents), abs=1e-9)


@given(rows_of_four, st.permutations(range(4)), st.lists(st.booleans(), min_size=6, max_size=6))
@settings(max_examples=25)
def test_what_a_step_gains_is_the_difference_of_two_graphs_scores(rows, order, chosen):
    edge = np.zeros((4, 4), bool)
    for (a, b), there in zip(itertools.combinations(order, 2), chosen):
        edge[a, b] = there
    climb = Climb(FamilyScores(np.array(rows), SIZES), ~np.eye(4, dtype=bool), np.zeros((4, 4), bool), 4)
    climb.start(edge)
    gains, total = climb.gains(), climb.total()
    for step, i, j in np.argwhere(gains > -np.inf).tolist():
        climb.start(edge)
        climb.take(step, i, j)
        assert not climb.reach.diagonal().any(), "no step makes a cycle"
        np.testing.assert_array_equal(climb.reach, reachable(climb.edge))
        assert climb.total() - total == pytest.approx(gains[step, i, j], abs=1e-9)
    legal = ~edge & ~reachable(edge).T & ~np.eye(4, dtype=bool)
    for i, j in np.argwhere(legal & (gains[ADD] == -np.inf)).tolist():
        climb.start(edge)
        climb.take(ADD, i, j)
        assert climb.total() <= total + 1e-9, "what is never counted would not have gained"


def test_counts_of_a_family_by_hand():
    codes = np.array([[0, 1, 2], [0, 1, 2], [1, 0, 0], [0, 0, 1]])
    table = family_counts(codes, (2, 2, 3), 2, (1, 0))  # the last parent changes fastest
    assert table.tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 2], [0, 0, 0]]


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=12))
def test_reachable_by_powers_of_the_matrix(edges):
    edge = np.zeros((7, 7), bool)
    for a, b in edges:
        edge[a, b] = True
    total = sum(np.linalg.matrix_power(edge.astype(int), k) for k in range(1, 8)) > 0
    np.testing.assert_array_equal(reachable(edge), total)


def test_equal_gains_are_taken_in_one_order():
    gains = np.full((3, 2, 2), -np.inf)
    gains[0, 1, 0], gains[0, 0, 1], gains[1, 0, 1] = 5.0, 5.0 - 1e-12, 5.0
    assert best_step(gains)[1] == (0, 0, 1)


@pytest.fixture(scope="module")
def alarm():
    net = load_network("alarm")
    return net, net.sample(2_000, 5)


def score_of(codes, sizes, edges):
    scores = FamilyScores(codes, tuple(sizes))
    return sum(scores.score(j, frozenset(a for a, b in edges if b == j)) for j in range(len(sizes)))


def test_a_memory_and_shaking_lead_to_better_graphs(alarm):
    net, codes = alarm
    greedy, memory = (search_graph(codes, net.sizes, patience=patience, shakes=0) for patience in (0, 20))
    first, again, other = (search_graph(codes, net.sizes, seed=seed) for seed in (0, 0, 1))
    scores = [score_of(codes, net.sizes, edges) for edges in (greedy, memory, first, other)]
    assert scores[0] + 1 < scores[1] and scores[1] + 10 < min(scores[2:]) and first == again
    truth = {frozenset((p, j)) for j, ps in enumerate(net.parents) for p in ps}
    assert len({frozenset(edge) for edge in first} & truth) >= 35


def test_a_search_from_a_good_graph_ends_no_lower(alarm):
    net, codes = alarm
    truth = [(p, j) for j, ps in enumerate(net.parents) for p in ps if len(ps) <= 3]
    found = search_graph(codes, net.sizes, start=truth, shakes=0)
    assert score_of(codes, net.sizes, found) >= score_of(codes, net.sizes, truth)


def test_what_is_allowed_required_and_bounded_holds(alarm):
    net, codes = alarm
    allowed = np.triu(np.ones((37, 37), bool), 1)[::-1, ::-1]  # later columns first
    found = search_graph(codes, net.sizes, allowed, [(36, 0), (35, 0)], max_parents=2)
    assert {(36, 0), (35, 0)} <= set(found) and all(a > b for a, b in found)
    assert (max(sum(b == j for _, b in found) for j in range(37)) == 2
            and found == sorted(found, key=lambda edge: edge[::-1]))
    free = search_graph(codes, net.sizes, required=[(36, 0)], max_parents=1)
    topological_order(net.names, [[a for a, b in free if b == j] for j in range(37)])
    assert (36, 0) in free and max(sum(b == j for _, b in free) for j in range(37)) == 1


def test_columns_that_have_nothing_to_do_with_each_other_stay_apart():
    codes = np.random.default_rng(0).integers(0, 3, (500, 40))
    assert len(search_graph(codes, [3] * 40)) <= 2  # of 780 pairs .04 by chance: χ² of 4 above 4 log 500
    assert search_graph(codes[:, :1], [3]) == [] == search_graph(codes[:0, :2], [3, 3])


def test_shaken_graphs_keep_what_must_be_and_make_no_cycle(alarm):
    net, codes = alarm
    fixed, allowed = np.zeros((2, 37, 37), bool)
    fixed[3, 5] = True
    allowed[:, :20] = True
    climb = Climb(FamilyScores(codes, net.sizes), allowed, fixed, 3)
    climb.start(np.triu(np.ones((37, 37), bool), 1) & (np.add.outer(np.arange(37), np.arange(37)) % 9 == 0) | fixed)
    rng = np.random.default_rng(0)
    for _ in range(20):
        edge = shaken(climb, rng)
        new = edge & ~climb.edge
        assert edge[3, 5] and not reachable(edge).diagonal().any() and edge.sum() < climb.edge.sum() and new.any()
        assert not (new & ~allowed).any() and edge[:, new.any(axis=0)].sum(axis=0).max() <= 3
