"""SQL text that a restore sends, from values. Pure: no connection, no decisions.

Never edits SQL text by pattern: where a recorded definition must change, it is taken apart by its grammar at its very
start or end, or refused. Spec 75-restore.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from vault.errors import Malformed
from vault.model import (
    Identity,
    LargeObjectItem,
    SchemaEntry,
    SequenceItem,
    TableItem,
    TableName,
)
from vault.sql.names import literal, qualified, quote, unquoted, words

_OWNED_BY_NAME = frozenset(
    {
        "COLLATION",
        "CONVERSION",
        "DOMAIN",
        "EVENT TRIGGER",
        "FOREIGN DATA WRAPPER",
        "FOREIGN TABLE",
        "MATERIALIZED VIEW",
        "PROCEDURAL LANGUAGE",
        "PUBLICATION",
        "SCHEMA",
        "SEQUENCE",
        "SERVER",
        "STATISTICS",
        "SUBSCRIPTION",
        "TABLE",
        "TEXT SEARCH CONFIGURATION",
        "TEXT SEARCH DICTIONARY",
        "TYPE",
        "VIEW",
    }
)
_OWNED_BY_DROP = frozenset({"AGGREGATE", "FUNCTION", "OPERATOR", "OPERATOR CLASS", "OPERATOR FAMILY", "PROCEDURE"})


def set_owner(entry: SchemaEntry) -> str | None:
    """ALTER ... OWNER TO as pg_restore derives it; None for what has no owner of its own.

    Only what has a DROP statement can be owned. The schema `public` has one although it is never created.
    """
    if not entry.owner or not entry.drop:
        return None
    desc = entry.identity.desc
    if desc in _OWNED_BY_NAME:
        schema = f"{quote(entry.namespace)}." if entry.namespace else ""
        return f"ALTER {desc} {schema}{quote(entry.tag)} OWNER TO {quote(entry.owner)};"
    if desc in _OWNED_BY_DROP:
        subject = entry.drop.removeprefix("DROP ").rstrip("\n;")
        return f"ALTER {subject} OWNER TO {quote(entry.owner)};"
    return None


def create_or_replace(entry: SchemaEntry) -> str | None:
    """The definition of a function, procedure or view in the form that replaces one; None for what has no such form."""
    if entry.identity.desc in {"FUNCTION", "PROCEDURE"} and entry.function_definition:
        return entry.function_definition.rstrip("\n ") + ";"
    start = "CREATE VIEW "
    if entry.identity.desc == "VIEW" and entry.definition.startswith(start):
        return "CREATE OR REPLACE VIEW " + entry.definition[len(start) :]
    return None


def leave_publication(identity: Identity) -> str:
    """Of a PUBLICATION TABLE entry: its columns and row filter change only by leaving and coming again."""
    return f"ALTER PUBLICATION {quote(identity.args[0])} DROP TABLE ONLY {qualified(identity.relation)};"


def create_extension(name: str, *, schema: str, version: str) -> str:
    """`schema` is SQL already, as regnamespace prints it."""
    return f"CREATE EXTENSION IF NOT EXISTS {quote(name)} WITH SCHEMA {schema} VERSION {literal(version)};\n"


def append_not_valid(definition: str) -> str:
    """A statement ALTER TABLE ... ADD CONSTRAINT with NOT VALID as its last attribute, which the grammar allows in any place."""
    return definition.rstrip("\n ").removesuffix(";") + " NOT VALID;"


def plain_index(entry: SchemaEntry) -> str | None:
    """The statement for an index that is not unique in place of a unique index or key; None if the text is not understood."""
    if entry.identity.desc == "INDEX":
        start = "CREATE UNIQUE INDEX "
        return "CREATE INDEX " + entry.definition[len(start) :] if entry.definition.startswith(start) else None
    key = read_key(entry)
    if key is None:
        return None
    columns = ", ".join(quote(column) for column in key.columns)
    return f"CREATE INDEX {quote(key.name)} ON {qualified(key.table)} USING btree ({columns});"


_COMMANDS_OF_USING = frozenset({"all", "select", "update", "delete"})
_COMMANDS_OF_CHECK = frozenset({"all", "insert", "update"})


def closed_policy(entry: SchemaEntry) -> str | None:
    """A restrictive policy of the same command and roles that admits nothing; None for a permissive one.

    Reads `CREATE POLICY name ON schema.table AS RESTRICTIVE [FOR command] [TO roles] {USING | WITH CHECK} ...`
    """
    start: list[str] = []
    for word in words(entry.definition):
        if word in ("using", "with"):
            break
        start.append(word)
    if start[:2] != ["create", "policy"] or start[7:9] != ["as", "restrictive"]:
        return None
    command = start[10] if start[9:10] == ["for"] else "all"
    using = " USING (false)" if command in _COMMANDS_OF_USING else ""
    check = " WITH CHECK (false)" if command in _COMMANDS_OF_CHECK else ""
    return f"{' '.join(start)}{using}{check};"


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A PRIMARY KEY or UNIQUE constraint as its entry defines it."""

    name: str
    table: TableName
    columns: tuple[str, ...]


def read_key(entry: SchemaEntry) -> Key | None:
    """Read `ALTER TABLE [ONLY] schema.table ADD CONSTRAINT name {PRIMARY KEY | UNIQUE ...} (columns)`; None if it is anything else."""
    tokens = words(entry.definition)
    try:
        if (next(tokens), next(tokens)) != ("alter", "table"):
            return None
        word = next(tokens)
        schema = next(tokens) if word == "only" else word
        dot, table = next(tokens), next(tokens)
        if dot != "." or (next(tokens), next(tokens)) != ("add", "constraint"):
            return None
        name, kind = next(tokens), next(tokens)
        if kind not in ("unique", "primary"):
            return None
        while (word := next(tokens)) != "(":
            if word not in ("key", "nulls", "not", "distinct"):
                return None
        columns = [unquoted(next(tokens))]
        while (word := next(tokens)) == ",":
            columns.append(unquoted(next(tokens)))
    except StopIteration:
        return None
    if word != ")":
        return None
    target = TableName(schema=unquoted(schema), name=unquoted(table))
    return Key(name=unquoted(name), table=target, columns=tuple(columns))


# --- rows ----------------------------------------------------------------------------------------


def copy_rows(table: TableItem, *, encoding: str) -> str:
    """COPY of the captured columns into the table, or into the partition root where leaves depend on oids."""
    columns = ", ".join(quote(column.name) for column in table.columns)
    listed = f" ({columns})" if columns else ""  # a table may have rows and no columns
    return f"COPY {qualified(table.load_via_root or table.name)}{listed} FROM STDIN (ENCODING {literal(encoding)});"


def delete_rows(table: TableItem) -> str:
    return f"DELETE FROM ONLY {qualified(table.name)} {table.condition};"


def set_sequence(item: SequenceItem) -> str:
    called = "true" if item.is_called else "false"
    return f"SELECT pg_catalog.setval({literal(qualified(item.name))}, {item.last_value}, {called});"


def set_sequence_forward(item: SequenceItem) -> str:
    """As `set_sequence`, unless the sequence has gone further in its own direction."""
    name = qualified(item.name)
    position = "({0} + CASE WHEN {1} THEN 1 ELSE 0 END)"
    here, there = (
        position.format("last_value", "is_called"),
        position.format(item.last_value, str(item.is_called).lower()),
    )
    ahead = f"CASE WHEN seqincrement > 0 THEN {here} < {there} ELSE last_value > {item.last_value} END"
    return (
        f"SELECT pg_catalog.setval({literal(name)}, {item.last_value}, {str(item.is_called).lower()}) FROM {name},"
        f" pg_catalog.pg_sequence WHERE seqrelid = {literal(name)}::pg_catalog.regclass AND {ahead};"
    )


# --- large objects -------------------------------------------------------------------------------

_LARGE_OBJECT_PRIVILEGES = {"r": "SELECT", "w": "UPDATE"}


@dataclass(frozen=True, slots=True, kw_only=True)
class AclItem:
    """One aclitem. Empty `grantee` is PUBLIC. `privileges`: letter -> may be granted on."""

    grantee: str
    grantor: str
    privileges: tuple[tuple[str, bool], ...]


def read_acl_item(text: str) -> AclItem:
    """Parse `grantee=rw*/grantor`. Raises Malformed: not an aclitem"""
    grantee, rest = _acl_name(text)
    letters, slash, grantor = rest.removeprefix("=").partition("/")
    if not rest.startswith("=") or not slash:
        raise Malformed("an access privilege is not in PostgreSQL's form")
    privileges: list[tuple[str, bool]] = []
    for letter in letters:
        if letter == "*" and privileges:
            privileges[-1] = (privileges[-1][0], True)
        else:
            privileges.append((letter, False))
    return AclItem(grantee=grantee, grantor=_acl_name(grantor)[0], privileges=tuple(privileges))


def _acl_name(text: str) -> tuple[str, str]:
    """A role name at the start of `text`, and what follows it."""
    if not text.startswith('"'):
        end = next((at for at, letter in enumerate(text) if letter in "=/"), len(text))
        return text[:end], text[end:]
    word = next(words(text))
    return unquoted(word), text[len(word) :]


def set_large_object_owner(item: LargeObjectItem) -> str:
    return f"ALTER LARGE OBJECT {item.oid} OWNER TO {quote(item.owner)};"


def large_object_access(item: LargeObjectItem) -> list[str]:
    """Grants in an order in which each grantor already may, and comment. Raises  Malformed: no privileges of a large object"""
    name = f"LARGE OBJECT {item.oid}"
    statements: list[str] = []
    if item.acl is not None:
        statements.append(f"REVOKE ALL ON {name} FROM {quote(item.owner)};")
        items = [read_acl_item(text) for text in item.acl]
        for granted in sorted(items, key=lambda granted: granted.grantor != item.owner):
            statements += _large_object_grants(name, granted, item.owner)
    if item.comment is not None:
        statements.append(f"COMMENT ON {name} IS {literal(item.comment)};")
    return statements


def _large_object_grants(name: str, item: AclItem, owner: str) -> Iterator[str]:
    grantee = quote(item.grantee) if item.grantee else "PUBLIC"
    if item.grantor != owner:
        yield f"SET LOCAL SESSION AUTHORIZATION {quote(item.grantor)};"
    for letter, grantable in item.privileges:
        if letter not in _LARGE_OBJECT_PRIVILEGES:
            raise Malformed("an access privilege is none that a large object has")
        option = " WITH GRANT OPTION" if grantable else ""
        yield f"GRANT {_LARGE_OBJECT_PRIVILEGES[letter]} ON {name} TO {grantee}{option};"
    if item.grantor != owner:
        yield "SET LOCAL SESSION AUTHORIZATION DEFAULT;"
