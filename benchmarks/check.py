"""Read and prove every byte: `pgvault check --read-data` beside restic, borg and rustic on the same content.

    python -m benchmarks.check [--rounds N] [--scale S] [--days N]

rustic takes part where there is one (`cargo install rustic-rs --locked`). After the first snapshot come `--days` mixed days of the data set, so that chains of deltas are read too; `--days 0` is a fresh repository.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

from benchmarks import measure
from benchmarks.datasets import mixed_day
from benchmarks.measure import Figures
from benchmarks.servers import DATABASE, ENVIRONMENT, PGVAULT, backup, fresh, loaded

CHECK = {
    "pgvault": f"{PGVAULT} -r {{}} check --read-data",
    "restic": "restic -r {} check --read-data",
    "borg": "borg check --verify-data {}",
    "rustic": "rustic --log-level warn -r {} check --read-data",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--days", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pgvault-bench-") as scratch:
        tools = ("pgvault", "restic", "borg", *(["rustic"] if shutil.which("rustic") else []))
        places = {name: Path(scratch) / name for name in tools}
        with loaded(options.scale) as bench:
            for name, place in places.items():
                _must(fresh(name, place))
            for day in range(options.days + 1):
                if day:
                    with bench.cluster.connect(DATABASE) as connection:
                        connection.autocommit = True
                        mixed_day(connection, day, scale=options.scale)
                for name, place in places.items():
                    _must(backup(name, place, bench, f"day{day}"))
        commands = {name: CHECK[name].format(place) for name, place in places.items()}
        taken: dict[str, list[Figures]] = {name: [] for name in commands}
        for number in range(options.rounds + 1):
            for name, command in commands.items():
                figures = _must(command)
                if number:
                    taken[name].append(figures)
        sizes = {name: _size(place) for name, place in places.items()}
    walls = {name: [one.wall_s for one in runs] for name, runs in taken.items()}
    cpus = {name: [one.cpu_s for one in runs] for name, runs in taken.items()}
    for name in commands:
        print(
            f"{name:8} {measure.spread(walls[name])} s, CPU {measure.spread(cpus[name])} s, {sizes[name] / 1e6:.0f} MB"
        )
    command = f"python -m benchmarks.check --rounds {options.rounds} --scale {options.scale} --days {options.days}"
    results = {"scale": options.scale, "days": options.days, "wall_s": walls, "cpu_s": cpus, "stored_bytes": sizes}
    print(measure.record("check", command, results))


def _must(command: str) -> Figures:
    done = measure.run(command, env=ENVIRONMENT)
    assert done.code == 0, f"{command}: exit code {done.code}\n{done.output}"
    return done


def _size(place: Path) -> int:
    return sum(path.stat().st_size for path in place.rglob("*") if path.is_file())


if __name__ == "__main__":
    main()
