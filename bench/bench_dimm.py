"OPT(ε) to a certified optimum, beside the paper's 60 starts of SLSQP on the same ALARM counts; then S = 1122."
from collections.abc import Iterator

from common import WIDE, best_time, process_peak_mb, row, timed, wide_network

from dimm_nb.mixture.mixture import random_mixture, sample_mixture
from dimm_nb.network.axis import Marginals
from dimm_nb.network.network import CausalNetwork, load_network
from dimm_nb.network.oracle import Oracle
from dimm_nb.solvers.dimm import solve_dimm

STARTS = 60  # the paper's


def problem(net: CausalNetwork, n_interventions: int, rows: int = 100_000) -> tuple[Oracle, Marginals]:
    "An oracle, and the aggregates of rows from a mixture as in section 5.1."
    oracle = Oracle.from_network(net)
    oracle.effects  # the matrix A is part of what is given
    codes, _ = sample_mixture(net, random_mixture(net, n_interventions, seed=0), rows, seed=1)
    return oracle, Marginals.from_codes(net, codes)


def wide_once(shape: str) -> None:
    "What the peak memory is measured on."
    solve_dimm(*problem(wide_network(WIDE[shape]), 60))


def rows(quick: bool = False) -> Iterator[dict]:
    "The gap is relative: to the objective, or to 1e-3 where that is larger."
    alarm = load_network("alarm")
    for n_interventions, lam in [(17, 0.1), (68, 0.01)][:1 if quick else None]:
        given = problem(alarm, n_interventions)
        ours, seconds = best_time(3, solve_dimm, *given, lam=lam)
        theirs, their_seconds = timed(solve_dimm, *given, lam=lam, solver="slsqp", n_starts=3 if quick else STARTS)
        assert ours.objective <= theirs.objective, (
            f"an SLSQP start has the lower objective: {theirs.objective} < {ours.objective}"
        )
        yield row(
            f"OPT(ε), ALARM, {n_interventions} interventions, λ = {lam:g}",
            seconds,
            f"SLSQP, {3 if quick else STARTS} starts",
            their_seconds,
            gap=ours.gap / max(ours.objective, 1e-3),
            note=f"objective {ours.objective:.6f}, best start {theirs.objective:.6f}",
        )
    for shape in list(WIDE)[:0 if quick else None]:
        ours, seconds = timed(solve_dimm, *problem(wide_network(WIDE[shape]), 60))
        yield row(
            f"OPT(ε), S = 1122, {shape}, λ = 0.1",
            seconds,
            gap=ours.gap / max(ours.objective, 1e-3),
            note=f"{ours.status}, objective {ours.objective:.6f}",
            peak_mb=process_peak_mb(f"import bench_dimm; bench_dimm.wide_once({shape!r})"),
        )
