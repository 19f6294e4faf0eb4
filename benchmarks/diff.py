"""What a look at the difference of two days costs, beside two plain dumps and `diff`, and both days in a database and EXCEPT.

    python -m benchmarks.diff [--scale S] [--rounds N]

Three days of `events`: nothing changes, 10,000 rows are appended, 1 % of the rows is updated all over. `copy` is one COPY of the table
to /dev/null, the measure of the third. About 6 minutes on 2 idle cores.
"""

from __future__ import annotations

import argparse
import os
import shlex
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks import measure
from benchmarks.datasets import append_events
from benchmarks.measure import Figures
from benchmarks.servers import DATABASE, PGVAULT, Bench, backup, environment, fresh, loaded

DAYS = ("unchanged", "append", "scatter")
_SCATTER = "UPDATE events SET amount = amount + 1 WHERE id % 100 = 7"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with loaded(options.scale) as bench, tempfile.TemporaryDirectory(prefix="pgvault-bench-") as scratch:
        results = _Bench(bench, Path(scratch), options.rounds).measured(options.scale)
    for name, figures in results.items():
        print(f"{name:28} {figures}")
    command = f"python -m benchmarks.diff --scale {options.scale:g} --rounds {options.rounds}"
    print(measure.record("diff", command, {**results, "load": os.getloadavg()[0]}))


class _Bench:
    def __init__(self, bench: Bench, scratch: Path, rounds: int) -> None:
        self._bench = bench
        self._scratch = scratch
        self._rounds = rounds
        self._repository = scratch / "repository"
        self._dsn = shlex.quote(bench.dsn)

    def measured(self, scale: float) -> dict[str, object]:
        self._must(fresh("pgvault", self._repository))
        self._day("first")
        for day in DAYS:
            with self._bench.cluster.connect(DATABASE) as connection:
                if day == "append":
                    append_events(connection, round(10_000 * scale))
                elif day == "scatter":
                    connection.execute(_SCATTER)
                connection.execute("SELECT count(*) FROM events; CHECKPOINT")
            self._day(day)
        found: dict[str, object] = {}
        for back, day in zip((3, 2, 1), DAYS, strict=True):
            words = f"latest~{back} latest~{back - 1}"
            found[f"diff --stat, {day}"] = self._several(self._pgvault(f"diff {words} --stat"))
            found[f"diff, {day}"] = self._several(self._pgvault(f"diff {words} > {self._file('out')}"))
        found["diff --live --stat, quiet"] = self._several(self._pgvault(f"diff latest --live -d {self._dsn} --stat"))
        found["backup, unchanged"] = self._several(backup("pgvault", self._repository, self._bench))
        copy = f"{self._bench.program('psql')} -X -q {self._dsn} -c 'COPY events TO STDOUT'"
        found["copy"] = self._several(f"{copy} > /dev/null")
        found["two plain dumps, scatter"] = self._several(self._two_dumps())
        found["except, scatter"] = _shown([self._except()])
        return found

    def _day(self, day: str) -> None:
        """A snapshot, and a dump that somebody might have kept of the same day."""
        self._must(backup("pgvault", self._repository, self._bench))
        self._must(f"{self._bench.dump.replace('-Fc -Z0', '-Fp')} > {self._file(day)}")

    def _two_dumps(self) -> str:
        """What it takes to make the two, and to compare them."""
        dump = f"{self._bench.dump.replace('-Fc -Z0', '-Fp')} > {self._file('again')}"
        return f"{dump}; {dump}; (diff {self._file('append')} {self._file('scatter')} || true) | wc -l"

    def _except(self) -> Figures:
        """Both days of the table beside each other in one database, compared there."""
        psql = f"{self._bench.program('psql')} -X -q -v ON_ERROR_STOP=1 {self._dsn}"
        like = "CREATE SCHEMA {0}; CREATE TABLE {0}.events (LIKE events)"
        loads = [
            f"{psql} -c '{like.format(name)}'; "
            f"{self._pgvault(f'table {spec} events --format copy')} | {psql} -c 'COPY {name}.events FROM STDIN'"
            for name, spec in (("monday", "latest~2"), ("tuesday", "latest"))
        ]
        query = "SELECT count(*) FROM (TABLE {}.events EXCEPT ALL TABLE {}.events) AS d"
        both = [query.format("monday", "tuesday"), query.format("tuesday", "monday")]
        return self._must("; ".join([*loads, *(f"{psql} -t -c '{one}'" for one in both)]))

    def _several(self, command: str) -> dict[str, object]:
        once: Callable[[], Figures] = lambda: self._must(command, memory=True)  # noqa: E731
        return _shown(measure.medians(self._rounds, once))

    def _pgvault(self, words: str) -> str:
        return f"{PGVAULT} -r {shlex.quote(str(self._repository))} {words}"

    def _file(self, name: str) -> str:
        return shlex.quote(str(self._scratch / name))

    def _must(self, command: str, *, memory: bool = False) -> Figures:
        figures = measure.run(command, env=environment(self._scratch), memory=memory)
        assert figures.code == 0, figures.output[-2000:]
        return figures


def _shown(runs: list[Figures]) -> dict[str, object]:
    return {
        "wall_s": measure.spread([figures.wall_s for figures in runs]),
        "cpu_s": round(min(figures.cpu_s for figures in runs), 3),
        "peak_bytes": max(figures.peak_bytes for figures in runs),
    }


if __name__ == "__main__":
    main()
