"What the bench modules share: timing, memory, and networks with S = 1122 categories."
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from dimm_nb.network.network import CausalNetwork

COLUMNS = ("what", "ours_seconds", "peer", "peer_seconds", "ratio", "peak_mb", "gap", "note")
WIDE = {"32 nodes of 35 or 36 states": [35] * 30 + [36] * 2, "374 nodes of 3 states": [3] * 374}  # S = 1122 both


def row(what: str, ours: float, peer: str = "", theirs: float | None = None, **more: object) -> dict[str, object]:
    "A row of the table; the ratio is how much longer the peer takes."
    return dict.fromkeys(COLUMNS) | {"what": what, "ours_seconds": ours, "peer": peer, "peer_seconds": theirs,
                                     "ratio": None if theirs is None else theirs / ours, "note": ""} | more


def timed(function: Callable, *args, **options) -> tuple:
    "What is answered, and the processor's seconds it takes: with one thread those of an idle machine."
    start = time.process_time()
    answer = function(*args, **options)
    return answer, time.process_time() - start


def best_time(repeat: int, function: Callable, *args, **options) -> tuple:
    "The answer, and the least time of several."
    runs = [timed(function, *args, **options) for _ in range(repeat)]
    return runs[0][0], min(seconds for _, seconds in runs)


def own_peak_mb() -> float:
    "Peak memory of this process, libraries included."
    status = Path(
        "/proc/self/status"
    )  # getrusage's peak, on Linux, starts at that of the process that started this one
    if status.exists():
        return int(status.read_text().partition("VmHWM:")[2].split()[0]) / 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def process_peak_mb(code: str) -> float:
    "Peak memory of a fresh Python that runs the code."
    done = subprocess.run([sys.executable, "-c", f"{code}\nimport common\nprint(common.own_peak_mb())"],
                          cwd=Path(__file__).parent, capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def wide_network(sizes: list[int], seed: int = 0) -> CausalNetwork:
    "A random network whose nodes have at most two parents, among the two nodes before: its cliques stay small."
    rng = np.random.default_rng(seed)
    parents = [
        tuple(sorted(rng.choice(np.arange(max(0, j - 2), j), rng.integers(0, min(j, 2) + 1), replace=False).tolist()))
        for j in range(len(sizes))
    ]
    cpts = [rng.dirichlet(np.ones(k), size=tuple(sizes[p] for p in ps)) for k, ps in zip(sizes, parents)]
    return CausalNetwork(
        tuple(f"X{j}" for j in range(len(sizes))),
        tuple(tuple(f"s{k}" for k in range(size)) for size in sizes),
        tuple(parents),
        tuple(cpts),
    )
