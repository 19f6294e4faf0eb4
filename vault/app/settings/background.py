"""`[background]`: of a backup that a starting stack leaves running."""

from __future__ import annotations

from dataclasses import dataclass

from vault.app.toml.document import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class BackgroundSettings:
    """wait_ms  for the database to answer; min_interval_ms: since the newest snapshot, below which none is taken

    settle_ms  at most so long, when it answers, for the machine to be done with the stack that starts
    """

    wait_ms: int | None = None
    min_interval_ms: int | None = None
    settle_ms: int | None = None


def read_background(section: Table) -> BackgroundSettings:
    section.only("wait", "min_interval", "settle")
    return BackgroundSettings(
        wait_ms=section.age_ms("wait"),
        min_interval_ms=section.age_ms("min_interval"),
        settle_ms=section.age_ms("settle"),
    )
