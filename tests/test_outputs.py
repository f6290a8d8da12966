"""Saved outputs: which are older than the code they show, and making them again."""
import importlib
import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))
outputs, uses = importlib.import_module("outputs"), importlib.import_module("uses")

MODULE = '''"A module."
from __future__ import annotations
from numpy import (array,
    zeros)
from .two import helper

LIMIT, OTHER = 3, 4
TABLE = {}
TABLE["a"] = 1


def used(x: int) -> int:
    "What it does."
    return helper(x) + LIMIT + int(zeros(1)[0])  # the sum


def unused(): return f"{1} # no comment"


class Shape:
    "A shape."

    def area(self): return lazily()


def lazily():
    from .two import late
    return late()


@commands.command()
def listed(): pass


commands = None
'''
TWO = "def helper(x): return x\n\ndef late(): return 1\n\ndef other(): return 2\n"
CELLS = {"imports": "from dimm_nb.first.one import Shape, used", "look": "used(1)", "long": "#| slow\nused(2)"}


@pytest.fixture
def project(tmp_path):
    "Two modules, one public name, and a notebook that uses some of it, with a slow cell; its outputs are up to date."
    (tmp_path / "nbs" / "01-first").mkdir(parents=True)
    (tmp_path / "dimm_nb" / "first").mkdir(parents=True)
    (tmp_path / "dimm_nb" / "__init__.py").touch()
    (tmp_path / "dimm_nb" / "__init__.pyi").write_text("from .first.one import used\n")
    (tmp_path / "dimm_nb" / "first" / "__init__.py").touch()
    write(tmp_path, "one.py", MODULE)
    write(tmp_path, "two.py", TWO)
    write_notebook(tmp_path, CELLS)
    outputs.write_record(tmp_path, outputs.current(tmp_path))
    return tmp_path


def write(project, module, text):
    (project / "dimm_nb" / "first" / module).write_text(text)


def write_notebook(project, cells, prose="# One"):
    empty = {"cell_type": "code", "metadata": {}, "execution_count": None, "outputs": []}
    code = [empty | {"id": id, "source": [source]} for id, source in cells.items()]
    if len(code) > 2:
        code[2]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": ["kept"]}]
    kernel = {"kernelspec": {"display_name": "python3", "language": "python", "name": "python3"}}
    title = {"cell_type": "markdown", "id": "title", "metadata": {}, "source": [prose]}
    text = {"cells": [title, *code], "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}
    (project / "nbs" / "01-first" / "a.ipynb").write_text(json.dumps(text))


def stale(project):
    return tuple(kind for kind in ("quick", "slow") if outputs.stale(project, kind))


def test_what_was_just_made_is_not_stale(project):
    assert stale(project) == () and outputs.check(project) == 0


@pytest.mark.parametrize("cells", [
    CELLS | {"look": "# a remark\nused( 1 )  # another"},
    CELLS | {"imports": "from dimm_nb.first.one import (\n    used,\n    Shape)"},
])
def test_prose_and_layout_do_not_count(project, cells):
    write_notebook(project, cells, prose="# Another title")
    assert stale(project) == ()


@pytest.mark.parametrize("change, kinds", [
    ({"look": "used(3)"}, ("quick", "slow")),
    ({"look": "used(1) + 1"}, ("quick", "slow")),
    ({"look": "%timeit used(1)"}, ("quick", "slow")),
    ({"long": "#| slow\nused(3)"}, ("slow",)),
])
def test_own_code_counts(project, change, kinds):
    write_notebook(project, CELLS | change)
    assert stale(project) == kinds


@pytest.mark.parametrize("module, old, new, counts", [
    ("one.py", "LIMIT, OTHER = 3, 4", "LIMIT, OTHER = 5, 4", True),  # a constant that it uses
    ("one.py", "helper(x) + LIMIT", "helper(x) - LIMIT", True),
    ("one.py", "What it does.", "What it does, said better.", False),
    ("one.py", "# the sum", "# a remark", False),
    ("one.py", "(array,\n    zeros)", "zeros", False),
    ("one.py", "# no comment", "# no", False),  # in what the notebook does not use
    ("one.py", 'TABLE["a"] = 1', 'TABLE["a"] = 2', True),  # what a module does besides defining
    ("one.py", "def unused()", "def never()", False),
    ("two.py", "return x", "return -x", True),  # used by what it uses
    ("two.py", "late(): return 1", "late(): return 3", True),  # imported inside a function, by a method
    ("two.py", "return 2", "return 3", False),
])
def test_the_code_that_it_uses_counts(project, module, old, new, counts):
    text = {"one.py": MODULE, "two.py": TWO}[module]
    assert old in text
    write(project, module, text.replace(old, new))
    assert stale(project) == (("quick", "slow") if counts else ())


def test_a_public_name_and_what_registers_itself_count(project):
    write_notebook(project, {"imports": "from dimm_nb import used"})
    outputs.write_record(project, outputs.current(project))
    write(project, "two.py", TWO.replace("return x", "return -x"))
    assert stale(project) == ("quick",)
    write_notebook(project, {"imports": "from dimm_nb.first.one import commands"})
    outputs.write_record(project, outputs.current(project))
    write(project, "one.py", MODULE.replace("listed(): pass", "listed(): return 1"))
    assert stale(project) == ("quick",)


def test_stale_quick_cells_fail_and_slow_ones_are_listed(project, capsys):
    write_notebook(project, CELLS | {"long": "#| slow\nused(3)"})
    assert outputs.check(project) == 0
    assert "slow cells are older" in capsys.readouterr().out
    write_notebook(project, CELLS | {"look": "used(3)"})
    assert outputs.check(project) == 1
    assert "quick cells are older than the code they show, in 01-first/a: make outputs" in capsys.readouterr().out


def test_a_figure_that_got_lost_is_stale(project):
    write_notebook(project, {"imports": "import matplotlib.pyplot as plt", "draw": "fig, ax = plt.subplots()"})
    outputs.write_record(project, outputs.current(project))
    assert stale(project) == ("quick",)
    write_notebook(
        project, {"imports": "import matplotlib.pyplot as plt", "draw": "def draw():\n    fig, ax = plt.subplots()"}
    )
    outputs.write_record(project, outputs.current(project))
    assert stale(project) == ()


def test_the_record_is_merged_line_by_line(project):
    lines = (project / "nbs" / outputs.RECORD).read_text().splitlines()
    assert all(line for line in lines[::2]) and not any(lines[1::2])


def printed(project):
    cells = json.loads((project / "nbs" / "01-first" / "a.ipynb").read_text())["cells"]
    every = [output for cell in cells for output in cell.get("outputs", [])]
    return ["".join(output.get("text", output.get("data", {}).get("text/plain", ""))) for output in every]


def test_outputs_are_made_again(project, monkeypatch):
    monkeypatch.setattr(outputs.os, "environ", outputs.os.environ.copy())
    write(project, "one.py", MODULE.replace("@commands.command()\n", "").replace("+ LIMIT", "+ 2 * LIMIT"))
    assert outputs.main([], project) == 0
    assert printed(project) == ["7", "kept"] and stale(project) == ("slow",)
    assert outputs.main(["--slow"], project) == 0
    assert printed(project) == ["7", "8"] and stale(project) == ()
    write_notebook(project, CELLS | {"look": "1 / 0"})
    assert outputs.main([], project) == 1
    assert printed(project) == ["kept"] and stale(project) == ("quick", "slow")
