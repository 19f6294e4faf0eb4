"""What a day costs: pgvault beside restic and borg (both fed by `pg_dump -Fc -Z0`) and a plain `pg_dump -Fc`, on the same days.

    python -m benchmarks.days [--scale S] [--rounds N] [--large S]

Every day is one change of the data set `events`. Each tool takes it `--rounds` times, in turn, each time from a copy of its repository as
it was the evening before; medians are told. Wall times are ratios to `pg_dump -Fc -Z0 > /dev/null` of the same day; stored bytes are
shares of the tool's own first snapshot. `--large` is the scale of one more unchanged day, 0 for none. About 9 minutes on 2 idle cores.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psycopg

from benchmarks import measure
from benchmarks.datasets import append_events
from benchmarks.measure import Figures
from benchmarks.servers import DATABASE, Bench, backup, environment, fresh, loaded

_PEERS = ("pgvault", "restic", "borg")
_Connection = psycopg.Connection[Any]
_Day = dict[str, dict[str, list[float]]]
"""Tool -> figure -> one value a round."""

TARGETS = {
    "first": (1.3, 1.0),
    "unchanged": (0.3, 0.0005),
    "append": (0.35, 0.01),
    "recent": (0.5, 0.04),
    "scatter": (1.2, 0.035),
    "vacuum full": (1.4, 0.3),
    "unchanged, large": (0.15, 0.0005),
}
"""Day -> what pgvault is to need: ratio of wall time, share of bytes."""
_WEEK_DAYS = 2
"""Scattered days between `scatter` and `vacuum full` that are taken once and not told."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--large", type=float, default=4.0)
    options = parser.parse_args()
    results: dict[str, _Day] = {}
    _head()
    with loaded(options.scale) as bench, tempfile.TemporaryDirectory(prefix="pgvault-bench-") as scratch:
        tools = _Tools(bench, Path(scratch), _PEERS)
        for day, change in _days(options.scale).items():
            _apply(bench, change)
            if day.startswith("("):
                tools.take_once()
                continue
            results[day] = tools.take(options.rounds, empty=day == "first")
            _tell(day, results)
    if options.large:
        with loaded(options.large) as bench, tempfile.TemporaryDirectory(prefix="pgvault-bench-") as scratch:
            tools = _Tools(bench, Path(scratch), ("pgvault",))
            results["first, large"] = tools.take(1, empty=True)
            results["unchanged, large"] = tools.take(options.rounds)
            _tell("unchanged, large", results)
    command = f"python -m benchmarks.days --scale {options.scale:g} --rounds {options.rounds} --large {options.large:g}"
    print(measure.record("days", command, {"scale": options.scale, "large": options.large, "days": results}))


def _days(scale: float) -> dict[str, Callable[[_Connection], object]]:
    """Name -> change; those in brackets are not told."""

    def scatter(residue: int) -> Callable[[_Connection], object]:
        return lambda connection: connection.execute(
            f"UPDATE events SET amount = amount + 1 WHERE id % 100 = {residue}"
        )

    def a_day(number: int) -> Callable[[_Connection], object]:
        def change(connection: _Connection) -> None:
            connection.execute("VACUUM")
            append_events(connection, round(10_000 * scale))
            scatter(11 + number)(connection)

        return change

    return {
        "first": lambda connection: None,
        "unchanged": lambda connection: None,
        "append": lambda connection: append_events(connection, round(10_000 * scale)),
        "recent": lambda connection: connection.execute(
            "UPDATE events SET amount = amount + 1 WHERE id > (SELECT max(id) * 0.95 FROM events) AND id % 5 = 0"
        ),
        "scatter": scatter(7),
        **{f"({number})": a_day(number) for number in range(_WEEK_DAYS)},
        "vacuum full": lambda connection: connection.execute("VACUUM FULL"),
    }


def _apply(bench: Bench, change: Callable[[_Connection], object]) -> None:
    """One day's change; afterwards no tool pays for hint bits or a cold cache."""
    with bench.cluster.connect(DATABASE) as connection:
        connection.autocommit = True
        change(connection)
        connection.execute("SELECT count(*) FROM events; SELECT count(*) FROM profiles; CHECKPOINT")


class _Tools:
    """The repositories of the tools, one directory each with its cache beside it."""

    def __init__(self, bench: Bench, scratch: Path, names: Sequence[str]) -> None:
        self._bench = bench
        self._scratch = scratch
        self._names = names
        self._taken = 0
        for name in names:
            self._must(fresh(name, self._repository(name)), name)

    def take(self, rounds: int, *, empty: bool = False) -> _Day:
        """`empty`: before the first round nothing was stored."""
        plain = self._bench.dump.replace(" -Z0", "")
        taken: _Day = {"plain": _figures([self._must(f"{plain} > /dev/null")], [0])}
        runs: dict[str, list[Figures]] = {name: [] for name in ("floor", *self._names)}
        sizes: dict[str, list[int]] = {name: [] for name in runs}
        for name in self._names:
            shutil.copytree(self._scratch / name, self._evening(name), symlinks=True)
        for _ in range(rounds):
            runs["floor"].append(self._must(f"{self._bench.dump} > /dev/null"))
            sizes["floor"].append(0)
            for name in self._names:
                shutil.rmtree(self._scratch / name)
                shutil.copytree(self._evening(name), self._scratch / name, symlinks=True)
                before = 0 if empty else _size(self._repository(name))
                runs[name].append(self._backup(name))
                sizes[name].append(_size(self._repository(name)) - before)
        for name in self._names:
            shutil.rmtree(self._evening(name))
        return {**{name: _figures(runs[name], sizes[name]) for name in runs}, **taken}

    def take_once(self) -> None:
        for name in self._names:
            self._backup(name)

    def _backup(self, name: str) -> Figures:
        self._taken += 1
        return self._must(backup(name, self._repository(name), self._bench, f"d{self._taken}"), name)

    def _repository(self, name: str) -> Path:
        return self._scratch / name / "repository"

    def _evening(self, name: str) -> Path:
        return self._scratch / f"{name}.evening"

    def _must(self, command: str, name: str = "none") -> Figures:
        figures = measure.run(command, env=environment(self._scratch / name))
        assert figures.code == 0, figures.output
        return figures


def _figures(runs: Sequence[Figures], sizes: Sequence[int]) -> dict[str, list[float]]:
    return {
        "wall_s": [figures.wall_s for figures in runs],
        "cpu_s": [figures.cpu_s for figures in runs],
        "new_bytes": list(sizes),
    }


def _head() -> None:
    print("| day | floor | target | pgvault | restic | borg | `pg_dump -Fc` | target | bytes | restic | borg |")
    print("|---|---|---|---|---|---|---|---|---|---|---|", flush=True)


def _tell(day: str, results: dict[str, _Day]) -> None:
    floor = statistics.median(results[day]["floor"]["wall_s"])
    first = results["first, large" if day.endswith("large") else "first"]

    def ratio(name: str) -> str:
        figures = results[day].get(name)
        return f"{statistics.median(figures['wall_s']) / floor:.2f}" if figures else "-"

    def share(name: str) -> str:
        figures = results[day].get(name)
        if not figures:
            return "-"
        new, whole = statistics.median(figures["new_bytes"]), statistics.median(first[name]["new_bytes"])
        return f"{new / whole:.5f}" if day != "first" else f"{new / 1e6:.1f} MB"

    wall, size = TARGETS[day]
    walls = " | ".join(ratio(name) for name in (*_PEERS, "plain"))
    shares = " | ".join(share(name) for name in _PEERS)
    print(f"| {day} | {floor:.2f} s | {wall} | {walls} | {size} | {shares} |", flush=True)


def _size(path: Path) -> int:
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


if __name__ == "__main__":
    main()
