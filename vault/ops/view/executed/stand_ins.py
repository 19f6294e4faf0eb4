"""Routines in a circle, in scripts: what comes later stands before what calls it, as a stand-in that calls nothing. Pure.

pg_dump's order has a call of something later only where there is no order. As a restore does it: 75-restore [RST-14].
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from vault.model import Identity, SchemaEntry
from vault.ops.project.components import ROUTINES
from vault.repo.snapshot import Snapshot
from vault.sql.arguments import stand_in


def stand_ins(snapshot: Snapshot) -> Mapping[Identity, tuple[SchemaEntry, ...]]:
    """Routine -> routines that it calls and that come later, or itself, as they stand in before it; each stands in once."""
    order = snapshot.order()
    places = {item.identity.address: at for at, item in enumerate(order) if item.identity.desc in ROUTINES}
    called: dict[int, set[int]] = {}
    for dependent, referenced, _ in snapshot.catalog().edges:
        at, other = places.get(dependent), places.get(referenced)
        if at is not None and other is not None and other >= at:
            called.setdefault(at, set()).add(other)
    found: dict[Identity, tuple[SchemaEntry, ...]] = {}
    seen: set[int] = set()
    for at in sorted(called):
        new = sorted(called[at] - seen)
        seen.update(new)
        entries = snapshot.entries(order[other] for other in new)
        early = ((entry, stand_in(entry.definition)) for entry in entries)
        found[order[at].identity] = tuple(
            replace(entry, definition=definition) for entry, definition in early if definition is not None
        )
    return found
