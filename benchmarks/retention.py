"""Years of daily snapshots, then `forget` to the production preset and `prune`, beside restic's `forget --prune` of the same days.

    python -m benchmarks.retention [--demo-days N] [--event-days N] [--scale S] [--rounds N]

`demo`: one changed day of the demo project after another. `events`: mixed days of that data set. Snapshots of pgvault are taken in
this process with a calendar that goes on a day with each; restic stores a dump of the same moment under the same time. The minimum is a
repository of the same kind that was only given the days which remain, with deltas from one of them to the next, which no prune can make;
`copied` is one that got them by `pgvault copy`. Each round works on a copy. About 20 minutes on 2 idle cores.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import statistics
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg

from benchmarks import measure
from benchmarks.datasets import load_events, mixed_day
from benchmarks.measure import Figures
from benchmarks.servers import DATABASE, PASSPHRASE, PGVAULT, SETTINGS, environment, fresh
from tests.fix_postgres import Cluster, server
from vault.demo import project
from vault.demo.rows import day_sql
from vault.ops.backup import run as backing_up
from vault.repo.state import Closed
from vault.source.postgres.capture.database import open_capture
from vault.source.postgres.capture.reach import CaptureOptions
from vault.source.postgres.connection.programs import Programs
from vault.store.local import LocalStore

_SMALL_DAYS = 30
"""The demo's day is small, and each of its days is another one up to this number."""
_FIRST_DAY = datetime(2025, 1, 6, 20, tzinfo=UTC)
_DAILY, _WEEKLY, _MONTHLY = 30, 13, 12
"""The preset `production`."""
_TOOLS = ("pgvault", "restic")
_Connection = psycopg.Connection[Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--demo-days", type=int, default=365)
    parser.add_argument("--event-days", type=int, default=60)
    parser.add_argument("--scale", type=float, default=0.1)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    results = {}
    if options.demo_days:
        results["demo"] = _series("demo", options.demo_days, _build_demo, _demo_day, rounds=options.rounds)
    if options.event_days:
        results["events"] = _series(
            "events",
            options.event_days,
            lambda connection: load_events(connection, scale=options.scale),
            lambda connection, day: mixed_day(connection, day, scale=options.scale),
            rounds=options.rounds,
        )
    command = (
        f"python -m benchmarks.retention --demo-days {options.demo_days} --event-days {options.event_days} "
        f"--scale {options.scale:g} --rounds {options.rounds}"
    )
    print(measure.record("retention", command, results))


def _build_demo(connection: _Connection) -> None:
    for script in project.database_sql():
        connection.execute(script.encode())


def _demo_day(connection: _Connection, day: int) -> None:
    if day > 1:
        connection.execute(day_sql(day % _SMALL_DAYS + 2).encode())


def _series(
    name: str,
    days: int,
    build: Callable[[_Connection], None],
    change: Callable[[_Connection, int], None],
    *,
    rounds: int,
) -> dict[str, object]:
    with server(15, settings=SETTINGS) as cluster, tempfile.TemporaryDirectory(prefix="pgvault-bench-") as scratch:
        cluster.createdb(DATABASE)
        with cluster.connect(DATABASE) as connection:
            build(connection)
        kept = remaining_days(days)
        places = {tool: Path(scratch) / tool for tool in (*_TOOLS, *(f"{tool}-minimum" for tool in _TOOLS))}
        takers = {place: _Taker(place, tool.partition("-")[0], cluster) for tool, place in places.items()}
        for day in range(1, days + 1):
            with cluster.connect(DATABASE) as connection:
                connection.autocommit = True
                change(connection, day)
            for tool, place in places.items():
                if day in kept or not tool.endswith("minimum"):
                    takers[place].take(day)
        figures = {tool: _forget_and_prune(tool, places[tool], rounds) for tool in _TOOLS}
        told: dict[str, object] = {tool: _told(name, tool, figures[tool], places) for tool in _TOOLS}
        return {"days": days, "kept": len(kept), "copied_bytes": _copied(places["pgvault"]), **told}


def remaining_days(days: int) -> set[int]:
    """Numbers of the days that the preset keeps of so many, one snapshot each."""
    moments = {day: _moment(day) for day in range(days, 0, -1)}
    kept = set(list(moments)[:_DAILY])
    weeks: dict[tuple[int, int], int] = {}
    months: dict[tuple[int, int], int] = {}
    for day, moment in moments.items():
        weeks.setdefault(moment.isocalendar()[:2], day)
        months.setdefault((moment.year, moment.month), day)
    return kept | set(list(weeks.values())[:_WEEKLY]) | set(list(months.values())[:_MONTHLY])


def _moment(day: int) -> datetime:
    return _FIRST_DAY + timedelta(days=day - 1)


class _Taker:
    """A repository of one tool that is given day after day. It is the clock and the progress of the backups that it takes."""

    def __init__(self, place: Path, tool: str, cluster: Cluster) -> None:
        self._place = place
        self._tool = tool
        self._cluster = cluster
        self._now_ms = 0
        place.mkdir()
        _must(fresh(tool, place / "repository"), place)
        if tool == "pgvault":
            self._open = Closed(LocalStore(place / "repository", os.urandom)).open(PASSPHRASE["PGVAULT_PASSWORD"])

    def take(self, day: int) -> None:
        if self._tool == "restic":
            dump = (
                f"{shlex.quote(str(self._cluster.bin / 'pg_dump'))} -Fc -Z0 {shlex.quote(self._cluster.dsn(DATABASE))}"
            )
            store = f"restic -q -r {self._place / 'repository'} backup --stdin --stdin-filename dump"
            _must(f"{dump} | {store} --time '{_moment(day):%Y-%m-%d %H:%M:%S}'", self._place)
            return
        self._now_ms = int(_moment(day).timestamp() * 1000)
        backing_up.run(
            self._open,
            request=backing_up.BackupRequest(source=DATABASE, selection="", program="benchmark"),
            open_capture=lambda: open_capture(
                self._cluster.dsn(DATABASE),
                options=CaptureOptions(),
                programs=Programs(directory=self._cluster.bin),
                environment=dict(os.environ),
                notify=lambda step: None,
            ),
            directories={},
            clock=self,
            entropy=os.urandom,
            progress=self,
            cache_dir=self._place / "cache",
        )

    def now_ms(self) -> int:
        return self._now_ms

    def uptime_s(self) -> float:
        return self._now_ms / 1_000

    def stage(self, name: str, total_bytes: int | None = None) -> None: ...
    def advance(self, done_bytes: int, *, rows: int = 0, tables: int = 0) -> None: ...
    def event(self, kind: str, text: str) -> None: ...


def _forget_and_prune(tool: str, place: Path, rounds: int) -> list[tuple[Figures, int]]:
    """Each round's figures, and the bytes that it left; the last round's repository takes the place of the original."""
    found = []
    evening = place.with_name(f"{place.name}.evening")
    shutil.copytree(place, evening, symlinks=True)
    for _ in range(rounds):
        shutil.rmtree(place)
        shutil.copytree(evening, place, symlinks=True)
        _age(place / "repository")
        repository = shlex.quote(str(place / "repository"))
        command = {
            "pgvault": f"{PGVAULT} -r {repository} forget -q --preset production --all-sources --prune > /dev/null",
            "restic": f"restic -q -r {repository} forget --prune "
            f"--keep-daily {_DAILY} --keep-weekly {_WEEKLY} --keep-monthly {_MONTHLY}",
        }[tool]
        found.append((_must(command, place, memory=True), _size(place / "repository")))
    return found


def _age(repository: Path) -> None:
    """Files are as old as they would be: a prune leaves packs of this week alone."""
    for file in repository.rglob("*"):
        os.utime(file, (_FIRST_DAY.timestamp(), _FIRST_DAY.timestamp()), follow_symlinks=False)


def _told(name: str, tool: str, rounds: Sequence[tuple[Figures, int]], places: dict[str, Path]) -> dict[str, object]:
    minimum, before = _size(places[f"{tool}-minimum"] / "repository"), places[tool].with_name(f"{tool}.evening")
    left = statistics.median(size for _, size in rounds)
    walls = [figures.wall_s for figures, _ in rounds]
    peak = max(figures.peak_bytes for figures, _ in rounds)
    print(
        f"{name}, {tool}: {measure.spread(walls)} s, {peak / 1e6:.0f} MB of memory; {_size(before / 'repository') / 1e6:.1f} MB "
        f"became {left / 1e6:.1f} MB, {left / minimum - 1:+.1%} over the minimum of {minimum / 1e6:.1f} MB",
        flush=True,
    )
    return {
        "wall_s": walls,
        "cpu_s": [figures.cpu_s for figures, _ in rounds],
        "peak_bytes": peak,
        "before_bytes": _size(before / "repository"),
        "left_bytes": left,
        "minimum_bytes": minimum,
    }


def _copied(place: Path) -> int:
    """Bytes of a fresh repository with what remains in this one, as it is stored there."""
    there = place.with_name("copied")
    _must(fresh("pgvault", there), place)
    _must(f"{PGVAULT} -r {place / 'repository'} copy -q {there}", place)
    return _size(there)


def _must(command: str, place: Path, *, memory: bool = False) -> Figures:
    figures = measure.run(command, env=environment(place), memory=memory)
    assert figures.code == 0, figures.output
    return figures


def _size(path: Path) -> int:
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


if __name__ == "__main__":
    main()
