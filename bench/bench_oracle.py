"""The whole oracle against cut networks queried with pgmpy and pyAgrum."""
import tracemalloc
import warnings
from collections.abc import Iterator

import numpy as np
from common import timed

from dimm_nb.network.network import CausalNetwork, load_network
from dimm_nb.network.oracle import Oracle

COLUMNS = ("what", "ours_seconds", "peer", "peer_seconds", "ratio", "peak_mb", "note")
PEER_SAMPLE = {"andes": 4}  # pgmpy: time this many interventions, and scale; absent: all of them


def fresh(net: CausalNetwork) -> CausalNetwork:
    "A copy that has computed nothing yet: neither its index nor its order."
    return CausalNetwork(net.names, net.states, net.parents, net.cpts)


def our_seconds(net: CausalNetwork, repeat: int = 10) -> float:
    "Best time of the whole oracle, from a fresh network each time."
    return min(timed(Oracle.from_network, copy)[1] for copy in [fresh(net) for _ in range(repeat)])


def peak_mb(net: CausalNetwork) -> float:
    "Peak of what the oracle allocates, itself included."
    tracemalloc.start()
    Oracle.from_network(fresh(net))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 2**20


def pgmpy_rows(net: CausalNetwork, interventions: list[tuple[str, str]]) -> np.ndarray:
    "Marginals under each intervention: cut, then VariableElimination for every node."
    from pgmpy.inference import VariableElimination
    out = []
    for node, state in interventions:
        engine = VariableElimination(net.do({node: state}).to_pgmpy())
        # a query each: asked for all nodes at once, even with joint=False, it builds their joint table
        out.append(np.concatenate([engine.query([name], show_progress=False).values for name in net.names]))
    return np.array(out)


def pyagrum_rows(net: CausalNetwork) -> np.ndarray:
    "Marginals under every intervention: one cut network a node, LazyPropagation, its evidence changed."
    import pyagrum as gum
    gum.setNumberOfThreads(1)  # like everybody
    out = []
    for i in range(len(net.names)):
        cut, bn = net.do({net.names[i]: net.states[i][0]}), gum.BayesNet()
        for j, k in enumerate(net.sizes): bn.add(gum.LabelizedVariable(f"v{j}", "", k))
        for j, pa in enumerate(cut.parents):
            for p in reversed(pa): bn.addArc(f"v{p}", f"v{j}")  # its first axis runs fastest, ours the last
            bn.cpt(f"v{j}").fillWith(
                np.ravel(cut.cpts[j] if j != i else np.full(net.sizes[i], 1 / net.sizes[i])).tolist()
            )
        engine = gum.LazyPropagation(bn)
        engine.addEvidence(f"v{i}", 0)
        for k in range(net.sizes[i]):
            engine.chgEvidence(f"v{i}", k)
            engine.makeInference()
            out.append(np.concatenate([engine.posterior(f"v{j}").toarray() for j in range(len(net.names))]))
    return np.array(out)


def rows(names: tuple[str, ...] = ("alarm", "hailfinder", "andes")) -> Iterator[dict]:
    "One row for each network and peer, measured side by side; the answers are compared, too."
    warnings.filterwarnings("ignore", module="pgmpy")
    for name in names:
        net = load_network(name)
        ours, memory, do = our_seconds(net), peak_mb(net), Oracle.from_network(net).do
        total = len(net.index)
        asked = np.linspace(0, total - 1, min(PEER_SAMPLE.get(name, total), total)).astype(int)
        answer, seconds = timed(pgmpy_rows, net, [net.index[c] for c in asked])
        np.testing.assert_allclose(do[asked], answer, atol=1e-10)
        note = "" if len(asked) == total else f"{len(asked)} of {total} interventions timed, scaled"
        scaled = seconds * total / len(asked)
        yield dict(
            zip(
                COLUMNS,
                (
                    f"oracle, {name}",
                    ours,
                    "pgmpy VariableElimination, cut networks",
                    scaled,
                    scaled / ours,
                    memory,
                    note,
                ),
            )
        )
        runs = [timed(pyagrum_rows, net) for _ in range(3)]
        np.testing.assert_allclose(do, runs[0][0], atol=1e-10)
        ours, seconds = min(ours, our_seconds(net)), min(seconds for _, seconds in runs)
        yield dict(
            zip(
                COLUMNS,
                (
                    f"oracle, {name}",
                    ours,
                    "pyAgrum LazyPropagation, one cut network a node",
                    seconds,
                    seconds / ours,
                    memory,
                    "best of 3",
                ),
            )
        )
    net = load_network("alarm")
    seconds = min(timed(Oracle.from_network, copy, tables="edges")[1] for copy in [fresh(net) for _ in range(10)])
    yield dict(zip(COLUMNS, ("tables, alarm", seconds, "", None, None, None, f"{len(net.edges)} edges")))
    for name in ("child", "insurance", "win95pts", "hepar2"):
        net = load_network(name)
        yield dict(zip(COLUMNS, (f"oracle, {name}", our_seconds(net), "", None, None, peak_mb(net), "")))


if __name__ == "__main__":
    import pandas as pd
    print(pd.DataFrame(rows(), columns=COLUMNS).to_string(index=False, float_format="{:.4g}".format))
