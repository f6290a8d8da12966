"""Shops to compare with what is in use: rows of two periods, the true change, what dimm_nb and Adtributor say of it."""
import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from dimm_nb import CausalNetwork, Marginals, Mixture, attribute, sample_mixture

ROWS = 20_000  # each period
NAMES = ("campaign", "visitor", "device", "channel", "page", "cart", "pay", "order")
STATES = (("none", "spring", "sale"), ("new", "back"), ("phone", "desk"), ("search", "mail", "direct"),
          ("home", "offer", "item"), ("no", "yes"), ("card", "invoice"), ("no", "yes"))
PARENTS = ((), (), (1,), (0, 1), (3,), (2, 4), (2,), (5, 6))
PRICE = {"card": 40.0, "invoice": 60.0}  # mean value of an order


def shop(seed: int) -> CausalNetwork:
    "Eight features of a shop, tables drawn by a seed."
    rng, sizes = np.random.default_rng(seed), [len(states) for states in STATES]
    shapes = [tuple(sizes[p] for p in parents) for parents in PARENTS]
    cpts = [rng.dirichlet(np.full(size, 3.0), shape) for size, shape in zip(sizes, shapes)]
    return CausalNetwork(NAMES, STATES, PARENTS, cpts)


def changed_table(net: CausalNetwork, node: str, rng: np.random.Generator) -> CausalNetwork:
    "The network with another table at one node: a mechanism change, in all of the traffic."
    cpts = list(net.cpts)
    j = net.names.index(node)
    cpts[j] = rng.dirichlet(np.full(net.sizes[j], 3.0), cpts[j].shape[:-1])
    return CausalNetwork(net.names, net.states, net.parents, cpts)


def later(net: CausalNetwork, case: str, rng: np.random.Generator) -> tuple[np.ndarray, list[str], list[str]]:
    "Rows of the later period, the nodes that were acted on, and the states that were set."
    if case == "states set":
        truth = {("channel", "mail"): 0.10, ("page", "offer"): 0.10, ("device", "phone"): 0.10}
        codes, _ = sample_mixture(net, Mixture(truth), ROWS, rng)
        return codes, [node for node, _ in truth], ["=".join(label) for label in truth]
    if case == "mechanism":
        return changed_table(net, "cart", rng).sample(ROWS, rng), ["cart"], []
    return net.sample(ROWS, rng), (["pay"] if case == "money" else []), []


def money(frame: pd.DataFrame, rng: np.random.Generator, dearer: float = 1.0) -> pd.Series:
    "What each row brings in: nothing without an order; invoices may have become dearer."
    value = frame["pay"].map(PRICE) * np.where(frame["pay"] == "invoice", dearer, 1.0)
    return (value * rng.gamma(8, 1 / 8, len(frame))).where(frame["order"] == "yes", 0.0)


def surprise(p: pd.Series, q: pd.Series) -> pd.Series:
    "Each element's term of the Jensen-Shannon divergence between two distributions."
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = [np.where(each > 0, each * np.log(2 * each / (p + q)), 0.0) for each in (p, q)]
    return pd.Series((terms[0] + terms[1]) / 2, p.index)


def adtributor(before: pd.DataFrame, after: pd.DataFrame, value: str) -> list[str]:
    "Adtributor on a measure: elements of each dimension by surprise, those that explain a tenth of the change."
    change, best = after[value].sum() - before[value].sum(), []
    for name in NAMES:
        old, new = (frame.groupby(name, observed=False)[value].sum() for frame in (before, after))
        p, q = old / old.sum(), new / new.sum()
        power = (new - old) / change
        kept = surprise(p, q)[power > 0.1].sort_values(ascending=False)
        best.append((kept.sum(), name, [f"{name}={state}" for state in kept.index]))
    return [f"{name}: {', '.join(elements)}" for _, name, elements in sorted(best, reverse=True)[:3]]


def first_nodes(ranked: pd.Series) -> list[str]:
    "Nodes in the order in which a ranking of categories names them."
    return list(dict.fromkeys(ranked.sort_values(ascending=False, kind="stable").index.get_level_values("node")))


def problem(case: str, seed: int, folder: Path) -> list[dict]:
    "Simulate one problem, save its rows for DoWhy, and answer it with dimm_nb and with Adtributor."
    net, rng = shop(seed), np.random.default_rng([seed, 1])
    old = net.sample(ROWS, rng)
    new, nodes, states = later(net, case, rng)
    before, after = (net.frame(codes).astype(str) for codes in (old, new))
    before["money"], after["money"] = money(before, rng), money(after, rng, 1.5 if case == "money" else 1.0)
    name = f"{case.replace(' ', '-')}-{seed}"
    before.to_csv(folder / f"{name}-old.csv", index=False)
    after.to_csv(folder / f"{name}-new.csv", index=False)
    (folder / f"{name}.json").write_text(json.dumps({
        "case": case, "seed": seed, "target": "money" if case == "money" else "order", "nodes": nodes,
        "edges": list(net.edges)}))
    counts = [Marginals.from_codes(net, codes) for codes in (old, new)]
    answer = attribute(net, counts[1], baseline=counts[0], seed=seed)
    supported = answer.shares[answer.shares.verdict == "supported"].sort_values("share", ascending=False)
    p, q = (pd.Series(marginals.p, net.index) for marginals in counts)
    rising = surprise(p, q) * np.sign(q - p)
    common = {"case": case, "seed": seed, "true nodes": " ".join(nodes), "true states": " ".join(states)}
    return [
        common | {"method": "dimm_nb", "first node": (first_nodes(supported.share) or [""])[0],
                  "says": " ".join("=".join(label) for label in supported.index), "p": round(answer.p_value, 4)},
        common | {"method": "Adtributor, counts", "first node": first_nodes(rising)[0],
                  "says": " ".join("=".join(label) for label in rising.nlargest(3).index)},
        common | {"method": "Adtributor, money", "first node": adtributor(before, after, "money")[0].split(":")[0],
                  "says": adtributor(before, after, "money")[0]},
    ]


def main(folder: Path) -> None:
    rows = [row for case in ("states set", "mechanism", "money", "nothing") for seed in range(3)
            for row in problem(case, seed, folder)]
    pd.DataFrame(rows).to_csv(folder / "ours.csv", index=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
