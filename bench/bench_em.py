"""Maximum likelihood on ALARM: Newton steps to a certified gap, beside the paper's EM.

EM takes thousands of iterations to the same gap. They are counted with its fastest form, which goes all the way;
the slower forms make the same iterates, so a few of theirs are timed, and scaled."""
import warnings
from collections.abc import Iterator

import numpy as np
from common import best_time, process_peak_mb, row, timed

from dimm_nb.mixture.mixture import random_mixture, sample_mixture
from dimm_nb.network.network import CausalNetwork, load_network
from dimm_nb.solvers.em import EMResult, em_step, em_step_as_written, fit_em, joint_probabilities

GAP = 1e-6  # nats a row, certified


def alarm_rows(rows: int) -> tuple[CausalNetwork, np.ndarray]:  # the network, codes (rows, 37)
    "Rows from a mixture of 17 interventions, as in section 5.1."
    net = load_network("alarm")
    return net, sample_mixture(net, random_mixture(net, 17, seed=0), rows, seed=1)[0]


def fit_once(rows: int) -> None:
    "What the peak memory is measured on."
    fit_em(*alarm_rows(rows), tol=GAP)


def checked_fit(net: CausalNetwork, codes: np.ndarray, repeat: int) -> tuple[EMResult, float]:
    "Our fit and its seconds."
    fit, seconds = best_time(repeat, fit_em, net, codes, tol=GAP)
    assert fit.status == "optimal" and fit.gap <= GAP
    return fit, seconds


def em_iterations(net: CausalNetwork, codes: np.ndarray, best: EMResult) -> tuple[int, int, float]:
    "EM's iterations to the certified gap, to a true one (which EM itself cannot know), and the seconds of the former."
    fit, seconds = timed(fit_em, net, codes, solver="em", tol=GAP)
    assert fit.status == "optimal" and fit.trace[-1] <= best.trace[-1] + best.gap
    return fit.iterations, int(np.argmax(fit.trace >= best.trace[-1] - GAP)), seconds


def seconds_an_iteration(net: CausalNetwork, codes: np.ndarray) -> tuple[float, float]:
    "Of EM as appendix D is written, and of EM that keeps the joint probabilities it has computed once."
    shares = np.full(len(net.index) + 1, 1 / (len(net.index) + 1))
    probability = joint_probabilities(net, codes)
    first, written = timed(em_step_as_written, net, codes, shares)
    cached_first, cached = best_time(3, em_step, probability, shares)
    np.testing.assert_allclose(first, cached_first, rtol=1e-10)
    return written, cached


def rows(quick: bool = False) -> Iterator[dict]:
    "1e5 rows beside each form of EM; then 1e6 rows."
    few = 5_000 if quick else 100_000
    net, codes = alarm_rows(few)
    best, ours = checked_fit(net, codes, 3)
    iterations, kind, whole = em_iterations(net, codes, best)
    written, cached = seconds_an_iteration(net, codes)
    what, scaled = f"likelihood, ALARM, {few:,} rows", f"an iteration timed, scaled to {iterations:,}"
    more = {"gap": best.gap, "peak_mb": process_peak_mb(f"import bench_em; bench_em.fit_once({few})")}
    yield row(what, ours, "EM as written", written * iterations, note=scaled, **more)
    yield row(what, ours, "EM, joint probabilities cached", cached * iterations, note=scaled, **more)
    yield row(
        what,
        ours,
        "EM, closed form, distinct rows",
        whole,
        note=f"{iterations:,} iterations; a true gap of 1e-6 after {kind:,}",
        **more,
    )
    if quick:
        return
    _, many = alarm_rows(10 * few)
    best, ours = checked_fit(net, many, 1)
    more = {"gap": best.gap, "peak_mb": process_peak_mb(f"import bench_em; bench_em.fit_once({10 * few})")}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="not converged")
        (_, short), (_, longer) = (timed(fit_em, net, many, solver="em", tol=GAP, max_iter=limit) for limit in (10, 60))
    what = f"likelihood, ALARM, {10 * few:,} rows"
    yield row(what, ours, "EM as written", 10 * written * iterations, note="scaled from 100,000 rows", **more)
    yield row(
        what,
        ours,
        "EM, closed form, distinct rows",
        short + (longer - short) / 50 * iterations,
        note=f"50 iterations timed, scaled to {iterations:,}",
        **more,
    )
