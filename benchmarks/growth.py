"""How time, memory and bytes grow: with the size of the tables, and with the number of snapshots of the demo project.

    python -m benchmarks.growth [--scales 1 2 4] [--snapshots 10 100 1000] [--rounds N]

`size`: first and unchanged backup of `events` at each scale. `snapshots`: one changed day of the demo project after another, taken
in this process; at each number the commands are run as a user runs them. The number of tables: `benchmarks.many_tables`.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks import measure
from benchmarks.measure import Figures
from benchmarks.servers import DATABASE, ENVIRONMENT, PASSPHRASE, PGVAULT, SETTINGS, backup, fresh, loaded
from tests.fix_postgres import Cluster, server
from vault.demo import project
from vault.demo.rows import day_sql
from vault.model import Manifest
from vault.ops.backup import run as backing_up
from vault.repo.state import Closed, Open
from vault.source.files.directory import DirectoryFiles
from vault.source.postgres.capture.database import open_capture
from vault.source.postgres.capture.reach import CaptureOptions
from vault.source.postgres.connection.programs import Programs
from vault.store.local import LocalStore

_DAY_MS = 24 * 60 * 60 * 1000
_SMALL_DAYS = 30
"""The demo's day is small, and each of its days is another one up to this number."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scales", type=float, nargs="*", default=[1.0, 2.0, 4.0])
    parser.add_argument("--snapshots", type=int, nargs="*", default=[10, 100, 300, 1000])
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    results: dict[str, object] = {}
    if options.scales:
        results["size"] = [_size(scale, options.rounds) for scale in options.scales]
    if options.snapshots:
        results["snapshots"] = _snapshots(sorted(options.snapshots), options.rounds)
    scales, counts = (" ".join(f"{value:g}" for value in values) for values in (options.scales, options.snapshots))
    command = f"python -m benchmarks.growth --scales {scales} --snapshots {counts} --rounds {options.rounds}"
    print(measure.record("growth", command, results))


def _size(scale: float, rounds: int) -> dict[str, object]:
    with loaded(scale) as bench, tempfile.TemporaryDirectory(prefix="pgvault-bench-") as scratch:
        repository = Path(scratch) / "repository"
        _must(fresh("pgvault", repository), {})
        command = backup("pgvault", repository, bench)
        floor = _best([f"{bench.dump} > /dev/null"], rounds, {})[0]
        first = _must(command, {}, memory=True)
        unchanged = _best([command], rounds, {})[0]
        peak = _must(command, {}, memory=True).peak_bytes
    print(
        f"scale {scale:g}: floor {floor.wall_s:.2f} s, first {first.wall_s:.2f} s {first.peak_bytes / 1e6:.0f} MB, "
        f"unchanged {unchanged.wall_s:.2f} s {peak / 1e6:.0f} MB",
        flush=True,
    )
    return {
        "scale": scale,
        "floor_s": floor.wall_s,
        "first_s": first.wall_s,
        "first_peak_bytes": first.peak_bytes,
        "unchanged_s": unchanged.wall_s,
        "unchanged_cpu_s": unchanged.cpu_s,
        "unchanged_peak_bytes": peak,
    }


def _snapshots(counts: Sequence[int], rounds: int) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    with server(15, settings=SETTINGS) as cluster, tempfile.TemporaryDirectory(prefix="pgvault-bench-") as scratch:
        demo = _Demo(cluster, Path(scratch))
        for count in counts:
            while demo.taken < count:
                demo.live_a_day()
            found.append(demo.measure(rounds))
    return found


class _Demo:
    """The demo project on a server of its own, with a calendar that goes on a day with every snapshot."""

    def __init__(self, cluster: Cluster, scratch: Path) -> None:
        self._cluster = cluster
        self._repository = scratch / "repository"
        self._cache = scratch / "cache"
        self._environment = {"PGVAULT_CACHE_DIR": str(self._cache)}
        self._directories = {"migrations": project.migrations(), "edge_functions": project.edge_functions()}
        self._paths = {name: scratch / name for name in self._directories}
        cluster.createdb(DATABASE)
        with cluster.connect(DATABASE) as connection:
            for script in project.database_sql():
                connection.execute(script.encode())
        for name, files in self._directories.items():
            for path, content in files.items():
                place = self._paths[name] / path
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(content)
        _must(fresh("pgvault", self._repository), {})
        self._open: Open = Closed(LocalStore(self._repository, os.urandom)).open(PASSPHRASE["PGVAULT_PASSWORD"])
        self._now_ms = 1_700_000_000_000
        self.taken = 0

    def now_ms(self) -> int:
        return self._now_ms

    def uptime_s(self) -> float:
        return self._now_ms / 1_000

    def stage(self, name: str, total_bytes: int | None = None) -> None: ...
    def advance(self, done_bytes: int, *, rows: int = 0, tables: int = 0) -> None: ...
    def event(self, kind: str, message: str) -> None: ...

    def live_a_day(self) -> Manifest:
        self._now_ms += _DAY_MS
        if self.taken:
            with self._cluster.connect(DATABASE) as connection:
                connection.execute(day_sql(self.taken % _SMALL_DAYS + 2).encode())
        report = backing_up.run(
            self._open,
            request=backing_up.BackupRequest(source=DATABASE, selection="days", program="benchmark"),
            open_capture=lambda: open_capture(
                self._cluster.dsn(DATABASE),
                options=CaptureOptions(),
                programs=Programs(directory=self._cluster.bin),
                environment=dict(os.environ),
                notify=lambda step: None,
            ),
            directories={name: DirectoryFiles(path) for name, path in self._paths.items()},
            clock=self,
            entropy=os.urandom,
            progress=self,
            cache_dir=self._cache,
        )
        self.taken += 1
        return report.manifest

    def measure(self, rounds: int) -> dict[str, object]:
        run = f"{PGVAULT} -r {self._repository}"
        directories = " ".join(f"--dir {name}={path}" for name, path in self._paths.items())
        commands = {
            "snapshots": f"{run} snapshots > /dev/null",
            "show": f"{run} show latest > /dev/null",
            "check": f"{run} check > /dev/null",
            "unchanged": f"{run} backup -q -d '{self._cluster.dsn(DATABASE)}' {directories}",
        }
        _must(commands["unchanged"], self._environment)
        best = dict(zip(commands, _best(list(commands.values()), rounds, self._environment), strict=True))
        files = [path.stat().st_size for path in self._repository.rglob("*") if path.is_file()]
        walls = ", ".join(f"{name} {figures.wall_s:.2f} s ({figures.cpu_s:.2f} cpu)" for name, figures in best.items())
        print(f"{self.taken} snapshots, {len(files)} files, {sum(files) / 1e6:.1f} MB: {walls}", flush=True)
        return {
            "snapshots": self.taken,
            "files": len(files),
            "bytes": sum(files),
            **{f"{name}_s": figures.wall_s for name, figures in best.items()},
            **{f"{name}_cpu_s": figures.cpu_s for name, figures in best.items()},
        }


def _must(command: str, environment: dict[str, str], *, memory: bool = False) -> Figures:
    figures = measure.run(command, env={**ENVIRONMENT, **environment}, memory=memory)
    assert figures.code == 0, figures.output
    return figures


def _best(commands: Sequence[str], rounds: int, environment: dict[str, str]) -> list[Figures]:
    """The quickest of `rounds` runs of each, taken in turn."""
    runs = [[_must(command, environment) for command in commands] for _ in range(rounds)]
    return [min(column, key=lambda figures: figures.wall_s) for column in zip(*runs, strict=True)]


if __name__ == "__main__":
    main()
