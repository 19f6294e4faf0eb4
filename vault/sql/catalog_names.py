"""Between an entry's identity and the texts by which the catalog facts name objects (`pg_identify_object`). Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Final

from vault.errors import UsageError
from vault.model import Identity, TableName
from vault.sql.names import quote, split_name

_CALLED: Final = frozenset({"function", "procedure", "aggregate"})
_BARE: Final = re.compile(r"[a-z_][a-z0-9_]*")


Key = tuple[str, tuple[str, ...], tuple[str, ...]]


def subject(identity: Identity) -> Key:
    """The object that an entry is, or is about. Where pg_dump does not tell it (members of extensions), its tag stands for it."""
    return (identity.kind, identity.names, identity.args) if identity.kind else ("", (identity.sub,), ())


def texts(identity: Identity) -> Iterator[str]:
    """How the facts may name the object: a name that needs no quotes still has them if it is a keyword."""
    if identity.kind == "type" and len(identity.names) == 1:
        yield f"type {identity.names[0]}"
        return
    if identity.kind == "domain constraint" and identity.args:
        yield from (f"domain constraint {name} on {identity.names[0]}" for name in _forms(identity.args[0]))
        return
    for names in product(*(_forms(name) for name in identity.names)):
        if identity.kind in {"trigger", "policy", "rule", "table constraint"}:
            yield f"{identity.kind} {names[-1]} on {'.'.join(names[:-1])}"
        elif identity.kind in _CALLED:
            yield f"{identity.kind} {'.'.join(names)}({','.join(identity.args)})"
        else:
            yield f"{identity.kind} {'.'.join(names)}"


def relation_in(text: str, kind: str) -> TableName | None:
    """Schema and name of the relation in `kind schema.name[.column]`; None if `text` is about anything else."""
    if not text.startswith(f"{kind} "):
        return None
    try:
        schema, name, *_ = split_name(text.removeprefix(f"{kind} "))
    except (UsageError, ValueError):
        return None
    return TableName(schema=schema, name=name)


def with_own(identity: Identity) -> Iterator[str]:
    """As the catalog facts name the object; a constraint's index has its name, and the predicate of an exclusion constraint."""
    yield from texts(identity)
    if identity.kind == "table constraint" and len(identity.names) == 3:
        schema, _, name = identity.names
        yield from texts(replace(identity, kind="index", names=(schema, name)))


def may_belong_to(name: str) -> Iterator[str]:
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


def _forms(name: str) -> list[str]:
    return [name, quote(name)] if _BARE.fullmatch(name) else [quote(name)]


def _last_part(name: str) -> int:
    """Where the last part of a qualified name starts, its dot; dots in quotes are part of a name."""
    quoted, at = False, 0
    for place, letter in enumerate(name):
        quoted ^= letter == '"'
        if letter == "." and not quoted:
            at = place
    return at
