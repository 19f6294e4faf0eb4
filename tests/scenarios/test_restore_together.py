"""Entries and sequence values that come together, in one transaction each: as one by one, or refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.fix_postgres import Cluster
from tests.values import schema_entry
from vault.errors import SourceError
from vault.model import Identity, SchemaEntry, SequenceItem, TableName
from vault.ports import TargetSession
from vault.source.postgres.target.database import connect_target


@pytest.fixture
def database(postgres: Cluster) -> Iterator[str]:
    name = postgres.createdb()
    yield name
    postgres.dropdb(name)


@pytest.fixture
def session(postgres: Cluster, database: str) -> Iterator[TargetSession]:
    target = connect_target(postgres.dsn(database), {})
    yield target.session("UTF8")
    target.close()


@pytest.fixture
def owner(postgres: Cluster) -> Iterator[str]:
    with postgres.connect() as connection:
        connection.execute("create role together")
        yield "together"
        connection.execute("drop role together")


def ask(postgres: Cluster, database: str, query: str) -> Any:
    with postgres.connect(database) as connection:
        return connection.execute(query.encode()).fetchall()[0][0]


def table(name: str, definition: str = "()", **fields: Any) -> SchemaEntry:
    identity = Identity(desc="TABLE", kind="table", names=("public", name))
    return schema_entry(identity, f"CREATE TABLE public.{name} {definition};", **fields)


def value(name: str) -> SequenceItem:
    return SequenceItem(name=TableName(schema="public", name=name), last_value=41, is_called=True)


def test_entries_made_together_have_their_owners(
    postgres: Cluster, database: str, session: TargetSession, owner: str
) -> None:
    owned = [table(name, drop=f"DROP TABLE public.{name};\n", owner=owner) for name in ("a", "b")]
    assert session.create_together(owned)
    owners = "select array_agg(tableowner::text) from pg_tables where schemaname = 'public'"
    assert ask(postgres, database, owners) == [owner, owner]
    session.run(["drop table public.a, public.b"])


@pytest.mark.parametrize(
    "second",
    [
        table("b", "(x nowhere)"),
        table("a"),
        table("b", "() /* left open"),
        table("b", tablespace="nowhere"),
    ],
    ids=["fails", "there already", "no SQL", "another tablespace"],
)
def test_entries_that_cannot_be_made_together_are_left(
    postgres: Cluster, database: str, session: TargetSession, second: SchemaEntry
) -> None:
    tables = "select count(*) from pg_tables where schemaname = 'public'"
    assert not session.create_together([table("a"), second])
    assert ask(postgres, database, tables) == 0
    session.create(table("a"))
    assert ask(postgres, database, tables) == 1


def test_entries_are_not_made_together_where_the_target_grants_by_default(postgres: Cluster, database: str) -> None:
    with postgres.connect(database) as connection:
        connection.execute("alter default privileges grant all on tables to public")
    target = connect_target(postgres.dsn(database), {})
    assert not target.session("UTF8").create_together([table("a"), table("b")])
    target.close()


def test_sequences_are_set_together_or_refused(postgres: Cluster, database: str, session: TargetSession) -> None:
    """[A11] setval is never undone, so that what was refused is set again, each by itself."""
    session.run(["create sequence public.s", "create sequence public.u"])
    with pytest.raises(SourceError, match="2 sequences"):
        session.set_sequences([value("s"), value("gone")])
    session.set_sequences([value("s"), value("u")])
    assert ask(postgres, database, "select nextval('public.s') + nextval('public.u')") == 84
    session.set_sequences([value("s"), value("u")], forward=True)
    assert ask(postgres, database, "select nextval('public.s') + nextval('public.u')") == 86
