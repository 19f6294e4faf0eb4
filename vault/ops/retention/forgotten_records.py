"""Forgotten records, many into one: each forget leaves a file, and nothing but their number makes reading them slow.

What they say is kept for ever; it is a line of some 60 bytes for each snapshot. Spec 80-leases "Forgetting".
"""

from __future__ import annotations

from typing import Final

from vault.errors import StoreError
from vault.format.upkeep import encode_forgotten
from vault.model import FileKind, Forgotten
from vault.ports import Clock, Entropy
from vault.repo.records import forgotten, save
from vault.repo.state import Open

MANY_RECORDS: Final = 16


def tidy(repo: Open, *, clock: Clock, entropy: Entropy) -> None:
    """Merge forgotten records if they are many; those that do not open stay. Raises  StoreError: the merged one cannot be written"""
    found = forgotten(repo).found
    if len(found) < MANY_RECORDS:
        return
    snapshots = {item.id: item for _, record in found for item in record.snapshots}
    ordered = tuple(sorted(snapshots.values(), key=lambda item: (item.source, item.sequence, item.id)))
    plain = encode_forgotten(Forgotten(created_ms=max(0, clock.now_ms()), snapshots=ordered))
    save(repo, FileKind.FORGOTTEN, plain, entropy=entropy)
    for name, _ in found:
        try:
            repo.store.delete(name)
        except StoreError:
            return  # said twice, which harms nobody; the next prune merges again (LEASE-20)
