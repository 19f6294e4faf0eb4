"""Addresses around an address: what else stands for an object, and what it may be a part of. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from vault.model import Address, Identity


def with_own(identity: Identity) -> Iterator[Address]:
    """Of an entry's object; a constraint's index has its name, and the predicate of an exclusion constraint."""
    yield identity.address
    if identity.kind == "table constraint" and len(identity.names) == 3:
        schema, _, name = identity.names
        yield Address(kind="index", names=(schema, name))


def may_belong_to(address: Address) -> Iterator[Address]:
    """Objects that one with expressions may be part of, itself first."""
    yield address
    above, name = address.names[:-1], address.names[-1]
    if address.kind == "rule" and name == "_RETURN":
        yield from (Address(kind=kind, names=above) for kind in ("view", "materialized view"))
    elif address.kind in ("table constraint", "table column"):
        yield from (Address(kind=kind, names=above) for kind in ("table", "foreign table"))
    elif address.kind == "domain constraint":
        yield Address(kind="type", names=address.names)
