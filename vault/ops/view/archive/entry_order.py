"""What an archive's entries wait for beside what pg_dump says, so that a parallel pg_restore keeps the order. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vault.model import OrderItem


def ancestors(order: Sequence[OrderItem]) -> dict[int, frozenset[int]]:
    """Position of a table -> those of all tables it inherits from or is a partition of.

    pg_dump lets nothing wait for the rows of descendants, so `-j` may check them by a NOT VALID constraint, or fire a trigger.
    """
    tables = {item.identity.names: at for at, item in enumerate(order) if item.identity.desc == "TABLE"}
    parents: dict[int, set[int]] = {at: set() for at in tables.values()}
    for at, item in enumerate(order):
        child = at if item.identity.desc == "TABLE" else tables.get(item.identity.names)
        if child is not None and item.identity.desc in ("TABLE", "TABLE ATTACH"):
            parents[child].update(need for need in item.needs if need in parents and need != child)
    ancestors: dict[int, frozenset[int]] = {}
    for at in parents:
        above, waiting = set[int](), list(parents[at])
        while waiting:
            if (parent := waiting.pop()) not in above:
                above.add(parent)
                waiting.extend(parents[parent])
        ancestors[at] = frozenset(above - {at})
    return ancestors


def schema_acls(order: Iterable[OrderItem]) -> dict[str, list[int]]:
    """Schema -> dump ids of its grants. Who hands on a grant needs USAGE first; pg_dump says so to nobody, and `-j` may be too quick."""
    grants: dict[str, list[int]] = {}
    for at, item in enumerate(order):
        if item.identity.desc == "ACL" and item.identity.kind == "schema":
            grants.setdefault(item.identity.names[0], []).append(at + 1)
    return grants
