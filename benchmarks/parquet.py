"""Export of `events` for other engines: Parquet, SQLite, JSON Lines and CSV, beside the server's own COPY to CSV into a file.

    python -m benchmarks.parquet [--rounds N] [--scale S] [--row MEGABYTES]

`--row`: memory of an export of one row of so much text, besides.
"""

from __future__ import annotations

import argparse
import shlex
import shutil
import tempfile
from pathlib import Path

from benchmarks import measure
from benchmarks.servers import ENVIRONMENT, PGVAULT, Bench, backup, fresh, loaded, one_row

_FORMS = ("parquet", "sqlite", "jsonl", "csv")
_COPY = "copy public.events to stdout (format csv, header)"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--row", type=int, default=0)
    options = parser.parse_args()
    with loaded(options.scale) as bench, tempfile.TemporaryDirectory(prefix="pgvault-bench-") as scratch:
        walls, sizes, peak = _measured(bench, Path(scratch), options.rounds)
    peaks = {"parquet": peak}
    if options.row:
        with one_row(options.row) as bench, tempfile.TemporaryDirectory(prefix="pgvault-bench-") as scratch:
            peaks[f"row of {options.row} MB"] = _of_one_row(bench, Path(scratch))
    for name, values in walls.items():
        print(f"{name:10} {measure.spread(values)} s  {sizes[name] / 1e6:.0f} MB")
    for name, bytes_ in peaks.items():
        print(f"peak, {name}: {bytes_ / 1e6:.0f} MB")
    command = f"python -m benchmarks.parquet --rounds {options.rounds} --scale {options.scale} --row {options.row}"
    figures = {"scale": options.scale, "wall_s": walls, "bytes": sizes, "peak_bytes": peaks}
    print(measure.record("parquet", command, figures))


def _measured(bench: Bench, scratch: Path, rounds: int) -> tuple[dict[str, list[float]], dict[str, int], int]:
    """Wall seconds of each, the bytes it wrote, and the peak of Parquet's."""
    repository, out = scratch / "repository", scratch / "out"
    for command in (fresh("pgvault", repository), backup("pgvault", repository, bench)):
        done = measure.run(command, env=ENVIRONMENT)
        assert done.code == 0, done.output
    psql = f"{bench.program('psql')} -X -q -d {shlex.quote(bench.dsn)} -c {shlex.quote(_COPY)} > {out}"
    commands = {"COPY": psql, **{form: _export(repository, form, out) for form in _FORMS}}
    walls: dict[str, list[float]] = {name: [] for name in commands}
    sizes, peak = dict.fromkeys(commands, 0), 0
    for number in range(rounds + 1):
        for name, command in commands.items():
            figures = measure.run(command, env=ENVIRONMENT, memory=name == "parquet" and number == 0)
            assert figures.code == 0, figures.output
            peak = max(peak, figures.peak_bytes)
            sizes[name] = _remove(out)
            if number:
                walls[name].append(figures.wall_s)
    return walls, sizes, peak


def _of_one_row(bench: Bench, scratch: Path) -> int:
    repository, out = scratch / "repository", scratch / "out"
    for command in (fresh("pgvault", repository), backup("pgvault", repository, bench)):
        done = measure.run(command, env=ENVIRONMENT)
        assert done.code == 0, done.output
    command = f"{PGVAULT} -r {repository} export latest --format parquet -q -o {out}"
    figures = measure.run(command, env=ENVIRONMENT, memory=True)
    assert figures.code == 0, figures.output
    return figures.peak_bytes


def _export(repository: Path, form: str, out: Path) -> str:
    return f"{PGVAULT} -r {repository} export latest --format {form} -q -t events -o {out}"


def _remove(out: Path) -> int:
    if out.is_file():
        size = out.stat().st_size
        out.unlink()
        return size
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    shutil.rmtree(out)
    return size


if __name__ == "__main__":
    main()
