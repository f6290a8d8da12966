"""How often an answer is wrong: known truths, faults put in, real tables, and the committed results."""
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st

from dimm_nb.learning.faults import FAULTS, edges_of, with_a_turned_arrow, without_an_edge
from dimm_nb.learning.placebos import REAL, alike_rows, as_categories, counted, real_table
from dimm_nb.learning.trials import LARGE, LEVELS, PLAN, Cell, cells_of, judge, known_as, rate, tiers_of
from dimm_nb.mixture.mixture import Mixture, sample_mixture
from dimm_nb.network.axis import Marginals
from dimm_nb.network.network import load_network, random_network
from dimm_nb.posterior.posterior import posterior_of
from dimm_nb.posterior.quiet import cluster_scatter

RESULTS = Path(__file__).resolve().parent.parent / "results"
asia = load_network("asia")
seeds = st.integers(0, 2**31)


@given(seeds, st.integers(1, 12))
@settings(max_examples=30, deadline=None)
def test_tiers_hold_every_node_once_and_no_arrow_leads_back(seed, n):
    net = random_network(n, 2, seed=seed)
    tiers = tiers_of(net)
    level = {name: k for k, tier in enumerate(tiers) for name in tier}
    assert sorted(level) == sorted(net.names) and all(tiers) and len(tiers) <= LEVELS
    assert all(level[net.names[a]] <= level[net.names[b]] for a, b in edges_of(net))
    long = max(map(len, tiers)) == 1 or n <= LEVELS  # a chain of few nodes: every arrow is settled
    assert not long or all(level[net.names[a]] < level[net.names[b]] for a, b in edges_of(net))


@given(seeds)
@settings(max_examples=30, deadline=None)
def test_a_fault_in_the_graph_is_one_edge(seed):
    rng, edges = np.random.default_rng(seed), set(edges_of(asia))
    less, child = without_an_edge(asia, rng)
    (lost,) = edges - set(edges_of(less))
    assert set(edges_of(less)) < edges and lost[1] == child
    turned, effect = with_a_turned_arrow(asia, rng)
    (lost,) = edges - set(edges_of(turned))
    assert set(edges_of(turned)) - edges == {lost[::-1]} and lost[1] == effect
    for net in (less, turned):  # its tables are of the right shape
        assert net.sample(10, rng).shape == (10, len(asia.names))


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_gives_rows_of_the_network(fault):
    number = int(fault.split(", ")[1]) if fault.startswith("sound") else 0
    if number > len(asia.index) - len(asia.names):
        return
    problem = FAULTS[fault](asia, 2_000, np.random.default_rng(1))
    assert problem.codes.shape == (2_000, len(asia.names)) and (problem.codes < asia.sizes).all()
    assert (problem.truth > 0).sum() == (number if fault.startswith("sound") else 5 if problem.graph is not asia else 0)


def test_an_answer_is_judged_by_the_truth():
    truth = Mixture({("smoke", "yes"): 0.3, ("xray", "yes"): 0.01})
    counts = Marginals.from_codes(asia, sample_mixture(asia, truth, 20_000, seed=1)[0])
    truth = Mixture(truth.weights.reindex(asia.index, fill_value=0.0))
    fit = posterior_of(asia, counts, chains=2, sweeps=200, warmup=100)
    found, claimed = judge(truth, fit), set(fit.verdict.index[fit.verdict == "supported"])
    assert found["claims"] == len(claimed) and found["true"] == 2 and found["large"] == 1 and LARGE > 0.01
    assert found["found"] == (("smoke", "yes") in claimed) == 1
    assert found["false"] == len(claimed - {("smoke", "yes"), ("xray", "yes")})
    inside = fit.interval().loc[[("smoke", "yes"), ("xray", "yes")]]
    assert found["covered"] == ((inside["lower"] <= [0.3, 0.01]) & (inside["upper"] >= [0.3, 0.01])).sum()
    low, high = fit.base_weight_interval()
    assert found["untouched"] == (low <= 0.69 <= high)
    shifted = judge(Mixture(pd.Series(0.0, asia.index)), fit)
    assert shifted["false"] == found["claims"] and shifted["true"] == shifted["covered"] == shifted["found"] == 0


def test_a_network_is_known_as_said():
    codes = asia.sample(3_000, 1)
    assert known_as(asia, "exact", codes) is asia
    tables = known_as(asia, "tables", codes)
    assert tables.parents == asia.parents and tables.stable is not None and tables.rows is not None
    tiers = known_as(asia, "tiers", codes)
    level = {name: k for k, tier in enumerate(tiers_of(asia)) for name in tier}
    assert all(level[a] <= level[b] for a, b in tiers.edges) and tiers.others


def test_cells_of_an_exact_network_need_no_stable_period():
    cells = cells_of(["exact", "tables"], ["asia"], [5, 6], [7], [0])
    assert cells == [Cell("asia", "exact", 0, 7, 0), Cell("asia", "tables", 5, 7, 0), Cell("asia", "tables", 6, 7, 0)]


def test_a_rate_says_its_interval():
    assert rate(2, 40) == "2/40: 0.050 (0.006 to 0.169)" and rate(0, 0) == ""  # R: binom.test(2, 40)


@pytest.mark.parametrize("name", REAL)
def test_real_tables_become_categories(name):
    if (table := real_table(name)) is None:
        pytest.skip("this table is not at hand")
    frame, known = as_categories(table, REAL[name])
    assert len(frame) == len(table) and not known.cuts and not frame.isna().any(axis=None)
    assert all(2 <= len(column.cat.categories) <= 13 for _, column in frame.items())


def test_counts_of_categories_are_counts():
    codes = asia.sample(500, 1)
    assert counted(asia, asia.frame(codes)) == Marginals.from_codes(asia, codes)


@pytest.mark.parametrize("hits", [1, 4])
def test_alike_rows_scatter_as_their_design_effect(hits):
    codes, who = alike_rows(asia, 8_000, hits, np.random.default_rng(3))
    assert len(codes) == len(who) == 8_000
    # nodes are few and related: the median factor of 2,000 visitors lies within a tenth or so of the formula
    assert cluster_scatter(asia, codes, who).median() == pytest.approx(1 + (hits - 1) * 0.81, rel=0.15)


# what is committed


def test_no_problem_was_solved_twice_and_each_is_of_the_plan():
    trials = pd.read_csv(RESULTS / "trust.csv")
    keys = [*Cell._fields, "repetition"]
    assert not trials.duplicated(keys).any()
    planned = {(*cell, k) for cells, repetitions in PLAN for cell in cells for k in range(repetitions)}
    assert set(trials[keys].itertuples(index=False, name=None)) <= planned
    faults = pd.read_csv(RESULTS / "faults.csv")
    assert (not faults.duplicated(["network", "fault", "rows", "repetition"]).any()
            and set(faults["fault"]) <= set(FAULTS))
