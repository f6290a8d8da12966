"""The website, offline, in `_docs/_build/html`: chapters, a reference from the docments, search; broken links fail."""
import configparser
import importlib
import inspect
import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path
from urllib.parse import unquote, urlsplit

import book
import export
import yaml
from fastcore.docments import docments

ROOT = Path(__file__).resolve().parent.parent


def settings(root: Path) -> configparser.SectionProxy:
    config = configparser.ConfigParser(delimiters=["="])
    config.read(root / "settings.ini", encoding="utf-8")
    return config["DEFAULT"]


# chapters


def linked(text: str, home: str, folder: str = "") -> str:
    "Markdown of a notebook in this folder of nbs/: links out of nbs/ lead to copies on the site, or to the repository."
    up = "../" if folder else ""
    text = text.replace(f"]({up}../assets/", f"]({up}assets/")
    return re.sub(rf"\]\({re.escape(up)}\.\./(?!assets/)([^)]*)\)", rf"]({home}/blob/main/\1)", text)


def chapter(notebook: dict, home: str, folder: str = "") -> dict:
    "A notebook for readers of the site: without directives and hidden cells."
    cells = []
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if re.search(r"^#\|\s*hide\s*$", source, re.M):
            continue
        if cell["cell_type"] == "markdown":
            source = linked(source, home, folder)
        else:
            if re.search(r"^#\|\s*echo:\s*false", source, re.M):
                cell = cell | {"metadata": cell["metadata"] | {"tags": ["remove-input"]}}
            source = re.sub(r"^#\|.*\n?", "", source, flags=re.M).strip("\n")
        if source.strip():
            cells.append(cell | {"source": source})
    return notebook | {"cells": cells}


# reference


def cell_text(value: object) -> str:
    "Text that a cell of a Markdown table can hold."
    return str(value).replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def kind(annotation: object) -> str:
    "An annotation as a reader would write it."
    if annotation in (None, inspect.Parameter.empty):
        return ""
    name = (
        annotation.__name__ if isinstance(annotation, type) and not hasattr(annotation, "__args__") else str(annotation)
    )
    name = re.sub(r"ForwardRef\('([^']*)'\)|<class '([^']*)'>", lambda found: found[1] or found[2], name)
    return "`" + re.sub(r"(?:\w+\.)+(\w+)", r"\1", name).replace("`", "") + "`"


def table(thing: object) -> str:
    "Arguments or fields, with what the docments say of them."
    rows = []
    for name, about in docments(thing, full=True, returns=True).items():
        if name == "self" or (name == "return" and about["docment"] is None and kind(about["anno"]) == ""):
            continue
        default = "" if about["default"] is inspect.Parameter.empty else f"`{about['default']!r}`"
        name = "*returns*" if name == "return" else f"`{name}`"
        rows.append(
            f"| {name} | {cell_text(kind(about['anno']))} | {cell_text(default)} "
            f"| {cell_text(about['docment'] or '')} |"
        )
    return "\n".join(["| | type | default | |", "| --- | --- | --- | --- |", *rows]) if rows else ""


def entry(name: str, thing: object, level: int) -> str:
    "One name of the reference, a class with its methods."
    parts = [f"{'#' * level} `{name}`", cell_text(export.summary(inspect.getdoc(thing)))]
    if callable(thing):
        try:
            parts.append(table(thing))
        except (ValueError, TypeError):  # a type without a signature
            pass
    if inspect.isclass(thing):
        parts += [
            entry(
                f"{name}.{each}",
                inspect.getattr_static(thing, each).__func__
                if isinstance(inspect.getattr_static(thing, each), classmethod)
                else member,
                level + 1,
            )
            for each, member in vars(thing).items()
            if not each.startswith("_") and (inspect.isfunction(member) or isinstance(member, classmethod))
        ]
    return "\n\n".join(part for part in parts if part)


def reference(module: str, notebook: str) -> str:
    "The page of one module, in the order of its notebook."
    code = importlib.import_module(f"dimm_nb.{module}")
    own = {
        name: thing
        for name in code.__all__
        if getattr(thing := getattr(code, name), "__module__", None) == code.__name__ and callable(thing)
    }
    parts = [f"# `dimm_nb.{module}`", f"{code.__doc__}. Explained in [its notebook](../{notebook}.ipynb)."]
    return "\n\n".join(parts + [entry(name, thing, 2) for name, thing in own.items()]) + "\n"


# the site


def config(root: Path) -> dict:
    "Jupyter Book's settings."
    cfg = settings(root)
    return {
        "title": cfg["title"],
        "author": cfg["author"],
        "copyright": cfg["copyright"].split(",")[0],
        "execute": {"execute_notebooks": "off"},
        "repository": {"url": cfg["git_url"], "branch": cfg["branch"], "path_to_book": "nbs"},
        "launch_buttons": {"binderhub_url": "https://mybinder.org", "notebook_interface": "jupyterlab", "thebe": False},
        "html": {"use_repository_button": True, "use_issues_button": True, "use_edit_page_button": False},
        "parse": {"myst_enable_extensions": ["dollarmath", "amsmath", "tasklist"], "myst_heading_anchors": 3},
        "sphinx": {
            "config": {
                "language": "en",
                "mathjax_path": "mathjax/tex-svg.js",
                "html_static_path": ["_static"],
                "nb_merge_streams": True,
                "suppress_warnings": ["myst.header", "mystnb.unknown_mime_type", "misc.highlighting_failure"],
            }
        },
    }


def write_source(root: Path, source: Path) -> None:
    "Everything that Jupyter Book reads."
    shutil.rmtree(source, ignore_errors=True)
    (source / "api").mkdir(parents=True)
    cfg, modules = settings(root), {}
    for name in ["index", *book.notebooks(root / "nbs")]:
        path, page = root / "nbs" / f"{name}.ipynb", source / f"{name}.ipynb"
        page.parent.mkdir(exist_ok=True)
        page.write_text(
            json.dumps(chapter(book.read(path), cfg["git_url"], name.rpartition("/")[0])),
            encoding="utf-8",
        )
        if module := book.module(path):
            modules[module] = name
    for module, name in modules.items():
        (source / "api" / f"{module}.md").write_text(reference(module, name), encoding="utf-8")
    shutil.copytree(root / "assets", source / "assets", dirs_exist_ok=True)
    (source / "_static" / "mathjax").mkdir(parents=True)
    shutil.copy(
        str(files("mathjax") / "static" / "mathjax" / "es5" / "tex-svg.js"), source / "_static" / "mathjax"
    )  # formulas without a network
    (source / "_config.yml").write_text(yaml.safe_dump(config(root), allow_unicode=True))
    parts = [
        *book.parts(root / "nbs"),
        {"caption": "Reference", "chapters": [{"file": f"api/{module}"} for module in modules]},
    ]
    (source / "_toc.yml").write_text(yaml.safe_dump({"format": "jb-book", "root": "index", "parts": parts}))


def build(root: Path, out: Path) -> Path:
    "Build the site; the folder of its pages."
    write_source(root, out / "source")
    done = subprocess.run(
        [Path(sys.executable).with_name("jupyter-book"), "build", out / "source", "--path-output", out, "--quiet"],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise SystemExit(f"jupyter-book failed:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    return out / "_build" / "html"


# links


class Links(HTMLParser):
    "What a page links to, and the places in it that can be linked to."

    def __init__(self, text: str) -> None:
        super().__init__()
        self.targets, self.places = [], {""}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.places |= {value for value in (given.get("id"), given.get("name")) if value}
        self.targets += [
            value for key, value in attrs if value and key in ("href", "src") and (tag, key) != ("base", "href")
        ]


def broken(site: Path) -> list[str]:
    "Links and images that lead nowhere; addresses elsewhere are only checked to be https."
    pages = {
        path.resolve(): Links(path.read_text(encoding="utf-8"))
        for path in site.rglob("*.html")
        if "_static" not in path.parts
    }
    found = []
    for page, links in pages.items():
        for target in links.targets:
            link = urlsplit(target)
            if link.scheme or link.netloc:
                wrong = link.scheme not in ("https", "data", "mailto") and link.scheme != ""
            else:
                path = (page.parent / unquote(link.path)).resolve() if link.path else page
                known = pages.get(path)
                wrong = not path.exists() or (
                    known is not None
                    and link.fragment
                    and unquote(link.fragment) not in known.places
                    and not link.fragment.startswith("__")
                )
            if wrong:
                found.append(f"{page.relative_to(site.resolve())}: {target}")
    return found


def main(root: Path = ROOT) -> int:
    site = build(root, root / settings(root)["doc_path"])
    wrong = broken(site)
    print(
        "\n".join(wrong)
        or f"{len(list(site.rglob('*.html')))} pages, every link leads somewhere: {site.relative_to(root)}/index.html"
    )
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
