"""Arguments of the wrong type, for every public function: each is taken, or refused in the package's own words."""
import traceback
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import dimm_nb
from dimm_nb import CausalNetwork, Intervention, Knowledge, Marginals, Oracle, Prior

NET = dimm_nb.load_network("asia")
ORACLE, CODES = Oracle.from_network(NET), NET.sample(300, seed=0)
SEEN, PI = Marginals.from_codes(NET, CODES), dimm_nb.random_mixture(NET, 2, seed=0)
ROWS = pd.DataFrame({name: np.array(NET.states[j])[CODES[:, j]] for j, name in enumerate(NET.names)})
WRONG = (
    None, 3, float("nan"), "nonsense", [1, "a"], {"a": 1}, object(), np.zeros((2, 2)), pd.DataFrame({"a": [1]}), NET,
    SEEN,
)
# What to call, with what, and which arguments to spoil (all, where none are named)
CALLS = {
    "CausalNetwork": (CausalNetwork, dict(names=NET.names, states=NET.states, parents=NET.parents, cpts=NET.cpts)),
    "CausalNetwork.do": (NET.do, dict(interventions={"asia": "yes"})),
    "CausalNetwork.from_bif": (CausalNetwork.from_bif, dict(path="asia.bif")),
    "CausalNetwork.from_pgmpy": (CausalNetwork.from_pgmpy, dict(model=None)),
    "CausalNetwork.log_prob": (NET.log_prob, dict(codes=CODES)),
    "CausalNetwork.members": (NET.members, dict(n=1, seed=0)),
    "CausalNetwork.sample": (NET.sample, dict(n=3, seed=0)),
    "Intervention": (Intervention, dict(do={"asia": "yes"}, name="")),
    "Knowledge": (Knowledge, dict(tiers=(), required=(), forbidden=(), max_parents=3, cuts={}, keep={}, leave_out=())),
    "Marginals": (Marginals, dict(index=SEEN.index, p=SEEN.p, n=SEEN.n)),
    "Marginals.from_codes": (Marginals.from_codes, dict(net=NET, codes=CODES)),
    "Marginals.from_counts": (Marginals.from_counts, dict(net=NET, counts=SEEN.counts)),
    "Marginals.reindex": (SEEN.reindex, dict(index=SEEN.index)),
    "Mixture": (dimm_nb.Mixture, dict(weights=PI.weights)),
    "Mixture.largest": (PI.largest, dict(n=3)),
    "Oracle.from_marginals": (
        Oracle.from_marginals,
        dict(index=ORACLE.index, parents=ORACLE.parents, base=ORACLE.base, do=ORACLE.do),
    ),
    "Oracle.from_network": (Oracle.from_network, dict(net=NET, interventions=None)),
    "Prior": (Prior, dict(inclusion=(1.0, 1.0), scale=(1.0, 0.05), assumption_1=True)),
    "attribute": (
        dimm_nb.attribute,
        dict(net=NET, counts=SEEN, baseline=None, method="dimm", metric=None, level=0.9, seed=0, totals=None,
             interventions=None),
    ),
    "attribute_series": (dimm_nb.attribute_series, dict(net=NET, counts_by_period=None)),
    "attribute_many": (dimm_nb.attribute_many, dict(net=NET, counts=None)),
    "choose_lambda": (dimm_nb.choose_lambda, dict(oracle=ORACLE, marginals=SEEN, net=NET, candidates=(0.1,), draws=1)),
    "count_categories": (dimm_nb.count_categories, dict(table=ROWS, net=NET, name=None)),
    "count_report": (dimm_nb.count_report, dict(path="counts.csv", net=NET)),
    "count_rows": (dimm_nb.count_rows, dict(table=ROWS, net=NET, counts=None, name=None)),
    "dimm_objective": (dimm_nb.dimm_objective, dict(oracle=ORACLE, marginals=SEEN, weights=PI, lam=0.1)),
    "draw_network": (dimm_nb.draw_network, dict(net=NET, interventions={"asia": "yes"}, ax=None)),
    "fit_em": (
        dimm_nb.fit_em,
        dict(net=NET, codes=CODES, solver="sqp", n_starts=1, interventions=None, tol=1e-3, seed=0),
    ),
    "fit_posterior": (
        dimm_nb.fit_posterior,
        dict(net=NET, marginals=SEEN, baseline=None, interventions=None, seed=0, sweeps=50, warmup=5),
    ),
    "fit_targets": (
        dimm_nb.fit_targets,
        dict(net=NET, codes=CODES, price=0.6, counts=None, excluded=None, beam=5, n_starts=1, seed=0),
    ),
    "identify": (dimm_nb.identify, dict(oracle=ORACLE, n=None, marginals=None, net=None, share=0.02, seed=0)),
    "learn_network": (
        dimm_nb.learn_network,
        dict(table=ROWS, knowledge=Knowledge(), columns=None, smoothing=10.0, rows=100, bootstrap=0, seed=0),
    ),
    "load_network": (dimm_nb.load_network, dict(name="asia")),
    "mae": (dimm_nb.mae, dict(pi=PI, estimate=PI)),
    "max_abs_error": (dimm_nb.max_abs_error, dict(pi=PI, estimate=PI)),
    "mixture_marginals": (dimm_nb.mixture_marginals, dict(oracle=ORACLE, pi=PI)),
    "mse": (dimm_nb.mse, dict(pi=PI, estimate=PI)),
    "objective_gap": (dimm_nb.objective_gap, dict(oracle=ORACLE, marginals=SEEN, pi=PI, estimate=PI, lam=0.1)),
    "placebo": (dimm_nb.placebo, dict(net=NET, periods=None)),
    "random_mixture": (dimm_nb.random_mixture, dict(net=NET, n_interventions=2, base_weight=0.2, seed=0)),
    "random_network": (dimm_nb.random_network, dict(n_nodes=3, n_states=2, max_parents=2, seed=0)),
    "read_counts": (dimm_nb.read_counts, dict(path="counts.csv")),
    "sample_mixture": (dimm_nb.sample_mixture, dict(net=NET, pi=PI, n=10, seed=0, interventions=None)),
    "simulate_shop": (dimm_nb.simulate_shop, dict(rows=100, seed=0)),
    "solve_dimm": (
        dimm_nb.solve_dimm,
        dict(oracle=ORACLE, marginals=SEEN, lam=0.1, eps=1e-5, solver="conic", n_starts=1, seed=0),
    ),
    "solve_exact": (dimm_nb.solve_exact, dict(oracle=ORACLE, marginals=SEEN, tol=1e-8)),
    "write_counts": (dimm_nb.write_counts, dict(marginals=SEEN, path="out.csv")),
}


def own_words(error):
    "Whether the package raised it, and none of what it is built on."
    last = traceback.extract_tb(error.__traceback__)[-1]
    return "dimm_nb" in Path(last.filename).parts and "raise" in (last.line or "")


def outcome(function, good, name, wrong):
    "Empty where the call is answered or refused in the package's own words, else what came instead."
    try:
        function(**good | {name: wrong})
    except (TypeError, ValueError, OSError) as error:
        if own_words(error) or isinstance(error, OSError):
            return ""
        return f"{name}={repr(wrong)[:40]}: {type(error).__name__}: {error}"
    except Exception as error:
        return f"{name}={repr(wrong)[:40]}: {type(error).__name__}: {error}"
    return ""


@pytest.mark.parametrize("call", CALLS)
def test_a_wrong_type_is_refused_in_words_that_help(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    NET.to_bif("asia.bif")
    dimm_nb.write_counts(SEEN, "counts.csv")
    function, good = CALLS[call]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = [outcome(function, good, name, wrong) for name in good for wrong in WRONG]
    assert [each for each in found if each] == []


def test_every_public_function_is_tried():
    functions = {name for name in dimm_nb.__all__ if not isinstance(getattr(dimm_nb, name), type)}
    assert functions - {call.partition(".")[0] for call in CALLS} <= NOT_TRIED


# Long ways to what is tried, and names that are newer than this table
NOT_TRIED = {"changed_mechanism", "experiment", "explore", "read_knowledge", "run_alarm", "touched_nodes"}


@pytest.mark.parametrize(
    "call, wrong, words",
    [
        ("fit_em", dict(net=3), "a CausalNetwork is needed here, not int"),
        ("fit_posterior", dict(net=None), "a network is a CausalNetwork, not NoneType"),
        ("random_mixture", dict(seed="x"), "seed must be a whole number or a Generator, not the str 'x'"),
        ("draw_network", dict(ax=3), "ax must be an Axes or None, not the int 3"),
        ("Marginals", dict(p="x"), r"Marginals\(\): p must be numbers in an array, not the str 'x'"),
    ],
)
def test_the_argument_is_named(call, wrong, words):
    function, good = CALLS[call]
    with pytest.raises((TypeError, ValueError), match=words):
        function(**good | wrong)
