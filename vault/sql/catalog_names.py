"""Between an entry's identity and the texts by which the catalog facts name objects (`pg_identify_object`). Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
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


def _forms(name: str) -> list[str]:
    return [name, quote(name)] if _BARE.fullmatch(name) else [quote(name)]
