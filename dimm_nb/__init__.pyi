from .attribution.attribution import attribute
from .attribution.periods import attribute_series
from .attribution.segments import attribute_many
from .experiments.paper import run_alarm
from .experiments.robustness import experiment
from .experiments.tuning import choose_lambda
from .explorer.explorer import explore
from .learning.knowledge import Knowledge, read_knowledge
from .learning.learning import learn_network
from .learning.shop import simulate_shop
from .mixture.marginals import count_categories, count_report, read_counts, write_counts
from .mixture.mixture import (
    Mixture,
    mae,
    max_abs_error,
    mixture_marginals,
    mse,
    random_mixture,
    sample_mixture,
)
from .mixture.rows import count_rows
from .mixture.touched import touched_nodes
from .network.axis import (
    CountsWarning,
    Crosstab,
    DimmWarning,
    Marginals,
    MisfitWarning,
    NetworkWarning,
    NotConvergedWarning,
    NotUniqueWarning,
)
from .network.drawing import draw_network
from .network.network import CausalNetwork, Intervention, load_network, random_network
from .network.oracle import Oracle
from .network.soft import Soft
from .posterior.identification import Identification, identify
from .posterior.mechanisms import ChangedMechanism, changed_mechanism
from .posterior.posterior import Posterior, fit_posterior, placebo
from .posterior.sampler import Prior
from .solvers.dimm import DimmResult, dimm_objective, objective_gap, solve_dimm
from .solvers.em import EMResult, fit_em
from .solvers.exact import ExactSolution, InconsistentMarginals, solve_exact
from .solvers.targets import TargetsResult, fit_targets

__version__: str

__all__ = [
    "CausalNetwork",
    "ChangedMechanism",
    "CountsWarning",
    "Crosstab",
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
    "Soft",
    "TargetsResult",
    "attribute",
    "attribute_many",
    "attribute_series",
    "changed_mechanism",
    "choose_lambda",
    "count_categories",
    "count_report",
    "count_rows",
    "dimm_objective",
    "draw_network",
    "experiment",
    "explore",
    "fit_em",
    "fit_posterior",
    "fit_targets",
    "identify",
    "learn_network",
    "load_network",
    "mae",
    "max_abs_error",
    "mixture_marginals",
    "mse",
    "objective_gap",
    "placebo",
    "random_mixture",
    "random_network",
    "read_counts",
    "read_knowledge",
    "run_alarm",
    "sample_mixture",
    "simulate_shop",
    "solve_dimm",
    "solve_exact",
    "touched_nodes",
    "write_counts",
]
