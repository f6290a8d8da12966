"""Mutation testing: change one thing in the numerical modules, and see whether a test or a notebook notices.

Cosmic Ray's operators make the mutants; the seeded sample, the scratch copy of the tree and the run are here, because a
module of this book stands twice, in its notebook and exported, and both must change. Of the tests and notebooks that
enter the mutated module, those that enter the mutated function come first, the fastest of them first: as many as take
45 s of CPU by a first run that measures them, two minutes at most. A mutant that uses up its two minutes counts as
killed: unchanged, the same tests need 45 s.

Left out, because to kill them would say nothing, or nothing about the numbers:
- modules that read files, make data, draw and phrase (`NOT_NUMERICAL`);
- docstrings, messages (f-strings, what is raised or warned, `__repr__`, `summary`), figures (`plot_*`), annotations,
  imports, decorators (`njit`, `cache`: only speed);
- the default of a seed, since no test may rest on it;
- operators that stop at the first call (a bitwise one on floats, `is` for `<`) or that draw at random.

`python tools/mutants.py --help` says the rest."""
import argparse
import ast
import csv
import hashlib
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import book
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators.operator import Operator
from cosmic_ray.plugins import get_operator
from parso.python.tree import Keyword

ROOT = Path(__file__).resolve().parent.parent
PARTS = ("theory", "network", "mixture", "solvers", "posterior", "learning", "attribution")
NOT_NUMERICAL = {
    *("theory.live", "network.bif", "network.calls", "network.drawing"),
    *("mixture.cells", "mixture.shapes", "mixture.tables", "mixture.warehouse"),
    *("learning.ecommerce", "learning.knowledge", "learning.shop", "learning.tetrad", "posterior.calibration"),
    *(f"attribution.{name}" for name in ("attribution", "figures", "periods", "report", "words")),
}
TESTED_BY = ("tests", "nbs")
# They start browsers, build pages or look at the tree: none of the mutants' business
LEFT_OUT = re.compile(
    r"test_(app|bench|cli|docs|experiments|explorer|outputs|project)\.py|0[89]-|10-use/|(index|speed|comparison)\.ipynb"
)
UNMUTATED = 45.0  # seconds of CPU, unmutated, of what is run against one mutant
LIMIT = 120  # seconds of CPU for one mutant
MESSAGES = re.compile("__repr__|_repr_html_|__str__|summary|plot_.*|draw_tree")
ARITHMETIC = ("Add Sub Mul", "Sub Add Div", "Mul Div Add", "Div Mul Sub", "FloorDiv Div Mul", "Mod Div", "Pow Mul")
BITWISE = ("BitOr BitAnd", "BitAnd BitOr", "BitXor BitAnd")
COMPARISONS = (
    *("Lt LtE Gt GtE", "LtE Lt Gt GtE", "Gt GtE Lt LtE", "GtE Gt Lt LtE"),
    *("Eq NotEq", "NotEq Eq", "Is IsNot", "IsNot Is"),
)
NAMES = (
    *("NumberReplacer", "AddNot", "ZeroIterationForLoop", "ReplaceBreakWithContinue", "ReplaceContinueWithBreak"),
    *("ReplaceTrueWithFalse", "ReplaceFalseWithTrue", "ReplaceAndWithOr", "ReplaceOrWithAnd"),
    *(f"ReplaceUnaryOperator_Delete_{one}" for one in ("USub", "Not", "Invert")),
    *(
        f"Replace{kind}Operator_{one.split()[0]}_{other}"
        for kind, all_ in (("Binary", ARITHMETIC + BITWISE), ("Comparison", COMPARISONS))
        for one in all_
        for other in one.split()[1:]
    ),
)


@dataclass(frozen=True)
class Mutant:
    key: str # says what is changed, not where it stands: edits elsewhere keep it
    notebook: str
    cell: str
    module: str
    function: str # "" at the module's level
    operator: str
    line: int # within the cell, from 0
    before: str
    after: str


@dataclass(frozen=True)
class Cell:
    "An exported one."
    notebook: str
    id: str
    module: str
    source: str


class DropUpdate(Operator):
    "Ours: `x -= y` is not done."
    def mutation_positions(self, node):
        if (
            node.type == "expr_stmt"
            and len(node.children) == 3
            and node.children[1].type in ("operator", "annassign")
            and getattr(node.children[1], "value", "=") != "="
        ):
            yield node.start_pos, node.end_pos

    def mutate(self, node, index):
        return Keyword("pass", node.start_pos, node.get_first_leaf().prefix)

    @classmethod
    def examples(cls):
        return ()


OPERATORS = {"DropUpdate": DropUpdate()} | {name: get_operator(f"core/{name}")() for name in NAMES}


def is_message(node: ast.AST) -> bool:
    "Code whose outcome a reader sees and no number depends on, or that is no code that runs."
    match node:
        case ast.JoinedStr() | ast.Raise() | ast.Import() | ast.ImportFrom(): return True
        case ast.Call(func=ast.Attribute(attr="warn") | ast.Name(id="warn")): return True
        case ast.FunctionDef(name=name): return bool(MESSAGES.fullmatch(name))
    return False


def left_out(tree: ast.Module) -> Iterator[ast.AST]:
    "Parts of the code whose mutants are not made."
    for node in ast.walk(tree):
        if is_message(node):
            yield node
        for part in ("annotation", "returns"):
            if getattr(node, part, None):
                yield getattr(node, part)
        yield from getattr(node, "decorator_list", ())
        if isinstance(node, ast.arguments):
            named = [
                *zip(
                    node.posonlyargs + node.args,
                    [None] * (len(node.posonlyargs + node.args) - len(node.defaults)) + node.defaults,
                ),
                *zip(node.kwonlyargs, node.kw_defaults),
            ]
            yield from (default for argument, default in named if default and argument.arg == "seed")


def spans(source: str, nodes: Iterator[ast.AST]) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    "Where nodes stand, counted in characters as parso does."
    lines = [line.encode() for line in source.split("\n")]
    column = lambda row, byte: len(lines[row - 1][:byte].decode())
    return [
        (
            (node.lineno, column(node.lineno, node.col_offset)),
            (node.end_lineno, column(node.end_lineno, node.end_col_offset)),
        )
        for node in nodes
    ]


def functions(tree: ast.Module) -> list[tuple[int, int, str]]:
    "First line, last line and name of each outermost function and each method."
    found = []
    for node in tree.body:
        for one, prefix in [(node, "")] + [
            (method, f"{node.name}.") for method in (node.body if isinstance(node, ast.ClassDef) else ())
        ]:
            if isinstance(one, ast.FunctionDef):
                found.append((one.lineno, one.end_lineno, prefix + one.name))
    return found


def digest(*what: object) -> str:
    return hashlib.sha256("|".join(map(str, what)).encode()).hexdigest()[:12]


def exported_cells(root: Path) -> Iterator[Cell]:
    "Of every numerical module."
    for path in book.paths(root / "nbs"):
        module = book.module(path)
        if not module or module.partition(".")[0] not in PARTS or module in NOT_NUMERICAL:
            continue
        for cell in book.read(path)["cells"]:
            source = "".join(cell["source"])
            if cell["cell_type"] == "code" and re.search(r"^#\|\s*export", source, re.M):
                yield Cell(path.relative_to(root).as_posix(), cell["id"], module, source)


def sites(seed: int, cell: Cell) -> dict[str, list[tuple[str, str, int, str, int]]]:
    "Places where something can be changed, and what can be done there: key, operator, occurrence, function, row."
    tree, lines = ast.parse(cell.source), cell.source.split("\n")
    banned, inside, nodes = spans(cell.source, left_out(tree)), functions(tree), list(ast_nodes(get_ast(cell.source)))
    found: dict[str, list[tuple[str, str, int, str, int]]] = {}
    for name, operator in OPERATORS.items():
        positions = [position for node in nodes for position in operator.mutation_positions(node)]
        for occurrence, (start, end) in enumerate(positions):
            if any(first <= start and end <= last for first, last in banned):
                continue
            function = next((name for first, last, name in inside if first <= start[0] <= last), "")
            line = lines[start[0] - 1]
            site = digest(seed, cell.module, function, line, lines[:start[0] - 1].count(line), start[1])
            again = positions[:occurrence].count((start, end))  # one operator may do several things in one place
            found.setdefault(site, []).append((digest(site, name, again), name, occurrence, function, start[0] - 1))
    return found


def make_mutant(cell: Cell, key: str, name: str, occurrence: int, function: str) -> Mutant | None:
    "None unless it changes one line, and is still Python."
    mutated = mutate_code(cell.source, OPERATORS[name], occurrence)
    lines, others = cell.source.split("\n"), mutated.split("\n")
    changed = [row for row, (one, other) in enumerate(zip(lines, others)) if one != other]
    try:
        compile(mutated, "mutant", "exec")
    except SyntaxError:
        return None
    if len(changed) != 1 or len(lines) != len(others):
        return None
    return Mutant(
        key, cell.notebook, cell.id, cell.module, function, name, changed[0], lines[changed[0]], others[changed[0]]
    )


def sample(root: Path, seed: int, size: int) -> list[Mutant]:
    "Places drawn without regard to how much can be done there, and one mutant of each."
    places = [(site, cell, ways) for cell in exported_cells(root) for site, ways in sites(seed, cell).items()]
    chosen: list[Mutant] = []
    for _, cell, ways in sorted(places, key=lambda place: place[0]):
        made = (make_mutant(cell, *way[:4]) for way in sorted(ways))
        chosen += [mutant for mutant in made if mutant][:1]
        if len(chosen) == size:
            break
    return chosen


def copy_tree(target: Path) -> None:
    "The tree as it stands, uncommitted edits included, with its times, which caches go by."
    for name in subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines():
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)


def write_mutant(copy: Path, mutant: Mutant) -> None:
    "Change the line in the notebook and in the module that it exports."
    notebook, module = copy / mutant.notebook, copy / "dimm_nb" / (mutant.module.replace(".", "/") + ".py")
    content = book.read(notebook)
    cell = next(cell for cell in content["cells"] if cell["id"] == mutant.cell)
    lines = "".join(cell["source"]).split("\n")
    nth = lines[:mutant.line].count(mutant.before)
    lines[mutant.line] = mutant.after
    cell["source"] = "\n".join(lines)
    notebook.write_text(json.dumps(content), encoding="utf-8")
    code = module.read_text(encoding="utf-8").split("\n")
    here = next(row for row, line in enumerate(code) if line.startswith("# %% ") and line.endswith(f" #{mutant.cell}"))
    same = [row for row in range(here, len(code)) if spaced(code[row]) == spaced(mutant.before)]
    if len(same) <= nth:
        raise LookupError(f"{module}: cell {mutant.cell} has no line {mutant.before!r}: run make export first")
    code[same[nth]] = mutant.after
    module.write_text("\n".join(code), encoding="utf-8")


def spaced(line: str) -> str:
    "A line as the export may have spaced it before its comment."
    return re.sub(r"\s+#", " #", line)


def environment(copy: Path, **more: str) -> dict[str, str]:
    return (
        os.environ
        | {
            "PYTHONPATH": f"{copy}{os.pathsep}{copy / 'tools'}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "OMP_NUM_THREADS": "1",
            "MPLBACKEND": "agg",
            "PYTHONWARNINGS": "ignore::DeprecationWarning",
            "NUMBA_CACHE_DIR": str(copy / ".numba"),
            "JUPYTER_PLATFORM_DIRS": "1",
        }
        | more
    )


def run(copy: Path, files: list[str], seconds: int, **env: str) -> tuple[int, str]:
    "Pytest's exit code, and what it said."
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))
        os.nice(5)

    options = ["-q", "-x", "--tb=line", "-p", "each_item", "-p", "no:cacheprovider"]
    if "MUTANTS_RECORD" in env:
        options.remove("-x")
    with subprocess.Popen(
        [sys.executable, "-m", "pytest", *options, *files],
        cwd=copy,
        env=environment(copy, **env),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=limit,
        start_new_session=True,
    ) as process:
        try:
            said, _ = process.communicate(timeout=40 * seconds)  # a busy machine is no failure: the limit is on CPU
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            said, _ = process.communicate()
    return process.returncode, said


WARM = """from dimm_nb import *
net = random_network(4, 2, seed=0)
fit_posterior(net, Marginals.from_codes(net, net.sample(500, 0)), chains=2, sweeps=50)"""


def warm_up(copy: Path) -> None:
    "Compile the sampler, so that no test pays for it."
    subprocess.run([sys.executable, "-W", "ignore", "-c", WARM], cwd=copy, env=environment(copy), check=True)


def measure(copy: Path, cache: Path) -> dict[str, dict]:
    "What each test and each notebook takes and enters, from a run without mutants; again where its file has changed."
    cache.parent.mkdir(exist_ok=True)
    known = json.loads(cache.read_text(encoding="utf-8")) if cache.exists() else {}
    paths = [
        path
        for folder in TESTED_BY
        for pattern in ("test_*.py", "*.ipynb")
        for path in sorted((copy / folder).rglob(pattern))
    ]
    names = [name for path in paths if not LEFT_OUT.search(name := path.relative_to(copy).as_posix())]
    warm_up(copy)
    for name in names:
        stamp = digest((copy / name).read_text(encoding="utf-8"))
        if known.get(name, {}).get("stamp") == stamp:
            continue
        print(f"measuring {name}", flush=True)
        record = copy / "record.json"
        record.unlink(missing_ok=True)
        code, said = run(copy, [name], 1200, MUTANTS_RECORD=str(record))
        items = json.loads(record.read_text(encoding="utf-8")) if record.exists() else {}
        known[name] = {"stamp": stamp, "items": items}
        if code or not items:
            print(f"  does not pass as it is, so it kills nothing: {said.strip().splitlines()[-1:]}", flush=True)
        cache.write_text(json.dumps(known), encoding="utf-8")
    return {
        item: entry
        for name in names
        for item, entry in known[name]["items"].items()
        if entry.get("passed") and "seconds" in entry
    }


def against(mutant: Mutant, measured: dict[str, dict]) -> list[str]:
    "Node ids to run: those that enter the function, then those that enter its module, the fastest first, 45 s in all."
    function = f"{mutant.module}:{mutant.function}"
    rank, total, chosen = {}, 0.0, []
    for item, entry in measured.items():
        own = item.startswith(mutant.notebook)
        if own or any(name.startswith(f"{mutant.module}:") for name in entry["entered"]):
            rank[item] = (not own and function not in entry["entered"], entry["seconds"])
    for item in sorted(rank, key=rank.get):
        if total + measured[item]["seconds"] <= UNMUTATED:
            chosen.append(item)
            total += measured[item]["seconds"]
    return chosen


def stages(mutant: Mutant, items: list[str], measured: dict[str, dict]) -> Iterator[list[str]]:
    "First, for ten seconds, those of the file that is most about the function: to read others takes time too."
    function, module = f"{mutant.module}:{mutant.function}", f"{mutant.module}:"
    about: dict[str, list[float]] = {}  # by file, a test's 1 if it enters the function, or a little for the module
    for item, entry in measured.items():
        near = 0.01 * any(name.startswith(module) for name in entry["entered"])
        about.setdefault(item.partition("::")[0], []).append(1.0 if function in entry["entered"] else near)
    files = {item.partition("::")[0] for item in items}
    home = max(sorted(files), key=lambda file: sum(about[file]) / (len(about[file]) + 5), default="")
    first, total = [], 0.0
    for item in items:
        if item.partition("::")[0] == home and total + measured[item]["seconds"] <= 10:
            first.append(item)
            total += measured[item]["seconds"]
    yield from filter(None, (first, [item for item in items if item not in first]))


class Runner:
    "One copy of the tree: takes a mutant, runs what may kill it, and is made good again."
    def __init__(self, copy: Path, pristine: Path, measured: dict[str, dict]) -> None:
        self.copy, self.pristine, self.measured = copy, pristine, measured
        self.compiled = compiled_modules(pristine)
        self.sound: list[list[str]] = [] # what has passed in this order, unmutated

    def run(self, items: list[str], numba: str) -> tuple[int, str]:
        "Pytest's exit code, and the test that stopped it."
        (self.copy / "wanted.json").write_text(json.dumps(items), encoding="utf-8")
        files = list(dict.fromkeys(item.partition("::")[0] for item in items))
        code, said = run(
            self.copy,
            files,
            LIMIT,
            MUTANTS_WANTED=str(self.copy / "wanted.json"),
            NUMBA_CACHE_DIR=str(self.copy / numba),
        )
        if code in (3, 4, 5) and "MemoryError" not in said:
            raise RuntimeError(f"pytest did not run ({code}):\n{said[-3000:]}")
        failed = [line.partition(" ")[2] for line in said.splitlines() if line.startswith(("FAILED ", "ERROR "))]
        by = max((item for item in items if failed and failed[0].startswith(item)), key=len, default=items[0])
        return code, by if code else ""

    def verdict(self, mutant: Mutant) -> tuple[str, str]:
        "killed, timed out or survived; and by what."
        numba = ".numba"
        if mutant.module in self.compiled: # what is compiled must be compiled anew
            numba = ".numba-mutant"
        write_mutant(self.copy, mutant)
        try:
            for items in stages(mutant, against(mutant, self.measured), self.measured):
                code, by = self.run(items, numba)
                if code:
                    break
        finally:
            for name in (mutant.notebook, f"dimm_nb/{mutant.module.replace('.', '/')}.py"):
                shutil.copy2(self.pristine / name, self.copy / name)
            shutil.rmtree(self.copy / ".numba-mutant", ignore_errors=True)
        if not code:
            return "survived", ""
        if code > 0:
            self.check(items[:items.index(by) + 1])
        return ("timed out" if code < 0 else "killed"), by

    def check(self, items: list[str]) -> None:
        "A test that fails here without any mutant would kill them all."
        if not any(items == passed[:len(items)] for passed in self.sound):
            code, by = self.run(items, ".numba")
            if code:
                raise RuntimeError(f"{by} fails after {items[:-1]} without a mutant: mend it first")
            self.sound.append(items)


def compiled_modules(root: Path) -> set[str]:
    "Modules with compiled functions, and those that such a module imports from, which its cache would not see."
    found = set()
    for path in (root / "dimm_nb").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if re.search(r"^from numba|^import numba", text, re.M):
            found |= {f"{path.parent.name}.{path.stem}"} | {
                f"{part}.{leaf}" for part, leaf in re.findall(r"^from \.\.(\w+)\.(\w+) import", text, re.M)
            }
            found |= {f"{path.parent.name}.{leaf}" for leaf in re.findall(r"^from \.(\w+) import", text, re.M)}
    return found


COLUMNS = ("key", "status", "module", "function", "operator", "before", "after", "by")


def read(path: Path) -> dict[str, dict[str, str]]:
    "Results by key; none where there is no file yet."
    if not path.exists():
        return {}
    with path.open(newline="", encoding="utf-8") as file:
        return {row["key"]: row for row in csv.DictReader(file)}


def save(path: Path, rows: Iterable[dict[str, str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def report(rows: list[dict[str, str]]) -> str:
    "How many were killed, and what survived."
    killed = [row for row in rows if row["status"] != "survived"]
    slow = sum(row["status"] == "timed out" for row in rows)
    lines = [
        f"{len(killed)} of {len(rows)} mutants killed ({len(killed) / max(len(rows), 1):.1%}), {slow} by taking long"
    ]
    for row in rows:
        if row["status"] == "survived":
            lines += [
                "",
                f"{row['module']} {row['function']} ({row['key']})",
                f"- {row['before'].strip()}",
                f"+ {row['after'].strip()}",
            ]
    return "\n".join(lines)


def try_all(due: list[Mutant], jobs: int, kept: Path) -> Iterator[tuple[Mutant, str, str]]:
    "Each mutant with its verdict, several at a time, each in a copy of the tree that is made good again afterwards."
    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor(jobs) as pool:
        pristine, *copies = (Path(scratch) / f"copy-{k}" for k in range(jobs + 1))
        for copy in (pristine, *copies):
            copy_tree(copy)
        measured = measure(pristine, kept)
        for copy in copies:
            warm_up(copy)
        free = [Runner(copy, pristine, measured) for copy in copies]

        def try_one(mutant: Mutant) -> tuple[Mutant, str, str]:
            runner = free.pop()
            try:
                return mutant, *runner.verdict(mutant)
            finally:
                free.append(runner)

        yield from pool.map(try_one, due)


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Mutants of the numerical modules against the tests and notebooks that use them. "
        "Interrupted, it goes on where it was; finished, it writes results/mutants.csv."
    )
    parser.add_argument("--size", type=int, default=120, help="mutants in the sample")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="a regular expression on modules: the others of the sample wait")
    parser.add_argument("--jobs", type=int, default=2, help="mutants at a time")
    parser.add_argument("--again", action="store_true", help="try survivors again, after new tests")
    options = parser.parse_args()
    under_way = ROOT / "mutants" / f"seed-{options.seed}.csv"
    rows = read(under_way)
    if options.again:
        rows = {key: row for key, row in rows.items() if row["status"] != "survived"}
    chosen = sample(ROOT, options.seed, options.size)
    due = [mutant for mutant in chosen if mutant.key not in rows and re.search(options.only, mutant.module)]
    print(f"{len(chosen)} mutants in the sample, {len(due)} to run", flush=True)
    for mutant, status, by in try_all(due, options.jobs, ROOT / "mutants" / "measured.json") if due else ():
        rows[mutant.key] = {column: ({"status": status, "by": by} | asdict(mutant))[column] for column in COLUMNS}
        save(under_way, rows.values())
        print(
            f"{status:9} {mutant.module} {mutant.function}: {mutant.before.strip()}  →  {mutant.after.strip()}  {by}",
            flush=True,
        )
    done = [rows[mutant.key] for mutant in chosen if mutant.key in rows]
    print(report(done))
    if len(done) == len(chosen):
        save(ROOT / "results" / "mutants.csv", done)


if __name__ == "__main__":
    main()
