"""What a snapshot defines, in a database that is asked questions: types, functions, tables without rows, views. No roles, rights, triggers, keys or policies.

Every definition is made by a role that is no superuser, so the server itself refuses functions in C and untrusted languages, event
triggers and foreign servers, and a function that runs as its owner runs as nobody. Extensions alone come from a superuser, by a list.
What could not be made is kept with its reason: whoever needs it is told.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Protocol

from vault.errors import SourceError
from vault.model import SchemaEntry
from vault.repo.snapshot import Snapshot
from vault.sql.names import quote

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
    for entry in _entries(snapshot):
        try:
            if entry.identity.desc == "EXTENSION":
                _extend(session, entry.tag, schemas.get(entry.tag, "public"))
            else:
                session.define(entry.definition)
        except SourceError as error:
            done.failed[entry.label] = error.why or error.message
    return done


def _extend(session: DefiningSession, name: str, schema: str) -> None:
    if name not in EXTENSIONS:
        raise SourceError(f"extension {quote(name)}", why="it is not one that a throwaway server is given")
    if name != "plpgsql":
        session.extend(name, schema)


def _entries(snapshot: Snapshot) -> Iterator[SchemaEntry]:
    wanted = (item for item in snapshot.order() if item.identity.desc in _MADE)
    return (entry for entry in snapshot.entries(wanted) if entry.definition or entry.identity.desc == "EXTENSION")
