"""Entries that the target has with equal text and another meaning: their expressions call something else there. Pure.

What a stock pg_restore leaves: `CASE`, `NULLIF`, `IS DISTINCT FROM`, `JOIN USING` have no form that names their operator's schema.
Spec 75-restore [RST-13], 76-selection.
"""

from __future__ import annotations

from vault.model import Address, Identity, Present
from vault.ops.restore.plan.contents import Contents
from vault.sql.addresses import may_belong_to, with_own


def called_otherwise(contents: Contents, present: Present, version_num: int) -> dict[Identity, tuple[str, ...]]:
    """Identity -> what is called on one side alone, or otherwise often, sorted; of entries that both have.

    version_num   of the target
    """
    recorded, there = contents.meanings(version_num), present.meanings
    every = {address: there.of.get(address, {}) for address in {*recorded.of, *there.of}}
    changed = recorded.changed(every)
    if not changed:
        return {}
    owners: dict[Address, Identity] = {}
    for item in contents.items:
        identity = item.identity
        if identity.sub:  # it says something about what another entry makes
            continue
        for address in with_own(identity):
            owners.setdefault(address, identity)
    otherwise: dict[Identity, set[str]] = {}
    for address, calls in changed.items():
        owner = next((owners[above] for above in may_belong_to(address) if above in owners), None)
        if owner is not None and owner in present.entries:
            here = every[address]
            otherwise.setdefault(owner, set()).update(
                str(called) for called in {*calls, *here} if calls.get(called) != here.get(called)
            )
    return {identity: tuple(sorted(called)) for identity, called in otherwise.items()}
