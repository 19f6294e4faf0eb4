"""A cluster as Supabase runs it: `postgres` is no superuser, and the platform owns `auth`, `storage`, `realtime`, ...

    platform.empty()    -> name of a database as the platform hands it out
    platform.project()  -> the same with a project in it: tables, policies, users, grants, jobs, objects
    platform.dsn(name)  -> connection string as the demoted `postgres`;  platform.connect(name) connects so
    platform.admin(name) connects as supabase_admin, the superuser, to arrange and to compare

Roles are the cluster's, so each platform is a server of its own. SQL: tests/sql/platform_*.sql. pgcrypto and uuid-ossp are
there where the server has them (not in the embedded 18).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from tests.fix_postgres import Cluster, server

_SQL = Path(__file__).parent / "sql"
_TEMPLATE = "platform_template"


class Platform:
    """`postgres` is a member of pg_read_all_data, as since 2024-06, so it can read pg_authid; `as_before_2024` revokes that."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._numbers = itertools.count(1)
        self._demote()
        with self.admin() as connection:
            connection.execute(_text("roles"))
        self._create(_TEMPLATE, "template0")
        with self.admin(_TEMPLATE) as connection:
            connection.execute(_text("schemas"))
            for extension in ("pgcrypto", "uuid-ossp"):
                if connection.execute("SELECT 1 FROM pg_available_extensions WHERE name = %s", [extension]).fetchone():
                    connection.execute(
                        sql.SQL("CREATE EXTENSION {} WITH SCHEMA extensions").format(sql.Identifier(extension))
                    )

    def dsn(self, db: str = "postgres", *, user: str = "postgres") -> str:
        return self.cluster.dsn(db).replace("user=postgres", f"user={user}")

    def admin(self, db: str = "postgres") -> psycopg.Connection[tuple[Any, ...]]:
        """A new connection of supabase_admin in autocommit mode."""
        return psycopg.connect(self.dsn(db, user="supabase_admin"), autocommit=True)

    def connect(self, db: str = "postgres") -> psycopg.Connection[tuple[Any, ...]]:
        """A new connection of the demoted postgres in autocommit mode."""
        return psycopg.connect(self.dsn(db), autocommit=True)

    def empty(self, name: str | None = None) -> str:
        """Create a database as the platform hands it out and return its name."""
        return self._create(name or f"fresh_{next(self._numbers)}", _TEMPLATE)

    def project(self, name: str | None = None) -> str:
        """Create a database with a project in it and return its name."""
        name = self.empty(name or f"project_{next(self._numbers)}")
        with self.connect(name) as connection:
            connection.execute(_text("project"))
        return name

    def drop(self, name: str) -> None:
        with self.admin() as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    @contextmanager
    def as_before_2024(self) -> Iterator[None]:
        with self.admin() as connection:
            connection.execute("REVOKE pg_read_all_data FROM postgres")
            try:
                yield
            finally:
                connection.execute("GRANT pg_read_all_data TO postgres")

    def _create(self, name: str, template: str) -> str:
        database = sql.Identifier(name)
        with self.admin() as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} OWNER postgres TEMPLATE {}").format(database, sql.Identifier(template))
            )
            connection.execute(sql.SQL("GRANT ALL ON DATABASE {} TO postgres, dashboard_user").format(database))
            connection.execute(sql.SQL("GRANT CREATE ON DATABASE {} TO supabase_storage_admin").format(database))
        return name

    def _demote(self) -> None:
        """The bootstrap superuser can be no other than supabase_admin: since 16 it cannot be demoted."""
        with self.cluster.connect() as connection:
            connection.execute("CREATE ROLE renaming SUPERUSER LOGIN")
        with psycopg.connect(self.dsn(user="renaming"), autocommit=True) as connection:
            connection.execute("ALTER ROLE postgres RENAME TO supabase_admin")
            connection.execute("CREATE ROLE postgres LOGIN; ALTER DATABASE postgres OWNER TO postgres")
        with self.admin() as connection:
            connection.execute("DROP ROLE renaming")


def _text(name: str) -> bytes:
    return (_SQL / f"platform_{name}.sql").read_bytes()


@contextmanager
def platform_server(major: int) -> Iterator[Platform]:
    """A platform on a server of its own. Raises LookupError if `major` is not installed."""
    with server(major) as cluster:
        yield Platform(cluster)


def _or_skip(major: int) -> Iterator[Platform]:
    try:
        with platform_server(major) as found:
            yield found
    except LookupError as missing:
        print(f"skipped: {missing}")
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def platform15() -> Iterator[Platform]:
    yield from _or_skip(15)


@pytest.fixture(scope="session")
def platform17() -> Iterator[Platform]:
    """What Supabase runs for new projects."""
    yield from _or_skip(17)


@pytest.fixture(scope="session")
def platform18() -> Iterator[Platform]:
    yield from _or_skip(18)


@pytest.fixture(scope="session", params=[15, 18])
def platform(request: pytest.FixtureRequest) -> Platform:
    """A platform on each supported server in turn."""
    found: Platform = request.getfixturevalue(f"platform{request.param}")
    return found
