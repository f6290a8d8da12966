"""What code a notebook's outputs rest on: its own and, through its imports, the package's. No module is imported."""
import ast
import hashlib
import io
import re
import tokenize
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path

import book

SKIPPED = {tokenize.COMMENT, tokenize.NL, tokenize.ENCODING, tokenize.ENDMARKER}
NAMED = {tokenize.NEWLINE: "\n", tokenize.INDENT: ">", tokenize.DEDENT: "<"}
FSTRING = {
    getattr(tokenize, "FSTRING_START", None),
    getattr(tokenize, "FSTRING_END", None),
}  # one token until Python 3.11
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
Name = tuple[str, str]  # module below the package, name in it; no name: what the module does besides defining


# code without its prose


def docstrings(tree: ast.AST) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    "Where docstrings stand."
    holders = [
        node
        for node in ast.walk(tree)
        if isinstance(node, Definition | ast.Module) and ast.get_docstring(node, clean=False) is not None
    ]
    return [
        ((node.body[0].lineno, node.body[0].col_offset), (node.body[0].end_lineno, node.body[0].end_col_offset))
        for node in holders
    ]


def inside_strings(text: str, tokens: list[tokenize.TokenInfo]) -> list[tuple[tuple[int, int], str]]:
    "Where each token starts, and its text; an f-string is one, as before Python 3.12."
    found, lines, depth, start = [], text.split("\n"), 0, (0, 0)
    for token in tokens:
        if token.type in FSTRING and token.type == tokenize.FSTRING_START:
            start, depth = token.start if not depth else start, depth + 1
        elif token.type in FSTRING:
            depth -= 1
            if not depth:
                rows = lines[start[0] - 1:token.end[0]]
                rows[-1] = rows[-1][:token.end[1]]
                rows[0] = rows[0][start[1]:]
                found.append((start, "\n".join(rows)))
        elif not depth and token.type not in SKIPPED:
            found.append((token.start, NAMED.get(token.type, token.string)))
    return found


def words(text: str, tree: ast.AST) -> list[tuple[int, str]]:
    "The line and the text of each token that counts: no comments, no docstrings, no line breaks inside brackets."
    lines = text.split("\n")
    columns = lambda place: (place[0], len(lines[place[0] - 1].encode()[:place[1]].decode()))  # ast counts bytes
    prose = [(columns(start), columns(end)) for start, end in docstrings(tree)]
    tokens = inside_strings(text, list(tokenize.generate_tokens(io.StringIO(text).readline)))
    dropped = {line for start, end in prose for line in range(start[0], end[0] + 1)}
    keep = lambda place: place[0] not in dropped or not any(start <= place <= end for start, end in prose)
    return [(place[0], word) for place, word in tokens if keep(place)]


# modules


@dataclass
class Piece:
    "Some statements: their code, and the names that they use."

    code: str = ""
    names: set[str] = field(default_factory=set)
    imports: dict[str, Name] = field(default_factory=dict)  # as it is called here -> where it is from

    def add(self, code: str, node: ast.AST, home: list[str]) -> None:
        "One more statement, of a module whose package is `home`."
        self.code += code
        for each in ast.walk(node):
            if isinstance(each, ast.Name):
                self.names.add(each.id)
            elif isinstance(each, ast.ImportFrom | ast.Import):
                self.imports |= imported(each, home)


def imported(node: ast.ImportFrom | ast.Import, home: list[str], package: str = "dimm_nb") -> dict[str, Name]:
    "What an import brings from the package."
    if isinstance(node, ast.Import):
        return {
            alias.asname or alias.name: (alias.name.partition(".")[2], "*")
            for alias in node.names
            if alias.name.split(".")[0] == package
        }
    if node.level:
        module = [*home[:len(home) + 1 - node.level], *(node.module or "").split(".")]
    elif (node.module or "").split(".")[0] == package:
        module = node.module.split(".")[1:]
    else:
        return {}
    return {alias.asname or alias.name: (".".join(filter(None, module)), alias.name) for alias in node.names}


def library(node: ast.AST) -> list[tuple[str, str]]:
    "The names that an import brings, each with how it would be imported alone."
    if not isinstance(node, ast.ImportFrom | ast.Import):
        return []
    start = f"from {'.' * node.level}{node.module or ''} " if isinstance(node, ast.ImportFrom) else ""
    return [(alias.asname or alias.name, f"{start}import {ast.unparse(alias)}\n") for alias in node.names]


@dataclass
class Module:
    "A module's pieces: one for each name that it defines, and one, nameless, for whatever else it does."

    text: str
    home: list[str]  # the package it is in, below the package

    @cached_property
    def pieces(self) -> dict[str, Piece]:
        tree = ast.parse(self.text)
        tokens, pieces = words(self.text, tree), {"": Piece()}
        by_line: dict[int, list[str]] = {}
        for line, word in tokens:
            by_line.setdefault(line, []).append(word)
        for node in tree.body:
            start = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", []))])
            code = " ".join(word for line in range(start, node.end_lineno + 1) for word in by_line.get(line, [])) + "\n"
            brought = dict(library(node))
            for name in defined(node):
                pieces.setdefault(name, Piece()).add(brought.get(name, code), node, self.home)
            for name in registers(node):  # @commands.command(): whoever uses commands uses this
                pieces.setdefault(name, Piece()).names.add(node.name)
        return pieces


def defined(node: ast.stmt) -> list[str]:
    "The names that a statement of a module defines; what defines none is the nameless piece's."
    if isinstance(node, Definition):
        return [node.name]
    if isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        names = [each.id for target in targets for each in ast.walk(target) if isinstance(each, ast.Name)]
        return (
            [""]
            if any(not isinstance(target, ast.Name | ast.Tuple) for target in targets)
            else [name for name in names if name != "__all__"]
        )
    if isinstance(node, ast.ImportFrom | ast.Import):
        return [alias.asname or alias.name for alias in node.names]
    return [""]


def registers(node: ast.stmt) -> list[str]:
    "The names whose method decorates a function."
    roots = [each.func if isinstance(each, ast.Call) else each for each in getattr(node, "decorator_list", [])]
    return [each.value.id for each in roots if isinstance(each, ast.Attribute) and isinstance(each.value, ast.Name)]


class Package:
    "The modules of the package, read when they are first asked for."

    def __init__(self, folder: Path) -> None:
        self.folder, self.modules = folder, {}

    def module(self, name: str) -> Module | None:
        "The module of this name; None if there is none."
        if name not in self.modules:
            path = self.folder / Path(*name.split(".")) if name else self.folder
            file = next(
                (
                    each
                    for each in (path / "__init__.pyi", path / "__init__.py", path.with_suffix(".py"))
                    if each.exists()
                ),
                None,
            )
            parts = name.split(".") if name else []
            home = parts if file and file.stem == "__init__" else parts[:-1]
            self.modules[name] = Module(file.read_text(encoding="utf-8"), home) if file else None
        return self.modules[name]

    def used(self, start: list[Name]) -> dict[Name, str]:
        "The code of these names and of all that it uses."
        found: dict[Name, str] = {}
        queue = list(start)
        while queue:
            where, name = queue.pop()
            if (where, name) in found or not (module := self.module(where)):
                continue
            found[where, name] = ""
            queue.append((where, ""))
            if name == "*" or (name and name not in module.pieces and not self.module(f"{where}.{name}".lstrip("."))):
                queue += [(where, each) for each in module.pieces]
            if name not in module.pieces:
                queue.append((f"{where}.{name}".lstrip("."), "*"))
                continue
            piece = module.pieces[name]
            if name not in piece.imports:  # how an import is written does not matter, what it brings does
                found[where, name] = piece.code
            queue += [(where, each) for each in piece.names if each in module.pieces] + list(piece.imports.values())
        return {name: code for name, code in found.items() if code}


# notebooks


def is_slow(cell: dict) -> bool:
    return re.search(r"^#\|\s*slow", "".join(cell["source"]), re.M) is not None


@cache
def cell_piece(source: str) -> Piece:
    "The code of a cell, without comments; a magic counts as it is written."
    source = re.sub(r"^[%!].*", lambda found: f"magic({found[0]!r})", source, flags=re.M)
    try:
        tree = ast.parse(source)
    except SyntaxError:  # running it will say so
        return Piece(source)
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom | ast.Import)]
    inside = {line for node in imports for line in range(node.lineno, node.end_lineno + 1)}
    brought = sorted(code for node in imports for _, code in library(node))  # in which order does not matter
    piece = Piece()
    piece.add("".join(brought) + " ".join(word for line, word in words(source, tree) if line not in inside), tree, [])
    return piece


def fingerprint(cells: list[dict], package: Package) -> str:
    "A hash of the cells' code and the package's code that they use."
    pieces = [cell_piece("".join(cell["source"])) for cell in cells]
    used = package.used([name for piece in pieces for name in piece.imports.values()])
    own = "\n".join(piece.code for piece in pieces if piece.code.strip())
    theirs = "".join(f"\n{'.'.join(name)}\n{code}" for name, code in sorted(used.items()))
    return hashlib.sha256((own + theirs).encode()).hexdigest()[:16]


def fingerprints(path: Path, package: Package) -> dict[str, str]:
    "Of the cells that always run; and, where there are slow ones, of all cells."
    cells = [cell for cell in book.read(path)["cells"] if cell["cell_type"] == "code"]
    found = {"quick": fingerprint([cell for cell in cells if not is_slow(cell)], package)}
    if any(map(is_slow, cells)):
        found["slow"] = fingerprint(cells, package)
    return found
