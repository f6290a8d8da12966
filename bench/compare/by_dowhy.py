"""What DoWhy's `gcm.distribution_change` says of each problem; in a virtual environment of its own (make compare)."""
import json
import sys
import time
from pathlib import Path

import networkx as nx
import numpy as np
import pandas as pd
from dowhy import gcm
from scipy import stats

ROWS = 10_000  # of each period


def codes(values: np.ndarray) -> np.ndarray:
    "Columns as one number for each row; numbers are cut at their deciles."
    columns = [pd.qcut(pd.Series(column.astype(float)).rank(method="first"), 10, labels=False)
               if len(set(column.tolist())) > 50 else pd.factorize(column)[0]
               for column in values.reshape(len(values), -1).T]
    return pd.factorize(pd.MultiIndex.from_arrays(columns))[0]


def independent(x: np.ndarray, y: np.ndarray, given: np.ndarray | None = None) -> float:
    """p-value of a chi-squared test, summed over the strata of what is given. DoWhy's own kernel tests suit numbers and
    take minutes for each problem; for categories this is the textbook's test."""
    x, y = codes(np.asarray(x)), codes(np.asarray(y))
    strata = np.zeros(len(x), int) if given is None else codes(np.asarray(given))
    total, degrees = 0.0, 0
    for stratum in np.unique(strata):
        table = pd.crosstab(x[strata == stratum], y[strata == stratum])
        if min(table.shape) > 1:
            found = stats.chi2_contingency(table, correction=False)
            total, degrees = total + found.statistic, degrees + found.dof
    return float(stats.chi2.sf(total, degrees)) if degrees else 1.0


def answer(path: Path) -> dict:
    "Shapley values of the nodes upstream of the target, the largest first."
    facts = json.loads(path.read_text())
    old, new = (pd.read_csv(path.with_name(f"{path.stem}-{when}.csv"), keep_default_na=False).head(ROWS)
                for when in ("old", "new"))
    graph, target = nx.DiGraph(facts["edges"]), facts["target"]
    if target == "money": graph.add_edges_from([("order", "money"), ("pay", "money")])
    columns = list(graph.nodes)
    gcm.util.general.set_random_seed(facts["seed"])
    model, start = gcm.ProbabilisticCausalModel(graph), time.perf_counter()
    gcm.auto.assign_causal_mechanisms(model, old[columns])
    options = {"independence_test": independent, "conditional_independence_test": independent}
    if target == "money": options["difference_estimation_func"] = lambda a, b: float(np.mean(b) - np.mean(a))
    shares, changed, *_ = gcm.distribution_change(
        model, old[columns], new[columns], target, return_additional_info=True, **options)
    ranked = sorted(((abs(float(value)), node) for node, value in shares.items() if changed[node]), reverse=True)
    named = [f"{node} {value:.2g}" for value, node in ranked]
    first = ranked[0][1] if named else ""
    return {"case": facts["case"], "seed": facts["seed"], "true nodes": " ".join(facts["nodes"]), "method": "DoWhy",
            "first node": first, "says": "; ".join(named), "seconds": round(time.perf_counter() - start)}


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    gcm.config.disable_progress_bars()
    gcm.config.set_default_n_jobs(1)
    pd.DataFrame([answer(path) for path in sorted(folder.glob("*.json"))]).to_csv(folder / "dowhy.csv", index=False)
