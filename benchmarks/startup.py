"""`pgvault --help`, `backup --background`, `snapshots` and `status` above `python -c pass`; a stack's start with and without the integration.

The latter two are of as many snapshots as there are rounds, and derive the key each time; their CPU seconds stand beside the wall's.

The stack is a server whose database is filled (`--scale`, seconds of work); with the integration a backup of another database of that
server, full of events, starts before the filling and runs beside it at low priority.

python -m benchmarks.startup [--rounds N] [--stack-rounds N] [--scale X]
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import measure
from benchmarks.datasets import load_events
from benchmarks.measure import Figures
from benchmarks.servers import Bench, environment, loaded
from vault.app import jobs
from vault.app.state import StateDirectory

PGVAULT = (sys.executable, "-m", "vault")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--stack-rounds", type=int, default=5)
    parser.add_argument("--scale", type=float, default=0.2)
    options = parser.parse_args()
    load_before = os.getloadavg()
    walls = commands(options.rounds)
    stack = stacks(options.stack_rounds, options.scale) if options.stack_rounds else {}
    above = {name: statistics.median(walls[name]) - statistics.median(walls["pass"]) for name in walls}
    for name, seconds in above.items():
        print(f"{name} is {seconds * 1000:.0f} ms above python -c pass, {measure.spread(walls[name])} s")
    for name, values in stack.items():
        print(f"stack {name}: {measure.spread(values)} s")
    line = (
        f"python -m benchmarks.startup --rounds {options.rounds} "
        f"--stack-rounds {options.stack_rounds} --scale {options.scale}"
    )
    figures = {
        "above_s": above["help"],
        "background_s": statistics.median(walls["background"]),
        "wall_s": walls,
        "stack_s": stack,
        "load": {"before": load_before, "after": os.getloadavg()},
    }
    print(measure.record("startup", line, figures))


def commands(rounds: int) -> dict[str, list[float]]:
    """Wall seconds of each command, in turn."""
    walls: dict[str, list[float]] = {"pass": [], "help": [], "background": []}
    with tempfile.TemporaryDirectory() as made:
        place = Path(made)
        (place / "documents").mkdir()
        (place / "documents" / "letter").write_text("dear reader")
        variables = _prepared(place)
        background = [*PGVAULT, "backup", "--background", "--dir", f"documents={place / 'documents'}"]
        runs: dict[str, Callable[[], Figures]] = {
            "pass": lambda: measure.run([sys.executable, "-c", "pass"]),
            "help": lambda: measure.run([*PGVAULT, "--help"]),
            "background": lambda: measure.run(background, env=variables),
        }
        for number in range(rounds + 1):
            for name, once in runs.items():
                figures = once()
                assert figures.code == 0, figures.output
                if number:
                    walls[name].append(figures.wall_s)
            _settle(place)
        for name in ("snapshots", "status"):
            looked = [measure.run([*PGVAULT, name], env=variables) for _ in range(rounds + 1)]
            assert {figures.code for figures in looked} == {0}, looked[0].output
            walls[name] = [figures.wall_s for figures in looked[1:]]
            walls[f"{name}, CPU"] = [figures.cpu_s for figures in looked[1:]]
    return walls


def stacks(rounds: int, scale: float) -> dict[str, list[float]]:
    """Wall seconds of filling a database, alone and beside the backup that was started before it."""
    walls: dict[str, list[float]] = {"without": [], "with": []}
    with loaded() as bench, tempfile.TemporaryDirectory() as made:
        place = Path(made)
        variables = _prepared(place)
        for number in range(rounds + 1):
            for name in walls:
                wall = _start(bench, scale, variables if name == "with" else None)
                if number:
                    walls[name].append(wall)
                _settle(place)
    return walls


def _start(bench: Bench, scale: float, variables: dict[str, str] | None) -> float:
    started = time.monotonic()
    if variables is not None:
        done = measure.run([*PGVAULT, "backup", "--background", "--full", "-d", bench.dsn], env=variables)
        assert done.code == 0, done.output
    name = bench.cluster.createdb()
    with bench.cluster.connect(name) as connection:
        load_events(connection, scale=scale)
    wall = time.monotonic() - started
    bench.cluster.dropdb(name)
    return wall


def _prepared(place: Path) -> dict[str, str]:
    """A repository, and the variables that lead to it."""
    variables = {
        **environment(place),
        "PGVAULT_REPOSITORY": str(place / "repository"),
        "PGVAULT_STATE_DIR": str(place / "state"),
    }
    done = measure.run([*PGVAULT, "init", "--no-recovery-kit"], env=variables)
    assert done.code == 0, done.output
    return variables


def _settle(place: Path) -> None:
    """Wait for the job, so that each run starts one; it has to be a good one."""
    directory = StateDirectory(place / "state")
    for name in directory.jobs()[:1]:
        while jobs.is_alive(directory, name):
            time.sleep(0.05)
        found = jobs.load(directory, name)
        assert found is not None
        assert found.job is not None
        assert found.job.exit_code in (0, 3), found.job.error


if __name__ == "__main__":
    main()
