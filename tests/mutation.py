"""Do the fast tests bite? Deliberate faults in the core, each of which the unit tests of its group should notice.

    python tests/mutation.py                        a sample of 40 of what decides about a restore
    python tests/mutation.py --sample 200 --seed 7  another, larger one
    python tests/mutation.py --sample 0             every fault; --only comes_along decide_entries: of these modules alone
    python tests/mutation.py --groups crypto format pipeline repo store plan --sample 200 --record
                                                    so many of each; a line in benchmarks/results/mutation.jsonl

A fault is one change of the syntax tree: a comparison turned round, a condition dropped or negated, a constant changed, a
statement left out. Nothing is written: a child process imports the changed module in place of the real one and runs those
tests that enter the changed function. A fault is noticed if one fails, if they take many times the processor time that they
take without it, or if they wait without using the processor at all. One that the clock ends is undecided, for another's work
may have had the machine, and counts as not noticed; those of `tests/equivalent_faults.py` are left out. Prints the faults that no test noticed, and the share that was noticed. Exit code 1
if that is less than --floor.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import importlib.util
import io
import os
import random
import resource
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType
from typing import Final, TypeVar

import pytest

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.equivalent_faults import EQUIVALENT  # noqa: E402
from tests.reached import Chosen, Learning, Reached, chosen, learned  # noqa: E402
from tests.syntax_faults import Fault, faults_in, faulty  # noqa: E402

CPU_SECONDS_MAX: Final = 30
WALL_SECONDS_MAX: Final = 300
DATA_BYTES_MAX: Final = 2 << 30
"""A fault that never ends, waits for ever, or fills the memory, is noticed by these."""
SLOWER: Final = 4
"""A fault may take so many times the processor time of its tests, and CPU_SECONDS_MAX more."""
BEHIND_OTHERS: Final = 20
"""It may take so many times their time by the clock, and WALL_SECONDS_MAX more: other work may have the machine."""
WHOLE_RUN_SECONDS_MAX: Final = 3600
STILL_SECONDS: Final = 60
STILL_CPU_SECONDS: Final = 0.02
"""Who gets less than this in that time waits for something that never comes: on the busiest machine every process has its turn."""
HUNG: Final = 75
"""Exit code of such a child; pytest's are below 10."""
SAMPLE: Final = 40
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Modules below `folder`, and the fast `tests` that should notice their faults; `fresh`: imported anew for every fault."""

    folder: str
    tests: tuple[str, ...]
    fresh: tuple[str, ...] = ("vault", "tests")


GROUPS: Final = {
    "crypto": Group(folder="vault/crypto", tests=("tests/unit/crypto", "tests/vectors", "tests/unit/format")),
    "format": Group(
        folder="vault/format", tests=("tests/unit/format", "tests/vectors", "tests/unit/test_fuzz_corpus.py")
    ),
    "pipeline": Group(
        folder="vault/pipeline",
        tests=(
            "tests/unit/pipeline",
            "tests/properties/test_cut.py",
            "tests/properties/test_delta.py",
            "tests/properties/test_lists.py",
            "tests/properties/test_list_differences.py",
        ),
    ),
    "repo": Group(folder="vault/repo", tests=("tests/unit/repo", "tests/unit/ops/check")),
    "store": Group(folder="vault/store", tests=("tests/unit/store", "tests/conformance/test_stores.py")),
    "plan": Group(
        folder="vault/ops/restore/plan",
        tests=("tests/unit/ops/restore/plan",),
        fresh=("vault.ops.restore", "tests.unit.ops.restore", "tests.restore_values"),
    ),
}


# --- children ------------------------------------------------------------------------------------


class Changed(SourceFileLoader):
    """Finds and loads the module of one file, from other source than the file's."""

    def __init__(self, path: Path, source: Callable[[], str | ast.Module]) -> None:
        super().__init__(".".join(path.relative_to(ROOT).with_suffix("").parts), str(path))
        self._source = source

    def find_spec(self, name: str, path: object, target: object = None) -> ModuleSpec | None:
        return importlib.util.spec_from_file_location(name, self.path, loader=self) if name == self.name else None

    def get_code(self, fullname: str) -> CodeType:
        return compile(self._source(), self.path, "exec")


def in_child(
    changed: Changed | None,
    tests: Callable[[], int],
    *,
    cpu_seconds: int = CPU_SECONDS_MAX,
    wall_seconds: int = WALL_SECONDS_MAX,
) -> int:
    """Process id of a child that runs `tests` with what is `changed`; its exit code is theirs."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(1, 2)
        resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds))
        signal.alarm(wall_seconds)
        threading.Thread(target=end_what_waits, daemon=True).start()
        resource.setrlimit(resource.RLIMIT_DATA, (DATA_BYTES_MAX, DATA_BYTES_MAX))
        if changed is not None:
            sys.meta_path.insert(0, changed)
        code = tests()
    finally:
        os._exit(code)


def end_what_waits() -> None:
    before = time.process_time()
    while True:
        time.sleep(STILL_SECONDS)
        after = time.process_time()
        if after - before < STILL_CPU_SECONDS:
            os._exit(HUNG)
        before = after


def pytest_of(*arguments: str, plugins: Sequence[object] = ()) -> int:
    """Exit code of a run that ends with the first failure."""
    options = ["-q", "-x", "--tb=no", "-p", "no:cacheprovider", "-p", "no:xdist"]
    return int(pytest.main([*options, *arguments], plugins=plugins))


def passes_in_child(tests: Callable[[], int], *, cpu_seconds: int = CPU_SECONDS_MAX) -> bool:
    child = in_child(None, tests, cpu_seconds=cpu_seconds)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def forget_modules(prefixes: tuple[str, ...]) -> None:
    for name in [name for name in sys.modules if name.startswith(prefixes)]:
        del sys.modules[name]


def ends(faults: Sequence[T], jobs: int, start: Callable[[T], int]) -> Iterator[tuple[T, int]]:
    """Each with the exit code of its tests, as they become known. `start`: a fault -> the child that tries it"""
    running: dict[int, T] = {}
    left = list(reversed(faults))
    while left or running:
        while left and len(running) < jobs:
            fault = left.pop()
            running[start(fault)] = fault
        child, status = os.wait()
        if child in running:  # else one of a test, which died before it
            yield running.pop(child), os.waitstatus_to_exitcode(status)


def survivors(faults: Sequence[T], jobs: int, start: Callable[[T], int]) -> Iterator[T]:
    """Those with which all tests passed, and those that the clock ended."""
    return (fault for fault, code in ends(faults, jobs, start) if code in (0, -signal.SIGALRM))


# --- groups --------------------------------------------------------------------------------------


def learn(group: Group) -> Reached:
    """What the group's tests enter, from one run without a fault in a child. Raises ValueError: they fail"""
    with contextlib.redirect_stdout(io.StringIO()):
        pytest_of("--collect-only", *group.tests)  # imports what every child needs
    forget_modules(group.fresh)
    with tempfile.TemporaryDirectory() as folder:
        notes = Path(folder) / "notes"
        learning = Learning(ROOT, ROOT / group.folder, notes)
        limit = WHOLE_RUN_SECONDS_MAX
        tests = partial(pytest_of, *group.tests, plugins=[learning])
        child = in_child(None, tests, cpu_seconds=limit, wall_seconds=limit)
        if (code := os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])) != 0:
            raise ValueError(f"without any fault pytest ends with {code}, so that it would notice anything")
        return learned(notes)


def start(reached: Reached, fault: Fault) -> int:
    known = frozenset(test.id for test in reached.tests)
    wanted = chosen(reached, str(fault.path.relative_to(ROOT)), fault.first_line)
    plugin = Chosen({test.id: at for at, test in enumerate(wanted)}, known)
    return in_child(
        Changed(fault.path, partial(faulty, fault)),
        partial(run_files, list(dict.fromkeys(test.file for test in wanted)), plugin),
        cpu_seconds=CPU_SECONDS_MAX + int(SLOWER * sum(test.cpu_seconds for test in wanted)),
        wall_seconds=WALL_SECONDS_MAX + int(BEHIND_OTHERS * sum(test.wall_seconds for test in wanted)),
    )


def run_files(files: Sequence[str], plugin: Chosen) -> int:
    """The likeliest file alone, which spares most faults the collection of the others; no file: 0, as nothing failed."""
    parts = [part for part in (files[:1], files[1:]) if part]
    return next((code for part in parts if (code := pytest_of(*part, plugins=[plugin])) != 0), 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """`of`: all faults that the group's modules can have; `undecided`: ended by the clock, among those not noticed.

    `hung`: of those noticed, how many made a test wait for ever instead of failing.

    `equivalent`: in the sample too, and not tried, for they change nothing.
    """

    tried: int
    noticed: int
    hung: int
    undecided: int
    equivalent: int
    of: int

    @property
    def percent(self) -> int:
        return 100 * self.noticed // self.tried


def score(name: str, *, only: Sequence[str], sample: int, seed: int, jobs: int) -> Score | None:
    """None, and a line that says why: without any fault the tests fail, or there is none."""
    group = GROUPS[name]
    paths = [path for path in sorted((ROOT / group.folder).rglob("*.py")) if not only or path.stem in only]
    faults = every = [fault for path in paths for fault in faults_in(path)]
    if sample and sample < len(faults):
        faults = sorted(random.Random(seed).sample(faults, sample), key=str)
    tried = [fault for fault in faults if fault.name not in EQUIVALENT]
    if not tried:
        print(f"{name}: there is no fault to try")
        return None
    try:
        reached = learn(group)
    except ValueError as error:
        print(f"{name}: {error}")
        return None
    noticed = hung = undecided = 0
    for fault, code in ends(tried, jobs, partial(start, reached)):
        noticed += code not in (0, -signal.SIGALRM)
        hung += code == HUNG
        undecided += code == -signal.SIGALRM
        if code in (0, -signal.SIGALRM):
            print(f"{'not noticed' if code == 0 else 'undecided'}: {fault}", flush=True)
        elif code == HUNG:
            print(f"a test waits for ever: {fault}", flush=True)
    found = Score(
        tried=len(tried),
        noticed=noticed,
        hung=hung,
        undecided=undecided,
        equivalent=len(faults) - len(tried),
        of=len(every),
    )
    print(
        f"{name}: {found.noticed} of {found.tried} faults noticed, {found.percent} % "
        f"(seed {seed}; {found.undecided} undecided, {found.equivalent} more change nothing)",
        flush=True,
    )
    return found


def outdated() -> list[str]:
    """Names of equivalent faults that no fault has any more."""
    paths = [path for group in GROUPS.values() for path in (ROOT / group.folder).rglob("*.py")]
    return [": ".join(name) for name in EQUIVALENT.keys() - {one.name for path in paths for one in faults_in(path)}]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--groups", nargs="+", choices=list(GROUPS), default=["plan"], help="(plan)")
    parser.add_argument(
        "--sample", type=int, default=SAMPLE, metavar="N", help=f"faults of each group; 0: all ({SAMPLE})"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the sample (0)")
    parser.add_argument("--floor", type=int, default=0, metavar="PERCENT", help="least share that must be noticed")
    parser.add_argument("--only", nargs="*", default=[], metavar="MODULE", help="of these modules alone")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="side by side")
    parser.add_argument("--record", action="store_true", help="a line in benchmarks/results/mutation.jsonl")
    asked = parser.parse_args()
    os.chdir(ROOT)
    if names := outdated():
        print("no fault is called so any more, mend tests/equivalent_faults.py:", *names, sep="\n  ")
        return 1
    scores = {
        name: score(name, only=asked.only, sample=asked.sample, seed=asked.seed, jobs=asked.jobs)
        for name in asked.groups
    }
    if asked.record:
        from benchmarks.measure import record

        words = f"--groups {' '.join(asked.groups)} --sample {asked.sample} --seed {asked.seed} --record"
        figures = {name: {**asdict(found), "percent": found.percent} for name, found in scores.items() if found}
        print(record("mutation", f"python tests/mutation.py {words}", figures))
    return 0 if all(found is not None and found.percent >= asked.floor for found in scores.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
