"""Pytest plugin of tools/mutants.py: notebooks are tests too (their quick cells), named tests run in that order, and
it can write down how long each took and which of the package's functions it entered."""
import json
import os
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings

PACKAGE = str(Path("dimm_nb").resolve()) + os.sep
WANTED = os.environ.get("MUTANTS_WANTED")  # JSON list of node ids: these and no others, in this order
RECORD = os.environ.get(
    "MUTANTS_RECORD"
)  # where to write {node id: {"seconds": CPU, "entered": ["module:function"], "passed": bool}}

seen: set = set()  # code objects entered since it was last emptied
shared: dict[str, set] = defaultdict(set)  # by fixtures that several tests share: only the first of them sees it made
record: dict[str, dict] = {}


def spy(frame, event, argument) -> None:
    if event == "call":
        seen.add(frame.f_code)


def entered(codes: set) -> set[str]:
    "The package's functions among code objects, as `solvers.exact:solve_exact`."
    return {
        code.co_filename.removeprefix(PACKAGE).removesuffix(".py").replace(os.sep, ".")
        + ":"
        + code.co_qualname.partition(".<locals>")[0]
        for code in set(codes)
        if code.co_filename.startswith(PACKAGE)
    }


def pytest_configure(config: pytest.Config) -> None:
    if RECORD:
        sys.setprofile(spy)
        threading.setprofile(spy)
    else:  # a counter-example need not be small
        settings.register_profile("mutants", derandomize=True, database=None, deadline=None,
                                  suppress_health_check=[HealthCheck.too_slow], phases=[Phase.explicit, Phase.generate])


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    if not RECORD:  # after conftest.py has chosen a profile, and before the tests are read
        settings.load_profile("mutants")


class Notebook(pytest.File):
    def collect(self) -> Iterator[pytest.Item]:
        yield QuickCells.from_parent(self, name="quick")


class QuickCells(pytest.Item):
    def runtest(self) -> None:
        from nbdev.config import get_config
        from nbdev.test import test_nb
        assert test_nb(self.path, skip_flags=get_config().tst_flags.split())[0], f"{self.path.name} stops"


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> Notebook | None:
    return Notebook.from_parent(parent, path=file_path) if file_path.suffix == ".ipynb" else None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if WANTED:
        found = {item.nodeid: item for item in items}
        items[:] = [found[name] for name in json.loads(Path(WANTED).read_text(encoding="utf-8")) if name in found]


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef, request):
    before = set(seen)
    seen.clear()
    try:
        return (yield)
    finally:
        if fixturedef.scope != "function":
            shared[fixturedef.argname] |= entered(seen)
        seen.update(before)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None):
    seen.clear()
    start = time.process_time()
    result = yield
    calls = entered(seen).union(*(shared[name] for name in getattr(item, "fixturenames", ())))
    record.setdefault(item.nodeid, {}).update(seconds=round(time.process_time() - start, 3), entered=sorted(calls))
    return result


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    entry = record.setdefault(report.nodeid, {"passed": True})
    entry["passed"] = entry["passed"] and report.outcome == "passed"


def pytest_sessionfinish(session: pytest.Session) -> None:
    if RECORD:
        sys.setprofile(None)
        Path(RECORD).write_text(json.dumps(record, indent=1), encoding="utf-8")
