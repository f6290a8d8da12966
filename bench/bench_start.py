"""What a cold start costs: the command's help, an import, one attribution; and a mixture of many small components.
Each in a process of its own, beside the same of version 0.1: processor seconds, imports included."""
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench_network import FIRST, ROOT, first_version
from common import row

from dimm_nb.mixture.mixture import random_mixture, sample_mixture
from dimm_nb.network.axis import Marginals
from dimm_nb.network.network import load_network

COMMAND = """
import sys
sys.argv = ["dimm", *{arguments!r}]
try: from dimm_nb.use.cli import main
except ImportError: from dimm_nb.cli import main  # where 0.1 has it
main()"""


def seconds_of(code: str, folder: str | Path) -> float:
    "The processor's seconds of a fresh Python that runs the code with the package in a folder; the best of three."
    found = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        output_of(code, folder)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        found.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(found)


def counts_file(folder: str, rows: int) -> str:
    "Counts of ALARM with five interventions, as an analyst has them."
    alarm = load_network("alarm")
    codes, _ = sample_mixture(alarm, random_mixture(alarm, 5, seed=1), rows, seed=2)
    table = Marginals.from_codes(alarm, codes).counts.rename("count").reset_index()
    table.to_csv(path := f"{folder}/counts.csv", index=False)
    return path


SAMPLE = """
import time
from dimm_nb import random_mixture, random_network, sample_mixture
net = random_network({nodes}, 3, max_parents=1, seed=1)
pi = random_mixture(net, {many}, seed=0)
start = time.process_time()
sample_mixture(net, pi, {rows}, seed=1)
print(time.process_time() - start)"""


def output_of(code: str, folder: str | Path) -> str:
    "What a fresh Python prints that runs the code with the package in a folder."
    script = f"import sys; sys.path.insert(0, {str(folder)!r})\n{code}"
    done = subprocess.run([sys.executable, "-c", script], cwd=folder, capture_output=True, text=True)
    if done.returncode: raise RuntimeError(done.stderr[-2000:])
    return done.stdout


def rows(quick: bool = False) -> Iterator[dict]:
    "Cold starts, then fifty thousand rows from seven hundred interventions."
    first = f"version 0.1 ({FIRST})"
    with tempfile.TemporaryDirectory() as folder:
        starts = {
            "dimm --help": COMMAND.format(arguments=["--help"]),
            "from dimm_nb import attribute": "from dimm_nb import attribute",
            "dimm attribute alarm counts.csv": COMMAND.format(
                arguments=["attribute", "alarm", counts_file(folder, 100_000)]
            ),
        }
        for what, code in list(starts.items())[:1 if quick else None]:
            yield row(f"start, {what}", seconds_of(code, ROOT), first, seconds_of(code, first_version()))
    nodes, many, size = (20, 10, 1_000) if quick else (374, 700, 50_000)
    ours, theirs = (
        float(output_of(SAMPLE.format(nodes=nodes, many=many, rows=size), folder)) for folder in (ROOT, first_version())
    )
    yield row(f"rows of a mixture, S = {3 * nodes}, {many} interventions", ours, first, theirs, note=f"{size:,} rows")
