"""Write the modules from the notebooks, with docstrings that say what the docments say, so that `help` shows it."""
import ast
import functools
import io
import os
import re
import subprocess
import sys
import textwrap
import tokenize
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SECTIONS = ("Parameters", "Attributes", "Returns")  # numpydoc's names
WIDTH = 116
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


# what the docments say


@functools.cache
def comments_of(text: str) -> dict[int, str]:
    "The comment on each line that has one, and whether the line holds nothing else, as a leading newline."
    found = {}
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            alone = "\n" if not token.line[: token.start[1]].strip() else ""
            found[token.start[0]] = alone + token.string.lstrip("#").strip()
    return found


@functools.cache
def lines_of(source: str) -> list[bytes]:
    "The lines of a module, as its tree counts columns."
    return [line.encode() for line in source.splitlines(keepends=True)]


def segment(source: str, node: ast.expr) -> str:
    "The text of a part of the module. `ast.get_source_segment` splits the whole module each time: ten seconds here."
    lines = lines_of(source)[node.lineno - 1: node.end_lineno]
    lines[-1] = lines[-1][: node.end_col_offset]
    return (lines[0][node.col_offset:] + b"".join(lines[1:])).decode()


def described(lines: dict[int, str], comments: dict[int, str], first: int) -> dict[str, str]:
    "What is said of each name: behind it, or else on the lines right above it, below the definition's first."
    said = {}
    for line, name in lines.items():
        if line in comments:
            said[name] = comments[line].strip()
            continue
        above = []
        while (line := line - 1) > first and comments.get(line, "").startswith("\n"):
            above.insert(0, comments[line].strip())
        said[name] = " ".join(above)
    return said


def typed(source: str, annotation: ast.expr | None, default: ast.expr | None = None) -> str:
    "A type as the source has it, and the default."
    words = (
        []
        if annotation is None
        else [re.sub(r"['\"]([\w.| \[\],]+)['\"]", r"\1", segment(source, annotation))]
    )
    if annotation is not None and "Literal" in words[0]:
        words = [segment(source, annotation)]
    if default is not None:
        words.append(f"default {segment(source, default)}")
    return re.sub(r"\s+", " ", ", ".join(words))


Row = tuple[str, str, str]  # name, type, what it is


def parameters(source: str, node: ast.FunctionDef, comments: dict[int, str]) -> tuple[list[Row], Row | None]:
    "The arguments of a function, and what it returns."
    given = node.args
    plain = [*given.posonlyargs, *given.args]
    defaults = dict(zip([arg.arg for arg in plain][len(plain) - len(given.defaults):], given.defaults))
    defaults |= {arg.arg: value for arg, value in zip(given.kwonlyargs, given.kw_defaults) if value is not None}
    stars = {arg.arg: stars for arg, stars in ((given.vararg, "*"), (given.kwarg, "**")) if arg}
    every = [
        arg for arg in (*plain, given.vararg, *given.kwonlyargs, given.kwarg) if arg and arg.arg not in ("self", "cls")
    ]
    lines = {arg.end_lineno: arg.arg for arg in every}
    if node.returns:
        lines[node.returns.end_lineno] = "return"
    said = described(lines, comments, node.lineno)
    rows = [
        (stars.get(arg.arg, "") + arg.arg, typed(source, arg.annotation, defaults.get(arg.arg)), said.get(arg.arg, ""))
        for arg in every
    ]
    empty = node.returns is None or ast.unparse(node.returns) == "None"
    return rows, None if empty else ("", typed(source, node.returns), said.get("return", ""))


Fields = dict[str, list[Row]]  # by class


def fields(source: str, node: ast.ClassDef, comments: dict[int, str], known: Fields) -> list[Row]:
    "The public fields of a class, those of its bases first."
    own = [each for each in node.body if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)]
    own = [each for each in own if not each.target.id.startswith("_")]
    said = described({each.end_lineno: each.target.id for each in own}, comments, node.lineno)
    inherited = [row for base in node.bases for row in known.get(ast.unparse(base), [])]
    rows = [(each.target.id, typed(source, each.annotation, each.value), said[each.target.id]) for each in own]
    return [row for row in inherited if row[0] not in said] + rows


def all_fields(texts: list[str]) -> Fields:
    "The fields of every class in these modules."
    classes = [(text, node) for text in texts for node in ast.parse(text).body if isinstance(node, ast.ClassDef)]
    known: Fields = {}
    for _ in range(3):  # a base may stand behind, and have a base itself
        known = {node.name: fields(text, node, comments_of(text), known) for text, node in classes}
    return known


# docstrings


def section(title: str, rows: list[Row]) -> str:
    "One section in numpydoc's form; no rows, no section."
    lines = []
    for name, kind, said in rows:
        lines.append(" : ".join(word for word in (name, kind) if word))
        lines += textwrap.wrap(said, WIDTH - 12, initial_indent="    ", subsequent_indent="    ")
    return "\n".join([title, "-" * len(title), *lines]) if rows else ""


def summary(docstring: str | None) -> str:
    "A docstring without the sections that were written into it."
    return re.split(rf"(?:^|\n\n)(?:{'|'.join(SECTIONS)})\n-+\n", docstring or "")[0].strip()


def names_of(decorators: list[ast.expr]) -> set[str]:
    return {ast.unparse(each).partition("(")[0].rpartition(".")[2] for each in decorators}


def same(one: str, other: str) -> bool:
    return one.split() == other.split()


def docstring_of(source: str, node: Definition, comments: dict[int, str], known: Fields) -> str | None:
    "The whole docstring of a function or class; None: there is nothing to add."
    own, kinds = summary(ast.get_docstring(node)), names_of(node.decorator_list)
    if kinds & {"command", "group"}:  # the command line shows a docstring as its help
        return None
    if isinstance(node, ast.ClassDef):
        start = next(
            (each for each in node.body if isinstance(each, ast.FunctionDef) and each.name == "__init__"), None
        )
        parts = [own, section("Parameters", parameters(source, start, comments)[0]) if start else "",
                 section("Attributes", fields(source, node, comments, known))]
    else:
        rows, result = parameters(source, node, comments)
        if (
            kinds & {"property", "cached_property"} and result and (not own or same(own, result[2]))
        ):  # what it returns is what it is
            own, result = textwrap.fill(result[2], WIDTH - 12), None
        parts = [own, section("Parameters", rows), section("Returns", [result] if result else [])]
    return "\n\n".join(part for part in parts if part) or None


def literal(docstring: str, indent: str) -> list[str]:
    "The lines of a docstring in a module."
    body = docstring.replace("\\", "\\\\").replace('"""', '\\"\\"\\"').split("\n")
    if len(body) == 1 and not body[0].endswith('"'):
        return [f'{indent}"""{body[0]}"""']
    return [f'{indent}"""{body[0]}', *(indent + line if line else "" for line in body[1:]), f'{indent}"""']


def public(tree: ast.Module) -> list[Definition]:
    "Functions and classes that are not private, and their methods."
    def own(body: list[ast.stmt]) -> list[Definition]:
        return [node for node in body if isinstance(node, Definition) and not node.name.startswith("_")]

    return [
        each for node in own(tree.body) for each in (node, *(own(node.body) if isinstance(node, ast.ClassDef) else []))
    ]


def with_docstrings(text: str, known: Fields | None = None) -> str:
    "A module with docstrings that say what its docments say; the same again if they say it already."
    comments, lines = comments_of(text), text.split("\n")
    known = all_fields([text]) if known is None else known
    for node in sorted(public(ast.parse(text)), key=lambda node: -node.body[0].lineno):
        new, first = docstring_of(text, node, comments, known), node.body[0]
        if new is None or new == ast.get_docstring(node) or first.lineno <= node.lineno:  # one line holds it all
            continue
        there = ast.get_docstring(node) is not None
        start, end = first.lineno - 1, first.end_lineno if there else first.lineno - 1
        if not there and getattr(first, "decorator_list", None):
            start = end = first.decorator_list[0].lineno - 1
        while not there and lines[start - 1].strip().startswith("#"):  # a comment belongs to what follows it
            start = end = start - 1
        lines[start:end] = literal(new, " " * first.col_offset)
    return "\n".join(lines)


def with_relative_imports(text: str, home: list[str], package: str) -> str:
    """A module of the package `home` in which imports over several lines are relative too: nbdev leaves those as they
    are."""
    lines = text.split("\n")
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and not node.level and (node.module or "").startswith(f"{package}."):
            target = node.module.split(".")[1:]
            shared = next((k for k, (a, b) in enumerate(zip(home, target)) if a != b), min(len(home), len(target) - 1))
            relative = "." * (len(home) - shared + 1) + ".".join(target[shared:])
            row = node.lineno - 1
            lines[row] = lines[row].replace(f"from {node.module} import", f"from {relative} import", 1)
    return "\n".join(lines)


def finish(package: Path) -> None:
    "All modules of a package but those that are written by hand: relative imports, and docstrings from docments."
    texts = {
        path: path.read_text(encoding="utf-8")
        for path in sorted(package.rglob("*.py"))
        if not path.name.startswith("_")
    }
    known = all_fields(list(texts.values()))
    for path, old in texts.items():
        home = list(path.relative_to(package).parent.parts)
        new = with_relative_imports(with_docstrings(old, known), home, package.name)
        if new != old:
            path.write_text(new, encoding="utf-8")


def export(root: Path = ROOT, package: str = "dimm_nb") -> None:
    "nbdev's export, then what it leaves undone; raises RuntimeError with what stopped it."
    done = subprocess.run([sys.executable, "-c", "from nbdev.doclinks import nbdev_export; nbdev_export()"],
                          cwd=root, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(root)})
    if done.returncode:
        raise RuntimeError(f"the notebooks cannot be exported: {done.stderr.strip().splitlines()[-1]}")
    finish(root / package)


if __name__ == "__main__":
    export()
