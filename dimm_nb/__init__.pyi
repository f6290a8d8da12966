from .dimm import dimm_objective, objective_gap, solve_dimm
from .em import fit_em
from .exact import InconsistentMarginals, solve_exact
from .explorer import explore
from .identification import identify
from .mixture import Marginals, Mixture, mae, max_abs_error, mixture_marginals, mse, random_mixture, read_counts, sample_mixture, write_counts
from .network import CausalNetwork, Intervention, load_network, random_network
from .oracle import Oracle
from .posterior import fit_posterior

__all__ = [
    "CausalNetwork",
    "InconsistentMarginals",
    "Intervention",
    "Marginals",
    "Mixture",
    "Oracle",
    "dimm_objective",
    "explore",
    "fit_em",
    "fit_posterior",
    "identify",
    "load_network",
    "mae",
    "max_abs_error",
    "mixture_marginals",
    "mse",
    "objective_gap",
    "random_mixture",
    "random_network",
    "read_counts",
    "sample_mixture",
    "solve_dimm",
    "solve_exact",
    "write_counts",
]
