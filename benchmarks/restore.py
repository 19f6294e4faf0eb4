"""Restore into an empty database: pgvault beside `pg_restore -j2` of an uncompressed directory dump.

python -m benchmarks.restore [--rounds N] [--scale S]
"""

from __future__ import annotations

import argparse
import shlex
import tempfile
from pathlib import Path

from benchmarks import measure
from benchmarks.servers import ENVIRONMENT, PGVAULT, backup, fresh, loaded


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0)
    options = parser.parse_args()
    with loaded(options.scale) as bench, tempfile.TemporaryDirectory(prefix="pgvault-bench-") as scratch:
        repository, dump = Path(scratch) / "repository", Path(scratch) / "dump"
        for command in (
            fresh("pgvault", repository),
            backup("pgvault", repository, bench),
            f"{bench.program('pg_dump')} -Fd -Z0 -j2 -f {dump} {shlex.quote(bench.dsn)}",
        ):
            done = measure.run(command, env=ENVIRONMENT)
            assert done.code == 0, done.output
        walls: dict[str, list[float]] = {"pg_restore": [], "pgvault": []}
        peak = 0
        for number in range(options.rounds + 1):
            for name in walls:
                target = bench.cluster.createdb(f"target_{name}")
                dsn = shlex.quote(bench.cluster.dsn(target))
                command = {
                    "pg_restore": f"{bench.program('pg_restore')} -j2 -d {dsn} {dump}",
                    "pgvault": f"{PGVAULT} -r {repository} restore latest -q --yes -j2 -d {dsn}",
                }[name]
                figures = measure.run(command, env=ENVIRONMENT, memory=name == "pgvault" and number == 0)
                assert figures.code == 0, figures.output
                bench.cluster.dropdb(target)
                peak = max(peak, figures.peak_bytes)
                if number:
                    walls[name].append(figures.wall_s)
    for name, values in walls.items():
        print(f"{name:10} {measure.spread(values)} s")
    print(f"pgvault peak {peak / 1e6:.0f} MB")
    command = f"python -m benchmarks.restore --rounds {options.rounds} --scale {options.scale}"
    print(measure.record("restore", command, {"scale": options.scale, "wall_s": walls, "peak_bytes": peak}))


if __name__ == "__main__":
    main()
