"""The drill of a scheduled run: of one source, the one that was drilled longest ago, if that is long enough. Whoever drilled it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from vault.errors import IntegrityError, StoreError
from vault.model.words import counted
from vault.ops.project.backup_selection import narrowed
from vault.ops.schedule.upkeep import why_not_yet

if TYPE_CHECKING:
    from vault.app.settings import Settings
    from vault.ids import SnapshotId
    from vault.model import DrillRecord, Manifest
    from vault.ports import Progress
    from vault.repo.state import Open


class CannotDrill(Exception):
    """Nothing failed: this machine has no server, no room, or the wrong user for it."""


def next_source(
    drills: Iterable[DrillRecord], sources: Collection[str], *, often: str, now_ms: int
) -> tuple[str | None, str]:
    """The source whose turn it is, or None and why none is due."""
    last = dict.fromkeys(sorted(sources), 0)
    for drill in drills:
        if drill.source in last:
            last[drill.source] = max(last[drill.source], drill.created_ms)
    if not last:
        return None, "no source was saved"
    source = min(last, key=lambda name: last[name])
    why = why_not_yet(often, last_ms=last[source], now_ms=now_ms)
    return (None, why) if why else (source, "")


def newest_sound(
    snapshots: Mapping[SnapshotId, Manifest], source: str, *, is_sound: Callable[[SnapshotId, Manifest], bool]
) -> SnapshotId | None:
    """By number: what is not sound proves nothing, and a part of the database only itself. A part if there is nothing else."""
    mine = {id: one for id, one in snapshots.items() if one.source == source and is_sound(id, one)}
    whole = {id: one for id, one in mine.items() if not narrowed(one.selection)} or mine
    return max(whole, key=lambda id: (whole[id].sequence, whole[id].created_ms), default=None)


def of_whole(drills: Iterable[DrillRecord], snapshots: Mapping[SnapshotId, Manifest]) -> list[DrillRecord]:
    """Without those of a part, for sources that have whole snapshots."""
    whole = {one.source for one in snapshots.values() if not narrowed(one.selection)}
    return [
        drill
        for drill in drills
        if drill.source not in whole
        or drill.snapshot not in snapshots
        or not narrowed(snapshots[drill.snapshot].selection)
    ]


def drill_source(repo: Open, settings: Settings, source: str, *, progress: Progress) -> str:
    """Drill its newest sound snapshot, and leave a record; what is to be told. Raises  CannotDrill; IntegrityError: it differed, or is damaged; VaultError"""
    from vault.app import processes
    from vault.app.drill.place import why_not_here
    from vault.app.drill.run import DrillFlags, open_drill
    from vault.repo.lineage import sources_of
    from vault.repo.remembered import remembered

    manifests = dict(repo.snapshots())
    chosen = newest_sound(manifests, source, is_sound=remembered(repo).is_sound)
    if chosen is None:
        raise CannotDrill(f"{source} has no sound snapshot")
    snapshot = repo.indexed(settings.cache_dir).snapshot(chosen)
    if why := why_not_here(settings, snapshot):
        raise CannotDrill(why)
    sources = sources_of(manifests.items())
    with processes.reading(repo, snapshot):
        with open_drill(settings, snapshot, DrillFlags(), sources=sources, progress=progress) as drill:
            try:
                drill.restore()
                verdict = drill.examine()
            except IntegrityError as error:
                with suppress(StoreError):  # the damage weighs more, and is told
                    drill.record_damage(repo, error)
                raise
            drill.record(repo)
            done = drill.result()
    if not verdict.passed:
        raise IntegrityError(
            f"{counted(len(verdict.mismatches), 'difference')} between snapshot {chosen.hex()[:12]} of {source} and what was restored from it",
            why=str(verdict.mismatches[0]),
            hint=f"pgvault drill {chosen.hex()[:12]}",
        )
    beside = f"; {counted(len(verdict.not_checked), 'thing')} not checked" if verdict.not_checked else ""
    return f"snapshot {chosen.hex()[:12]} of {source} restored in {done.running_ms / 1000:.0f} s and equal{beside}"
