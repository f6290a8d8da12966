from .aggregates import count_categories, count_report
from .dimm import dimm_objective, objective_gap, solve_dimm
from .em import fit_em
from .exact import InconsistentMarginals, solve_exact
from .explorer import explore
from .identification import identify
from .learning import Knowledge, learn_network
from .mixture import Marginals, Mixture, mae, max_abs_error, mixture_marginals, mse, random_mixture, read_counts, sample_mixture, write_counts
from .network import CausalNetwork, Intervention, load_network, random_network
from .oracle import Oracle
from .posterior import fit_posterior
from .shop import simulate_shop

__all__ = [
    "CausalNetwork",
    "InconsistentMarginals",
    "Intervention",
    "Knowledge",
    "Marginals",
    "Mixture",
    "Oracle",
    "count_categories",
    "count_report",
    "dimm_objective",
    "explore",
    "fit_em",
    "fit_posterior",
    "identify",
    "learn_network",
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
    "simulate_shop",
    "solve_dimm",
    "solve_exact",
    "write_counts",
]
