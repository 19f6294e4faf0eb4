"""Read and prove every byte: `pgvault check --read-data` beside `restic check --read-data` on the same content.

python -m benchmarks.check [--rounds N] [--scale S]
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from benchmarks import measure
from benchmarks.servers import ENVIRONMENT, PGVAULT, backup, fresh, loaded


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pgvault-bench-") as scratch:
        places = {name: Path(scratch) / name for name in ("pgvault", "restic")}
        with loaded(options.scale) as bench:
            for name, place in places.items():
                for command in (fresh(name, place), backup(name, place, bench)):
                    done = measure.run(command, env=ENVIRONMENT)
                    assert done.code == 0, done.output
        commands = {
            "pgvault": f"{PGVAULT} -r {places['pgvault']} check --read-data",
            "restic": f"restic -r {places['restic']} check --read-data",
        }
        walls: dict[str, list[float]] = {name: [] for name in commands}
        for number in range(options.rounds + 1):
            for name, command in commands.items():
                figures = measure.run(command, env=ENVIRONMENT)
                assert figures.code == 0, figures.output
                if number:
                    walls[name].append(figures.wall_s)
    for name, values in walls.items():
        print(f"{name:8} {measure.spread(values)} s")
    command = f"python -m benchmarks.check --rounds {options.rounds} --scale {options.scale}"
    print(measure.record("check", command, {"scale": options.scale, "wall_s": walls}))


if __name__ == "__main__":
    main()
