"""Calls as a user writes them, for `make lint` to check: nothing runs them. One that is wrong carries its error."""
import numpy as np
import pandas as pd

from dimm_nb import (
    CausalNetwork,
    Intervention,
    Marginals,
    Mixture,
    Oracle,
    Soft,
    attribute,
    attribute_series,
    changed_mechanism,
    count_categories,
    count_rows,
    fit_em,
    fit_posterior,
    identify,
    learn_network,
    load_network,
    mae,
    mixture_marginals,
    read_counts,
    read_knowledge,
    sample_mixture,
    solve_dimm,
    solve_exact,
    touched_nodes,
)

net: CausalNetwork = load_network("alarm")
named = CausalNetwork(["a", "b"], [["0", "1"], ["0", "1"]], [[], [0]], [[0.5, 0.5], [[0.9, 0.1], [0.2, 0.8]]])
placed = CausalNetwork(("a",), (("0", "1"),), ((),), (np.array([0.5, 0.5]),))

oracle = Oracle.from_network(net)
pairs = Oracle.from_network(net, [{"BP": "LOW"}, Intervention({"BP": "LOW", "CVP": "HIGH"})])
changed = Oracle.from_network(net, [{"BP": "LOW"}, Soft("CVP", [0.2, 0.3, 0.5], "new gauge")])
truth = Mixture({("BP", "LOW"): 0.2})
again = Mixture(pd.Series([0.2], pd.MultiIndex.from_tuples([("BP", "LOW")])))
codes, touched = sample_mixture(net, truth, 1_000, seed=0)
seen = Marginals.from_codes(net, codes)
crossed = Marginals.from_codes(net, codes, tables=[("LVFAILURE", "HISTORY")])
Marginals.from_codes(net, codes, tables="pairs")  # type: ignore[arg-type]
Oracle.from_network(net, tables="edges").crosstab("LVFAILURE", "HISTORY").to_frame()
mixture_marginals(net, truth)
mixture_marginals(oracle, truth)
read_counts("counts.csv")
count_categories("rows.parquet", net)
count_categories("rows.parquet", net, tables=[("LVFAILURE", "HISTORY")])
touched_nodes(net, codes, level=0.05).loc["BP", "touched"]

exact = solve_exact(net, seen)
dimm = solve_dimm(oracle, seen, lam=0.1)
slow = solve_dimm(net, seen, solver="slsqp")
em = fit_em(net, codes)
hits = count_rows("rows.parquet", net, counts="hits")
em = fit_em(net, hits, counts=hits["count"])
fit = fit_posterior(net, seen, seed=1)
identify(net)
mae(truth, dimm.mixture)
for answer in (exact, dimm, em, fit):
    answer.mixture, answer.converged, answer.notes, answer.to_frame(), answer.largest(5), answer.summary()
attribute("alarm", "counts.csv")
attribute(net, seen, metric="BP=LOW", seed=1)
attribute("alarm", {"BP": {"LOW": 3, "NORMAL": 4, "HIGH": 5}})
attribute_series("alarm", {"week 1": "one.csv"})
told = attribute(learn_network("stable.csv", read_knowledge("tiers.yaml")), "later.csv", metric="BP: LOW")
told.to_html("report.html", made={"Made": "by Ana"})
told.plot_beside([seen, "quiet.csv"])
doubted: bool = told.in_doubt

solve_dimm(net, seen, solver="conik")  # type: ignore[arg-type]
solve_dimm(net, seen, lam="0.1")  # type: ignore[arg-type]
fit_posterior(net, seen, chain=3)  # type: ignore[call-arg]
load_network(3)  # type: ignore[arg-type]
attribute(3, seen)  # type: ignore[arg-type]
attribute(net, seen, method="conik")  # type: ignore[arg-type]
focal: str = changed_mechanism(net, seen, level=0.9).node
