"""Many snapshots: what lists of them take, and a check that reads no data, the first time and the second.

    python -m benchmarks.snapshots [--days N] [--listed N] [--rounds N]

`days` are real backups of a project of made-up rows, taken in this process into a store in memory; `listed` are that many more manifests,
each with numbers and times of its own. Commands are run as a user runs them, on a local repository, with a cache that an earlier
command filled (warm) or with none (cold).
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
from tests.small_repository import TestClock, put_manifest, rows, take
from vault.cli.main import COMMANDS
from vault.repo.state import Closed, Open
from vault.store.local import LocalStore
from vault.store.memory import MemoryStore

PGVAULT = (sys.executable, "-m", "vault")
PASSPHRASE = "benchmark"
_TABLES = 12
_EXTENTS = 8
_DAY_MS = 86_400_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=1_000)
    parser.add_argument("--listed", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pgvault-bench-") as scratch:
        bench = _Bench(Path(scratch), options.rounds)
        bench.take_days(options.days)
        results = {
            f"check at {options.days}, first": bench.cold(["check"]),
            f"check at {options.days}, second": bench.warm(["check"]),
            f"snapshots at {options.days}": bench.warm(["snapshots"]),
        }
        bench.list_more(options.listed - options.days)
        lists = [["snapshots"], ["snapshots", "--json"], ["show", "latest"]]
        if "forget" in COMMANDS:
            lists.append(["forget", "--preset", "production", "--dry-run", "--all-sources"])
        results[f"snapshots at {options.listed}, cold"] = bench.cold(["snapshots"])
        for words in lists:
            results[f"{' '.join(words)} at {options.listed}"] = bench.warm(words)
    for name, figures in results.items():
        print(f"{name:70} {figures}")
    command = (
        f"python -m benchmarks.snapshots --days {options.days} --listed {options.listed} --rounds {options.rounds}"
    )
    print(measure.record("snapshots", command, {**results, "load": os.getloadavg()[0]}))


class _Bench:
    def __init__(self, scratch: Path, rounds: int) -> None:
        self._rounds = rounds
        self._scratch = scratch
        self._repository = scratch / "repository"
        self._caches = 0
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

    def list_more(self, count: int) -> None:
        known = self._open.snapshots()
        manifest = known[-1][1]
        for number in range(1, count + 1):
            changes = {
                "sequence": manifest.sequence + number,
                "created_ms": manifest.created_ms + number * _DAY_MS // 24,
            }
            put_manifest(self._open, manifest, parent=None, **changes)
        self._write()

    def warm(self, words: Sequence[str]) -> dict[str, object]:
        environment = {**self._environment, "PGVAULT_CACHE_DIR": str(self._scratch / "cache")}
        self._run(words, environment)
        return _shown([self._run(words, environment) for _ in range(self._rounds)])

    def cold(self, words: Sequence[str]) -> dict[str, object]:
        runs = []
        for _ in range(2):
            self._caches += 1
            runs.append(
                self._run(words, {**self._environment, "PGVAULT_CACHE_DIR": f"{self._scratch}/none{self._caches}"})
            )
        return _shown(runs)

    def _run(self, words: Sequence[str], environment: Mapping[str, str]) -> measure.Figures:
        figures = measure.run([*PGVAULT, *words], env=environment, memory=True)
        assert figures.code in (0, 4), figures.output[-2000:]
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
