"""The zoo: a database with one of each kind of object that a major of PostgreSQL has; its parts are sql/zoo_*.sql."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest
from psycopg import sql

from tests.fix_postgres import SUPPORTED, Cluster, Majors, binaries_of
from tests.fix_views import ViewRepository
from vault.ops.view.tree import DUMP, View
from vault.ports import Capture
from vault.repo.snapshot import Snapshot
from vault.source.postgres.capture.database import open_capture
from vault.source.postgres.capture.reach import CaptureOptions
from vault.source.postgres.connection.programs import Programs
from vault.source.postgres.connection.throwaway_server import embedded_bin

PLACE: Final = Path(__file__).with_name("sql")
PROGRAMS: Final = Programs(search_path="/usr/bin", embedded=embedded_bin())
NEWEST: Final = Programs(directory=embedded_bin())
"""pg_dump 18 for every server: two majors are compared in its words."""
UNKNOWN_TO_OLD_SERVERS: Final = 'unrecognized configuration parameter "transaction_timeout"'
"""pg_restore 17 and later say this to servers before 17 and go on, whatever the archive."""
_OWN_SUBSCRIPTIONS: Final = """
    SELECT subname::text FROM pg_subscription JOIN pg_database d ON d.oid = subdbid WHERE datname = current_database()
"""


def scripts(major: int) -> Sequence[str]:
    """What makes the zoo of `major` in an empty database, roles included; each is a transaction."""
    return [part(name) for name in ("roles", "names", "app", *(str(one) for one in SUPPORTED if one <= major), "last")]


def part(name: str) -> str:
    return (PLACE / f"zoo_{name}.sql").read_text(encoding="utf-8")


def fill(cluster: Cluster, db: str, statements: Sequence[str]) -> None:
    """Run each of `statements` in a transaction of its own."""
    with cluster.connect(db) as connection:
        for statement in statements:
            connection.execute(statement.encode())


@contextmanager
def empty(cluster: Cluster) -> Iterator[str]:
    """A new database, dropped at the end with its subscriptions."""
    name = cluster.createdb()
    try:
        yield name
    finally:
        with cluster.connect(name) as connection:
            forget_subscriptions(connection)
        cluster.dropdb(name)


def forget_subscriptions(connection: psycopg.Connection[Any]) -> None:
    """A database with subscriptions cannot be dropped."""
    for (subscription,) in connection.execute(_OWN_SUBSCRIPTIONS).fetchall():
        named = sql.Identifier(subscription)
        connection.execute(sql.SQL("ALTER SUBSCRIPTION {} SET (slot_name = NONE)").format(named))
        connection.execute(sql.SQL("DROP SUBSCRIPTION {}").format(named))


def capture_of(cluster: Cluster, db: str, programs: Programs = PROGRAMS) -> Callable[[], Capture]:
    return partial(
        open_capture, cluster.dsn(db), options=CaptureOptions(), programs=programs, environment={}, notify=print
    )


def pg_restore(program: Path, *words: str, stdin: bytes = b"") -> str:
    """Run it; what it complained about, but for what every new pg_restore says to old servers."""
    done = subprocess.run([str(program), *words], input=stdin, capture_output=True, env={"PATH": os.defpath})
    errors = [line for line in done.stderr.decode().splitlines() if " error: " in line]
    assert done.returncode == bool(errors), done.stderr
    return "\n".join(line for line in errors if UNKNOWN_TO_OLD_SERVERS not in line)


@dataclass(frozen=True)
class Zoo:
    """A loaded zoo, shared by the tests of a session: nobody may change it."""

    cluster: Cluster
    db: str
    place: Path

    @property
    def major(self) -> int:
        return self.cluster.major

    @cached_property
    def roles(self) -> frozenset[str]:
        """Those of the cluster before the snapshot: later ones are of tests that share it."""
        with self.cluster.connect() as connection:
            return frozenset(row[0] for row in connection.execute("SELECT rolname::text FROM pg_roles"))

    @cached_property
    def taken(self) -> tuple[Snapshot, ViewRepository]:
        _ = self.roles  # noted before
        repository = ViewRepository()
        return repository.take(capture=capture_of(self.cluster, self.db)), repository

    @property
    def snapshot(self) -> Snapshot:
        return self.taken[0]

    @cached_property
    def view(self) -> View:
        return View(self.snapshot)

    @cached_property
    def dump(self) -> Path:
        """The exported archive, in a file."""
        path = self.place / "zoo 'n dump"
        path.write_bytes(self.file(DUMP))
        return path

    def file(self, path: str) -> bytes:
        return b"".join(self.view.open(path))

    def taken_by(self, pg_dump: int) -> Snapshot:
        """A snapshot with the definitions in the words of another pg_dump. Skips the test if it could not be had"""
        binaries = binaries_of(pg_dump)
        if binaries is None or not (binaries / "pg_dump").exists():
            pytest.skip(f"pg_dump {pg_dump} is not installed")
        return ViewRepository().take(capture=capture_of(self.cluster, self.db, Programs(directory=binaries)))

    def program(self, name: str) -> Path:
        """A client program of the zoo's own major. Skips the test if it could not be had"""
        found = self.cluster.bin / name
        if not found.exists():
            pytest.skip(f"{name} of PostgreSQL {self.major} is not installed")
        return found

    def stock_archive(self, *options: str) -> bytes:
        """What pg_dump of the zoo's own major makes of it."""
        command = [str(self.program("pg_dump")), "-Fc", *options, "-d", self.cluster.dsn(self.db)]
        return subprocess.run(command, check=True, capture_output=True, env={"PATH": os.defpath}).stdout


class Zoos:
    """One zoo a major, made when it is first asked for."""

    def __init__(self, majors: Majors, place: Path) -> None:
        self._majors = majors
        self._place = place
        self._made: dict[int, Zoo] = {}

    def __getitem__(self, major: int) -> Zoo:
        """Skips the test if there is no server of `major`"""
        if major not in self._made:
            cluster = self._majors[major]
            db = cluster.createdb()
            fill(cluster, db, scripts(major))
            place = self._place / str(major)
            place.mkdir()
            self._made[major] = Zoo(cluster, db, place)
        return self._made[major]


@pytest.fixture(scope="session")
def zoos(majors: Majors, tmp_path_factory: pytest.TempPathFactory) -> Zoos:
    return Zoos(majors, tmp_path_factory.mktemp("zoos"))


@pytest.fixture(scope="session", params=SUPPORTED)
def any_zoo(request: pytest.FixtureRequest, zoos: Zoos) -> Zoo:
    """The zoo of each major in turn."""
    major: int = request.param
    return zoos[major]
