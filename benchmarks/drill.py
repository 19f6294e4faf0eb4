"""A drill beside the backup that made the snapshot and a plain restore of it: what proof costs.

python -m benchmarks.drill [--rounds N] [--scale S]
"""

from __future__ import annotations

import argparse
import shlex
import shutil
import tempfile
from pathlib import Path

from benchmarks import measure
from benchmarks.servers import ENVIRONMENT, PGVAULT, backup, fresh, loaded


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0)
    options = parser.parse_args()
    walls: dict[str, list[float]] = {"backup": [], "restore": [], "drill": []}
    peaks: dict[str, int] = {}
    with loaded(options.scale) as bench, tempfile.TemporaryDirectory(prefix="pgvault-bench-") as scratch:
        for number in range(options.rounds + 1):
            repository = Path(scratch) / f"{number}"
            done = measure.run(fresh("pgvault", repository), env=ENVIRONMENT)
            assert done.code == 0, done.output
            dsn = shlex.quote(bench.cluster.dsn(bench.cluster.createdb("target")))
            commands = {
                "backup": backup("pgvault", repository, bench),
                "restore": f"{PGVAULT} -r {repository} restore latest -q --yes -j2 -d {dsn}",
                "drill": f"{PGVAULT} -r {repository} drill latest --json -j2",
            }
            for name, command in commands.items():
                done = measure.run(command, env=ENVIRONMENT, memory=number == 0)
                assert done.code == 0, done.output
                if number == 0:
                    peaks[name] = done.peak_bytes
                else:
                    walls[name].append(done.wall_s)
            bench.cluster.dropdb("target")
            shutil.rmtree(repository)
    for name, values in walls.items():
        print(f"{name:8} {measure.spread(values)} s, peak {peaks[name] / 1e6:.0f} MB")
    command = f"python -m benchmarks.drill --rounds {options.rounds} --scale {options.scale}"
    print(measure.record("drill", command, {"scale": options.scale, "wall_s": walls, "peak_bytes": peaks}))


if __name__ == "__main__":
    main()
