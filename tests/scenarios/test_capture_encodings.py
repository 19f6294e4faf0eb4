"""Bytes that are no text: in rows they are captured, in names and definitions the object is named before anything is read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import psycopg
import pytest

from tests.fix_postgres import Cluster, server
from tests.restore_support import restored, snapshot_of
from tests.scenarios.capture_support import database, jobs, open_on, ours, read_all
from vault.errors import SourceError
from vault.model import TableName
from vault.source.postgres.capture.watch import tell_holder
from vault.source.postgres.connection.connect import connect
from vault.source.postgres.connection.resolve import resolve

pytestmark = pytest.mark.postgres

LIKE_C: Final = "TEMPLATE template0 ENCODING '{}' LC_COLLATE 'C' LC_CTYPE 'C'"
TABLE: Final = "CREATE TABLE t (a int); INSERT INTO t VALUES (1)"
ASCII: Final = LIKE_C.format("SQL_ASCII")


def run(cluster: Cluster, name: str, statements: bytes) -> None:
    """As they are, whatever psycopg thinks of their bytes."""
    with cluster.connect(name) as connection:
        connection.execute("SET client_encoding = 'SQL_ASCII'")
        result = connection.pgconn.exec_(statements)
        assert result.status in (psycopg.pq.ExecStatus.COMMAND_OK, psycopg.pq.ExecStatus.TUPLES_OK), (
            result.error_message
        )


def test_rows_of_any_bytes_and_definitions_in_utf8_are_captured(postgres: Cluster) -> None:
    with database(postgres, options=ASCII) as name:
        run(postgres, name, "CREATE TABLE \"grün\" (a text DEFAULT 'ß'); COMMENT ON TABLE \"grün\" IS 'é'".encode())
        run(postgres, name, "INSERT INTO \"grün\" VALUES ('X')".encode().replace(b"X", b"\xe9"))
        with open_on(postgres.dsn(name)) as capture:
            rows = read_all(capture.reader(), jobs(capture.tables))
            assert rows == {TableName(schema="public", name="grün"): (1, b"\xe9\n")}
            assert any("'ß'" in entry.definition for entry in capture.schema().entries)


OF_A_DATABASE: Final = {
    b'CREATE TABLE "t\xe9" (a int)': r'table public."t\xe9"',
    b'CREATE TABLE t ("c\xe9" int)': r"column c\xe9 of table public.t",
    b'CREATE SCHEMA "s\xe9"': r"schema s\xe9",
    b'CREATE SEQUENCE "q\xe9"': r'sequence public."q\xe9"',
    b"CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $$SELECT '\xe9'$$": "function public.f()",
    b"CREATE TYPE e AS ENUM ('\xe9')": "type public.e",
    b'CREATE TABLE t (a int); CREATE POLICY "p\xe9" ON t': r"policy p\xe9 on table public.t",
    b"CREATE TABLE t (a int); COMMENT ON COLUMN t.a IS '\xe9'": "comment on column a of table public.t",
    b"SELECT lo_create(777); COMMENT ON LARGE OBJECT 777 IS '\xe9'": "comment on large object 777",
    b'CREATE TABLE t (a int); CREATE INDEX "i\xe9\x1b[2J" ON t (a)': r'index public."i\xe9\x1b[2J"',
}


@pytest.mark.parametrize("statements", OF_A_DATABASE, ids=OF_A_DATABASE.values())
def test_object_of_an_sql_ascii_database_is_named(pg15: Cluster, statements: bytes) -> None:
    with database(pg15, options=ASCII) as name:
        run(pg15, name, statements)
        with pytest.raises(SourceError, match="not valid UTF-8") as caught:
            open_on(pg15.dsn(name))
        assert OF_A_DATABASE[statements] in caught.value.message
        assert caught.value.message.isprintable()
        assert caught.value.hint
    assert ours(pg15) == []


@pytest.mark.parametrize("definition", [b"TABLE t (a text DEFAULT '\xe9')", b"VIEW t AS SELECT '\xe9'::text AS a"])
def test_definition_that_only_pg_dump_shows_is_named(pg15: Cluster, definition: bytes) -> None:
    with database(pg15, options=ASCII) as name:
        run(pg15, name, b"CREATE " + definition)
        with open_on(pg15.dsn(name)) as capture, pytest.raises(SourceError, match=r" public\.t is not valid") as caught:
            capture.schema()
        assert caught.value.hint


OF_THE_CLUSTER: Final = {
    'CREATE ROLE "r\xe9"': (r"role r\xe9", 'DROP ROLE "r\xe9"'),
    "COMMENT ON ROLE postgres IS '\xe9'": ("comment on role postgres", "COMMENT ON ROLE postgres IS NULL"),
    "ALTER ROLE postgres SET my.x = '\xe9'": ("settings of role postgres", "ALTER ROLE postgres RESET ALL"),
    'CREATE DATABASE "d\xe9"': ("", 'DROP DATABASE "d\xe9"'),
}


@pytest.fixture
def latin(postgres: Cluster) -> Iterator[str]:
    with database(postgres, options=LIKE_C.format("LATIN1")) as name:
        yield name


@pytest.mark.parametrize("statement", OF_THE_CLUSTER)
def test_what_another_database_wrote_into_the_shared_catalogs_is_named(
    postgres: Cluster, latin: str, statement: str
) -> None:
    """The bytes of LATIN1 are no UTF-8, and every database of the cluster sees them."""
    named, undo = OF_THE_CLUSTER[statement]
    with database(postgres) as name, postgres.connect(latin) as connection:
        connection.execute(statement.encode("latin-1"))
        try:
            open_on(postgres.dsn(latin)).abort()
            if named:
                with pytest.raises(SourceError, match="not valid UTF8") as caught:
                    open_on(postgres.dsn(name))
                assert named in caught.value.message
            else:
                open_on(postgres.dsn(name)).abort()
        finally:
            connection.execute(undo.encode("latin-1"))


def test_restore_names_what_stands_in_its_way_before_it_changes_anything(postgres: Cluster, latin: str) -> None:
    with database(postgres, TABLE) as source, database(postgres) as target, postgres.connect(latin) as connection:
        taken = snapshot_of(postgres.dsn(source))
        connection.execute('CREATE ROLE "r\xe9"'.encode("latin-1"))
        try:
            with pytest.raises(SourceError, match=r"not valid UTF8: role r\\xe9"):
                restored(taken, postgres.dsn(target))
        finally:
            connection.execute('DROP ROLE "r\xe9"'.encode("latin-1"))
        assert restored(taken, postgres.dsn(target)).failed == {}


def test_prepared_transaction_of_another_encoding_is_told_of_without_its_name() -> None:
    """It holds the horizon of every database, and its name is bytes of its own."""
    with (
        server(15, settings={"max_prepared_transactions": "2"}) as pg15,
        database(pg15, options=LIKE_C.format("LATIN1")) as other,
        database(pg15) as name,
    ):
        with pg15.connect(other) as connection:
            connection.execute("BEGIN; CREATE TABLE t (a int); PREPARE TRANSACTION 'p\xe9'")
        told: list[str] = []
        observer = connect(resolve(pg15.dsn(name), {}, allow_cleartext=False))
        with open_on(pg15.dsn(name)) as capture:
            tell_holder(observer, capture.server, old_s=0.0, tell=told.append)
        observer.close()
        with pg15.connect(other) as connection:
            connection.execute("ROLLBACK PREPARED 'p\xe9'")
    assert any("a prepared transaction of another database" in text for text in told)
