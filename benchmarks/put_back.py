"""1,000 deleted rows of a table put back, by one command: wall time, and how much of the table was looked at for it.

The server counts every look at a page of the table, the same one again and one that is written as well; `writing_share` is what an INSERT
of the same rows alone counts.

python -m benchmarks.put_back [--rounds N] [--scale S] [--rows R]
"""

from __future__ import annotations

import argparse
import json
import shlex
import tempfile
from pathlib import Path

from benchmarks import measure
from benchmarks.servers import DATABASE, ENVIRONMENT, PGVAULT, Bench, backup, fresh, loaded

_READ = "SELECT heap_blks_read + heap_blks_hit FROM pg_statio_user_tables WHERE relname = 'events'"
_PAGES = "SELECT pg_relation_size('events') / 8192"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--rows", type=int, default=1000)
    options = parser.parse_args()
    with loaded(options.scale) as bench, tempfile.TemporaryDirectory(prefix="pgvault-bench-") as scratch:
        repository = Path(scratch) / "repository"
        environment = {**ENVIRONMENT, "PGVAULT_STATE_DIR": str(Path(scratch) / "state")}
        for command in (fresh("pgvault", repository), backup("pgvault", repository, bench)):
            done = measure.run(command, env=environment)
            assert done.code == 0, done.output
        with bench.cluster.connect(DATABASE) as connection:
            connection.execute(
                f"CREATE TABLE kept AS SELECT * FROM events ORDER BY id DESC LIMIT {options.rows}".encode()
            )
            connection.execute("DELETE FROM events WHERE id IN (SELECT id FROM kept)")
        figures = _measured(bench, repository, environment, options.rounds)
    print(f"put back   {measure.spread(figures['wall_s'])} s; pages looked at {figures['pages_share']}")
    print(f"of these by writing {figures['writing_share']}")
    command = f"python -m benchmarks.put_back --rounds {options.rounds} --scale {options.scale} --rows {options.rows}"
    print(measure.record("put_back", command, {"scale": options.scale, "rows": options.rows, **figures}))


def _measured(bench: Bench, repository: Path, environment: dict[str, str], rounds: int) -> dict[str, list[float]]:
    saved = measure.run(backup("pgvault", repository, bench), env=environment)
    assert saved.code in (0, 5), saved.output
    command = (
        f"{PGVAULT} -r {repository} restore latest~1 -q --yes --json --into-source -d {shlex.quote(bench.dsn)}"
        " --only public.events --rows missing --damaged-by latest"
    )
    walls, shares = [], []
    for _ in range(rounds):
        before = _read(bench)
        figures = measure.run(command, env=environment)
        assert figures.code == 0, figures.output
        came = json.loads(figures.output.splitlines()[-1])["rows"]
        walls.append(figures.wall_s)
        shares.append((_read(bench) - before) / _asked(bench, _PAGES))
        with bench.cluster.connect(DATABASE) as connection:
            deleted = connection.execute("DELETE FROM events WHERE id IN (SELECT id FROM kept)").rowcount
        assert came == deleted, figures.output
    before = _read(bench)
    with bench.cluster.connect(DATABASE) as connection:
        connection.execute("INSERT INTO events OVERRIDING SYSTEM VALUE SELECT * FROM kept")
    return {"wall_s": walls, "pages_share": shares, "writing_share": [(_read(bench) - before) / _asked(bench, _PAGES)]}


def _read(bench: Bench) -> int:
    """Statistics come a moment after the session that made them has ended."""
    with bench.cluster.connect(DATABASE) as connection:
        connection.execute("SELECT pg_sleep(1.5)")
    return _asked(bench, _READ)


def _asked(bench: Bench, query: str) -> int:
    with bench.cluster.connect(DATABASE) as connection:
        return int((connection.execute(query.encode()).fetchone() or (0,))[0])


if __name__ == "__main__":
    main()
