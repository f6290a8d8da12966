from .aggregates import count_categories, count_report
from .attribution import attribute
from .dimm import dimm_objective, objective_gap, solve_dimm
from .drawing import draw_network
from .em import fit_em
from .exact import InconsistentMarginals, solve_exact
from .experiments import run_alarm
from .explorer import explore
from .identification import identify
from .learning import Knowledge, learn_network
from .mixture import Marginals, Mixture, mae, max_abs_error, mixture_marginals, mse, random_mixture, read_counts, sample_mixture, write_counts
from .network import CausalNetwork, Intervention, load_network, random_network
from .oracle import Oracle
from .periods import attribute_series
from .posterior import fit_posterior
from .robustness import experiment
from .shop import simulate_shop
from .tuning import choose_lambda

__all__ = [
    "CausalNetwork",
    "InconsistentMarginals",
    "Intervention",
    "Knowledge",
    "Marginals",
    "Mixture",
    "Oracle",
    "attribute",
    "attribute_series",
    "choose_lambda",
    "count_categories",
    "count_report",
    "dimm_objective",
    "draw_network",
    "experiment",
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
    "run_alarm",
    "sample_mixture",
    "simulate_shop",
    "solve_dimm",
    "solve_exact",
    "write_counts",
]
