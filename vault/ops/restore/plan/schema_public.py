"""Schema public as an entry like any other, in the snapshot and in the target. Pure.

pg_dump tells of it only what differs from initdb: without an entry nothing would select it, create it where it was dropped, or
compare its owner and comment. Invariant: afterwards a snapshot that has the schema has one SCHEMA and one COMMENT entry of it,
which all that lies in it needs; and so has a target. Spec 76-selection, "What has no entry".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from vault.model import Identity, Present, SchemaEntry, Section, TargetFacts
from vault.ops.restore.plan.contents import Contents, Item
from vault.sql.privileges import CLOSED_PUBLIC_VERSION, public_was_open

NAME: Final = "public"
_SCHEMA: Final = Identity(desc="SCHEMA", kind="schema", names=(NAME,))
_ABOUT: Final = f"SCHEMA {NAME}"
_COMMENT: Final = Identity(desc="COMMENT", kind="schema", names=(NAME,), sub=_ABOUT)
_ACL: Final = Identity(desc="ACL", kind="schema", names=(NAME,), sub=_ABOUT)
_STANDARD_COMMENT: Final = f"COMMENT ON SCHEMA {NAME} IS 'standard public schema';\n"
_NO_COMMENT: Final = f"COMMENT ON SCHEMA {NAME} IS '';\n"
_OPEN: Final = f"GRANT CREATE ON SCHEMA {NAME} TO PUBLIC;\n"


def with_public(contents: Contents, read: Present | None, target: TargetFacts) -> tuple[Contents, Present]:
    """Both with what pg_dump leaves out. A target of which nothing was read, for it is empty, counts as initdb made it."""
    present = read or Present()
    there = any(schema.name == NAME for schema in target.schemas)
    given = {item.identity for item in contents.items}
    if _SCHEMA not in given and all(address != _SCHEMA.address for address, _, _ in contents.catalog.acls):
        return contents, present
    standard = _entry(_SCHEMA, "", owner="pg_database_owner" if target.version_num >= CLOSED_PUBLIC_VERSION else "")
    comment = _entry(_COMMENT, _STANDARD_COMMENT)
    opened = _entry(_ACL, _OPEN) if target.version_num >= CLOSED_PUBLIC_VERSION and _was_open(contents) else None
    new = [entry for entry in (standard, comment, opened) if entry is not None and entry.identity not in given]
    definition = "" if there else f"CREATE SCHEMA {NAME};\nGRANT USAGE ON SCHEMA {NAME} TO PUBLIC;\n"
    whole = _defined(_inserted(contents, new), definition)
    if not there:
        return whole, present
    if read is None:
        return whole, replace(present, entries={entry.identity: entry for entry in new if entry.identity != _ACL})
    uncommented = any(entry.definition == _NO_COMMENT for entry in whole.entries)
    return whole, replace(present, entries=_present(present.entries, standard, comment, uncommented=uncommented))


def _defined(contents: Contents, definition: str) -> Contents:
    """With `definition` as that of the schema."""
    return replace(
        contents,
        items=tuple(
            replace(item, entry=replace(item.entry, definition=definition)) if item.identity == _SCHEMA else item
            for item in contents.items
        ),
    )


def _was_open(contents: Contents) -> bool:
    return contents.server.version_num < CLOSED_PUBLIC_VERSION and public_was_open(
        (item.identity for item in contents.items), contents.catalog
    )


def _present(
    entries: Mapping[Identity, SchemaEntry], standard: SchemaEntry, comment: SchemaEntry, *, uncommented: bool
) -> dict[Identity, SchemaEntry]:
    """`uncommented`: in the snapshot, where an empty comment is equal and not lacking."""
    whole = {_SCHEMA: standard, _COMMENT: comment, **entries}
    whole[_SCHEMA] = replace(whole[_SCHEMA], definition="")
    if whole[_COMMENT].definition == _NO_COMMENT and not uncommented:
        del whole[_COMMENT]
    return whole


def _entry(identity: Identity, definition: str, *, owner: str = "") -> SchemaEntry:
    return SchemaEntry(
        identity=identity,
        section=Section.PRE_DATA if identity == _SCHEMA else Section.NONE,
        tag=NAME if identity == _SCHEMA else _ABOUT,
        namespace="",
        owner=owner,
        definition=definition,
        drop=f"DROP SCHEMA {NAME};\n" if identity == _SCHEMA else "",
        tablespace="",
        table_access_method="",
    )


def _inserted(contents: Contents, new: list[SchemaEntry]) -> Contents:
    """`new` before all others, or after a SCHEMA entry that is there; what lies in the schema, or is about it, needs it."""
    at = next((at + 1 for at, item in enumerate(contents.items) if item.identity == _SCHEMA), 0)
    moved = [
        replace(item, needs=tuple(need + len(new) if need >= at else need for need in item.needs))
        for item in contents.items
    ]
    items = [*moved[:at], *(Item(entry=entry, needs=()) for entry in new), *moved[at:]]
    home = next(place for place, item in enumerate(items) if item.identity == _SCHEMA)
    return replace(
        contents,
        items=tuple(
            replace(item, needs=tuple(sorted({home, *item.needs}))) if place != home and _lies_in(item.entry) else item
            for place, item in enumerate(items)
        ),
    )


def _lies_in(entry: SchemaEntry) -> bool:
    return entry.namespace == NAME or (entry.identity.kind, entry.identity.names) == ("schema", (NAME,))
