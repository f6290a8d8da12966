"The posterior, from counts to verdicts, the pilot and the simulated covariance included."
from collections.abc import Iterator

from common import WIDE, best_time, process_peak_mb, row, wide_network

from dimm_nb.mixture.mixture import random_mixture, sample_mixture
from dimm_nb.network.axis import Marginals
from dimm_nb.network.network import load_network
from dimm_nb.network.oracle import Oracle
from dimm_nb.posterior.posterior import fit_posterior

PEAK = """
from common import WIDE, wide_network
from bench_posterior import problem
from dimm_nb.posterior.posterior import fit_posterior
net, oracle, counts = problem({}, 10_000)
fit_posterior(net, counts, oracle=oracle)
"""


def problem(net, n_rows: int) -> tuple:
    "A network, its oracle, and counts of a mixture in which 60 interventions take part."
    codes, _ = sample_mixture(net, random_mixture(net, 60, seed=0), n_rows, seed=1)
    return net, Oracle.from_network(net), Marginals.from_codes(net, codes)


def rows(quick: bool = False) -> Iterator[dict]:
    "ALARM at four sample sizes, and S = 1122 in two shapes."
    net, oracle, counts = problem(load_network("alarm"), 1000)
    fit_posterior(net, counts, oracle=oracle, sweeps=50, warmup=0)  # compiles, where no process has yet
    for n_rows in (1_000,) if quick else (1_000, 10_000, 100_000, 1_000_000):
        net, oracle, counts = problem(net, n_rows)
        fit, seconds = best_time(2, fit_posterior, net, counts, oracle=oracle)
        yield row(
            f"posterior, ALARM, {n_rows:,} rows",
            seconds,
            note=f"R-hat at most {fit.diagnostics.r_hat.max():.3f}, "
            f"effective draws at least {fit.diagnostics.ess.min():,.0f}",
        )
    for shape, sizes in {} if quick else WIDE.items():
        net, oracle, counts = problem(wide_network(sizes), 10_000)
        fit, seconds = best_time(1, fit_posterior, net, counts, oracle=oracle)
        peak = process_peak_mb(PEAK.format(f"wide_network({sizes!r})"))
        yield row(
            f"posterior, S = 1122, {shape}",
            seconds,
            peak_mb=peak,
            note=f"R-hat at most {fit.diagnostics.r_hat.max():.3f}",
        )
