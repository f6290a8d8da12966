"""The project around the library: public names, requirements, the checks of `make test`, continuous integration."""
import ast
import configparser
import graphlib
import importlib
import inspect
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import dimm_nb

ROOT = Path(__file__).resolve().parent.parent
MODULES = [path for path in sorted((ROOT / "dimm_nb").rglob("*.py")) if not path.name.startswith("_")]

sys.path.insert(0, str(ROOT / "tools"))
book, build_readme, check_notebooks, export, pace, prose = (
    importlib.import_module(name) for name in ("book", "build_readme", "check_notebooks", "export", "pace", "prose")
)
NOTEBOOKS = book.paths(ROOT / "nbs")


def python(code: str, **options) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, **options)


def settings() -> configparser.SectionProxy:
    config = configparser.ConfigParser(delimiters=["="])
    config.read(ROOT / "settings.ini", encoding="utf-8")
    return config["DEFAULT"]


# public names


@pytest.mark.parametrize("name", dimm_nb.__all__)
def test_a_public_name_resolves(name):
    assert getattr(dimm_nb, name) is not None
    assert name in dir(dimm_nb)


def test_the_list_of_public_names_is_sorted_and_said_once():
    stub = ast.parse((ROOT / "dimm_nb" / "__init__.pyi").read_text())
    imported = {alias.name for node in stub.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    stub_all = next(ast.literal_eval(node.value) for node in stub.body if isinstance(node, ast.Assign))
    assert dimm_nb.__all__ == sorted(set(dimm_nb.__all__)) == stub_all
    assert imported == set(dimm_nb.__all__)


def test_public_names_are_defined_where_the_stub_says():
    stub = ast.parse((ROOT / "dimm_nb" / "__init__.pyi").read_text())
    for node in stub.body:
        if isinstance(node, ast.ImportFrom):
            module = importlib.import_module(f"dimm_nb.{node.module}")
            assert {alias.name for alias in node.names} <= set(module.__all__), f"not defined in {node.module}"


def test_unknown_names_are_refused():
    with pytest.raises(AttributeError):
        dimm_nb.solve_everything


def test_import_loads_no_heavy_library():
    heavy = "numpy pandas scipy pgmpy matplotlib numba clarabel"
    assert python(f"import sys, dimm_nb; print(*(set({heavy.split()}) & set(sys.modules)))").stdout.strip() == ""


def test_pgmpy_and_matplotlib_load_only_when_needed():
    "One process imports every module, one after the other, and says which first brought one of them."
    names = [f"dimm_nb.{name_of(path)}" for path in MODULES]
    code = f"""
import importlib, sys
for name in {names}:
    importlib.import_module(name)
    for heavy in {{"pgmpy", "matplotlib"}} & set(sys.modules):
        print(name, heavy)
"""
    assert len(names) > 30 and python(code).stdout.strip() == ""


# notebooks


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_reads_as_a_chapter(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    ids = [cell["id"] for cell in cells]
    prose_cells = [cell for cell in cells if cell["cell_type"] == "markdown"]
    assert re.match(r"# \S.*\n\n> \S", "".join(cells[0]["source"])), (
        "begins with a title and a line that says what it is"
    )
    assert len(cells) <= 80 and len(prose_cells) >= len(cells) / 3
    assert len(set(ids)) == len(ids) and all(re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", id) for id in ids)


def name_of(path):
    "A module as Python names it, below the package."
    return ".".join(path.relative_to(ROOT / "dimm_nb").with_suffix("").parts)


def docstring_lines(tree):
    bodies = [
        node.body
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node)
    ]
    return sum(body[0].end_lineno - body[0].lineno + 1 for body in bodies)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_stays_small(path):
    "Lines are counted without docstrings: they repeat what the signatures say (`tools/export.py`)."
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    assert len(text.splitlines()) - docstring_lines(tree) < 800
    assert all(
        node.end_lineno - node.lineno - docstring_lines(node) < 45
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
    )
    assert "import *" not in text


def test_folders_and_table_of_contents_tell_the_same_story():
    parts = {part["caption"]: part for part in book.parts(ROOT / "nbs")}
    for number, (caption, part) in enumerate(parts.items(), 1):
        folder = f"{number:02d}-{caption.split()[1].lower()}"
        assert caption.startswith(f"{number} ") and {one["file"].split("/")[0] for one in part["chapters"]} == {folder}
    assert check_notebooks.unlisted(ROOT / "nbs") == []
    exported = {book.module(path) for path in NOTEBOOKS} - {None}
    for path in NOTEBOOKS:
        if (module := book.module(path)):
            assert f"{path.parent.name[3:]}.{path.stem}" == module, "a notebook, its part and its module have one name"
    assert exported == {name_of(path) for path in MODULES}


def test_readme_lists_chapters_and_workings_in_order():
    for part, row in zip(
        book.parts(ROOT / "nbs"), re.findall(r"^\| \d+ .*", (ROOT / "README.md").read_text(), re.M), strict=True
    ):
        _, caption, chapters, workings, _, _ = (cell.strip() for cell in row.split("|"))
        assert caption == part["caption"].lower()
        assert re.findall(r"nbs/([\w/-]+)\.ipynb", chapters) == [chapter["file"] for chapter in part["chapters"]]
        assert re.findall(r"nbs/([\w/-]+)\.ipynb", workings) == [
            one["file"] for chapter in part["chapters"] for one in chapter.get("sections", [])
        ]


# Chapters that are told as one would to a class; whoever brings another one so far adds it here
TOLD = {"01-theory/notation", "01-theory/theory", "02-network/interventions", "02-network/effects",
        "03-mixture/aggregates", "03-mixture/crosstabs", "05-posterior/how-sure", "08-experiments/section-5",
        "04-solvers/exact-totals", "04-solvers/noisy-totals",
        "04-solvers/whole-rows", "10-use/references", "10-use/teaching"}


@pytest.mark.parametrize("name", sorted(TOLD))
def test_a_chapter_is_told(name):
    "Ten words of prose for each line of code, cells of twelve lines; exercises where there is something to try."
    assert name in book.chapters(ROOT / "nbs")
    told = pace.pace(ROOT / "nbs" / f"{name}.ipynb")
    assert told.density >= pace.LEAST_WORDS and told.longest <= pace.LONGEST_CELL, told


@pytest.mark.parametrize("name", sorted(name for name in TOLD if not name.startswith("10-use")))
def test_prose_is_true(name):
    "No number that nothing near it shows, no pointer to a next cell, no \"one X a node\"."
    assert prose.problems(ROOT / "nbs" / f"{name}.ipynb") == []


def test_doubtful_prose_is_found(tmp_path):
    cell = {"cell_type": "code", "id": "look", "source": ["x = 0.254"], "outputs": []}
    for text, found in (("It is 25 %.", 0), ("It is 31 %.", 1), ("See the next cell.", 1), ("one share a node", 1),
                        ("In section 3.2, 1,234 of them.", 1), ("$31$ and `31`", 0)):
        told = {"cell_type": "markdown", "id": "say", "source": [text]}
        (tmp_path / "one.ipynb").write_text(json.dumps({"cells": [told, cell]}))
        assert len(prose.problems(tmp_path / "one.ipynb")) == found, text


def imports_of(path):
    "The modules of the package that a module imports, at its top or inside."
    here = name_of(path).split(".")
    nodes = [
        node
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.level and node.module
    ]
    return {".".join([*here[:len(here) - node.level], node.module]) for node in nodes}


# What a working needs of a chapter of its part, where it cannot live elsewhere
EXCEPTIONS = {
    "learning.trials": {"learning.learning"},
    "learning.placebos": {"learning.ecommerce", "learning.learning"},
    "attribution.periods": {"attribution.attribution"},
    "attribution.segments": {"attribution.attribution"},
}


def test_no_part_imports_from_a_later_one_and_workings_serve_chapters():
    order = [part["caption"].split()[1].lower() for part in book.parts(ROOT / "nbs")]
    chapters = {name.partition("-")[2].replace("/", ".") for name in book.chapters(ROOT / "nbs")}
    for path in MODULES:
        part, _, _ = name_of(path).partition(".")
        used = imports_of(path)
        assert {name.split(".")[0] for name in used} <= set(order[: order.index(part) + 1]), (
            f"{path.name} imports from {used}"
        )
        if name_of(path) not in chapters:
            assert {name for name in used & chapters if name.startswith(part + ".")} == EXCEPTIONS.get(
                name_of(path), set()
            ), path


def test_modules_do_not_import_each_other_in_circles():
    graph = {name_of(path): imports_of(path) for path in MODULES}
    graphlib.TopologicalSorter(graph).prepare()


def test_the_library_does_not_listen_for_its_own_warnings():
    """`catch_warnings` is not safe between threads: inner functions answer with notes.
    Only the command line, a process of its own, shows warnings in its way."""
    assert [name_of(path) for path in MODULES if "catch_warnings" in path.read_text(encoding="utf-8")] == ["use.cli"]


# docstrings


DOCUMENTED = '''
def area(
    sides, # untyped
    width: float, # in metres, \\ and "quoted"
    *more: int,
    # a remark that would not fit
    # behind its argument
    kind: Literal["a", "b"] = "a",
) -> "Shape": # the whole
    "What it covers."
    return 1


@commands.command()
def run(name: str): # shown by --help
    "Run it."


@dataclass(frozen=True)
class Shape:
    "A shape."
    size: int = 3 # in cells
    _cache: int = 0

    @property
    def half(self) -> float: # its half
        return 1

    def _hidden(self, x: int): pass

    def grown(self, by: int) -> None: "Make it larger."


class Square(Shape):
    side: int


# %% a marker between cells
def short(x: int) -> int:
    "One line."
    return x
'''


def test_docstrings_say_what_the_docments_say():
    text = export.with_docstrings(DOCUMENTED)
    assert export.with_docstrings(text) == text
    made = {
        node.name: ast.get_docstring(node)
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
    }
    assert made == {
        "area": "What it covers.\n\nParameters\n----------\nsides\n    untyped\n"
        "width : float\n    in metres, \\ and \"quoted\"\n"
        "*more : int\nkind : Literal[\"a\", \"b\"], default \"a\"\n"
        "    a remark that would not fit behind its argument\n\n"
        "Returns\n-------\nShape\n    the whole",
        "run": "Run it.",
        "Shape": "A shape.\n\nAttributes\n----------\nsize : int, default 3\n    in cells",
        "half": "its half",
        "short": "One line.\n\nParameters\n----------\nx : int\n\nReturns\n-------\nint",
        "_hidden": None,
        "grown": "Make it larger.",
        "Square": "Attributes\n----------\nsize : int, default 3\n    in cells\nside : int",
    }


def test_imports_over_several_lines_are_relative_in_modules():
    text = "from dimm_nb.a.b import (\n    x,\n)\nfrom dimm_nb.c.d import y\n"
    text += "def f():\n    from dimm_nb.a.e import z\nimport os\n"
    assert export.with_relative_imports(text, ["a"], "dimm_nb").split("\n") == [
        "from .b import (", "    x,", ")", "from ..c.d import y", "def f():", "    from .e import z", "import os", ""]
    assert [path for path in MODULES if re.search(r"^\s*from dimm_nb\.", path.read_text(), re.M)] == []


@pytest.mark.parametrize(
    "name",
    [
        name
        for name in dimm_nb.__all__
        if not issubclass(type(getattr(dimm_nb, name)), type) or not issubclass(getattr(dimm_nb, name), Warning)
    ],
)
def test_help_names_every_argument_of_a_public_name(name):
    thing = getattr(dimm_nb, name)
    shown = inspect.getdoc(thing)
    "But for the warnings' classes, which take what every exception takes."
    names = [each for each in inspect.signature(thing).parameters if each not in ("args", "kwargs")]
    assert [each for each in names if not re.search(rf"^\**{each}\b", shown, re.M)] == []


# the checks of `make test`


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    "A project of one notebook and its module, as make export leaves it."
    root = tmp_path_factory.mktemp("project")
    (root / "nbs" / "01-first").mkdir(parents=True)
    (root / "dimm_nb").mkdir()
    shutil.copy(ROOT / "settings.ini", root)
    (root / "dimm_nb" / "__init__.py").write_text('__version__ = "0"\n')
    write_notebook(root / "nbs" / "01-first" / "one.ipynb", "#| export\nx = 1")
    contents(root, "one")
    export.export(root)
    return root


@pytest.fixture
def project(exported, tmp_path):
    return shutil.copytree(exported, tmp_path / "project")


def write_notebook(path, source, output="1", **metadata):
    sources = {
        "title": None,
        "default-exp": f"#| default_exp {path.parent.name[3:]}.{path.stem}",
        "body": source,
        "look": "x",
    }
    cells = [
        {"cell_type": "code", "id": id, "metadata": {}, "execution_count": None, "outputs": [], "source": [line]}
        for id, line in sources.items()
        if line
    ]
    cells = [{"cell_type": "markdown", "id": "title", "metadata": {}, "source": ["# One\n", "\n", "> one"]}, *cells]
    cells[-1]["outputs"] = (
        [{"output_type": "execute_result", "execution_count": None, "metadata": {}, "data": {"text/plain": [output]}}]
        if output
        else []
    )
    kernel = {"kernelspec": {"display_name": "python3", "language": "python", "name": "python3"}}
    text = json.dumps(
        {"cells": cells, "metadata": kernel | metadata, "nbformat": 4, "nbformat_minor": 5}, indent=1, sort_keys=True
    )
    path.write_text(text + "\n")


def contents(root, *names):
    files = ", ".join(f"file: 01-first/{name}" for name in names)
    (root / "nbs" / "_toc.yml").write_text(f"parts: [{{caption: 1 First, chapters: [{files}]}}]\n")


def test_a_good_project_passes(project):
    assert check_notebooks.unclean(project / "nbs") == [] == check_notebooks.stale(project)
    assert check_notebooks.main(project) == 0


def test_a_module_edited_by_hand_is_found(project):
    module = project / "dimm_nb" / "first" / "one.py"
    module.write_text(module.read_text().replace("x = 1", "x = 2"))
    assert check_notebooks.stale(project) == ["dimm_nb/first/one.py: not what its notebook exports; run make export"]
    assert check_notebooks.main(project) == 1


def test_a_new_notebook_without_its_module_is_found(project):
    write_notebook(project / "nbs" / "01-first" / "two.ipynb", "#| export\ny = 1")
    assert any("two.py: missing" in line for line in check_notebooks.stale(project))
    assert [line.split(": ")[1].split(" ")[:2] for line in check_notebooks.unlisted(project / "nbs")] == [["not", "in"]]


def test_a_line_of_the_contents_that_leads_nowhere_is_found(project):
    contents(project, "one", "two")
    assert [line.partition("there is no ")[2] for line in check_notebooks.unlisted(project / "nbs")] == [
        "01-first/two.ipynb"
    ]


def test_a_renamed_notebook_leaves_its_old_module_to_be_found(project):
    (project / "nbs" / "01-first" / "one.ipynb").unlink()
    write_notebook(project / "nbs" / "01-first" / "uno.ipynb", "#| export\nx = 1")
    found = "\n".join(check_notebooks.stale(project))
    assert "one.py: no notebook exports it" in found and "uno.py: missing" in found and "_modidx.py: not what" in found


def test_a_cell_that_mixes_imports_and_code_is_found(project):
    write_notebook(project / "nbs" / "01-first" / "one.ipynb", "#| export\nimport os\nx = os.name")
    assert ["cell body holds imports and other code" in line for line in check_notebooks.unclean(project / "nbs")] == [
        True
    ]


@pytest.mark.parametrize(
    "source, complaint", [("#| slow\nx = 1", "is slow and saved without outputs"), ("#| slow\nimport os", None)]
)
def test_a_slow_cell_keeps_its_outputs(project, source, complaint):
    write_notebook(project / "nbs" / "01-first" / "one.ipynb", source)
    assert [complaint in line for line in check_notebooks.unclean(project / "nbs")] == [True] * bool(complaint)


@pytest.mark.parametrize("options, complaint", [
    ({"output": "<object at 0x7f1234567890>"}, "not clean"),
    ({"output": "/home/somebody/dimm_nb/network.py:130: UserWarning"}, "cell look shows a path of the machine"),
    ({"output": None}, "without outputs"),
    ({"vscode": {"a": 1}}, "not clean"),
    ({"widgets": {"application/vnd.jupyter.widget-state+json": {}}}, "widget state"),
])
def test_an_unclean_notebook_is_found(project, options, complaint):
    write_notebook(project / "nbs" / "01-first" / "one.ipynb", "#| export\nx = 1", **options)
    assert any(complaint in line for line in check_notebooks.unclean(project / "nbs"))


def test_a_link_that_leads_nowhere_is_found(project):
    path = project / "nbs" / "01-first" / "one.ipynb"
    links = "[a](one.ipynb) [b](two.ipynb#here) [c](https://x.org) [d](../01-first/one.ipynb#x) [e](#y) [f](../no)"
    path.write_text(path.read_text().replace("> one", f"> {links}"))
    found = check_notebooks.broken_links(project / "nbs")
    assert [line.rpartition("there is no ")[2] for line in found] == ["two.ipynb", "../no"]
    assert check_notebooks.main(project) == 1


def test_a_saved_widget_is_found_and_cleared(project):
    path = project / "nbs" / "01-first" / "one.ipynb"
    notebook = json.loads(path.read_text())
    shown = {
        "output_type": "display_data",
        "metadata": {},
        "data": {check_notebooks.WIDGET: {"model_id": "1"}, "text/plain": ["VBox()"]},
    }
    notebook["cells"][-1]["outputs"].append(shown)
    path.write_text(json.dumps(notebook, indent=1, sort_keys=True) + "\n")
    assert any("shows a widget" in line for line in check_notebooks.unclean(project / "nbs"))
    assert check_notebooks.main(project, clear=True) == 0
    assert len(json.loads(path.read_text())["cells"][-1]["outputs"]) == 1


def test_a_broken_notebook_fails(project):
    broken = {"syntax": "x = = 1", "error": "raise ValueError('no')", "claim": "assert False"}
    for name, source in broken.items():
        write_notebook(project / "nbs" / "01-first" / f"{name}.ipynb", source)
    command = [Path(sys.executable).with_name("nbdev_test"), "--n_workers", "0"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True)
    failed = (done.stdout + done.stderr).rpartition("Failed On The Following Notebooks:")[2]
    assert done.returncode and [name for name in (*broken, "one") if f"{name}.ipynb" in failed] == list(broken)


def test_readme_is_built_the_same_every_time(tmp_path, capsys):
    shutil.copytree(
        ROOT / "nbs", tmp_path / "nbs", ignore=lambda folder, names: [n for n in names if n != "index.ipynb"]
    )
    assert build_readme.main(tmp_path, check=True) == 1, "nothing is there yet"
    assert build_readme.main(tmp_path, check=False) == 0 == build_readme.main(tmp_path, check=True)
    figures = list((tmp_path / "assets").iterdir())
    assert figures and all(f"](assets/{figure.name})" in (tmp_path / "README.md").read_text() for figure in figures)
    figures[0].rename(figures[0].with_name("readme_old.png"))
    capsys.readouterr()
    assert build_readme.main(tmp_path, check=True) == 1
    assert "readme_old.png" in capsys.readouterr().out


@pytest.mark.parametrize("path", ["README.md", "CONTRIBUTING.md"])
def test_links_lead_somewhere(path):
    links = re.findall(r"\]\(([^)#]+)\)", (ROOT / path).read_text(encoding="utf-8"))
    assert [link for link in links if not re.match(r"\w+:", link) and not (ROOT / link).exists()] == []


# packaging and continuous integration


def test_the_version_is_the_same_everywhere():
    citation = (ROOT / "CITATION.cff").read_text()
    assert settings()["version"] == dimm_nb.__version__ == re.search(r"^version: (.*)$", citation, re.M)[1]
    assert f"## {dimm_nb.__version__}" in (ROOT / "CHANGELOG.md").read_text()


def packages(*kinds):
    "What requirements are imported by, in lower case: the first word of their names, but for PyYAML."
    words = " ".join(settings()[kind] for kind in kinds).split()
    return (
        {"yaml" if word.startswith("pyyaml") else re.match(r"\w+", word)[0] for word in words}
        | {"dimm_nb"}
        | sys.stdlib_module_names
    )


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_every_import_of_the_library_is_a_requirement(path):
    extras = [kind for kind in settings() if kind.endswith("_requirements") and kind != "dev_requirements"]
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for allowed, nodes in [
        (packages("requirements"), tree.body),
        (packages("requirements", *extras), ast.walk(tree)),
    ]:  # an extra only inside a function
        for node in nodes:
            names = (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module]
                if isinstance(node, ast.ImportFrom) and not node.level
                else []
            )
            assert {name.split(".")[0].lower() for name in names} <= allowed


def test_requirements_have_lower_bounds():
    assert all(">=" in word for word in settings()["requirements"].split())


def test_the_packaged_data_is_there():
    assert {"py.typed", "__init__.pyi", "networks"} <= {path.name for path in (ROOT / "dimm_nb").iterdir()}
    assert {"alarm.bif.gz", "asia.bif.gz"} <= {path.name for path in (ROOT / "dimm_nb" / "networks").iterdir()}


@pytest.mark.parametrize("path", sorted((ROOT / ".github" / "workflows").glob("*.yml")), ids=lambda path: path.name)
def test_actions_are_pinned_and_permissions_small(path):
    text = path.read_text()
    actions = re.findall(r"uses: (\S+)(.*)", text)
    assert actions and all(
        re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action) and "# v" in comment for action, comment in actions
    )
    assert "permissions:\n  contents: read" in text
    granted = (
        {"pages: write", "id-token: write"} if path.name == "pages.yml" else set()
    )  # what it takes to publish the site, in that job only
    assert set(re.findall(r"[\w-]+: write", text)) == granted and "write-all" not in text


def test_the_oldest_requirements_are_constraints_that_pip_takes(tmp_path):
    command = re.search(r"run: (sed .*)", (ROOT / ".github" / "workflows" / "test.yml").read_text())[1]
    subprocess.run(["bash", "-c", command], cwd=ROOT, env=os.environ | {"RUNNER_TEMP": str(tmp_path)}, check=True)
    lines = (tmp_path / "oldest.txt").read_text().splitlines()
    assert len(lines) == len(settings()["requirements"].split()) and all(
        re.fullmatch(r"[\w-]+==[\d.]+", line) for line in lines
    )


def test_continuous_integration_calls_make_test():
    workflows = {path.stem: path.read_text() for path in (ROOT / ".github" / "workflows").glob("*.yml")}
    assert (
        "run: make lint" in workflows["test"] and "run: make slow" in workflows["slow"] and "cron:" in workflows["slow"]
    )
    assert (
        "make test" in (ROOT / ".ci" / "run").read_text()
        and ".ci/run" in (ROOT / ".github" / "workflows" / "test.yml").read_text()
    )
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111


@pytest.mark.skipif(not shutil.which("make"), reason="needs make")
@pytest.mark.parametrize("name", ["no-such-python", "false"])
def test_a_missing_python_is_said_in_one_line(name, tmp_path):
    for file in ("Makefile", "settings.ini", "setup.py"):
        shutil.copy(ROOT / file, tmp_path)
    apart = {
        key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "MFLAGS"))
    }  # of the make that runs these tests
    done = subprocess.run(["make", "demo", f"PYTHON={name}"], cwd=tmp_path, capture_output=True, text=True, env=apart)
    assert done.returncode and "Traceback" not in done.stdout + done.stderr
    assert [line for line in (done.stdout + done.stderr).splitlines() if "make: ***" not in line] == [
        f"{name} does not run: install it, or name another with PYTHON=/path/to/python"]
    assert not (tmp_path / ".venv").exists()
