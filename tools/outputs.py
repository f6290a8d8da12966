"""Saved outputs older than the code they show: found by `--check`, else made again (`--all`, `--slow`, or by name)."""
import argparse
import json
import os
import re
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import book
import build_readme
import check_notebooks
import nbformat
import uses
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbdev.clean import clean_nb

ROOT = Path(__file__).resolve().parent.parent
RECORD = "_outputs.json"  # by notebook, the fingerprint of the code that made its outputs: of quick cells, of slow ones
Fingerprints = dict[str, dict[str, str]]


def name_of(path: Path, root: Path) -> str:
    return path.relative_to(root / "nbs").with_suffix("").as_posix()


def read_record(root: Path) -> Fingerprints:
    path = root / "nbs" / RECORD
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def write_record(root: Path, record: Fingerprints) -> None:
    "A notebook a line, blank lines between: git then merges what several people made."
    lines = [f"{json.dumps(name)}: {json.dumps(record[name], sort_keys=True)}" for name in sorted(record)]
    (root / "nbs" / RECORD).write_text("{\n\n" + ",\n\n".join(lines) + "\n\n}\n", encoding="utf-8")


def current(root: Path, package: str = "dimm_nb") -> Fingerprints:
    "The fingerprints of all notebooks as they are."
    known = uses.Package(root / package)
    return {name_of(path, root): uses.fingerprints(path, known) for path in book.paths(root / "nbs")}


def lost_figures(path: Path) -> bool:
    "Whether a quick cell draws a figure and is saved without one: it ran where figures are not shown."
    for cell in book.read(path)["cells"]:
        if cell["cell_type"] == "code" and not uses.is_slow(cell):
            drawn = re.search(r"^(\w+, )*\w+ = plt\.(subplots|figure)\(", "".join(cell["source"]), re.M)
            if drawn and not any("image/png" in output.get("data", {}) for output in cell["outputs"]):
                return True
    return False


def stale(root: Path, kind: str, now: Fingerprints | None = None) -> list[str]:
    "Notebooks whose cells of this kind, quick or slow, have outputs of other code than now, or lost a figure."
    record, now = read_record(root), current(root) if now is None else now
    other = [name for name, found in now.items() if kind in found and record.get(name, {}).get(kind) != found[kind]]
    lost = [name_of(path, root) for path in book.paths(root / "nbs") if kind == "quick" and lost_figures(path)]
    return sorted({*other, *lost})


def check(root: Path = ROOT) -> int:
    "Say which outputs are stale; only those of quick cells are an error."
    now, names = current(root), []
    for kind, how in [("slow", "make outputs SLOW=1"), ("quick", "make outputs")]:
        if names := stale(root, kind, now):
            print(f"outputs of {kind} cells are older than the code they show, in {', '.join(names)}: {how}")
    return bool(names)


# running


def merged(outputs: list[dict]) -> list[dict]:
    "Texts that were printed one after the other are one, however they came; a widget lives only as long as its kernel."
    found: list[dict] = []
    for output in outputs:
        if check_notebooks.WIDGET in output.get("data", {}):
            continue
        if (
            found
            and output["output_type"] == found[-1]["output_type"] == "stream"
            and output["name"] == found[-1]["name"]
        ):
            found[-1]["text"] += output["text"]
        else:
            found.append(output)
    return found


def run(path: Path, slow: bool) -> str:
    """Run a notebook from top to bottom and save it with its outputs; what went wrong, or nothing.
    Slow cells keep theirs unless asked for."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=None,
        kernel_name="python3",
        extra_arguments=["--log-level=ERROR"],
        resources={"metadata": {"path": str(path.parent)}},
    )
    with client.setup_kernel():
        for number, cell in enumerate(notebook.cells):
            if cell.cell_type == "code" and (slow or not uses.is_slow(cell)):
                try:
                    client.execute_cell(cell, number)
                except CellExecutionError as error:
                    return f"{path}, cell {cell['id']}: {error.ename}: {error.evalue}"
                cell.outputs = merged(cell.outputs)
    plain = json.loads(nbformat.writes(notebook))
    clean_nb(plain, allowed_cell_metadata_keys=check_notebooks.FOLDING)
    book.write(path, plain)
    return ""


def environment(root: Path) -> None:
    "One thread each, since two run at a time; figures inline; the package that lies here."
    os.environ |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(root)}
    os.environ["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"


def make(root: Path, names: list[str], slow: bool, slow_names: list[str], now: Fingerprints) -> int:
    "Run these notebooks, two at a time, and remember by which code; slow cells too where asked for."
    environment(root)
    failed = False
    with ProcessPoolExecutor(2) as pool:
        jobs = {name: pool.submit(run, root / "nbs" / f"{name}.ipynb", slow and name in slow_names) for name in names}
        for name, job in jobs.items():
            problem = job.result()
            print(problem or f"made {name}", flush=True)
            failed |= bool(problem)
            if not problem:
                record = read_record(root)
                made = now[name].keys() if slow and name in slow_names else {"quick"}
                was = record.get(name, {})
                record[name] = {kind: now[name][kind] if kind in made else was.get(kind, "never") for kind in now[name]}
                write_record(root, {each: record[each] for each in record if each in now})
    if (root / "nbs" / "index.ipynb").exists():
        build_readme.main(root, check=False)
    return failed


def main(words: list[str], root: Path = ROOT) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="notebooks, such as 04-solvers/dimm; none: those that are stale")
    parser.add_argument("--check", action="store_true", help="only say what is stale")
    parser.add_argument("--all", action="store_true", help="every notebook")
    parser.add_argument("--slow", action="store_true", help="slow cells too")
    options = parser.parse_args(words)
    if options.check:
        return check(root)
    now = current(root)
    every, quick, slow = list(now), stale(root, "quick", now), stale(root, "slow", now)
    if unknown := set(options.names) - set(every):
        parser.error(f"there is no notebook {', '.join(sorted(unknown))} in {root / 'nbs'}")
    chosen = options.names or (
        every if options.all else [name for name in every if name in quick or (options.slow and name in slow)]
    )
    return make(root, chosen, options.slow, chosen if options.all or options.names else slow, now)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
