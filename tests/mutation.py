"""Do the fast tests bite? Deliberate faults in the core, each of which the unit tests of its group should notice.

    python tests/mutation.py                        a sample of 40 of what decides about a restore
    python tests/mutation.py --sample 200 --seed 7  another, larger one
    python tests/mutation.py --sample 0             every fault; --only comes_along decide_entries: of these modules alone
    python tests/mutation.py --groups crypto format pipeline repo store plan --sample 200 --record
                                                    so many of each; a line in benchmarks/results/mutation.jsonl

A fault is one change of the syntax tree: a comparison turned round, a condition dropped or negated, a constant changed, a
statement left out. Nothing is written: a child process imports the changed module in place of the real one and runs the
tests. Prints the faults that no test noticed, and the share that was noticed. Exit code 1 if that is less than --floor.
"""

from __future__ import annotations

import argparse
import ast
import copy
import importlib.util
import os
import random
import resource
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType
from typing import Final, TypeVar

import pytest

ROOT: Final = Path(__file__).resolve().parent.parent
CPU_SECONDS_MAX: Final = 30
WALL_SECONDS_MAX: Final = 300
DATA_BYTES_MAX: Final = 2 << 30
"""A fault that never ends, waits for ever, or fills the memory, is noticed by these."""
WORDS_OF_A_MESSAGE: Final = 4
"""A text of so many words is a sentence for people, whose wording no test should hold."""
SAMPLE: Final = 40
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Modules below `folder`, and the fast `tests` that should notice their faults; `fresh`: imported anew for every fault."""

    folder: str
    tests: tuple[str, ...]
    fresh: tuple[str, ...] = ("vault", "tests")
    cpu_seconds: int = 4 * CPU_SECONDS_MAX

    def tests_of(self, module: str) -> list[str]:
        """Those that have its name, which are the likeliest to notice a fault of it."""
        places = [Path(one) / f"test_{module}.py" for one in self.tests if not one.endswith(".py")]
        return [str(place) for place in places if place.exists()]

    def run_tests(self, module: str = "") -> int:
        own = self.tests_of(module)
        return (pytest_of(*own) if own else 0) or pytest_of(*self.tests)


GROUPS: Final = {
    "crypto": Group(folder="vault/crypto", tests=("tests/unit/crypto", "tests/vectors", "tests/unit/format")),
    "format": Group(
        folder="vault/format", tests=("tests/unit/format", "tests/vectors", "tests/unit/test_fuzz_corpus.py")
    ),
    "pipeline": Group(
        folder="vault/pipeline",
        tests=("tests/unit/pipeline", "tests/properties/test_cut.py", "tests/properties/test_delta.py"),
    ),
    "repo": Group(
        folder="vault/repo", tests=("tests/unit/repo", "tests/properties/test_lists.py", "tests/unit/ops/check")
    ),
    "store": Group(folder="vault/store", tests=("tests/unit/store", "tests/conformance/test_stores.py")),
    "plan": Group(
        folder="vault/ops/restore/plan",
        tests=("tests/unit/ops/restore/plan",),
        fresh=("vault.ops.restore", "tests.unit.ops.restore", "tests.restore_values"),
        cpu_seconds=CPU_SECONDS_MAX,
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """`node`, `variant`: place in the walk over the tree of the file, and which change of that node."""

    path: Path
    line: int
    node: int
    variant: int
    what: str

    def __str__(self) -> str:
        return f"{self.path.relative_to(ROOT)}:{self.line}: {self.what}"


# --- faults --------------------------------------------------------------------------------------

_COMPARED: Final[dict[type[ast.cmpop], type[ast.cmpop]]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
_OPERATORS: Final[dict[type[ast.operator], type[ast.operator]]] = {
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
    ast.Add: ast.Sub,
    ast.FloorDiv: ast.Mult,
}
_CALLED: Final = {"any": "all", "all": "any", "min": "max", "max": "min", "sorted": "list"}


def faults_in(path: Path) -> Iterator[Fault]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    quiet = set(map(id, _quiet(tree)))
    for at, node in enumerate(ast.walk(tree)):
        if id(node) not in quiet:
            for variant, changed in enumerate(variants(node)):
                line = int(getattr(node.iter if isinstance(node, ast.comprehension) else node, "lineno", 0))
                yield Fault(path=path, line=line, node=at, variant=variant, what=f"{_text(node)} -> {_text(changed)}")


def faulty(fault: Fault) -> ast.Module:
    """The tree of the file with the fault in it."""
    tree = ast.parse(fault.path.read_text(encoding="utf-8"))
    old = next(node for at, node in enumerate(ast.walk(tree)) if at == fault.node)
    new = list(variants(old))[fault.variant]

    class Exchanged(ast.NodeTransformer):
        def visit(self, node: ast.AST) -> ast.AST:
            return new if node is old else self.generic_visit(node)

    Exchanged().visit(tree)
    return ast.fix_missing_locations(tree)


def variants(node: ast.AST) -> Iterator[ast.AST]:
    """What could stand in its place by mistake."""
    match node:
        case ast.Compare(ops=ops):
            for at, op in enumerate(ops):
                yield _with(node, ops=[*ops[:at], _COMPARED[type(op)](), *ops[at + 1 :]])
        case ast.BoolOp(op=op, values=values):
            yield _with(node, op=ast.Or() if isinstance(op, ast.And) else ast.And())
            for at in range(len(values)):
                left = [*values[:at], *values[at + 1 :]]
                yield left[0] if len(left) == 1 else _with(node, values=left)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield operand
        case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test):
            if not isinstance(test, ast.Compare | ast.UnaryOp):  # those have variants of their own
                yield _with(node, test=ast.UnaryOp(op=ast.Not(), operand=test))
        case ast.comprehension(ifs=ifs):
            for at in range(len(ifs)):
                yield _with(node, ifs=[*ifs[:at], *ifs[at + 1 :]])
        case ast.Constant(value=bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(value=int(value)):
            yield ast.Constant(value + 1)
        case ast.Constant(value=str(value)) if value.count(" ") < WORDS_OF_A_MESSAGE - 1:
            yield ast.Constant(f"XX{value}")
        case ast.BinOp(op=ast.Sub(), left=left_operand):
            yield left_operand
        case ast.BinOp(op=operator) | ast.AugAssign(op=operator) if type(operator) in _OPERATORS:
            yield _with(node, op=_OPERATORS[type(operator)]())
        case ast.Call(func=ast.Name(id=name)) if name in _CALLED:
            yield _with(node, func=ast.Name(id=_CALLED[name], ctx=ast.Load()), keywords=[])
        case ast.keyword(value=value) if not isinstance(value, ast.Constant):
            yield _with(node, value=ast.Constant(None))
        case ast.Expr(value=ast.Yield() | ast.YieldFrom()):
            yield ast.Expr(ast.YieldFrom(ast.Tuple(elts=[], ctx=ast.Load())))
        case ast.Expr(value=ast.Call()):
            yield ast.Pass()
        case ast.Continue():
            yield ast.Break()


def _with(node: ast.AST, **changed: object) -> ast.AST:
    new = copy.copy(node)
    for field, value in changed.items():
        setattr(new, field, value)
    return new


def _quiet(tree: ast.AST) -> Iterator[ast.AST]:
    """What does nothing at run time, and the wording of messages."""
    for node in ast.walk(tree):
        match node:
            case ast.Expr(value=ast.Constant()):
                yield node.value
            case ast.FunctionDef(returns=returns, decorator_list=decorators):
                of_types = [
                    *decorators,
                    returns,
                    *(one.annotation for one in ast.walk(node.args) if isinstance(one, ast.arg)),
                ]
                yield from (part for one in of_types if one is not None for part in ast.walk(one))
            case ast.ClassDef(decorator_list=decorators):
                yield from (part for one in decorators for part in ast.walk(one))
            case ast.AnnAssign(annotation=annotation):
                yield from ast.walk(annotation)
            case ast.JoinedStr(values=values):
                yield from (one for one in values if isinstance(one, ast.Constant))
            case _:
                pass


def _text(node: ast.AST) -> str:
    text = ast.unparse(node)
    line = " ".join(text.split("\n")[0].split())
    return line if len(line) <= 100 else f"{line[:97]}..."


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


def in_child(changed: Changed | None, tests: Callable[[], int], *, cpu_seconds: int = CPU_SECONDS_MAX) -> int:
    """Process id of a child that runs `tests` with what is `changed`; its exit code is theirs."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(1, 2)
        resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds))
        signal.alarm(WALL_SECONDS_MAX)
        resource.setrlimit(resource.RLIMIT_DATA, (DATA_BYTES_MAX, DATA_BYTES_MAX))
        if changed is not None:
            sys.meta_path.insert(0, changed)
        code = tests()
    finally:
        os._exit(code)


def start(group: Group, fault: Fault) -> int:
    tests = partial(group.run_tests, fault.path.stem)
    return in_child(Changed(fault.path, partial(faulty, fault)), tests, cpu_seconds=group.cpu_seconds)


def pytest_of(*arguments: str) -> int:
    """Exit code of a run that ends with the first failure."""
    return int(pytest.main(["-q", "-x", "--tb=no", "-p", "no:cacheprovider", "-p", "no:xdist", *arguments]))


def passes_in_child(tests: Callable[[], int], *, cpu_seconds: int = CPU_SECONDS_MAX) -> bool:
    child = in_child(None, tests, cpu_seconds=cpu_seconds)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def forget_modules(prefixes: tuple[str, ...]) -> None:
    for name in [name for name in sys.modules if name.startswith(prefixes)]:
        del sys.modules[name]


def survivors(faults: Sequence[T], jobs: int, start: Callable[[T], int]) -> Iterator[T]:
    """Those with which all tests passed, as they become known. `start`: a fault -> the child that tries it"""
    running: dict[int, T] = {}
    left = list(reversed(faults))
    while left or running:
        while left and len(running) < jobs:
            fault = left.pop()
            running[start(fault)] = fault
        child, status = os.wait()
        if child in running:  # else one of a test, which died before it
            tried = running.pop(child)
            if os.waitstatus_to_exitcode(status) == 0:
                yield tried


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """`of`: all faults that the group's modules can have."""

    tried: int
    noticed: int
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
    if (code := group.run_tests()) != 0 or not faults:
        print(f"{name}: without any fault pytest ended with {code}; {len(faults)} faults")
        return None
    forget_modules(group.fresh)
    if not passes_in_child(group.run_tests, cpu_seconds=group.cpu_seconds):
        print(f"{name}: without any fault the tests fail in a child process, so that it would notice anything")
        return None
    survived = 0
    for fault in survivors(faults, jobs, partial(start, group)):
        survived += 1
        print(f"not noticed: {fault}", flush=True)
    found = Score(tried=len(faults), noticed=len(faults) - survived, of=len(every))
    print(f"{name}: {found.noticed} of {found.tried} faults noticed, {found.percent} % (seed {seed})", flush=True)
    return found


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
    sys.path.insert(0, str(ROOT))
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
