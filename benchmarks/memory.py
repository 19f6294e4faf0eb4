"""Peak memory of a first backup as the tables grow: pgvault's processes and its client children, at several scales.

python -m benchmarks.memory [--scales 1 4]
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from benchmarks import measure
from benchmarks.servers import ENVIRONMENT, backup, fresh, loaded


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scales", type=float, nargs="+", default=[1.0, 4.0])
    options = parser.parse_args()
    peaks: dict[str, int] = {}
    for scale in options.scales:
        with loaded(scale) as bench, tempfile.TemporaryDirectory(prefix="pgvault-bench-") as scratch:
            repository = Path(scratch) / "repository"
            for command in (fresh("pgvault", repository), backup("pgvault", repository, bench)):
                figures = measure.run(command, env=ENVIRONMENT, memory=True)
                assert figures.code == 0, figures.output
            peaks[str(scale)] = figures.peak_bytes
            print(f"scale {scale:g}: peak {figures.peak_bytes / 1e6:.0f} MB", flush=True)
    print(measure.record("memory", f"python -m benchmarks.memory --scales {options.scales}", {"peak_bytes": peaks}))


if __name__ == "__main__":
    main()
