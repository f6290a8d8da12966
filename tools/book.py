"""The book's table of contents, nbs/_toc.yml: the order in which its parts, chapters and workings are read."""
import json
import re
from pathlib import Path

import yaml


def parts(nbs: Path) -> list[dict]:
    "Its parts as Jupyter Book writes them: a caption, and chapters with the workings that serve them as sections."
    return yaml.safe_load((nbs / "_toc.yml").read_text(encoding="utf-8"))["parts"]


def chapters(nbs: Path) -> list[str]:
    "Names such as `04-solvers/dimm`, in order; the front page is not one of them."
    return [chapter["file"] for part in parts(nbs) for chapter in part["chapters"]]


def notebooks(nbs: Path) -> list[str]:
    "Chapters and workings, each chapter before what serves it."
    return [
        one["file"]
        for part in parts(nbs)
        for chapter in part["chapters"]
        for one in (chapter, *chapter.get("sections", []))
    ]


def paths(nbs: Path) -> list[Path]:
    "Every notebook there is, the front page among them, whether or not the table of contents knows it."
    return sorted(path for path in nbs.rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts)


def read(path: Path) -> dict:
    "A notebook as it is saved."
    return json.loads(path.read_text(encoding="utf-8"))


def write(path: Path, notebook: dict) -> None:
    "Save a notebook, as nbdev does."
    path.write_text(json.dumps(notebook, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


def module(path: Path) -> str | None:
    "The module that a notebook exports, as `solvers.dimm`; None if it exports none."
    sources = ("".join(cell["source"]) for cell in read(path)["cells"])
    return next(
        (found[1] for source in sources if (found := re.search(r"^#\|\s*default_exp ([\w.]+)", source, re.M))), None
    )
