"""Whether the newest snapshot is young enough for there to be no need of another one. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from vault.model.words import exactly

if TYPE_CHECKING:
    from vault.app.backup_request import BackupPlan
    from vault.repo.lineage import Known
    from vault.repo.remembered import Remembered


def young_enough(
    known: Iterable[Known], plan: BackupPlan, notes: Remembered, *, min_interval_ms: int, now_ms: int
) -> str:
    """Why nothing has to be saved; empty: something has to.

    What holds another part of the source, what is not sound (82-retention) and what has a time to come is no reason; nor is
    anything while a finding cannot be read: it may be one of any snapshot.
    """
    if notes.damaged:
        return ""
    times = [
        manifest.created_ms
        for snapshot, manifest in known
        if (manifest.source, manifest.selection) == (plan.source, plan.selection) and notes.is_sound(snapshot, manifest)
    ]
    ages_ms = [now_ms - created_ms for created_ms in times if created_ms <= now_ms]
    if not ages_ms or min(ages_ms) >= min_interval_ms:
        return ""
    return f"the newest snapshot is {exactly(min(ages_ms) // 1000 * 1000)} old, less than {exactly(min_interval_ms)}"
