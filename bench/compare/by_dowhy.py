"""What DoWhy's `gcm.distribution_change` says of each problem; in a virtual environment of its own (make compare)."""
import json
import sys
import time
from pathlib import Path

import networkx as nx
import numpy as np
import pandas as pd
from dowhy import gcm

ROWS = 5_000  # of each period: its tests of mechanisms are slow


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
    options = {}
    if target == "money": options["difference_estimation_func"] = lambda a, b: float(np.mean(b) - np.mean(a))
    shares = gcm.distribution_change(model, old[columns], new[columns], target, **options)
    ranked = sorted(((abs(float(value)), node) for node, value in shares.items()), reverse=True)
    named = [f"{node} {value:.3g}" for value, node in ranked if value > 1e-9]
    first = ranked[0][1] if named else ""
    return {"case": facts["case"], "seed": facts["seed"], "true nodes": " ".join(facts["nodes"]), "method": "DoWhy",
            "first node": first, "says": "; ".join(named), "seconds": round(time.perf_counter() - start)}


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    gcm.config.disable_progress_bars()
    pd.DataFrame([answer(path) for path in sorted(folder.glob("*.json"))]).to_csv(folder / "dowhy.csv", index=False)
