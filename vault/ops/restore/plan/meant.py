"""Entries that the target has with equal text and another meaning: their expressions call something else there. Pure.

What a stock pg_restore leaves: `CASE`, `NULLIF`, `IS DISTINCT FROM`, `JOIN USING` have no form that names their operator's schema.
Spec 75-restore [RST-13], 76-selection.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from vault.model import Identity, Present
from vault.ops.restore.plan.contents import Contents
from vault.sql.catalog_names import texts


def called_otherwise(contents: Contents, present: Present, version_num: int) -> dict[Identity, tuple[str, ...]]:
    """Identity -> what is called on one side alone, or otherwise often, sorted; of entries that both have.

    version_num   of the target
    """
    recorded, there = contents.meanings(version_num), present.meanings
    every = {name: there.of.get(name, {}) for name in {*recorded.of, *there.of}}
    changed = recorded.changed(every)
    if not changed:
        return {}
    owners: dict[str, Identity] = {}
    for entry in contents.entries:
        if not entry.identity.sub:  # not what another entry says about it: its comment, privileges, rows
            for name in _names(entry.identity):
                owners.setdefault(name, entry.identity)
    found: dict[Identity, set[str]] = {}
    for name, calls in changed.items():
        identity = next((owners[one] for one in _whose(name) if one in owners), None)
        if identity is not None and identity in present.entries:
            here = every[name]
            found.setdefault(identity, set()).update(
                called for called in {*calls, *here} if calls.get(called) != here.get(called)
            )
    return {identity: tuple(sorted(called)) for identity, called in found.items()}


def _names(identity: Identity) -> Iterator[str]:
    """As the catalog facts name the object; a constraint's index has its name, and the predicate of an exclusion constraint."""
    yield from texts(identity)
    if identity.kind == "table constraint" and len(identity.names) == 3:
        schema, _, name = identity.names
        yield from texts(replace(identity, kind="index", names=(schema, name)))


def _whose(name: str) -> Iterator[str]:
    """Names of objects that one with expressions may be part of, itself first."""
    yield name
    kind, _, rest = name.partition(" on ")
    if rest and kind == 'rule "_RETURN"':
        yield from (f"view {rest}", f"materialized view {rest}")
    elif rest and kind.startswith("table constraint "):
        yield from (f"table {rest}", f"foreign table {rest}")
    elif rest and kind.startswith("domain constraint "):
        yield from (f"type {rest}", f"domain {rest}")
    elif name.startswith("table column "):
        column = name.removeprefix("table column ")
        relation = column[: _last_part(column)]
        yield from (f"table {relation}", f"foreign table {relation}")


def _last_part(name: str) -> int:
    """Where the last part of a qualified name starts, its dot; dots in quotes are part of a name."""
    quoted, at = False, 0
    for place, letter in enumerate(name):
        quoted ^= letter == '"'
        if letter == "." and not quoted:
            at = place
    return at
