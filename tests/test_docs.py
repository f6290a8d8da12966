"""The website: built once, offline; its reference, its links, and the checker of links itself."""
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("jupyter_book", reason="the website needs Jupyter Book: pip install -e '.[dev]'")
ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))
book, build_docs = importlib.import_module("book"), importlib.import_module("build_docs")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return build_docs.build(ROOT, tmp_path_factory.mktemp("docs"))


def test_every_link_and_image_leads_somewhere(site):
    assert build_docs.broken(site) == []


def test_chapters_are_there_in_order(site):
    names = book.notebooks(ROOT / "nbs")
    front = (site / "index.html").read_text()
    shown = re.findall(r'<li class="toctree-l[12][^"]*"><a class="reference internal" href="(\d[\w/-]*)\.html"', front)
    assert shown[: len(names)] == names
    assert all((site / f"{name}.html").exists() for name in names)


def test_the_reference_says_what_the_docments_say(site):
    page = (site / "api" / "mixture.mixture.html").read_text()
    for text in (
        "random_mixture",
        "N_ivn, from 0 to S − n",
        "0.2",
        "Mixture.largest",
        "up to n rows, column share",
        "Mean absolute error of the shares",
    ):
        assert text in page, text


def test_there_is_search_and_formulas_need_no_network(site):
    assert "segment" in (site / "searchindex.js").read_text()
    assert (
        'src="../_static/mathjax/tex-svg.js' in (site / "01-theory" / "theory.html").read_text()
        and (site / "_static" / "mathjax" / "tex-svg.js").exists()
    )


def test_chapters_open_in_binder(site):
    assert re.search(
        r'href="https://mybinder.org/v2/gh/dimm-nb/dimm_nb/main\?urlpath=lab/tree/nbs/01-theory/theory.ipynb"',
        (site / "01-theory" / "theory.html").read_text(),
    )


def test_solutions_are_folded(site):
    assert (
        len(re.findall(r"hide-input|hide_input|tag_hide-input", (site / "10-use" / "exercises.html").read_text())) >= 10
    )


def test_directives_and_hidden_cells_stay_behind(site):
    assert not [
        path.name
        for path in site.rglob("*.html")
        if re.search(r">#\| ?(export|hide|slow|default_exp)", path.read_text())
    ]


def test_the_checker_finds_what_is_broken(tmp_path):
    (tmp_path / "one.html").write_text(
        '<a href="two.html#here">1</a><a href="two.html#gone">2</a><a href="three.html">3</a>'
        '<img src="no.png"><a href="http://x.org">4</a>'
    )
    (tmp_path / "two.html").write_text(
        '<p id="here"><a href="one.html">1</a><a href="#">2</a><a href="https://x.org">3</a></p>'
    )
    assert build_docs.broken(tmp_path) == [
        "one.html: two.html#gone",
        "one.html: three.html",
        "one.html: no.png",
        "one.html: http://x.org",
    ]


def test_links_out_of_the_chapters_lead_to_the_repository():
    text = build_docs.linked("[a](../LICENSE) ![b](../assets/x.png) [c](01-theory/theory.ipynb)", "https://h")
    assert text == "[a](https://h/blob/main/LICENSE) ![b](assets/x.png) [c](01-theory/theory.ipynb)"
    text = build_docs.linked(
        "[a](../../LICENSE) ![b](../../assets/x.png) [c](../01-theory/theory.ipynb)", "https://h", "04-solvers"
    )
    assert text == "[a](https://h/blob/main/LICENSE) ![b](../assets/x.png) [c](../01-theory/theory.ipynb)"


def test_binder_installs_what_the_chapters_need():
    lines = [
        line for line in (ROOT / ".binder" / "requirements.txt").read_text().splitlines() if not line.startswith("#")
    ]
    assert lines == [".", "jupyterlab>=4", "fastcore<2"]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--dry-run", "--quiet", "--no-deps", "--no-build-isolation", "."],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
