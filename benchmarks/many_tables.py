"""Many small tables on a server with default settings, in use meanwhile: first backup, unchanged day, restore; beside pg_dump and pg_restore.

    python -m benchmarks.many_tables [--tables 10,100,1000,10000] [--rounds N]

Each table has an identity key and ten rows. All through the runs an application writes, and makes temporary tables, which need locks of
the shared table; a single failure of it ends the benchmark. `pg_dump` with rows fails on default settings where tables and sequences
together exceed the lock table; it is then left out. "above" is milliseconds a table above `pg_dump -s`.
"""

from __future__ import annotations

import argparse
import os
import random
import shlex
import statistics
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql

from benchmarks import measure
from benchmarks.servers import ENVIRONMENT, PGVAULT, fresh
from tests.fix_postgres import Cluster, server

SETTINGS = {"fsync": "off"}
"""Locks, connections and memory are PostgreSQL's own defaults."""
CREATE_BATCH = 100
WRITERS = 2
TABLES_WRITTEN = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", default="10,100,1000,10000")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--major", type=int, default=15)
    options = parser.parse_args()
    results: dict[str, object] = {}
    with server(options.major, settings=SETTINGS) as cluster:
        for number in map(int, options.tables.split(",")):
            name = cluster.createdb(f"many_{number}")
            load(cluster, name, number)
            with application(cluster, name, number) as transactions, tempfile.TemporaryDirectory() as scratch:
                walls = measured(cluster, name, Path(scratch), options.rounds)
            results[str(number)] = {"wall_s": walls, "transactions_meanwhile": len(transactions)}
            show(number, walls)
    command = (
        f"python -m benchmarks.many_tables --tables {options.tables} --rounds {options.rounds} --major {options.major}"
    )
    print(measure.record("many_tables", command, {"major": options.major, **results}))


def load(cluster: Cluster, name: str, tables: int) -> None:
    """Create and fill the tables, a hundred a transaction: one transaction with all would need all their locks."""
    with cluster.connect(name) as connection:
        for first in range(0, tables, CREATE_BATCH):
            for number in range(first, min(first + CREATE_BATCH, tables)):
                table = sql.Identifier(f"t{number:05}")
                connection.execute(
                    sql.SQL(
                        "CREATE TABLE {} (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, note text, at timestamptz DEFAULT now())"
                    ).format(table)
                )
                connection.execute(
                    sql.SQL("INSERT INTO {} (note) SELECT md5(i::text) FROM generate_series(1, 10) AS i").format(table)
                )
        connection.execute("ANALYZE")
        connection.execute("CHECKPOINT")


@contextmanager
def application(cluster: Cluster, name: str, tables: int) -> Iterator[list[int]]:
    """Sessions that lock many tables in each transaction; what went through. An error of theirs is raised at the end."""
    end = threading.Event()
    failed: list[BaseException] = []
    done: list[int] = []

    def work(seed: int) -> None:
        draw = random.Random(seed)
        try:
            with cluster.connect(name) as connection:
                while not end.wait(0.05):
                    with connection.transaction():
                        connection.execute("CREATE TEMPORARY TABLE scratch (a integer) ON COMMIT DROP")
                        for number in sorted(draw.sample(range(tables), min(TABLES_WRITTEN, tables))):
                            table = sql.Identifier(f"t{number:05}")
                            connection.execute(sql.SQL("SELECT FROM {} WHERE id = 1 FOR UPDATE").format(table))
                    done.append(1)
        except psycopg.Error as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(WRITERS)]
    for thread in threads:
        thread.start()
    try:
        yield done
    finally:
        end.set()
        for thread in threads:
            thread.join()
    if failed:
        raise failed[0]


def measured(cluster: Cluster, name: str, scratch: Path, rounds: int) -> dict[str, list[float]]:
    dsn = shlex.quote(cluster.dsn(name))
    pg_dump, pg_restore = (shlex.quote(str(cluster.bin / program)) for program in ("pg_dump", "pg_restore"))
    dump = scratch / "dump"
    repository = scratch / "repository"
    take = f"{PGVAULT} -r {shlex.quote(str(repository))} backup -q --source many -d {dsn}"
    walls: dict[str, list[float]] = {}

    def run(what: str, command: str, *, may_fail: bool = False) -> None:
        figures = measure.run(command, env={**ENVIRONMENT, "PGVAULT_CACHE_DIR": str(scratch / "cache")})
        if figures.code == 0:
            walls.setdefault(what, []).append(figures.wall_s)
        elif not may_fail:
            raise SystemExit(f"{what}: exit {figures.code}\n{figures.output}")

    for _ in range(rounds):
        for file in sorted(scratch.rglob("*"), reverse=True):
            file.rmdir() if file.is_dir() else os.unlink(file)
        assert measure.run(fresh("pgvault", repository), env=ENVIRONMENT).code == 0
        run("pg_dump -s", f"{pg_dump} -s {dsn} > /dev/null")
        run(
            "pg_dump -Fc -Z0",
            f"{pg_dump} -Fc -Z0 {dsn} > {shlex.quote(str(dump))} || ! rm {shlex.quote(str(dump))}",
            may_fail=True,
        )
        run("first", take)
        run("unchanged", take)
        if dump.exists():
            target = cluster.createdb()
            run("pg_restore -j2", f"{pg_restore} -j2 -d {shlex.quote(cluster.dsn(target))} {shlex.quote(str(dump))}")
            cluster.dropdb(target)
            dump.unlink()
        target = cluster.createdb()
        into = shlex.quote(cluster.dsn(target))
        run("restore", f"{PGVAULT} -r {shlex.quote(str(repository))} restore latest -q --yes -j2 -d {into}")
        cluster.dropdb(target)
    return walls


def show(tables: int, walls: dict[str, list[float]]) -> None:
    base = statistics.median(walls["pg_dump -s"])
    for what, values in walls.items():
        above = (statistics.median(values) - base) * 1000 / tables
        print(f"{tables:6} {what:16} {measure.spread(values)} s  {above:+.2f} ms a table above pg_dump -s", flush=True)


if __name__ == "__main__":
    main()
