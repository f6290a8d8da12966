"""Which interventions happened, and in what share? Mixtures of interventions on a causal network, from aggregates."""

import lazy_loader

__version__ = "0.1.0"

# Where each name lives is in __init__.pyi; a module is imported when one of its names is first used (SPEC 1).
__getattr__, __dir__, _ = lazy_loader.attach_stub(__name__, __file__)

__all__ = [
    "CausalNetwork",
    "CountsWarning",
    "DimmResult",
    "DimmWarning",
    "EMResult",
    "ExactSolution",
    "Identification",
    "InconsistentMarginals",
    "Intervention",
    "Knowledge",
    "Marginals",
    "MisfitWarning",
    "Mixture",
    "NetworkWarning",
    "NotConvergedWarning",
    "NotUniqueWarning",
    "Oracle",
    "Posterior",
    "Prior",
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
