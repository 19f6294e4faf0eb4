"""Which tests enter which functions of a folder, and what each costs: learned from one run, to run no others for a fault.

A test that never enters a function cannot notice a fault in it, except through what an earlier test left in a cache; leaving
such a test out can only make a fault look unnoticed. What runs on import is any test's business, and what a fixture of more
than one test runs is the business of all that have it.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FrameType

import pytest


@dataclass(frozen=True, slots=True, kw_only=True)
class Test:
    """`functions`: `FILE:LINE` of those it enters, the file relative to the root, the line the first of the code object."""

    __test__ = False

    id: str
    cpu_seconds: float
    wall_seconds: float
    functions: frozenset[str]

    @property
    def file(self) -> str:
        return self.id.partition("::")[0]


class Alike:
    """Makes a run of pytest like every other of the same code: generated inputs are the same, and none is kept for the next."""

    def pytest_configure(self) -> None:
        from hypothesis import settings  # not before pytest, whose plugin of it wants to be first

        settings.register_profile("alike", settings.default, derandomize=True, database=None)
        settings.load_profile("alike")


class Learning(Alike):
    """Writes a line about every test that ran to `notes`, and a first one, of no id, about what was entered on import."""

    def __init__(self, root: Path, folder: Path, notes: Path) -> None:
        self._root = root
        self._folder = str(folder)
        self._notes = notes
        self._entered: dict[int, CodeType] = {}
        self._by_fixture: dict[str, set[str]] = {}

    def _note(self, frame: FrameType, event: str, _argument: object) -> None:
        if event == "call":
            self._entered[id(frame.f_code)] = frame.f_code

    @pytest.hookimpl(wrapper=True)
    def pytest_collection(self) -> Iterator[None]:
        with self._noting("", ()):
            return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        with self._noting(item.nodeid, getattr(item, "fixturenames", ())):
            return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[object]) -> Iterator[None]:
        """What a fixture of a module entered for the first of its tests was entered for all of them."""
        before, self._entered = self._entered, {}
        try:
            return (yield)
        finally:
            if fixturedef.scope != "function":
                self._by_fixture.setdefault(fixturedef.argname, set()).update(self._functions())
            self._entered |= before

    @contextmanager
    def _noting(self, test: str, fixtures: Sequence[str]) -> Iterator[None]:
        self._entered = {}
        cpu, wall = time.process_time(), time.monotonic()
        threading.setprofile(self._note)
        sys.setprofile(self._note)
        try:
            yield
        finally:
            sys.setprofile(None)
            threading.setprofile(None)
            functions = self._functions().union(*(self._by_fixture.get(name, ()) for name in fixtures))
            spent = {"cpu": time.process_time() - cpu, "wall": time.monotonic() - wall}
            with self._notes.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"id": test, **spent, "functions": sorted(functions)}) + "\n")

    def _functions(self) -> set[str]:
        codes = [code for code in list(self._entered.values()) if code.co_filename.startswith(self._folder)]
        return {f"{Path(one.co_filename).relative_to(self._root)}:{one.co_firstlineno}" for one in codes}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """`on_import`: the functions that the files of the tests enter before any test runs."""

    on_import: frozenset[str]
    tests: tuple[Test, ...]


def learned(notes: Path) -> Reached:
    lines = [json.loads(line) for line in notes.read_text(encoding="utf-8").splitlines()]
    tests = [
        Test(id=one["id"], cpu_seconds=one["cpu"], wall_seconds=one["wall"], functions=frozenset(one["functions"]))
        for one in lines
    ]
    return Reached(on_import=tests[0].functions, tests=tuple(tests[1:]))


def chosen(reached: Reached, path: str, first_line: int) -> list[Test]:
    """Those that could notice a fault of the function that begins there (0: of what runs on import), the likeliest first.

    That is: those whose file has the module's name, then those that enter the module; of these, file by file, the cheapest.
    """
    function = f"{path}:{first_line}"
    anybodys = not first_line or function in reached.on_import
    able = [test for test in reached.tests if anybodys or function in test.functions]
    cost: dict[str, float] = {}
    near: set[str] = set()
    for test in able:
        cost[test.file] = cost.get(test.file, 0.0) + test.cpu_seconds
        if any(one.startswith(f"{path}:") for one in test.functions):
            near.add(test.file)
    own = f"/test_{Path(path).stem}.py"

    def place(test: Test) -> tuple[bool, bool, float, str, float]:
        return not test.file.endswith(own), test.file not in near, cost[test.file], test.file, test.cpu_seconds

    return sorted(able, key=place)


class Chosen(Alike):
    """Of what is collected runs these in their order, then those that nobody knew: a fault can give tests another name."""

    def __init__(self, order: Mapping[str, int], known: frozenset[str]) -> None:
        self._order = order
        self._known = known

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        wanted = [item for item in items if item.nodeid in self._order or item.nodeid not in self._known]
        items[:] = sorted(wanted, key=lambda item: self._order.get(item.nodeid, len(self._order)))
