"""Peak memory of a first backup as the tables grow, and with one very long row: pgvault's processes and its client children.

python -m benchmarks.memory [--scales 1 4] [--rows MEGABYTES ...]
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from benchmarks import measure
from benchmarks.servers import ENVIRONMENT, Bench, backup, fresh, loaded, one_row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scales", type=float, nargs="*", default=[1.0, 4.0])
    parser.add_argument("--rows", type=int, nargs="*", default=[300], metavar="MEGABYTES")
    options = parser.parse_args()
    peaks: dict[str, int] = {}
    for scale in options.scales:
        with loaded(scale) as bench:
            peaks[str(scale)] = _peak(bench)
            print(f"scale {scale:g}: peak {peaks[str(scale)] / 1e6:.0f} MB", flush=True)
    for megabytes in options.rows:
        with one_row(megabytes) as bench:
            name = f"row of {megabytes} MB"
            peaks[name] = _peak(bench)
            print(f"{name}: peak {peaks[name] / 1e6:.0f} MB", flush=True)
    command = f"python -m benchmarks.memory --scales {options.scales} --rows {options.rows}"
    print(measure.record("memory", command, {"peak_bytes": peaks}))


def _peak(bench: Bench) -> int:
    with tempfile.TemporaryDirectory(prefix="pgvault-bench-") as scratch:
        repository = Path(scratch) / "repository"
        for command in (fresh("pgvault", repository), backup("pgvault", repository, bench)):
            figures = measure.run(command, env=ENVIRONMENT, memory=True)
            assert figures.code == 0, figures.output
    return figures.peak_bytes


if __name__ == "__main__":
    main()
