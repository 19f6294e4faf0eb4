"""What a day costs: pgvault beside restic and borg (both fed by `pg_dump -Fc -Z0`) and a plain `pg_dump -Fc`, on the same days.

    python -m benchmarks.days [--scale S] [--repeat N]

Every day is one change of the data set `events`; then each tool takes its backup, in turn. Wall times are ratios to
`pg_dump -Fc -Z0 > /dev/null` of the same day; stored bytes are shares of the tool's own first snapshot. `unchanged` is taken N times and
the median is told.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg

from benchmarks import measure
from benchmarks.datasets import append_events
from benchmarks.servers import DATABASE, ENVIRONMENT, Bench, backup, fresh, loaded

_PEERS = ("pgvault", "restic", "borg")
_Change = Callable[[psycopg.Connection[Any]], object]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    results: dict[str, dict[str, dict[str, float]]] = {}
    with loaded(options.scale) as bench, tempfile.TemporaryDirectory(prefix="pgvault-bench-") as scratch:
        places = {name: Path(scratch) / name for name in _PEERS}
        for name, place in places.items():
            _must(fresh(name, place))
        for number, (day, change) in enumerate(_days(options.scale).items()):
            with bench.cluster.connect(DATABASE) as connection:
                connection.autocommit = True
                change(connection)
                connection.execute("CHECKPOINT")
            times = options.repeat if day == "unchanged" else 1
            results[day] = _take(bench, places, number * 100, times)
            _tell(day, results)
    command = f"python -m benchmarks.days --scale {options.scale} --repeat {options.repeat}"
    print(measure.record("days", command, {"scale": options.scale, "days": results}))


def _days(scale: float) -> dict[str, _Change]:
    rows = round(10_000 * scale)
    return {
        "first": lambda connection: None,
        "unchanged": lambda connection: None,
        "append": lambda connection: append_events(connection, rows),
        "recent": lambda connection: connection.execute(
            "UPDATE events SET amount = amount + 1 WHERE id > (SELECT max(id) * 0.95 FROM events) AND id % 5 = 0"
        ),
        "scatter": lambda connection: connection.execute("UPDATE events SET amount = amount + 1 WHERE id % 100 = 7"),
        "after vacuum": lambda connection: connection.execute("VACUUM"),
        "scatter again": lambda connection: connection.execute(
            "UPDATE events SET amount = amount + 1 WHERE id % 100 = 43"
        ),
        "vacuum full": lambda connection: connection.execute("VACUUM FULL"),
    }


def _take(bench: Bench, places: dict[str, Path], number: int, times: int) -> dict[str, dict[str, float]]:
    measure.run(f"{bench.dump} > /dev/null")  # so that no tool pays for hint bits or a cold cache
    taken: dict[str, list[tuple[float, int]]] = {name: [] for name in ("floor", "plain", *places)}
    for round_ in range(times):
        taken["floor"].append((_must(f"{bench.dump} > /dev/null"), 0))
        taken["plain"].append((_must(f"{bench.dump.replace('-Z0', '')} > /dev/null"), 0))
        for name, place in places.items():
            before = _size(place)
            wall = _must(backup(name, place, bench, f"d{number + round_}"))
            taken[name].append((wall, _size(place) - before))
    return {
        name: {
            "wall_s": statistics.median(wall for wall, _ in runs),
            "new_bytes": statistics.median(size for _, size in runs),
        }
        for name, runs in taken.items()
    }


def _tell(day: str, results: dict[str, dict[str, dict[str, float]]]) -> None:
    floor = results[day]["floor"]["wall_s"]
    print(f"{day:14} floor {floor:.2f} s", end="")
    for name, figures in results[day].items():
        share = figures["new_bytes"] / max(1, results["first"][name]["new_bytes"])
        print(f" | {name} x{figures['wall_s'] / floor:.2f} {share:.4f}", end="")
    print(flush=True)


def _must(command: str) -> float:
    figures = measure.run(command, env=ENVIRONMENT)
    assert figures.code == 0, figures.output
    return figures.wall_s


def _size(path: Path) -> int:
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


if __name__ == "__main__":
    main()
