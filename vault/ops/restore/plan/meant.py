"""Entries that the target has with equal text and another meaning: their expressions call something else there. Pure.

What a stock pg_restore leaves: `CASE`, `NULLIF`, `IS DISTINCT FROM`, `JOIN USING` have no form that names their operator's schema.
Spec 75-restore [RST-13], 76-selection.
"""

from __future__ import annotations

from vault.model import Identity, Present
from vault.ops.restore.plan.contents import Contents
from vault.sql.catalog_names import may_belong_to, with_own


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
            for name in with_own(entry.identity):
                owners.setdefault(name, entry.identity)
    found: dict[Identity, set[str]] = {}
    for name, calls in changed.items():
        identity = next((owners[one] for one in may_belong_to(name) if one in owners), None)
        if identity is not None and identity in present.entries:
            here = every[name]
            found.setdefault(identity, set()).update(
                called for called in {*calls, *here} if calls.get(called) != here.get(called)
            )
    return {identity: tuple(sorted(called)) for identity, called in found.items()}
