"""A limit of memory at any height under the real command: it ends well, or says that there is not enough, and nothing is lost.

    python -m tests.memory_limits                      all; prints one line for each, appends one to benchmarks/results/faults.jsonl
    python -m tests.memory_limits --only backup --step 8

Each command is run with more and more address space (RLIMIT_AS), from where Python itself begins to run, until several runs in a row
end well. Whatever happened: what was saved before is whole, and each message says that it may be memory.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.measure import record as record_result
from tests.fix_postgres import Cluster, server
from vault.cli.exit_codes import ExitCode
from vault.limits import KIB, MIB

FIRST: Final = 24 * MIB
"""With less Python's own start fails, before any of our lines runs."""
MOST: Final = 4096 * MIB
BEGINNING: Final = (16 * MIB, 32 * MIB)
"""Where Python begins and loads what a command needs, which meets the end of memory in more ways than what runs later."""
WELL_IN_A_ROW: Final = 8
SILENT_MAX: Final = 2
"""Runs of one command that may end without a word, as where Python had no memory to say its own: one in two thousand was seen."""
ENDS_WITHIN_S: Final = 120
"""Many times what a command takes: one that waits for a thread that has ended waits for ever."""
_NOT_OURS: Final[Mapping[str, re.Pattern[str]]] = {
    "the start of a thread": re.compile(r'File "[^"]*/threading\.py", line \d+ in start$', re.MULTILINE),
    "the loading of a library": re.compile(
        r'call first\):\n  File "<frozen importlib\._bootstrap>", line \d+ in _load_unlocked$', re.MULTILINE
    ),
}
"""Where a run was seen to stand still for ever, three in fourteen hundred: Python waits for a word of a thread that had no memory to
say it; and a library of C that could not be loaded, here OpenSSL's, is taken apart and does not come back."""
_SILENT: Final = "exit 1 without a word"
_FRAME: Final = re.compile(r'^ *File "([^"]*)", line', re.MULTILINE)
_INTERPRETER: Final = frozenset({-signal.SIGABRT, -signal.SIGSEGV, -signal.SIGBUS})
"""It, or a library of C or Rust, can meet the end of memory where it has no answer; all that holds then is what holds of a kill."""
_LIES: Final = frozenset(
    {ExitCode.USAGE, ExitCode.DAMAGE, ExitCode.RUIN, ExitCode.NO_REPOSITORY, ExitCode.WRONG_PASSPHRASE}
)
"""What is short is memory: nothing is damaged, missing or mistyped."""
_PASSPHRASE: Final = "correct-horse-battery"
COMMANDS: Final[Mapping[str, tuple[str, ...]]] = {
    "backup": ("backup", "-d", "{source}", "--dir", "lib=lib"),
    "restore": ("restore", "latest", "-d", "{target}", "--yes", "-c"),
    "check": ("check", "--read-data"),
    "verify": ("verify", "--all"),
    "diff": ("diff", "latest~1", "latest"),
    "export": ("export", "latest", "--format", "jsonl", "-o", "{new}"),
    "forget": ("forget", "--keep-last", "3", "--prune", "--yes"),
    "snapshots": ("snapshots",),
}
_SCHEMA: Final = """
CREATE TABLE parent (id int PRIMARY KEY, body text);
CREATE TABLE child (id int PRIMARY KEY, parent int REFERENCES parent, body text);
INSERT INTO parent SELECT n, md5(n::text) FROM generate_series(1, 20000) n;
INSERT INTO child SELECT n, n, repeat(md5(n::text), 4) FROM generate_series(1, 20000) n;
"""


class Lost(Exception):
    """Something did not hold; says where."""


class StoodStill(Exception):
    """A command that did not end; says where each of its threads was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A directory with a repository and a directory `lib`, and two databases."""

    home: Path
    source: str
    target: str

    def run(self, *arguments: str, bytes_max: int = 0) -> subprocess.CompletedProcess[str]:
        """Raises  StoodStill"""
        variables = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("PG", "PGVAULT"))},
            "PGVAULT_PASSWORD": _PASSPHRASE,
            "PGVAULT_REPOSITORY": str(self.home / "repository"),
            "PGVAULT_CACHE_DIR": str(self.home / "cache"),
            "PGVAULT_STATE_DIR": str(self.home / "state"),
            "PYTHONPATH": os.getcwd(),
            "PYTHONFAULTHANDLER": "1",
        }
        limit = ["sh", "-c", f'ulimit -v {bytes_max // KIB}; exec "$@"', "limited"] if bytes_max else []
        with subprocess.Popen(
            [*limit, sys.executable, "-m", "vault", *arguments],
            cwd=self.home,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as running:
            try:
                out, said = running.communicate(timeout=ENDS_WITHIN_S)
            except subprocess.TimeoutExpired:
                running.send_signal(signal.SIGABRT)  # it says where each of its threads is
                raise StoodStill(running.communicate()[1]) from None
        return subprocess.CompletedProcess(running.args, running.returncode, out, said)


@contextmanager
def world() -> Iterator[World]:
    with tempfile.TemporaryDirectory(prefix="pgvault-memory-") as scratch, server(15) as cluster:
        made = World(home=Path(scratch), source=_database(cluster), target=cluster.dsn(cluster.createdb()))
        (made.home / "lib").mkdir()
        (made.home / "lib" / "f").write_bytes(os.urandom(2 * MIB))
        _well(made.run("init", "--no-recovery-kit"))
        for _ in range(4):
            (made.home / "lib" / "g").write_bytes(os.urandom(1000))
            _well(made.run(*_filled(COMMANDS["backup"], made)))
        _well(made.run(*_filled(COMMANDS["restore"], made)))
        yield made


def _database(cluster: Cluster) -> str:
    name = cluster.createdb()
    with cluster.connect(name) as connection:
        connection.execute(_SCHEMA.encode())
    return cluster.dsn(name)


def _filled(arguments: tuple[str, ...], place: World) -> list[str]:
    new = place.home / f"new-{len(list(place.home.iterdir()))}"
    return [word.format(source=place.source, target=place.target, new=new) for word in arguments]


def _well(done: subprocess.CompletedProcess[str]) -> None:
    if done.returncode != 0:
        raise Lost(f"{done.args}: exit {done.returncode}: {done.stderr[-1000:]}")


def limited(name: str, place: World, *, step_bytes: int, well_in_a_row: int = WELL_IN_A_ROW) -> Counter[str]:
    """Raises  Lost"""
    counts = Counter[str]()
    row = 0
    for bytes_max in range(FIRST, MOST, step_bytes):
        try:
            done = place.run(*_filled(COMMANDS[name], place), bytes_max=bytes_max)
        except StoodStill as waits:
            place_of = next((where for where, stack in _NOT_OURS.items() if stack.search(str(waits))), None)
            if place_of is None:
                raise Lost(f"{name} with {bytes_max // MIB} MiB does not end:\n{waits}") from waits
            counts[f"stood still in {place_of}"] += 1
            row = 0
            continue
        is_well = done.returncode == 0
        count(counts, f"{name} with {bytes_max // MIB} MiB", done)
        row = row + 1 if is_well else 0
        if row == well_in_a_row:
            break
    else:
        raise Lost(f"{name} does not end well {well_in_a_row} times in a row with less than {MOST // MIB} MiB")
    _well(place.run("unlock"))
    _well(place.run("check", "--read-data"))
    _well(place.run("verify", "--all"))
    _well(place.run(*_filled(COMMANDS[name], place)))
    return counts


def beginnings(place: World, *, step_bytes: int) -> Counter[str]:
    """Raises  Lost, StoodStill"""
    counts = Counter[str]()
    for bytes_max in range(*BEGINNING, step_bytes):
        done = place.run("snapshots", bytes_max=bytes_max)
        count(counts, f"snapshots with {bytes_max // KIB} KiB", done)
    return counts


def count(counts: Counter[str], where: str, done: subprocess.CompletedProcess[str]) -> None:
    """Raises  Lost"""
    if done.returncode == 0:
        counts["done"] += 1
    elif is_before_us(done):
        counts["exit 1 before a line of ours"] += 1
    elif done.returncode == 1 and not done.stdout + done.stderr and counts[_SILENT] < SILENT_MAX:
        counts[_SILENT] += 1
    else:
        counts[f"exit {done.returncode}"] += 1
        require_told(where, done)


def is_before_us(done: subprocess.CompletedProcess[str]) -> bool:
    """Whether Python had not begun with a line of ours, nor of any library: all that was running then is frozen into it."""
    frames = _FRAME.findall(done.stderr)
    return done.returncode == 1 and bool(frames) and all(file.startswith("<frozen ") for file in frames)


def require_told(where: str, done: subprocess.CompletedProcess[str]) -> None:
    """Raises  Lost"""
    said = done.stdout + done.stderr
    if done.returncode in _INTERPRETER:
        return
    if done.returncode < 0 or "Traceback" in said or (done.returncode and "memory" not in said):
        raise Lost(f"{where}: exit {done.returncode}: {said[-2000:]}")
    if done.returncode in _LIES:
        raise Lost(f"{where}: exit {done.returncode} is for something else: {said[-2000:]}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=list(COMMANDS), nargs="+", default=list(COMMANDS))
    parser.add_argument("--step", type=int, default=1, metavar="MEBIBYTES")
    asked = parser.parse_args()
    outcomes: dict[str, Counter[str]] = {}
    with world() as place:
        outcomes["beginning"] = beginnings(place, step_bytes=asked.step * 16 * KIB)
        print(f"beginning: {dict(outcomes['beginning'])}", flush=True)
        for name in asked.only:
            outcomes[name] = limited(name, place, step_bytes=asked.step * MIB)
            print(f"{name}: " + ", ".join(f"{number} {what}" for what, number in outcomes[name].items()), flush=True)
    if asked.only == list(COMMANDS):
        command = f"python -m tests.memory_limits --step {asked.step}"
        record_result("faults", command, {"class": "memory limits", "outcomes": outcomes, "lost": 0})
    return 0


if __name__ == "__main__":
    sys.exit(main())
