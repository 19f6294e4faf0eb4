"""Thirty days of mixed change: what each tool stores, and whether every day comes back as it was.

    python -m benchmarks.month [--scale S] [--days N] [--rounds N]

Every day changes `events` and `profiles`; pgvault, restic and borg (both fed by `pg_dump -Fc -Z0`) take it in turn. The rows of each table
are also taken from a plain dump of that day, and at the end compared with those of every snapshot. Days 1, 15 and 30 are stored in a
repository of their own as well: a restore from the long one is timed beside a restore from that. About 9 minutes on 2 idle cores.
"""

from __future__ import annotations

import argparse
import hashlib
import shlex
import statistics
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks import measure
from benchmarks.datasets import mixed_day
from benchmarks.measure import Figures
from benchmarks.servers import DATABASE, PGVAULT, Bench, backup, environment, fresh, loaded

_PEERS = ("pgvault", "restic", "borg")
_TABLES = ("events", "profiles")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=0.5)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    alone = sorted({1, (options.days + 1) // 2, options.days})
    with loaded(options.scale) as bench, tempfile.TemporaryDirectory(prefix="pgvault-bench-") as scratch:
        month = _Month(bench, Path(scratch), options.scale)
        for day in range(1, options.days + 1):
            month.live(day, alone=day in alone)
        different = month.compare()
        restores = month.restores(alone, options.rounds)
    command = f"python -m benchmarks.month --scale {options.scale:g} --days {options.days} --rounds {options.rounds}"
    results = {"scale": options.scale, "days": month.told, "different": different, "restores": restores}
    print(measure.record("month", command, results))
    assert not different, f"days that came back otherwise: {different}"


class _Month:
    def __init__(self, bench: Bench, scratch: Path, scale: float) -> None:
        self._bench = bench
        self._scratch = scratch
        self._scale = scale
        self._truth: list[dict[str, str]] = []
        self.told: list[dict[str, object]] = []
        for name in _PEERS:
            self._must(fresh(name, self._repository(name)), name)

    def live(self, day: int, *, alone: bool) -> None:
        """Change, take with every tool, and remember what the tables were."""
        with self._bench.cluster.connect(DATABASE) as connection:
            mixed_day(connection, day, scale=self._scale)
            connection.execute("SELECT count(*) FROM events; SELECT count(*) FROM profiles; CHECKPOINT")
        self._truth.append(dict(_dumped(self._bench)))
        told: dict[str, object] = {"day": day}
        for name in _PEERS:
            figures = self._must(backup(name, self._repository(name), self._bench, f"d{day}"), name)
            told[name] = {"wall_s": figures.wall_s, "bytes": _size(self._repository(name))}
        if alone:
            name = f"day{day}"
            self._must(fresh("pgvault", self._repository(name)), name)
            self._must(backup("pgvault", self._repository(name), self._bench), name)
        self.told.append(told)
        sizes = ", ".join(f"{name} {_size(self._repository(name)) / 1e6:.1f} MB" for name in _PEERS)
        print(f"day {day}: {sizes}", flush=True)

    def compare(self) -> list[str]:
        """Every table of every snapshot whose rows are not those of the dump taken that day."""
        different = []
        for day, truth in enumerate(self._truth, start=1):
            for table, digest in truth.items():
                command = f"{self._pgvault('pgvault')} table {self._back(day)} public.{table} --format copy"
                figures = self._must(f"{command} | sha256sum", "pgvault")
                if figures.output.split()[0] != digest:
                    different.append(f"day {day}: {table}")
        print(f"{len(self._truth)} days compared, {len(different)} tables differ", flush=True)
        return different

    def restores(self, days: list[int], rounds: int) -> dict[str, dict[str, list[float]]]:
        """Wall times of restoring a day from the month's repository and from one that holds only that day."""
        found: dict[str, dict[str, list[float]]] = {}
        for day in days:
            walls = found[str(day)] = {"month": [], "alone": []}
            for _ in range(rounds):
                walls["month"].append(self._restore("pgvault", self._back(day)))
                walls["alone"].append(self._restore(f"day{day}", "latest"))
            ratio = statistics.median(walls["month"]) / statistics.median(walls["alone"])
            print(f"restore of day {day}: {ratio:.2f} of a repository with that day only", flush=True)
        return found

    def _restore(self, name: str, snapshot: str) -> float:
        target = self._bench.cluster.createdb("target")
        dsn = shlex.quote(self._bench.cluster.dsn(target))
        figures = self._must(f"{self._pgvault(name)} restore {snapshot} -q --yes -j2 -d {dsn}", name)
        self._bench.cluster.dropdb(target)
        return figures.wall_s

    def _back(self, day: int) -> str:
        return f"latest~{len(self._truth) - day}"

    def _pgvault(self, name: str) -> str:
        return f"{PGVAULT} -r {shlex.quote(str(self._repository(name)))}"

    def _repository(self, name: str) -> Path:
        return self._scratch / name / "repository"

    def _must(self, command: str, name: str) -> Figures:
        figures = measure.run(command, env=environment(self._scratch / name))
        assert figures.code == 0, figures.output
        return figures


def _dumped(bench: Bench) -> Iterator[tuple[str, str]]:
    """Table -> digest of its rows as a plain dump writes them."""
    for table in _TABLES:
        command = f"{bench.program('pg_dump')} --data-only -t public.{table} {shlex.quote(bench.dsn)}"
        digest, inside = hashlib.sha256(), False
        with subprocess.Popen(["bash", "-c", command], stdout=subprocess.PIPE) as dump:
            assert dump.stdout is not None
            for line in dump.stdout:
                if inside and line == b"\\.\n":
                    inside = False
                elif inside:
                    digest.update(line)
                else:
                    inside = line.startswith(b"COPY ")
        assert dump.returncode == 0
        yield table, digest.hexdigest()


def _size(path: Path) -> int:
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


if __name__ == "__main__":
    main()
