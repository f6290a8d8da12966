"""Reading BIF files and the oracles of large networks, beside pgmpy's reader and version 0.1 (its commit is named)."""
import functools
import gzip
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from common import best_time, process_peak_mb, row

from dimm_nb.network.bif import format_bif, parse_bif
from dimm_nb.network.cover import cover
from dimm_nb.network.network import load_network, packaged_files
from dimm_nb.network.oracle import Oracle

ROOT = Path(__file__).resolve().parent.parent
FIRST = "26bf12f"  # version 0.1
CODE = {"read": "load_network({name!r})", "oracle": "Oracle.from_network(net)"}


@functools.cache
def first_version() -> str:
    "A folder with the package as it was at 0.1; raises CalledProcessError where the commit is not at hand."
    folder = tempfile.mkdtemp()
    archive = subprocess.run(["git", "archive", FIRST, "dimm_nb"], cwd=ROOT, capture_output=True, check=True).stdout
    subprocess.run(["tar", "x", "-C", folder], input=archive, check=True)
    return folder


def seconds_of_first(name: str, what: str) -> float | None:
    "Seconds of version 0.1 for reading a network or for its oracle, in a process of its own; None if it refuses."
    script = f"""
import sys, time, warnings
sys.path.insert(0, {first_version()!r})
warnings.simplefilter("ignore")
from dimm_nb import Oracle, load_network
net = None if {what!r} == "read" else load_network({name!r})
start = time.process_time()
{CODE[what].format(name=name)}
print(time.process_time() - start)
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=first_version(), capture_output=True, text=True)
    return float(done.stdout.split()[-1]) if not done.returncode else None


def oracle(name: str) -> Oracle:
    "The whole oracle, planning included."
    cover.cache_clear()
    return Oracle.from_network(load_network(name))


def rows(quick: bool = False) -> Iterator[dict]:
    "Reading and writing, then large oracles."
    warnings.simplefilter("ignore")
    for name in ("asia",) if quick else ("diabetes", "munin1"):
        text = gzip.decompress(packaged_files()[name].read_bytes()).decode()
        tables, ours = best_time(3, parse_bif, text)
        note = f"{len(text) / 1e6:.2g} MB, {len(text) / 1e6 / ours:.0f} MB/s"
        yield row(f"reading, {name}", ours, f"version 0.1 ({FIRST})", seconds_of_first(name, "read"), note=note)
        if quick or name == "munin1":
            from pgmpy.readwrite import BIFReader
            theirs, seconds = best_time(1, lambda text=text: BIFReader(string=text))
            assert sorted(theirs.variable_names) == sorted(tables.names)
            yield row(f"reading, {name}", ours, "pgmpy BIFReader", seconds, note=note)
        written, ours = best_time(3, format_bif, tables)
        yield row(f"writing, {name}", ours, note=f"{len(written) / 1e6 / ours:.0f} MB/s")
    names = ("asia",) if quick else ("munin1", "link", "barley")
    for name in names:
        found, whole = best_time(1, oracle, name)
        cover.cache_clear()
        net = load_network(name)
        _, ours = best_time(1, Oracle.from_network, net)
        assert max(abs(found.do[:, s].sum(axis=1) - 1).max() for s in found.slices) < 1e-12
        theirs = seconds_of_first(name, "oracle")
        peak = process_peak_mb(f"from dimm_nb import *\nOracle.from_network(load_network({name!r}))")
        note = f"{whole:.2g} s with reading" + ("" if theirs else "; refused by version 0.1")
        peer = f"version 0.1 ({FIRST})" if theirs else ""
        yield row(f"large oracle, {name}", ours, peer, theirs, peak_mb=peak, note=note)
        np.testing.assert_array_equal(found.do, Oracle.from_network(net).do)


if __name__ == "__main__":
    import pandas as pd
    print(pd.DataFrame(rows("--quick" in sys.argv)).to_string(index=False, float_format="{:.4g}".format))
