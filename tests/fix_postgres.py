"""Real PostgreSQL servers for tests and benchmarks: `pg15`, `pg18`, `majors`, and `server(major)` as a context manager.

15 is Debian's, 18 the embedded wheel's, the others those of other_majors.py. Tests of one of the others are skipped where
it could not be had; without 15 or 18 they fail. With PGVAULT_TEST_MINORS=newest all of them run on the newest minor that
newest_minors.py could get, as on a machine whose packages are of today. Every server is stopped at the latest when the
interpreter exits.
"""

from __future__ import annotations

import atexit
import itertools
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from tests.other_majors import newest_bin, usual_bin
from vault.source.postgres.connection.throwaway_directories import throwaway_directory
from vault.source.postgres.connection.throwaway_server import EmbeddedServer

SUPPORTED = (13, 14, 15, 16, 17, 18)


class Cluster:
    """A running throwaway server. `dsn(database)`, `createdb()`, `bin`, `major`, `stop()`."""

    def __init__(self, binaries: Path, settings: Mapping[str, str]) -> None:
        self._place = ExitStack()
        self._numbers = itertools.count(1)
        directory = self._place.enter_context(throwaway_directory()) / "server"
        self._server = EmbeddedServer(directory, binaries=binaries, settings=settings)
        atexit.register(self.stop)
        self._server.start()

    @property
    def bin(self) -> Path:
        return self._server.bin

    @property
    def major(self) -> int:
        return self._server.major

    @property
    def superuser(self) -> str:
        """Connection string of the maintenance database."""
        return self.dsn()

    def dsn(self, db: str = "postgres") -> str:
        return self._server.dsn(db)

    def createdb(self, name: str | None = None, *, options: str = "TEMPLATE template0") -> str:
        """Create an empty database and return its name."""
        name = name or f"test_{next(self._numbers)}"
        with self.connect() as connection:
            statement = sql.SQL("CREATE DATABASE {} " + options).format(sql.Identifier(name))
            connection.execute(statement)
        return name

    def dropdb(self, name: str) -> None:
        with self.connect() as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def connect(self, db: str = "postgres", **options: Any) -> psycopg.Connection[tuple[Any, ...]]:
        """A new superuser connection in autocommit mode."""
        return psycopg.connect(self.dsn(db), autocommit=True, **options)

    def stop(self, mode: str = "immediate") -> None:
        """Stop the server and delete it; again is no error."""
        self._server.stop(mode)
        self._place.close()
        atexit.unregister(self.stop)

    def crash(self) -> None:
        """Stop at once, as a lost machine does; the directory stays."""
        self._server.stop("immediate")

    def start(self) -> None:
        self._server.start()

    def run(self, program: str, *arguments: str) -> None:
        """Run one of the server's programs as the server's user."""
        self._server.run(program, *arguments)

    def beside(self, directory: Path, *, settings: Mapping[str, str] | None = None) -> EmbeddedServer:
        """Another server of the same programs, not started yet, that may use this one's files and socket."""
        return EmbeddedServer(directory, binaries=self.bin, settings=settings, beside=self._server)


def binaries_of(major: int) -> Path | None:
    """Directory with the server of `major` that tests run on, and perhaps its client programs."""
    newest = newest_bin(major) if os.environ.get("PGVAULT_TEST_MINORS") == "newest" else None
    return newest or usual_bin(major)


@contextmanager
def started(binaries: Path, settings: Mapping[str, str] | None = None) -> Iterator[Cluster]:
    """A server of these binaries, stopped at the end."""
    cluster = Cluster(binaries, settings or {})
    try:
        yield cluster
    finally:
        cluster.stop()


@contextmanager
def server(major: int, *, settings: Mapping[str, str] | None = None) -> Iterator[Cluster]:
    """A server of its own, stopped at the end. Raises LookupError if `major` is not installed."""
    binaries = binaries_of(major)
    if binaries is None:
        raise LookupError(f"PostgreSQL {major} is not installed")
    with started(binaries, settings) as cluster:
        yield cluster


UNATTENDED = {"autovacuum": "off"}
"""A worker of autovacuum that is at work when a snapshot is taken holds its horizon back, and what is reused depends on the moment."""


class Majors:
    """Servers by major, each started when it is first asked for."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._started: dict[int, Cluster] = {}

    def __getitem__(self, major: int) -> Cluster:
        """The server of `major`. Raises LookupError without 15 or 18; skips the test without another one"""
        if major not in self._started:
            try:
                self._started[major] = self._stack.enter_context(server(major, settings=UNATTENDED))
            except LookupError as missing:
                if major in (15, 18):
                    raise
                pytest.skip(str(missing))
        return self._started[major]


@pytest.fixture(scope="session")
def majors() -> Iterator[Majors]:
    with ExitStack() as stack:
        yield Majors(stack)


@pytest.fixture(scope="session")
def pg15(majors: Majors) -> Cluster:
    return majors[15]


@pytest.fixture(scope="session")
def pg18(majors: Majors) -> Cluster:
    return majors[18]


@pytest.fixture(scope="session", params=[15, 18])
def postgres(request: pytest.FixtureRequest) -> Cluster:
    """Each supported server in turn."""
    cluster: Cluster = request.getfixturevalue(f"pg{request.param}")
    return cluster
