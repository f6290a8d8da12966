"The exact solver, given the oracle."
from collections.abc import Iterator

from common import WIDE, best_time, row, wide_network

from dimm_nb.mixture.mixture import max_abs_error, mixture_marginals, random_mixture
from dimm_nb.network.network import load_network
from dimm_nb.network.oracle import Oracle
from dimm_nb.solvers.exact import solve_exact


def rows(quick: bool = False) -> Iterator[dict]:
    "ALARM, and S = 1122 in two shapes; 60 interventions take part."
    networks = {"ALARM": load_network("alarm")} | {
        f"S = 1122, {shape}": wide_network(sizes) for shape, sizes in WIDE.items()
    }
    for name, net in list(networks.items())[:1 if quick else None]:
        oracle, truth = Oracle.from_network(net), random_mixture(net, 60, seed=0)
        marginals = mixture_marginals(oracle, truth)
        oracle.effects  # the matrix A is part of what is given
        found, seconds = best_time(5, solve_exact, oracle, marginals)
        error = max_abs_error(truth, found.mixture)
        assert error < 1e-8, f"{name}: the exact solver recovers an exact mixture, but a share is off by {error}"
        yield row(f"exact, {name}", seconds, note=f"largest error of a share {error:.0e}")
