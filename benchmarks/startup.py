"""`pgvault --help` above `python -c pass`.

python -m benchmarks.startup [--rounds N]
"""

from __future__ import annotations

import argparse
import statistics
import sys

from benchmarks import measure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    commands = {"pass": [sys.executable, "-c", "pass"], "help": [sys.executable, "-m", "vault", "--help"]}
    walls: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(options.rounds + 1):
        for name, command in commands.items():
            figures = measure.run(command)
            assert figures.code == 0, figures.output
            if number:
                walls[name].append(figures.wall_s)
    above = statistics.median(walls["help"]) - statistics.median(walls["pass"])
    print(f"--help is {above * 1000:.0f} ms above python -c pass")
    line = f"python -m benchmarks.startup --rounds {options.rounds}"
    print(measure.record("startup", line, {"above_s": above, "wall_s": walls}))


if __name__ == "__main__":
    main()
