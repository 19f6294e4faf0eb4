"""Policies that the target alone has, on tables whose policies were asked for: a permissive one admits others than before. Pure.

Spec 76-selection, "Security facts inside other entries".
"""

from __future__ import annotations

from collections.abc import Collection

from vault.model import SchemaEntry
from vault.ops.restore.plan.decision import Situation


def beyond(situation: Situation, apart: Collection[int]) -> list[SchemaEntry]:
    """`apart`: positions of what is dropped and created anew, which takes them along."""
    recorded = {item.identity for item in situation.contents.items}
    alone = []
    for identity, entry in sorted(situation.present.entries.items()):
        if identity.desc != "POLICY" or identity in recorded or entry.namespace in situation.selectors.platform_schemas:
            continue
        home = situation.graph.relation(identity.relation)
        asked = situation.picked.policies or home in situation.picked.explicit
        if home is not None and home not in apart and asked:
            alone.append(entry)
    return alone


def told(entry: SchemaEntry) -> tuple[str, str]:
    return f"POLICY {entry.tag}", "the target has it alone, and it may admit others than before; -c drops it"
