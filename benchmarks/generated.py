"""What stored generated columns cost: first backup, unchanged day, 1 % of the rows updated all over; stored bytes.

    python -m benchmarks.generated [--rows N] [--rounds N] [--tree DIRECTORY]

The same rows in three tables, each in a database of its own: without the derived columns, with stored generated ones (a numeric, a lower-case
text, a tsvector of a text of thirty words), and with the same values in ordinary columns, which is what keeping them costs at most.
`--tree` runs the pgvault of another checkout, to compare versions.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import tempfile
from pathlib import Path

from benchmarks import measure
from benchmarks.servers import ENVIRONMENT, SETTINGS
from tests.fix_postgres import Cluster, server

COLUMNS = "id bigint PRIMARY KEY, email text, net numeric(12,2), note text"
DERIVED = {
    "total": ("numeric", "net * 1.19"),
    "email_lower": ("text", "lower(email)"),
    "search": ("tsvector", "to_tsvector('simple'::regconfig, note)"),
}
ROWS = """
SELECT setseed(0.5);
INSERT INTO item (id, email, net, note)
SELECT n, 'User.' || md5(n::text) || '@Example.ORG', (random() * 10000)::numeric(12,2),
       (SELECT string_agg(substr(md5((random() * 20000)::int::text), 1, 7), ' ') FROM generate_series(1, 30) w WHERE n > 0)
  FROM generate_series(1, {rows}) n;
"""
SHAPES = {
    "without": "",
    "generated": "".join(
        f", {name} {kind} GENERATED ALWAYS AS ({value}) STORED" for name, (kind, value) in DERIVED.items()
    ),
    "ordinary": "".join(f", {name} {kind}" for name, (kind, _) in DERIVED.items()),
}
FILL = "UPDATE item SET " + ", ".join(f"{name} = {value}" for name, (_, value) in DERIVED.items())
SCATTERED = "UPDATE item SET net = net + 1 WHERE id % 100 = 7"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tree", default=".")
    options = parser.parse_args()
    tree = options.tree if options.tree == "." else "another checkout"  # its place is nobody's business
    results: dict[str, object] = {"tree": tree}
    with server(15, settings=SETTINGS) as cluster, tempfile.TemporaryDirectory() as scratch:
        for shape, more in SHAPES.items():
            name = cluster.createdb(shape)
            load(cluster, name, more, rows=options.rows)
            figures = [
                measured(cluster, name, Path(scratch) / f"{shape}{at}", options.tree) for at in range(options.rounds)
            ]
            results[shape] = figures
            for day in figures[0]:
                walls = measure.spread([one[day]["wall_s"] for one in figures])
                print(f"{shape:10} {day:10} {walls} s  {figures[-1][day]['new_bytes'] / 1e6:8.2f} MB", flush=True)
    command = f"python -m benchmarks.generated --rows {options.rows} --rounds {options.rounds} --tree '{tree}'"
    print(measure.record("generated", command, results))


def load(cluster: Cluster, name: str, more: str, *, rows: int) -> None:
    with cluster.connect(name) as connection:
        connection.execute(f"CREATE TABLE item ({COLUMNS}{more})".encode())
        connection.execute(ROWS.format(rows=rows).encode())
        if more and "GENERATED" not in more:
            connection.execute(FILL.encode())
            connection.execute("VACUUM FULL item")
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")


def measured(cluster: Cluster, name: str, scratch: Path, tree: str) -> dict[str, dict[str, float]]:
    """Of the days `first`, `unchanged`, `scattered`: seconds, and bytes that the repository grew by."""
    scratch.mkdir()
    repository = scratch / "repository"
    program = f"{shlex.quote(sys.executable)} -m vault -r {shlex.quote(str(repository))}"
    place = str(Path(tree).resolve())
    program = f"cd {shlex.quote(place)} && {program}"
    environment = ENVIRONMENT | {"PYTHONPATH": place, "PGVAULT_CACHE_DIR": str(scratch / "cache")}
    environment["PGVAULT_STATE_DIR"] = str(scratch / "state")
    run(f"{program} init --no-recovery-kit", environment)
    figures = {}
    for day in ("first", "unchanged", "scattered"):
        if day == "scattered":
            with cluster.connect(name) as connection:
                connection.execute(SCATTERED.encode())
        before = size(repository)
        taken = run(f"{program} backup -q --source item -d {shlex.quote(cluster.dsn(name))}", environment)
        figures[day] = {"wall_s": taken.wall_s, "cpu_s": taken.cpu_s, "new_bytes": size(repository) - before}
    return figures


def run(command: str, environment: dict[str, str]) -> measure.Figures:
    figures = measure.run(command, env=environment)
    if figures.code:
        raise SystemExit(f"exit {figures.code}: {command}\n{figures.output}")
    return figures


def size(place: Path) -> int:
    return sum(file.stat().st_size for file in place.rglob("*") if file.is_file())


if __name__ == "__main__":
    main()
