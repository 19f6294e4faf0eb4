"""First backup: pgvault beside pg_dump alone, restic and borg, in turn on one database.

    python -m benchmarks.first_backup [--rounds N] [--scale S]

Ratios are to `pg_dump -Fc -Z0 > /dev/null` of the same round. Peak memory is of one more run, sampled.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

from benchmarks import measure
from benchmarks.servers import ENVIRONMENT, Bench, backup, fresh, loaded

_PEERS = ("pgvault", "restic", "borg")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0)
    options = parser.parse_args()
    with loaded(options.scale) as bench, tempfile.TemporaryDirectory(prefix="pgvault-bench-") as scratch:
        walls: dict[str, list[float]] = {name: [] for name in ("floor", "plain", *_PEERS)}
        stored: dict[str, int] = {}
        for number in range(options.rounds + 1):
            for name in walls:
                figures, size = _once(name, bench, Path(scratch) / name, memory=False)
                if number:  # the first round warms up
                    walls[name].append(figures.wall_s)
                    stored[name] = size
        peaks = {name: _once(name, bench, Path(scratch) / name, memory=True)[0].peak_bytes for name in _PEERS}
    results = {}
    for name, values in walls.items():
        ratios = [value / floor for value, floor in zip(values, walls["floor"], strict=True)]
        results[name] = {"wall_s": values, "ratio": sorted(ratios)[len(ratios) // 2], "stored_bytes": stored[name]}
        print(f"{name:8} {measure.spread(values)} s  x{results[name]['ratio']:.2f}  {stored[name] / 1e6:.1f} MB")
    for name, peak in peaks.items():
        print(f"{name:8} peak {peak / 1e6:.0f} MB")
    command = f"python -m benchmarks.first_backup --rounds {options.rounds} --scale {options.scale}"
    print(measure.record("first_backup", command, {"scale": options.scale, "peaks": peaks, **results}))


def _once(name: str, bench: Bench, directory: Path, *, memory: bool) -> tuple[measure.Figures, int]:
    shutil.rmtree(directory, ignore_errors=True)
    if name == "floor":
        command = f"{bench.dump} > /dev/null"
    elif name == "plain":
        command = f"{bench.program('pg_dump')} -Fc '{bench.dsn.replace(chr(39), '')}' > {directory}"
    else:
        made = measure.run(fresh(name, directory), env=ENVIRONMENT)
        assert made.code == 0, made.output
        command = backup(name, directory, bench)
    figures = measure.run(command, env=ENVIRONMENT, memory=memory)
    assert figures.code == 0, figures.output
    return figures, _size(directory)


def _size(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


if __name__ == "__main__":
    main()
