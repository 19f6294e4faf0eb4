"""Which definitions differ, as a diff of their texts, and which privileges were gained and lost. Reads only what changed.

An ACL entry of pg_dump is a difference to built-in privileges, so privileges are told from the catalog facts, as those in force. What
pg_dump prints otherwise for another major is told as different: the caller says which majors wrote the texts.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Final

from vault.model import Address, CatalogFacts, EntryItem, SchemaEntry
from vault.model.meaning import are_counts_comparable, caller, meanings
from vault.ops.diff.found import OWN, ChangeKind, FoundChange, change_of, turned
from vault.ops.diff.tables import same_database
from vault.repo import differing
from vault.repo.snapshot import Snapshot
from vault.sql.in_force import Grant, Privileges

_MEMBER: Final = "e"
"""pg_depend's letter for members of extensions."""
_SKIPPED: Final = frozenset({"ACL"})
_DEPENDS: Final = " DEPENDS ON EXTENSION "
_OWN_PROPERTIES: Final = frozenset(
    {"comment", "datacl", "datallowconn", "datconnlimit", "datistemplate", "datname", "owner", "tablespace"}
)
"""What a restore does not bring, because its target is a database of its own."""
_FIELDS: Final = ("owner", "namespace", "tablespace", "table_access_method")
_WORDS: Final = {
    "A": "ALTER SYSTEM",
    "C": "CREATE",
    "D": "TRUNCATE",
    "T": "TEMPORARY",
    "U": "USAGE",
    "X": "EXECUTE",
    "a": "INSERT",
    "c": "CONNECT",
    "d": "DELETE",
    "m": "MAINTAIN",
    "r": "SELECT",
    "s": "SET",
    "t": "TRIGGER",
    "w": "UPDATE",
    "x": "REFERENCES",
}
"""aclitem's letters."""


def definitions(before: Snapshot, after: Snapshot) -> Iterator[FoundChange]:
    """By object. Of two databases not the definition of each, which carries its name: `catalog` has what it says. Raises  IntegrityError"""
    apart = not same_database(before, after)
    changed = (pair for pair in _changed(before, after) if not (apart and _is_of_the_database(pair[0] or pair[1])))
    pairs = sorted(changed, key=lambda pair: _order(pair[0] or pair[1]))
    was = before.entries([old for old, _ in pairs if old is not None])
    now = after.entries([new for _, new in pairs if new is not None])
    for old, new in pairs:
        found = _definition(None if old is None else next(was), None if new is None else next(now))
        if found is not None:
            yield found


def _changed(before: Snapshot, after: Snapshot) -> Iterator[tuple[EntryItem | None, EntryItem | None]]:
    pairs = differing.entries(before, after)
    return (pair for pair in pairs if all(item is None or item.identity.desc not in _SKIPPED for item in pair))


def _is_of_the_database(item: EntryItem | None) -> bool:
    assert item is not None, "one of a pair is there"
    is_comment = item.identity.kind == "database" and item.identity.desc == "COMMENT"
    return is_comment or item.identity.desc in ("DATABASE", "DATABASE PROPERTIES")


def _order(item: EntryItem | None) -> tuple[tuple[str, ...], str, tuple[str, ...], str]:
    assert item is not None, "one of a pair is there"
    return item.identity.names, item.identity.desc, item.identity.args, item.identity.sub


def _definition(before: SchemaEntry | None, after: SchemaEntry | None) -> FoundChange | None:
    """None: they differ in nothing that counts."""
    entry = after or before
    assert entry is not None, "one of a pair is there"
    details: list[str] = []
    if before is not None and after is not None:
        names = ((field, getattr(before, field), getattr(after, field)) for field in _FIELDS)
        details = [turned(field.replace("_", " "), old, new) for field, old, new in names if old != new]
    texts = _texts(before, after)
    diff = tuple(_diff(*texts)) if texts[0] != texts[1] else ()
    change = change_of(before, after)
    if change is ChangeKind.CHANGED and not details and not diff:
        return None
    return FoundChange(
        kind="definition",
        name=entry.label,
        change=change,
        details=tuple(details),
        diff=diff,
        schema=entry.namespace,
        about=entry.identity.address,
    )


def _texts(*sides: SchemaEntry | None) -> list[list[str]]:
    """Lines of each. What else ends a line somewhere, a carriage return for one, is part of one.

    Of a routine as its server prints it, which says nothing of extensions that it depends on: pg_dump does.
    """
    by_pg_dump = any(_DEPENDS in side.definition for side in sides if side is not None)
    texts = ["" if side is None else _text(side, by_pg_dump=by_pg_dump).strip("\n") for side in sides]
    return [text.split("\n") if text else [] for text in texts]


def _text(entry: SchemaEntry, *, by_pg_dump: bool) -> str:
    return entry.definition if by_pg_dump or not entry.function_definition else entry.function_definition


def _diff(before: list[str], after: list[str]) -> Iterator[str]:
    if not before or not after:
        yield from (f"{'-' if before else '+'}{line}" for line in before or after)
        return
    lines = difflib.unified_diff(before, after, lineterm="", n=3)
    yield from (line for number, line in enumerate(lines) if number > 1)


# --- catalog facts -------------------------------------------------------------------------------


def catalog(before: Snapshot, after: Snapshot) -> Iterator[FoundChange]:
    """Privileges, extensions, what expressions call, properties of the database. Raises  IntegrityError"""
    parts = differing.database(before), differing.database(after)
    if after.can_read(before) and parts[0].catalog == parts[1].catalog:
        return
    versions = parts[0].server.version_num, parts[1].server.version_num
    was, now = before.catalog(), after.catalog()
    yield from _privileges(was, now, version_num=min(versions))
    yield from _extensions(was, now)
    yield from _meanings(was, now, versions=versions)
    yield from _database(was, now, apart=not same_database(before, after))


def _privileges(before: CatalogFacts, after: CatalogFacts, *, version_num: int) -> Iterator[FoundChange]:
    """Of objects that both have, and of new ones what they have besides the built-in ones."""
    was, now = Privileges.of(before.acls), Privileges.of(after.acls)
    for address in sorted(now.objects, key=str):
        if address.is_column:
            continue
        new = now.grants(address, version_num) or frozenset()
        old = was.grants(address, version_num)
        if old is None:
            owner, _ = now.objects[address]
            old = Privileges.of([(address, owner, None)]).grants(address, version_num) or frozenset()
        details = (
            *(f"gained: {text}" for text in _granted(new - old)),
            *(f"lost: {text}" for text in _granted(old - new)),
        )
        if details:
            yield FoundChange(
                kind="privileges", name=str(address), change=ChangeKind.CHANGED, details=details, about=address
            )


def _granted(grants: frozenset[Grant]) -> Iterator[str]:
    by_grantee: dict[tuple[str, str, bool], list[str]] = {}
    for column, grantee, letter, grantable in sorted(grants):
        by_grantee.setdefault((column, grantee, grantable), []).append(_WORDS.get(letter, letter))
    for (column, grantee, grantable), words in sorted(by_grantee.items()):
        who = {"": "PUBLIC", "*": "its owner"}.get(grantee, grantee)
        of_column = f" on column {column}" if column else ""
        yield f"{', '.join(words)}{of_column} to {who}{' with grant option' if grantable else ''}"


def _extensions(before: CatalogFacts, after: CatalogFacts) -> Iterator[FoundChange]:
    """That one came or went is told as a definition; here its version, of which a dump says nothing."""
    was = {name: (version, schema) for name, version, schema in before.extensions}
    for name, version, schema in after.extensions:
        old = was.get(name)
        if old is not None and old != (version, schema):
            pairs = (("version", old[0], version), ("schema", old[1], schema))
            details = tuple(turned(*pair) for pair in pairs if pair[1] != pair[2])
            address = Address(kind="extension", names=(name,))
            yield FoundChange(kind="extension", name=name, change=ChangeKind.CHANGED, details=details, about=address)


def _meanings(before: CatalogFacts, after: CatalogFacts, *, versions: tuple[int, int]) -> Iterator[FoundChange]:
    """Of objects that both have: text that is equal may call something else."""
    counted = are_counts_comparable(*versions)
    sides = [meanings(facts.edges, facts.operators, counted=counted) for facts in (before, after)]
    there = [{caller(dependent) for dependent, _, _ in facts.edges} for facts in (before, after)]
    members = {
        caller(dependent) for facts in (before, after) for dependent, _, letter in facts.edges if letter == _MEMBER
    }
    for address in sorted((there[0] & there[1]) - members, key=str):
        was, now = (side.of.get(address, {}) for side in sides)
        if sides[0].changed({address: now}):
            gone, new = sorted(map(str, was.keys() - now.keys())), sorted(map(str, now.keys() - was.keys()))
            details = (*(f"calls no more: {name}" for name in gone), *(f"calls now: {name}" for name in new))
            details = details or ("calls an operator more or less often",)
            yield FoundChange(
                kind="meaning", name=str(address), change=ChangeKind.CHANGED, details=details, about=address
            )


def _database(before: CatalogFacts, after: CatalogFacts, *, apart: bool) -> Iterator[FoundChange]:
    """`apart`: they are two, of which each has a name, an owner and so on of its own."""
    was: Mapping[str, str | None] = before.database
    now: Mapping[str, str | None] = after.database
    for key in sorted(was.keys() & now.keys()):
        if was[key] != now[key]:
            kind = OWN if apart and key in _OWN_PROPERTIES else "database"
            yield FoundChange(
                kind=kind, name=key, change=ChangeKind.CHANGED, details=(turned(key, was[key], now[key]),)
            )
