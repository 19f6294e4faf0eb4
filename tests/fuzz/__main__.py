"""Fuzz what reads bytes of others, each target for its share of the time.

    python -m tests.fuzz                       every target, ten minutes together
    python -m tests.fuzz --seconds 60 archive  these alone
    python -m tests.fuzz --keep                what was found worth keeping goes into tests/fuzz/corpus, minimised
    python -m tests.fuzz --record              one line of figures goes into benchmarks/results/fuzz.jsonl
    python -m tests.fuzz --list                the targets

Wants atheris, which is no dependency of the project: python -m pip install atheris. Rules of a target: any bytes are taken, and then
encode to themselves, or refused with an error of the package; never another exception, a second's work, or a gigabyte. A fault ends it
with exit code 1, and the input stays below --faults.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.measure import record
from tests.fuzz import kept
from tests.fuzz.target import SEED_BYTES_MAX
from tests.fuzz.targets import TARGETS

ROOT: Final = Path(__file__).resolve().parents[2]
INPUT_BYTES_MAX: Final = 4096
MEMORY_MB: Final = 1024
HANG_S: Final = 5
SECONDS: Final = 600.0
_DONE: Final = re.compile(r"Done (\d+) runs in")
_STAT: Final = re.compile(r"stat::number_of_executed_units:\s+(\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """`output`: what the child said, if it found a fault."""

    runs: int
    kept: int
    output: str


def fuzz(name: str, *, seconds: float, faults: Path, keep: bool) -> Outcome:
    with tempfile.TemporaryDirectory(prefix="pgvault-fuzz-") as scratch:
        corpus = Path(scratch, "corpus")
        write(corpus, [*TARGETS[name].seeds(), *kept.load(name)])
        options = [
            f"-max_total_time={max(1, round(seconds))}", f"-max_len={INPUT_BYTES_MAX}", f"-timeout={HANG_S}",
            f"-rss_limit_mb={MEMORY_MB}", f"-artifact_prefix={faults}/{name.replace(' ', '_')}-", "-print_final_stats=1",
        ]  # fmt: skip
        ended = child(name, str(corpus), *options)
        runs = [int(count) for pattern in (_DONE, _STAT) for count in pattern.findall(ended.stderr)]
        if ended.returncode != 0 or not runs:
            return Outcome(runs=max(runs, default=0), kept=0, output=ended.stdout[-6000:] + ended.stderr[-6000:])
        return Outcome(runs=runs[-1], kept=minimise(name, corpus, Path(scratch, "few")) if keep else 0, output="")


def child(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.fuzz.child", name, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, errors="replace", check=False)


def minimise(name: str, corpus: Path, few: Path) -> int:
    """How many inputs are kept, which reach together what all of the corpus does. Raises  RuntimeError: none is left"""
    few.mkdir()
    ended = child(name, "-merge=1", f"-max_len={kept.BYTES_MAX}", str(few), str(corpus))
    inputs = [path.read_bytes() for path in few.iterdir()]
    if not inputs:
        raise RuntimeError(f"{name}: nothing is left of the corpus\n{ended.stderr[-2000:]}")
    return kept.save(name, inputs)


def write(directory: Path, inputs: list[bytes]) -> None:
    directory.mkdir()
    for data in inputs:
        if len(data) <= SEED_BYTES_MAX:
            (directory / hashlib.sha256(data).hexdigest()[:24]).write_bytes(data)


def main() -> int:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="all without")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="together, default %(default)s")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--list", action="store_true")
    parser.add_argument(
        "--faults", type=Path, default=Path("faults"), metavar="DIRECTORY", help="default: ./%(default)s"
    )
    asked = parser.parse_args()
    if asked.list:
        print(*TARGETS, sep="\n")
        return 0
    if unknown := sorted(set(asked.targets) - TARGETS.keys()):
        parser.error(f"no target named {', '.join(unknown)}; --list tells them")
    if importlib.util.find_spec("atheris") is None:
        parser.error("atheris is not there; install it with: python -m pip install atheris")
    return run(asked)


def run(asked: argparse.Namespace) -> int:
    asked.faults.mkdir(exist_ok=True)
    wanted, started, runs, faulty = asked.targets or list(TARGETS), time.monotonic(), dict[str, int](), 0
    for name in wanted:
        outcome = fuzz(name, seconds=asked.seconds / len(wanted), faults=asked.faults, keep=asked.keep)
        runs[name] = outcome.runs
        print(f"{'FAULT' if outcome.output else 'ok   '} {name:<18} {outcome.runs:>10,} runs", flush=True)
        if outcome.output:
            faulty += 1
            print(outcome.output, flush=True)
    print(
        f"{sum(runs.values()):,} runs of {len(runs)} targets in {time.monotonic() - started:.0f} s, {faulty} with a fault"
    )
    if asked.record:
        results = {"runs": sum(runs.values()), "targets": runs, "targets_with_a_fault": faulty}
        record("fuzz", f"python -m tests.fuzz --seconds {asked.seconds:g} --record", results)
    if not any(asked.faults.iterdir()):
        asked.faults.rmdir()
    return 1 if faulty else 0


if __name__ == "__main__":
    sys.exit(main())
