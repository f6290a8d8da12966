"""Are the notebooks clean, and are the modules exactly what they export? Prints what is wrong and how to mend it."""
import ast
import json
import re
import shutil
import sys
import tempfile
from pathlib import Path

import book
import export
from nbdev.clean import clean_nb

ROOT = Path(__file__).resolve().parent.parent
WIDGET = "application/vnd.jupyter.widget-view+json"
HAND_WRITTEN = {"__init__.py"}
FOLDING = ["tags", "jupyter"]  # metadata of cells that is kept, as in settings.ini: how exercises fold their solutions
PLACE = re.compile(
    r"(?<![\w.:/-])/(?:home|root|tmp|usr|opt|work|Users)/[\w.-]+/"
)  # where something lies on one person's machine


def mixes_imports(source: str) -> bool:
    "Whether a cell holds imports and other code: nbdev, which runs imports for its pages, only warns."
    try:
        body = ast.parse(source).body
    except SyntaxError:  # a magic, or a mistake that running the notebook will find
        return False
    imports = [
        isinstance(node, ast.Import | ast.ImportFrom) or "TYPE_CHECKING" in ast.unparse(node).partition("\n")[0]
        for node in body
    ]
    return any(imports) and not all(imports)


def cell_problems(cell: dict) -> list[str]:
    "What is wrong with one code cell and the outputs saved with it."
    source, outputs = "".join(cell["source"]), cell["outputs"]
    slow = re.search(r"^#\|\s*slow", source, re.M)
    only_imports = all(re.match(r"#|import |from |$", line) for line in source.splitlines())
    checks = {
        "is saved with an error in its output": any(output["output_type"] == "error" for output in outputs),
        "shows a widget that lived only as long as its kernel; run make export, which clears it": any(
            WIDGET in output.get("data", {}) for output in outputs
        ),
        "holds imports and other code; give the imports a cell of their own": mixes_imports(source),
        "is slow and saved without outputs: nobody else will run it; run it and save it again": slow
        and not outputs
        and not only_imports,
        "shows a path of the machine it ran on; silence that warning, or show less": PLACE.search(
            json.dumps([output.get("text", output.get("data", {}).get("text/plain")) for output in outputs])
        ),
    }
    return [f"cell {cell['id']} {problem}" for problem, found in checks.items() if found]


def unclean(nbs: Path) -> list[str]:
    "Notebooks that `nbdev_clean` would change, and those that hold widget state, a bad cell or no outputs."
    found = []
    for path in book.paths(nbs):
        text = path.read_text(encoding="utf-8")
        notebook = json.loads(text)
        before = json.dumps(notebook, sort_keys=True)
        clean_nb(notebook, allowed_cell_metadata_keys=FOLDING)
        if json.dumps(notebook, sort_keys=True) != before:
            found.append(f"{path}: not clean; run nbdev_clean")
        if "widgets" in notebook["metadata"] or "widget-state" in text:
            found.append(f"{path}: holds widget state; save it without")
        code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
        found += [f"{path}: {problem}" for cell in code for problem in cell_problems(cell)]
        if not any(cell["outputs"] for cell in code):
            found.append(f"{path}: saved without outputs; run it and save it again")
    return found


def clear_widgets(nbs: Path) -> None:
    "Drop outputs that show a widget: saved, it is only a line that says it is gone."
    for path in book.paths(nbs):
        notebook = book.read(path)
        for cell in notebook["cells"]:
            if any(WIDGET in output.get("data", {}) for output in cell.get("outputs", [])):
                cell["outputs"] = [output for output in cell["outputs"] if WIDGET not in output.get("data", {})]
                book.write(path, notebook)


def modules(folder: Path) -> dict[str, bytes]:
    "The text of every module below a folder."
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*.py")
        if "__pycache__" not in path.parts
    }


def unlisted(nbs: Path) -> list[str]:
    "Notebooks that the table of contents does not know, and lines of it that lead nowhere."
    there, listed = (
        {path.relative_to(nbs).as_posix() for path in book.paths(nbs)} - {"index.ipynb"},
        {f"{name}.ipynb" for name in book.notebooks(nbs)},
    )
    return [f"{nbs / name}: not in {nbs / '_toc.yml'}" for name in sorted(there - listed)] + [
        f"{nbs / '_toc.yml'}: there is no {name}" for name in sorted(listed - there)
    ]


def broken_links(nbs: Path) -> list[str]:
    "Links in prose to files that are not there; the site's build (tools/build_docs.py) checks places within pages too."
    found = []
    for path in book.paths(nbs):
        cells = book.read(path)["cells"]
        prose = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
        links = re.findall(r"\]\(([^)#\s]+)", prose)
        lost = [link for link in links if not re.match(r"\w+:", link) and not (path.parent / link).exists()]
        found += [f"{path}: there is no {link}" for link in lost]
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
        try:
            export.export(copy, package)
        except RuntimeError as error:
            return [str(error)]
        exported = modules(copy / package)
    present = modules(root / package)
    found = [
        f"{package}/{name}: no notebook exports it; delete it" for name in sorted(present.keys() - exported.keys())
    ]
    found += [f"{package}/{name}: missing; run make export" for name in sorted(exported.keys() - present.keys())]
    found += [f"{package}/{name}: not what its notebook exports; run make export"
              for name in sorted(present.keys() & exported.keys()) if present[name] != exported[name]]
    return found


def main(root: Path = ROOT, clear: bool = False) -> int:
    if clear:
        clear_widgets(root / "nbs")
    problems = unlisted(root / "nbs") + unclean(root / "nbs") + broken_links(root / "nbs") + stale(root)
    print("\n".join(problems) or "notebooks are clean, and the modules are what they export")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main(clear="--clear" in sys.argv[1:]))
