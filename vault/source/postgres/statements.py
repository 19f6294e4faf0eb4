"""SQL text that a restore sends, from values. Pure: no connection, no decisions.

Never edits SQL text by pattern: where a recorded definition must change, it is taken apart by its grammar at its very
start or end, or refused. Spec 75-restore.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from vault.errors import Malformed
from vault.model import (
    LargeObjectItem,
    Membership,
    ParameterAcl,
    Role,
    RoleSetting,
    SchemaEntry,
    SequenceItem,
    TableItem,
    TableName,
)
from vault.source.postgres.names import literal, qualified, quote

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
_LIST_SETTINGS = frozenset(
    {
        "local_preload_libraries",
        "search_path",
        "session_preload_libraries",
        "shared_preload_libraries",
        "temp_tablespaces",
        "unix_socket_directories",
    }
)
"""Settings flagged GUC_LIST_QUOTE: their stored text is a list of quoted names, not one literal."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A PRIMARY KEY or UNIQUE constraint as its entry defines it."""

    name: str
    table: TableName
    columns: tuple[str, ...]


def read_key(entry: SchemaEntry) -> Key | None:
    """Read `ALTER TABLE [ONLY] schema.table ADD CONSTRAINT name {PRIMARY KEY | UNIQUE ...} (columns)`; None if it is anything else."""
    words = _words(entry.definition)
    try:
        if (next(words), next(words)) != ("alter", "table"):
            return None
        word = next(words)
        schema = next(words) if word == "only" else word
        dot, table = next(words), next(words)
        if dot != "." or (next(words), next(words)) != ("add", "constraint"):
            return None
        name, kind = next(words), next(words)
        if kind not in ("unique", "primary"):
            return None
        while (word := next(words)) != "(":
            if word not in ("key", "nulls", "not", "distinct"):
                return None
        columns = [_unquoted(next(words))]
        while (word := next(words)) == ",":
            columns.append(_unquoted(next(words)))
    except StopIteration:
        return None
    if word != ")":
        return None
    target = TableName(schema=_unquoted(schema), name=_unquoted(table))
    return Key(name=_unquoted(name), table=target, columns=tuple(columns))


def _words(text: str) -> Iterator[str]:
    """Names (quoted ones with their quotes) and single characters of punctuation; bare words in lower case."""
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
        elif text[at] == '"':
            end = at + 1
            while end < len(text) and (text[end] != '"' or text[end : end + 2] == '""'):
                end += 2 if text[end] == '"' else 1
            yield text[at : end + 1]
            at = end + 1
        elif text[at].isalnum() or text[at] in "_$":
            end = at
            while end < len(text) and (text[end].isalnum() or text[end] in "_$"):
                end += 1
            yield text[at:end].lower()
            at = end
        else:
            yield text[at]
            at += 1


def _unquoted(word: str) -> str:
    return word[1:-1].replace('""', '"') if word.startswith('"') else word


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
    word = next(_words(text))
    return _unquoted(word), text[len(word) :]


def set_large_object_owner(item: LargeObjectItem) -> str:
    return f"ALTER LARGE OBJECT {item.oid} OWNER TO {quote(item.owner)};"


def large_object_access(item: LargeObjectItem) -> list[str]:
    """Grants in an order in which each grantor already may, and comment."""
    name = f"LARGE OBJECT {item.oid}"
    statements: list[str] = []
    if item.acl is not None:
        statements.append(f"REVOKE ALL ON {name} FROM {quote(item.owner)};")
        items = [read_acl_item(text) for text in item.acl]
        for granted in sorted(items, key=lambda one: one.grantor != item.owner):
            statements += _large_object_grants(name, granted, item.owner)
    if item.comment is not None:
        statements.append(f"COMMENT ON {name} IS {literal(item.comment)};")
    return statements


def _large_object_grants(name: str, item: AclItem, owner: str) -> Iterator[str]:
    grantee = quote(item.grantee) if item.grantee else "PUBLIC"
    if item.grantor != owner:
        yield f"SET LOCAL SESSION AUTHORIZATION {quote(item.grantor)};"
    for letter, grantable in item.privileges:
        option = " WITH GRANT OPTION" if grantable else ""
        yield f"GRANT {_LARGE_OBJECT_PRIVILEGES[letter]} ON {name} TO {grantee}{option};"
    if item.grantor != owner:
        yield "SET LOCAL SESSION AUTHORIZATION DEFAULT;"


# --- roles and settings --------------------------------------------------------------------------


_UNLOGGED = (
    "SET LOCAL log_statement TO 'none';",
    "SET LOCAL log_min_duration_statement TO -1;",
    "SET LOCAL log_min_error_statement TO 'panic';",
)
"""A verifier shall not end up in the target's log."""


def create_role(role: Role, *, unlogged: bool = True) -> list[str]:
    """CREATE ROLE with every attribute named, so that nothing depends on the server's defaults.

    unlogged  keep the verifier out of the server's log, which only a superuser may
    """
    flags = (
        (role.superuser, "SUPERUSER"),
        (role.inherit, "INHERIT"),
        (role.create_role, "CREATEROLE"),
        (role.create_db, "CREATEDB"),
        (role.can_login, "LOGIN"),
        (role.replication, "REPLICATION"),
        (role.bypass_rls, "BYPASSRLS"),
    )
    words = [word if on else f"NO{word}" for on, word in flags]
    words.append(f"CONNECTION LIMIT {role.connection_limit}")
    if role.verifier is not None:
        words.append(f"PASSWORD {literal(role.verifier)}")
    if role.valid_until is not None:
        words.append(f"VALID UNTIL {literal(role.valid_until)}")
    statements = [*(_UNLOGGED if unlogged else ()), f"CREATE ROLE {quote(role.name)} WITH {' '.join(words)};"]
    if role.comment is not None:
        statements.append(f"COMMENT ON ROLE {quote(role.name)} IS {literal(role.comment)};")
    return statements


def grant_role(membership: Membership, *, version_num: int, grantor: bool) -> str:
    """`grantor`: name the recorded one (it must hold the admin option already)."""
    if version_num >= 160000:
        options = (("ADMIN", membership.admin), ("INHERIT", membership.inherit), ("SET", membership.set))
        named = [f"{word} {'TRUE' if on else 'FALSE'}" for word, on in options if on is not None]
    else:
        named = ["ADMIN OPTION"] if membership.admin else []
    clause = f" WITH {', '.join(named)}" if named else ""
    by = f" GRANTED BY {quote(membership.grantor)}" if grantor else ""
    return f"GRANT {quote(membership.role)} TO {quote(membership.member)}{clause}{by};"


def grant_parameter(parameter: ParameterAcl) -> list[str]:
    """Grants on a setting, as the restoring role."""
    found: list[str] = []
    for item in map(read_acl_item, parameter.acl):
        for letter, grantable in item.privileges:
            word = {"s": "SET", "A": "ALTER SYSTEM"}[letter]
            option = " WITH GRANT OPTION" if grantable else ""
            name = _setting_name(parameter.name)
            found.append(f"GRANT {word} ON PARAMETER {name} TO {quote(item.grantee)}{option};")
    return found


def standard_public(version_num: int) -> list[str]:
    """Schema public as initdb makes it."""
    owner = ["ALTER SCHEMA public OWNER TO pg_database_owner;"] if version_num >= 150000 else []
    return [
        "CREATE SCHEMA IF NOT EXISTS public;",
        *owner,
        "COMMENT ON SCHEMA public IS 'standard public schema';",
    ]


def set_setting(setting: RoleSetting, *, database: str) -> str:
    """ALTER ROLE / ALTER DATABASE ... SET for the database of the target."""
    if setting.role:
        here = f" IN DATABASE {quote(database)}" if setting.here else ""
        subject = f"ROLE {quote(setting.role)}{here}"
    else:
        subject = f"DATABASE {quote(database)}" if setting.here else "ROLE ALL"
    return f"ALTER {subject} SET {_setting_name(setting.name)} TO {_setting_value(setting)};"


def set_routine(name: str, *, definer: bool, settings: Sequence[str]) -> str:
    """ALTER ROUTINE to exactly these `settings` (name=value, as in pg_proc). `name` is a regprocedure's text."""
    subject = f"ALTER ROUTINE {name}"
    lines = [f"{subject} SECURITY {'DEFINER' if definer else 'INVOKER'} RESET ALL;\n"]
    for setting in settings:
        key, _, value = setting.partition("=")
        text = _setting_value(RoleSetting(role="", here=False, name=key, value=value))
        lines.append(f"{subject} SET {_setting_name(key)} TO {text};\n")
    return "".join(lines)


def _setting_name(name: str) -> str:
    """Extensions' settings have dots; each part is a name."""
    return ".".join(quote(part) for part in name.split("."))


def _setting_value(setting: RoleSetting) -> str:
    if setting.name.lower() not in _LIST_SETTINGS:
        return literal(setting.value)
    names: list[str] = []
    expect = True
    for word in _list_words(setting.value):
        if word == ",":
            expect = True
        elif expect:
            names.append(word)
            expect = False
        else:
            return literal(setting.value)
    return ", ".join(literal(name) for name in names) or "''"


def _list_words(text: str) -> Sequence[str]:
    """Elements of a SplitIdentifierString list, unquoted, and the commas between them."""
    words: list[str] = []
    at = 0
    while at < len(text):
        if text[at] in ", ":
            if text[at] == ",":
                words.append(",")
            at += 1
        elif text[at] == '"':
            word = next(_words(text[at:]))
            words.append(_unquoted(word))
            at += len(word)
        else:
            end = next((place for place in range(at, len(text)) if text[place] in ', "'), len(text))
            words.append(text[at:end])
            at = end
    return words
