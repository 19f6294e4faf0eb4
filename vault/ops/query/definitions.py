"""What a snapshot defines, in a database that is asked questions: types, functions, tables without rows, views. No roles, rights, triggers or policies,
and no keys but those that a view or another definition needs, as one that groups by a primary key does.

Every definition is made by a role that is no superuser, so the server itself refuses functions in C and untrusted languages, event
triggers and foreign servers, and a function that runs as its owner runs as nobody. Extensions alone come from a superuser, by a list.
What could not be made is kept with its reason: whoever needs it is told.

Invariant: what would answer with less than it has is not there. pg_dump makes a view that needs a key twice, first one without rows; a
table has the rows of its partitions and of what inherits from it. Where the second view or one of these fails, the first or the table goes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from vault.errors import SourceError
from vault.model import OrderItem, SchemaEntry
from vault.repo.snapshot import Snapshot
from vault.sql.names import qualified, quote

EXTENSIONS: Final = frozenset(
    [
        "btree_gin",
        "btree_gist",
        "citext",
        "cube",
        "dict_int",
        "dict_xsyn",
        "earthdistance",
        "fuzzystrmatch",
        "hstore",
        "intarray",
        "isn",
        "ltree",
        "pg_trgm",
        "pgcrypto",
        "plpgsql",
        "seg",
        "tablefunc",
        "unaccent",
        "uuid-ossp",
        "vector",
    ]
)
"""Those that compute and reach nothing outside."""
_MADE: Final = frozenset(
    {
        *("SCHEMA", "EXTENSION", "SHELL TYPE", "TYPE", "DOMAIN", "COLLATION", "CONVERSION", "CAST"),
        *("FUNCTION", "PROCEDURE", "AGGREGATE", "OPERATOR", "OPERATOR CLASS", "OPERATOR FAMILY", "TRANSFORM"),
        *("TEXT SEARCH PARSER", "TEXT SEARCH DICTIONARY", "TEXT SEARCH TEMPLATE", "TEXT SEARCH CONFIGURATION"),
        *("SEQUENCE", "TABLE", "TABLE ATTACH", "VIEW", "MATERIALIZED VIEW", "RULE"),
    }
)
"""pg_dump's words for what a query can name, or what that is made of."""
_OF_A_VIEW: Final = "_RETURN"
"""The rule that is a view's query."""
_INHERITS: Final = "\nINHERITS ("


class DefiningSession(Protocol):
    """A database of our own. Each call is a transaction of its own."""

    def define(self, statement: str) -> None:
        """As the role that owns the database. Raises  SourceError: nothing of it is there"""

    def extend(self, name: str, schema: str) -> None:
        """Create an extension. Raises  SourceError: this server does not have it"""


@dataclass(slots=True)
class Defined:
    """What is not there: label of the entry -> why."""

    failed: dict[str, str] = field(default_factory=dict)


def define_all(snapshot: Snapshot, session: DefiningSession) -> Defined:
    """In pg_dump's order. Raises  IntegrityError; Unreachable"""
    done = Defined()
    schemas = {name: schema for name, _, schema in snapshot.catalog().extensions}
    order = snapshot.order()
    wanted = _wanted(order)
    above = _Above(order)
    for item, entry in zip(wanted, snapshot.entries(wanted), strict=True):
        try:
            if entry.identity.desc == "EXTENSION":
                _extend(session, entry.tag, schemas.get(entry.tag, "public"))
            elif entry.definition:
                session.define(entry.definition)
        except SourceError as error:
            done.failed[entry.label] = error.why or error.message
            for statement in above.without(item, entry):
                session.define(statement)
    return done


def _extend(session: DefiningSession, name: str, schema: str) -> None:
    if name not in EXTENSIONS:
        raise SourceError(f"extension {quote(name)}", why="it is not one that a throwaway server is given")
    if name != "plpgsql":
        session.extend(name, schema)


def _wanted(order: Sequence[OrderItem]) -> list[OrderItem]:
    """In their order."""
    needed = {at for item in order if item.identity.desc in _MADE for at in item.needs}
    return [
        item
        for at, item in enumerate(order)
        if item.identity.desc in _MADE or (item.identity.desc == "CONSTRAINT" and at in needed)
    ]


class _Above:
    """What has rows of what."""

    def __init__(self, order: Sequence[OrderItem]) -> None:
        self._order = order
        self._parents: Mapping[str, str] = {
            _called(item): item.identity.sub for item in order if item.identity.desc == "TABLE ATTACH"
        }

    def without(self, failed: OrderItem, entry: SchemaEntry) -> Iterator[str]:
        """Statements that drop what would answer without the rows of what failed; whatever uses it goes too."""
        if entry.identity.kind == "rule" and entry.identity.names[-1] == _OF_A_VIEW:
            yield f"DROP VIEW IF EXISTS {qualified(entry.identity.relation)} CASCADE"
        elif entry.identity.desc == "TABLE ATTACH":
            yield _drop(self._root(entry.identity.sub))
        elif entry.identity.desc == "TABLE" and _INHERITS in entry.definition:
            yield from map(_drop, self._ancestors(failed))

    def _root(self, table: str) -> str:
        while table in self._parents:
            table = self._parents[table]
        return table

    def _ancestors(self, item: OrderItem) -> Iterator[str]:
        """Tables that it may inherit from, at any distance: one that it needs otherwise is refused along with them."""
        for at in item.needs:
            if self._order[at].identity.desc == "TABLE":
                yield self._root(_called(self._order[at]))
                yield from self._ancestors(self._order[at])


def _called(item: OrderItem) -> str:
    return qualified(item.identity.relation)


def _drop(table: str) -> str:
    return f"DROP TABLE IF EXISTS {table} CASCADE"
