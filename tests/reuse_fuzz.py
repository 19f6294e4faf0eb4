"""Writers that never stop while snapshots are taken; each snapshot must equal an independent dump of the very same moment.

`python -m tests.reuse_fuzz --rounds 3000 [--seed N]`. Writers do one statement for each ticket that they get, and tickets are given out
between all steps of a backup; so transactions, savepoints and prepared transactions stay open across snapshots, where they hurt most.
Commits are asynchronous, and now and then the server crashes: mostly one of its processes, after which the same postmaster recovers and
extents are still taken over, sometimes all of it, sometimes while a snapshot is open.
"""

from __future__ import annotations

import argparse
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import psycopg

from tests.fix_postgres import Cluster, server
from tests.reuse_support import Series, kill_backend, small_extents
from vault.errors import SourceError, Unreachable
from vault.source.postgres.capture.database import PostgresCapture

WRITERS = 5
ROWS = 2_500
EXTENT_BLOCKS = 8
ROUNDS_PER_REPOSITORY = 40
RECONNECT_S = 0.02
KILLS_ONE_IN = 16
"""Rounds before which one process of the server is killed."""
RESTARTS_ONE_IN = 60
"""Rounds before which the server is stopped at once and started; the round after it takes nothing over."""
KILLS_INSIDE_ONE_IN = 80
"""Rounds in which a process is killed while the snapshot is open."""
SETTINGS = {
    "max_prepared_transactions": "20",
    "autovacuum_naptime": "1s",
    "max_connections": "60",
    "synchronous_commit": "off",
    "wal_writer_delay": "10s",
    "wal_writer_flush_after": "64MB",
    "wal_buffers": "64MB",
    "bgwriter_lru_maxpages": "0",
    "restart_after_crash": "on",
}
TABLES = ("plain", "wide", "loose", "labels", "parts_0", "parts_1")
SETUP = f"""
CREATE TYPE label AS ENUM ('a', 'c');
CREATE TABLE plain (id integer PRIMARY KEY, n integer, note text);
CREATE TABLE wide (id integer PRIMARY KEY, n integer, note text);
ALTER TABLE wide ALTER note SET STORAGE EXTERNAL;
CREATE TABLE loose (id integer, n integer, note text) WITH (fillfactor = 60);
CREATE TABLE parts (id integer, n integer, note text) PARTITION BY HASH (id);
CREATE TABLE parts_0 PARTITION OF parts FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE labels (id integer, n integer, note text, v label DEFAULT 'c');
CREATE INDEX plain_n ON plain (n); CREATE INDEX wide_n ON wide (n); CREATE INDEX loose_n ON loose (n);
INSERT INTO labels SELECT i, 0, md5(i::text), enum_first(NULL::label) FROM generate_series(1, {ROWS}) AS i;
INSERT INTO plain SELECT i, 0, md5(i::text) FROM generate_series(1, {ROWS}) AS i;
INSERT INTO wide SELECT i, 0, CASE WHEN i % 50 = 0 THEN repeat(md5(i::text), 90) ELSE md5(i::text) END FROM generate_series(1, {ROWS}) AS i;
INSERT INTO loose SELECT i, 0, md5(i::text) FROM generate_series(1, {ROWS}) AS i;
INSERT INTO parts SELECT i, 0, md5(i::text) FROM generate_series(1, {ROWS}) AS i;
"""


class Writer(threading.Thread):
    """Does one statement a ticket. What fails (a lock that is held, a deadlock) is rolled back and forgotten."""

    def __init__(
        self, dsn: Callable[[], str], number: int, seed: int, tickets: threading.Semaphore, stop: threading.Event
    ) -> None:
        super().__init__(daemon=True)
        self._dsn = dsn
        self._number = number
        self._random = random.Random(f"{seed} {number}")
        self._tickets = tickets
        self._halt = stop
        self._prepared = 0
        self.done = 0

    def run(self) -> None:
        while not self._halt.is_set():
            try:
                with psycopg.connect(self._dsn(), autocommit=True) as connection:
                    self._work(connection)
            except psycopg.OperationalError:
                time.sleep(RECONNECT_S)  # the server crashed, and takes nobody yet

    def _work(self, connection: psycopg.Connection[tuple[object, ...]]) -> None:
        connection.execute("SET lock_timeout = '40ms'; SET deadlock_timeout = '20ms'")
        left = connection.execute("SELECT gid FROM pg_prepared_xacts WHERE gid LIKE %s", [f"w{self._number}\\_%"])
        for (gid,) in left.fetchall():  # prepared before a crash
            connection.execute(f"{self._random.choice(('COMMIT', 'ROLLBACK'))} PREPARED '{gid}'")
        while not self._halt.is_set():
            self._one(connection, self._plan())
        connection.execute("ROLLBACK")

    def _one(self, connection: psycopg.Connection[tuple[object, ...]], statements: Iterator[str]) -> None:
        for statement in statements:
            self._tickets.acquire()
            if self._halt.is_set():
                return
            try:
                connection.execute(statement)
                self.done += 1
            except psycopg.Error:
                connection.execute("ROLLBACK")
                return

    def _plan(self) -> Iterator[str]:
        kind = self._random.random()
        if kind < 0.24:
            yield self._alone()
        elif kind < 0.4:
            yield self._change()
        else:
            yield from self._transaction()

    def _transaction(self) -> Iterator[str]:
        choose = self._random
        yield "BEGIN"
        open_savepoints: list[str] = []
        for number in range(choose.randint(1, 6)):
            what = choose.random()
            if what < 0.3:
                open_savepoints.append(f"s{number}")
                yield f"SAVEPOINT s{number}"
            if what > 0.8 and open_savepoints:
                name = choose.choice(open_savepoints)
                if choose.random() < 0.6:
                    yield f"ROLLBACK TO {name}"
                else:
                    yield f"RELEASE {name}"
                    del open_savepoints[open_savepoints.index(name) :]
            else:
                yield self._change()
        end = choose.random()
        if end < 0.12:
            self._prepared += 1
            gid = f"w{self._number}_{self._prepared}"
            yield f"PREPARE TRANSACTION '{gid}'"
            yield "SELECT 1"
            yield ("COMMIT" if choose.random() < 0.8 else "ROLLBACK") + f" PREPARED '{gid}'"
        else:
            yield "COMMIT" if end < 0.8 else "ROLLBACK"

    def _change(self) -> str:
        """One statement on few neighbouring rows, so that most extents stay as they are."""
        choose = self._random
        table = choose.choice(("plain", "wide", "loose", "parts", "labels"))
        first = choose.randint(1, ROWS)
        here = f"id BETWEEN {first} AND {first + choose.randint(0, 8)}"
        note = f"'w{self._number} {choose.getrandbits(40):x}'"
        return choose.choice(
            (
                f"UPDATE {table} SET n = n + 1 WHERE {here}",
                f"UPDATE {table} SET note = {note} WHERE {here}",
                f"DELETE FROM {table} WHERE {here}",
                f"INSERT INTO {table} SELECT i, 7, {note} FROM generate_series({first}, {first + 3}) AS i ON CONFLICT DO NOTHING",
                f"DELETE FROM {table} WHERE id = {first}; INSERT INTO {table} VALUES ({first}, 1, {note})",
                f"INSERT INTO plain VALUES ({first}, 0, {note}) ON CONFLICT (id) DO UPDATE SET n = plain.n + 1",
                f"UPDATE wide SET note = repeat({note}, 300) WHERE id = {first}",
                f"SELECT FROM {table} WHERE {here} FOR {choose.choice(('UPDATE', 'SHARE', 'KEY SHARE'))}",
                f"UPDATE {table} SET id = id WHERE {here}",
            )
        )

    def _alone(self) -> str:
        """What takes a table for itself or does not run in a transaction."""
        choose = self._random
        table = choose.choice(TABLES)
        what = choose.random()
        if what < 0.35:
            return f"VACUUM {choose.choice(('', '(FREEZE)', '(INDEX_CLEANUP ON)'))} {table}"
        if what < 0.45:
            return f"VACUUM FULL {table}"
        if what < 0.85:
            return self._definition()
        if what < 0.9:
            return f"CREATE TABLE IF NOT EXISTS fresh AS SELECT * FROM {table}"
        if what < 0.93:
            return "DROP TABLE IF EXISTS fresh"
        return (
            f"BEGIN; TRUNCATE {table}; INSERT INTO {table} SELECT i, 0, md5(i::text) FROM generate_series(1, {ROWS}) AS i"
            f"{' WHERE false' if table.startswith('parts') else ''}; COMMIT"
        )

    def _definition(self) -> str:
        """Text or storage changes and no row does, or only the place of a table among others."""
        choose = self._random
        table, column = choose.choice(("plain", "wide", "loose")), f"c{choose.getrandbits(40):x}"
        return choose.choice(
            (
                f"ALTER TABLE loose ADD COLUMN {column} integer DEFAULT 7; ALTER TABLE loose DROP COLUMN {column}",
                f"ALTER TABLE {table} ADD COLUMN IF NOT EXISTS more integer DEFAULT {choose.randint(1, 99)}",
                f"ALTER TABLE {table} DROP COLUMN IF EXISTS more",
                "ALTER TABLE parts DETACH PARTITION parts_1",
                "ALTER TABLE parts ATTACH PARTITION parts_1 FOR VALUES WITH (MODULUS 2, REMAINDER 1)",
                "ALTER TYPE label RENAME VALUE 'a' TO 'b'",
                "ALTER TYPE label RENAME VALUE 'b' TO 'a'",
                f"CLUSTER {table} USING {table}_n",
            )
        )


@dataclass(kw_only=True)
class Outcome:
    """`repeated`: rounds that the source refused, loudly, and that were taken again. `crashes`: all three kinds."""

    rounds: int = 0
    extents: int = 0
    reused: int = 0
    repeated: int = 0
    crashes: int = 0
    reused_after_kill: int = 0
    statements: int = 0


class Fuzz:
    """Backups one after the other under writers. `run` raises AssertionError at the first difference."""

    def __init__(self, cluster: Cluster, seed: int) -> None:
        self._cluster = cluster
        self._database = cluster.createdb()
        with psycopg.connect(self._dsn(), autocommit=True) as connection:
            connection.execute("SET synchronous_commit TO on")  # a crash in the first round must not take the tables
            connection.execute(SETUP)
        self._random = random.Random(seed)
        self._tickets = threading.Semaphore(0)
        self._halt = threading.Event()
        self._writers = [Writer(self._dsn, number, seed, self._tickets, self._halt) for number in range(WRITERS)]

    def _dsn(self) -> str:
        return self._cluster.dsn(self._database)

    def run(self, rounds: int) -> Outcome:
        outcome = Outcome()
        for writer in self._writers:
            writer.start()
        try:
            while outcome.rounds < rounds:
                if outcome.rounds % ROUNDS_PER_REPOSITORY == 0:
                    print(outcome, flush=True)
                    series = Series(self._dsn())
                self._round(series, outcome)
        finally:
            self._halt.set()
            self._tickets.release(WRITERS)
            for writer in self._writers:
                writer.join()
            outcome.statements = sum(writer.done for writer in self._writers)
        return outcome

    def _round(self, series: Series, outcome: Outcome) -> None:
        self._give(12)
        killed = self._one_in(KILLS_ONE_IN)
        if killed:
            self._kill()
        restarted = self._one_in(RESTARTS_ONE_IN)
        if restarted:
            self._cluster.crash()
            self._cluster.start()
            series.dsn = self._dsn()
        inside = self._one_in(KILLS_INSIDE_ONE_IN)
        outcome.crashes += killed + restarted + inside

        def opened(capture: PostgresCapture) -> None:
            self._give(8)
            if inside:
                kill_backend(self._cluster)

        try:
            taken = series.take(notify=lambda step: self._give(4), opened=opened)
        except (SourceError, Unreachable):
            outcome.repeated += 1
            return
        assert not inside, "its snapshot was gone"
        outcome.rounds += 1
        outcome.extents += taken.extents
        outcome.reused += taken.reused
        outcome.reused_after_kill += taken.reused if killed and not restarted else 0

    def _kill(self) -> None:
        """Then go on at once past the place where history broke off, so that positions and ids look like its continuation."""
        kill_backend(self._cluster)
        with self._cluster.connect() as connection:
            connection.execute("SELECT pg_logical_emit_message(false, 'fuzz', repeat('x', %s))", [200_000])
        self._give(60)

    def _one_in(self, number: int) -> bool:
        return self._random.randrange(number) == 0

    def _give(self, most: int) -> None:
        number = self._random.randint(0, most)
        if number:
            self._tickets.release(number)


def fuzz(major: int, *, rounds: int, seed: int) -> Outcome:
    """Run it on a server of its own."""
    with server(major, settings=SETTINGS) as cluster, small_extents(EXTENT_BLOCKS):
        return Fuzz(cluster, seed).run(rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare snapshots under writers with independent dumps.")
    parser.add_argument("--rounds", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"))
    parser.add_argument("--server", type=int, default=15, choices=(15, 18))
    given = parser.parse_args()
    print(f"seed {given.seed}", flush=True)
    print(fuzz(given.server, rounds=given.rounds, seed=given.seed))


if __name__ == "__main__":
    main()
