"""A check that reads no data, of many snapshots: the first time, and again when nothing has changed.

    python -m benchmarks.check_again [--snapshots N] [--rounds N]

The snapshots are real backups of a project of made-up rows, taken in this process into a store in memory and written out as files.
The command is run as a user runs it; the first time with a cache directory of its own, again with one that an earlier check filled.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks import measure
from tests.fake_source import FakeDatabase, FakeDirectory
from tests.small_repository import TestClock, rows, take
from vault.repo.state import Closed, Open
from vault.store.local import LocalStore
from vault.store.memory import MemoryStore

PGVAULT = (sys.executable, "-m", "vault")
PASSPHRASE = "benchmark"
_TABLES = 12
_EXTENTS = 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--snapshots", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pgvault-bench-") as scratch:
        bench = _Bench(Path(scratch), options.rounds)
        bench.take_days(options.snapshots)
        results = {"first": bench.first(), "again": bench.again()}
    for name, figures in results.items():
        print(f"{name:6} {figures}")
    command = f"python -m benchmarks.check_again --snapshots {options.snapshots} --rounds {options.rounds}"
    print(measure.record("check_again", command, {**results, "load": os.getloadavg()[0]}))


class _Bench:
    def __init__(self, scratch: Path, rounds: int) -> None:
        self._rounds = rounds
        self._scratch = scratch
        self._repository = scratch / "repository"
        self._environment = {
            "PGVAULT_REPOSITORY": str(self._repository),
            "PGVAULT_PASSWORD": PASSPHRASE,
            "PGVAULT_STATE_DIR": str(scratch / "state"),
        }
        self._run(["init", "--no-recovery-kit"], self._environment)
        self._store = MemoryStore()
        opened = Closed(LocalStore(self._repository, os.urandom)).open(PASSPHRASE)
        own = scratch / "own cache"
        self._open = Open(self._store, opened.config, opened.keys, opened.bundle, cache_dir=own)
        self._own_cache = own

    def take_days(self, days: int) -> None:
        clock, directory = TestClock(), FakeDirectory({b"%d" % n: b"file %d\n" % n for n in range(40)})
        earlier = None
        for day in range(days):
            tables = {f"public.t{n}": list(_extents(n, day)) for n in range(_TABLES)}
            database = FakeDatabase(tables=tables, earlier=earlier)
            directory.rest()
            directory.write(b"%d" % (day % 40), b"day %d\n" % day)
            take(self._open, database, {"files": directory}, clock=clock, cache_dir=self._own_cache)
            earlier = replace(database, earlier=None)
        self._write()

    def again(self) -> dict[str, object]:
        environment = {**self._environment, "PGVAULT_CACHE_DIR": str(self._scratch / "cache")}
        self._run(["check"], environment)
        return _shown([self._run(["check"], environment) for _ in range(self._rounds)])

    def first(self) -> dict[str, object]:
        caches = [f"{self._scratch}/none{number}" for number in range(2)]
        return _shown([self._run(["check"], {**self._environment, "PGVAULT_CACHE_DIR": cache}) for cache in caches])

    def _run(self, words: Sequence[str], environment: Mapping[str, str]) -> measure.Figures:
        figures = measure.run([*PGVAULT, *words], env=environment, memory=True)
        assert figures.code == 0, figures.output[-2000:]
        return figures

    def _write(self) -> None:
        """What is new in memory, as files; nothing here need survive a loss of power."""
        for name, data in self._store.files.items():
            path = self._repository / name
            if not path.exists():
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(data)


def _extents(table: int, day: int) -> Iterator[bytes]:
    """Of each table an extent or two are other ones every day."""
    for extent in range(_EXTENTS):
        yield rows(table * 1000 + extent * 100 + (day if (day + table) % _EXTENTS == extent else 0), 60)


def _shown(runs: Sequence[measure.Figures]) -> dict[str, object]:
    walls = [figures.wall_s for figures in runs]
    return {
        "wall_s": measure.spread(walls),
        "walls_s": [round(wall, 3) for wall in walls],
        "cpu_s": round(min(figures.cpu_s for figures in runs), 3),
        "peak_bytes": max(figures.peak_bytes for figures in runs),
    }


if __name__ == "__main__":
    main()
