"""Are the notebooks clean, and are the modules exactly what they export? Prints what is wrong and how to mend it."""
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from nbdev.clean import clean_nb

HAND_WRITTEN = {"__init__.py"}


def unclean(nbs: Path) -> list[str]:
    "Notebooks that `nbdev_clean` would change, or that hold widget state or a failed cell."
    found = []
    for path in sorted(nbs.glob("*.ipynb")):
        text = path.read_text(encoding="utf-8")
        notebook = json.loads(text)
        before = json.dumps(notebook, sort_keys=True)
        clean_nb(notebook)
        if json.dumps(notebook, sort_keys=True) != before:
            found.append(f"{path}: not clean; run nbdev_clean")
        if "widgets" in notebook["metadata"] or "widget-state" in text:
            found.append(f"{path}: holds widget state; save it without")
        found += [f"{path}: cell {cell['id']} is saved with an error in its output"
                  for cell in notebook["cells"] for output in cell.get("outputs", ()) if output["output_type"] == "error"]
    return found


def stale(root: Path, package: str = "dimm_nb") -> list[str]:
    "Modules that differ from what the notebooks export, or that no notebook exports; untracked files count."
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch)
        shutil.copy(root / "settings.ini", copy)
        shutil.copytree(root / "nbs", copy / "nbs", ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
        (copy / package).mkdir()
        for name in HAND_WRITTEN:
            shutil.copy(root / package / name, copy / package)
        subprocess.run([sys.executable, "-c", "from nbdev.export import nbdev_export; nbdev_export()"], cwd=copy, check=True, stdout=subprocess.DEVNULL)
        exported = {path.name: path.read_bytes() for path in (copy / package).glob("*.py")}
    present = {path.name: path.read_bytes() for path in (root / package).glob("*.py")}
    found = [f"{package}/{name}: no notebook exports it; delete it" for name in sorted(present.keys() - exported.keys())]
    found += [f"{package}/{name}: missing; run make export" for name in sorted(exported.keys() - present.keys())]
    found += [f"{package}/{name}: not what its notebook exports; run make export"
              for name in sorted(present.keys() & exported.keys()) if present[name] != exported[name]]
    return found


def main() -> int:
    root = Path(__file__).resolve().parent.parent
    problems = unclean(root / "nbs") + stale(root)
    print("\n".join(problems) or "notebooks are clean, and the modules are what they export")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
