"""OPT(ε): the objective as written, both solvers, what is said of their answers, other catalogues, bad input."""
import warnings
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st
from scipy.optimize import approx_fprime

from dimm_nb import NotConvergedWarning, NotUniqueWarning
from dimm_nb.mixture.mixture import Mixture, max_abs_error, mixture_marginals, random_mixture, sample_mixture
from dimm_nb.network.axis import Marginals
from dimm_nb.network.network import CausalNetwork, load_network, random_network
from dimm_nb.network.oracle import Oracle
from dimm_nb.solvers import dimm
from dimm_nb.solvers.conic import objective
from dimm_nb.solvers.dimm import (
    constrained_nodes,
    constraints_and_jacobian,
    descend,
    dimm_objective,
    objective_and_gradient,
    objective_gap,
    program_of,
    random_start,
    solve_dimm,
    violation,
)
from dimm_nb.solvers.optimum import certify
from dimm_nb.solvers.shift import observed_shift

seeds = st.integers(0, 10_000)
few = settings(max_examples=20, deadline=None)


@pytest.fixture(scope="module")
def asia():
    "Network, oracle, truth, and aggregates of 2,000 rows."
    net = load_network("asia")
    pi = random_mixture(net, 5, seed=2)
    return net, Oracle.from_network(net), pi, Marginals.from_codes(net, sample_mixture(net, pi, 2_000, seed=0)[0])


@pytest.fixture(scope="module")
def alarm():
    net = load_network("alarm")
    return net, Oracle.from_network(net)


def small(seed, rows=500):
    "A random problem: oracle, aggregates, truth."
    rng = np.random.default_rng(seed)
    sizes = rng.integers(2, 5, rng.integers(1, 6)).tolist()
    net = random_network(len(sizes), sizes, max_parents=2, seed=seed)
    pi = random_mixture(net, int(rng.integers(0, sum(sizes) - len(sizes) + 1)), seed=rng)
    return Oracle.from_network(net), Marginals.from_codes(net, sample_mixture(net, pi, rows, rng)[0]), pi


# the objective


@given(seeds, st.floats(0, 2))
@few
def test_the_objective_is_definition_5(seed, lam):
    oracle, seen, _ = small(seed)
    x = np.random.default_rng(seed).dirichlet(np.ones(len(oracle.index) + 1))[:-1]
    upto, misfits = [], []
    for j in oracle.order:
        s = oracle.slices[j]
        upto += range(s.start, s.stop)
        misfits.append(
            np.sqrt(
                sum(
                    (sum(oracle.effects[row, c] * x[c] for c in upto) - (seen.p - oracle.base)[row]) ** 2
                    for row in range(s.start, s.stop)
                )
            )
        )
    expected = max(misfits) + lam * np.sqrt((x**2).sum())
    assert dimm_objective(oracle, seen, pd.Series(x, oracle.index), lam=lam) == pytest.approx(expected, rel=1e-10)


def test_labels_count_and_positions_do_not(asia):
    _, oracle, pi, seen = asia
    order = np.random.default_rng(0).permutation(16)
    shuffled = Marginals(
        seen.index[order],
        seen.p[order],
        seen.n[pd.factorize(seen.index[order].get_level_values(0))[1].map(list(oracle.names).index)],
    )
    np.testing.assert_array_equal(observed_shift(oracle, shuffled), observed_shift(oracle, seen))
    some = pi.weights[pi.weights > 0]
    value = dimm_objective(oracle, seen, pi.weights, lam=.1)
    assert (
        dimm_objective(oracle, shuffled, pi.weights.iloc[order], lam=0.1)
        == dimm_objective(oracle, seen, some, lam=0.1)
        == dimm_objective(oracle, seen, dict(some), lam=0.1)
        == value
    )
    pd.testing.assert_series_equal(
        solve_dimm(oracle, shuffled).mixture.weights, solve_dimm(oracle, seen).mixture.weights
    )


def test_the_gap_of_objectives(asia):
    _, oracle, pi, seen = asia
    other = random_mixture(asia[0], 3, seed=5)
    assert objective_gap(oracle, seen, pi, pi, lam=.1) == 0
    assert objective_gap(oracle, seen, pi, other, lam=.1) == objective_gap(oracle, seen, other, pi, lam=.1) > 0


# SLSQP


@given(seeds)
@few
def test_the_slopes(seed):
    oracle, seen, _ = small(seed)
    program, rng = program_of(oracle, seen, .1), np.random.default_rng(seed)
    x = random_start(len(oracle.index), oracle.slices, rng) + 1e-3 * rng.random(len(oracle.index))
    value, slope = objective_and_gradient(program, x)
    assert value == pytest.approx(objective(program, x), rel=1e-12)
    one_side, other_side = (approx_fprime(x, lambda x: objective(program, x), step) for step in (1e-8, -1e-8))
    # elsewhere there is a kink
    if abs(one_side - other_side).max() < 1e-5: np.testing.assert_allclose(slope, one_side, atol=1e-5)
    g, jacobian = constraints_and_jacobian(x, oracle.slices, 1e-5)
    assert g.min() == pytest.approx(min(1 - x.sum(), 1e-5 - max(x[s].min() for s in oracle.slices)))
    np.testing.assert_allclose(
        jacobian, approx_fprime(x, lambda x: constraints_and_jacobian(x, oracle.slices, 1e-5)[0], 1e-9), atol=1e-5
    )


@given(seeds)
@few
def test_starts_are_feasible_and_so_are_ends(seed):
    oracle, seen, _ = small(seed)
    start = random_start(len(oracle.index), oracle.slices, np.random.default_rng(seed))
    assert violation(start, oracle.slices, 1e-300) == 0 and start.sum() < 1
    program = program_of(oracle, seen, .05)
    run = descend(program, oracle.slices, 1e-5, start)
    assert violation(run.x, oracle.slices, 1e-5) <= 1e-12
    assert run.trace[0] == pytest.approx(objective(program, start)) and run.message and run.status >= 0
    assert objective(program, run.x) >= certify(program, oracle.slices, 1e-5).bound - 1e-12


def test_every_start_is_reported(asia):
    _, oracle, _, seen = asia
    found = solve_dimm(oracle, seen, lam=.05, solver="slsqp", n_starts=7, seed=3)
    assert len(found.starts) == len(found.traces) == 7 and list(found.starts) == [
        "first",
        "objective",
        "iterations",
        "violation",
        "status",
        "message",
    ]
    assert (
        found.starts.iterations.tolist() == [len(trace) - 1 for trace in found.traces]
        and found.iterations == found.starts.iterations.sum() <= 7000
    )
    assert (
        found.objective == found.starts.objective.min()
        and (found.starts["first"] == [trace[0] for trace in found.traces]).all()
    )
    assert found.objective == pytest.approx(dimm_objective(oracle, seen, found.mixture.weights, lam=.05), rel=1e-12)
    assert found.lower_bound == 0 and found.status == "feasible" and "7 starts" in found.message
    again, other = (solve_dimm(oracle, seen, lam=.05, solver="slsqp", n_starts=7, seed=seed) for seed in (3, 4))
    pd.testing.assert_frame_equal(again.starts, found.starts)
    pd.testing.assert_series_equal(again.mixture.weights, found.mixture.weights)
    assert not again.starts.equals(other.starts)


def test_an_iteration_limit_shows_in_the_status(asia):
    _, oracle, _, seen = asia
    run = descend(
        program_of(oracle, seen, 0.05),
        oracle.slices,
        1e-5,
        random_start(16, oracle.slices, np.random.default_rng(0)),
        max_iter=3,
    )
    assert run.status == 9 and len(run.trace) == 4 and violation(run.x, oracle.slices, 1e-5) <= 1e-12


def test_no_start_beats_the_certificate(alarm):
    net, oracle = alarm
    seen = Marginals.from_codes(net, sample_mixture(net, random_mixture(net, 68, seed=3), 20_000, seed=3)[0])
    best, starts = solve_dimm(oracle, seen, lam=.03), solve_dimm(oracle, seen, lam=.03, solver="slsqp", n_starts=2)
    assert best.objective <= starts.objective and best.lower_bound <= starts.starts.objective.min()


# the certified answer


@pytest.mark.parametrize("n_interventions", [0, 17, 68])
@pytest.mark.parametrize("rows", [1_000, 100_000, None])
def test_the_promise_on_alarm(alarm, n_interventions, rows):
    net, oracle = alarm
    pi = random_mixture(net, n_interventions, seed=n_interventions)
    seen = (
        mixture_marginals(oracle, pi)
        if rows is None
        else Marginals.from_codes(net, sample_mixture(net, pi, rows, seed=1)[0])
    )
    for lam, eps in [(0, 1e-5), (1e-4, 1e-8), (.01, 1e-5), (.1, 1e-2), (1, 1e-5)]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotUniqueWarning)
            found = solve_dimm(oracle, seen, lam=lam, eps=eps)
        x = found.mixture.weights.to_numpy()
        assert (
            found.status == "optimal"
            and found.gap <= 1e-6 * max(found.objective, 1e-3)
            and violation(x, oracle.slices, eps) <= 1e-12
        )
        assert found.objective == pytest.approx(dimm_objective(oracle, seen, found.mixture.weights, lam=lam), abs=1e-12)
        assert found.objective <= dimm_objective(oracle, seen, pi.weights, lam=lam) + 1e-12, "the truth is feasible"
        if rows is None and lam <= .01: assert max_abs_error(pi, found.mixture) < 1e-9


@pytest.mark.parametrize("name", ["child", "insurance", "hailfinder", "win95pts"])
def test_real_networks_with_zeros(name):
    net = load_network(name)
    oracle = Oracle.from_network(net)
    seen = Marginals.from_codes(net, sample_mixture(net, random_mixture(net, 15, seed=1), 10_000, seed=1)[0])
    for lam in (.1, .01): assert solve_dimm(oracle, seen, lam=lam).status == "optimal"


def test_only_marginals_are_needed(asia):
    _, oracle, _, seen = asia
    known = Oracle.from_marginals(oracle.index, oracle.parents, oracle.base, oracle.do)
    assert solve_dimm(known, seen).objective == pytest.approx(solve_dimm(oracle, seen).objective, abs=1e-12)


def test_an_open_gap_is_admitted(asia, monkeypatch):
    net, oracle, _, _ = asia
    seen = Marginals.from_codes(net, sample_mixture(net, random_mixture(net, 5, seed=1), 2_000, seed=2)[0])
    assert solve_dimm(oracle, seen, lam=.05).iterations > 1, "a problem where branching is needed"
    monkeypatch.setattr(
        dimm,
        "certify",
        lambda program, nodes, eps: replace(certify(program, nodes, eps, max_solves=1), objective=0.5, bound=0.25),
    )
    with pytest.warns(NotConvergedWarning, match="may still be lower by up to 2.5e-01"):
        found = solve_dimm(oracle, seen, lam=0.05)
    assert found.status == "feasible" and found.gap == .25


def test_lam_zero_is_said_not_to_be_unique(asia):
    _, oracle, pi, _ = asia
    exact = mixture_marginals(oracle, pi)
    with pytest.warns(NotUniqueWarning, match="λ = 0"): found = solve_dimm(oracle, exact, lam=0)
    assert found.status == "optimal" and "least sum" in found.message and max_abs_error(pi, found.mixture) < 1e-9
    with pytest.warns(NotUniqueWarning): solve_dimm(oracle, exact, lam=0, solver="slsqp", n_starts=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        solve_dimm(oracle, exact, lam=1e-6)


def test_results_are_frozen_and_print_safely():
    net = CausalNetwork(("<b>x</b>",), (("<script>", "b&c"),), ((),), (np.array([.5, .5]),))
    found = solve_dimm(Oracle.from_network(net), Marginals.from_counts(net, {"<b>x</b>": {"<script>": 60, "b&c": 40}}))
    with pytest.raises(FrozenInstanceError): found.objective = 0
    shown = found._repr_html_()
    assert "<script>" not in shown and "<b>x" not in shown and "&lt;script&gt;" in shown
    assert "conic: optimal" in repr(found) and "untouched share 0.8000" in repr(found)
    assert found.largest().share.tolist() == pytest.approx([.2]) and len(found.starts) == 0 and found.traces == ()


# catalogues


def test_a_catalogue_with_two_node_interventions(asia):
    net = asia[0]
    catalogue = [{node: state} for node, state in net.index] + [
        {"smoke": "yes", "dysp": "no"},
        {"asia": "yes", "xray": "yes"},
    ]
    oracle = Oracle.from_network(net, catalogue)
    shares = pd.Series(0., oracle.interventions)
    shares.iloc[[-1, -2, 5]] = .2, .3, .1
    pi = Mixture(shares)
    for seen in (
        mixture_marginals(oracle, pi),
        Marginals.from_codes(net, sample_mixture(net, pi, 50_000, 0, catalogue)[0]),
    ):
        for solver, options in (("conic", {}), ("slsqp", {"n_starts": 2})):
            found = solve_dimm(oracle, seen, lam=.01, solver=solver, **options)
            assert "min-constraint is left out" in found.message and found.mixture.weights.index.equals(
                oracle.interventions
            )
        best = solve_dimm(oracle, seen, lam=.01)
        assert best.status == "optimal" and best.objective <= min(
            found.objective, dimm_objective(oracle, seen, pi.weights, lam=0.01) + 1e-12
        )


def test_other_catalogues_are_solved_without_the_min_constraint(asia):
    net, oracle, _, _ = asia
    seen = Marginals.from_codes(net, sample_mixture(net, random_mixture(net, 5, seed=1), 2_000, seed=2)[0])
    free = certify(program_of(oracle, seen, .05), (), 1e-5).objective
    turned = Oracle.from_network(net, [{node: state} for node, state in net.index[::-1]])
    assert constrained_nodes(oracle) and not constrained_nodes(turned)
    found = solve_dimm(turned, seen, lam=.05)
    assert found.objective == pytest.approx(free, abs=1e-10) and free < solve_dimm(oracle, seen, lam=.05).objective
    few_ = solve_dimm(Oracle.from_network(net, [{"smoke": "yes"}]), seen, lam=.05)
    assert few_.status == "optimal" and few_.objective >= found.objective and len(few_.mixture.weights) == 1


# bad input


@pytest.mark.parametrize(
    "options, message",
    [
        *[
            ({"lam": lam}, r"lam is the weight λ of .* a number from 0 up, not")
            for lam in (-1e-9, np.nan, np.inf, "0.1", None, [0.1])
        ],
        *[({"eps": eps}, r"eps is the ε .* a number above 0, not") for eps in (0, -1e-5, np.nan, np.inf, "1e-5", None)],
        *[({"solver": solver}, "solver must be") for solver in ("cvx", "SLSQP", None)],
        *[({"n_starts": n, "solver": "slsqp"}, "n_starts is a number of SLSQP starts") for n in (0, -1, 1.5, None)],
    ],
)
def test_bad_options_are_refused_before_any_work(asia, monkeypatch, options, message):
    _, oracle, _, seen = asia
    monkeypatch.setattr(dimm, "certify", None)
    monkeypatch.setattr(dimm, "minimize", None)
    with pytest.raises(ValueError, match=message): solve_dimm(oracle, seen, **options)


def test_numbers_of_any_kind_will_do(asia):
    _, oracle, _, seen = asia
    for lam in (np.float32(.5), np.int64(1), 1): assert solve_dimm(oracle, seen, lam=lam).lam == float(lam)


def test_marginals_of_another_network_are_refused(asia, alarm):
    _, oracle, pi, seen = asia
    with pytest.raises(ValueError, match="the marginals lack node 'HISTORY', state 'TRUE'"): solve_dimm(alarm[1], seen)
    index = oracle.index.append(pd.MultiIndex.from_tuples([("new", "a")], names=["node", "state"]))
    with pytest.raises(ValueError, match="the marginals have node 'new', state 'a'"):
        solve_dimm(oracle, Marginals(index, np.append(seen.p, 1), np.append(seen.n, 1)))
    with pytest.raises(ValueError, match="knows no intervention"):
        dimm_objective(alarm[1], mixture_marginals(alarm[1], random_mixture(alarm[0], 1)), pi.weights, lam=0.1)


def test_an_oracle_of_what_is_no_number_is_refused(asia):
    _, oracle, _, seen = asia
    for part in ("base", "do"):
        broken = getattr(oracle, part).copy()
        broken[..., 3] = np.nan
        with pytest.raises(ValueError, match="node 'tub', state 'no': the oracle's marginals are not finite"):
            solve_dimm(replace(oracle, **{part: broken}), seen)


def test_no_interventions_no_answer(asia):
    net, _, _, seen = asia
    with pytest.raises(ValueError, match="no interventions"): solve_dimm(Oracle.from_network(net, []), seen)


@pytest.mark.parametrize(
    "weights, message",
    [
        (np.full(16, 0.01), "shares need labels"),
        ({("smoke", "yes"): -0.1}, "a share is a number from 0 to 1"),
        ({("smoke", "yes"): np.nan}, "a share is a number from 0 to 1"),
        ({("smoke", "maybe"): 0.1}, "knows no intervention"),
        ({("smoke", "yes"): "much"}, "a share is a number from 0 to 1"),
    ],
)
def test_shares_that_are_none_have_no_objective(asia, weights, message):
    _, oracle, _, seen = asia
    with pytest.raises(ValueError, match=message): dimm_objective(oracle, seen, weights, lam=.1)
