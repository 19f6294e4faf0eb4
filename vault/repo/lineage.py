"""The order of snapshots, and what their clocks say about it. Pure.

Within a source the order is that of the numbers: a writer gives a snapshot a greater one than any that it sees, so a parent always has
a smaller one. A clock may have been wrong; it is compared only between sources, which have nothing else in common. Spec 60-snapshot.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

from vault.errors import UsageError
from vault.ids import SnapshotId
from vault.model import Manifest

Known = tuple[SnapshotId, Manifest]

SKEW_MS: Final = 60_000
"""Clocks of honest machines differ by less."""
_CALENDAR_MS_MAX: Final = 253_402_300_799_999


def in_order(known: Iterable[Known]) -> list[Known]:
    """Oldest first. Forks of equal number stand by id, one that was made of a damaged one behind them (SNAP-22).

    Sources are merged by time, and no snapshot is later than one that follows it.
    """
    sources: dict[str, list[Known]] = {}
    for pair in sorted(known, key=_place):
        sources.setdefault(pair[1].source, []).append(pair)
    timed: list[tuple[int, str, int, Known]] = []
    for source, chain in sources.items():
        time_ms = chain[-1][1].created_ms
        for position in reversed(range(len(chain))):
            time_ms = min(time_ms, chain[position][1].created_ms)
            timed.append((time_ms, source, position, chain[position]))
    return [pair for _, _, _, pair in sorted(timed, key=lambda entry: entry[:3])]


def _place(pair: Known) -> tuple[int, bool, SnapshotId]:
    snapshot_id, manifest = pair
    return manifest.sequence, is_mended(manifest), snapshot_id


def is_mended(manifest: Manifest) -> bool:
    """Whether the snapshot was made of a damaged one by `repair`, which calls it suspect."""
    return manifest.origin is not None and bool(manifest.suspect)


def is_ahead(manifest: Manifest, now_ms: int) -> bool:
    """Whether the snapshot's time is in the future: its clock was ahead, or the one that says `now_ms` is behind."""
    return manifest.created_ms > now_ms + SKEW_MS


def recordable(now_ms: int) -> int:
    """The time, if it can be written down. Raises  UsageError: the clock stands before 1970, where the format's times begin"""
    if now_ms < 0:
        raise UsageError(
            "this machine's clock stands before 1970",
            why="no snapshot, lease or key can have such a time",
            hint="set the clock, then run the command again (Linux: timedatectl)",
        )
    return now_ms


def calendar(time_ms: int) -> datetime:
    """In UTC; what lies beyond the year 9999, where no calendar of ours goes on, as its last millisecond: a file may hold any number."""
    shown_ms = min(time_ms, _CALENDAR_MS_MAX)
    return datetime.fromtimestamp(shown_ms // 1000, UTC) + timedelta(milliseconds=shown_ms % 1000)


def tag_words(manifest: Manifest) -> set[str]:
    """What its tags are called by: each value, and `key=value`."""
    return {word for key, value in manifest.tags.items() for word in (value, f"{key}={value}") if word}


def sources_of(known: Iterable[Known]) -> dict[tuple[str, int], str]:
    """Key of each database that there are snapshots of -> the source of the latest."""
    return {
        manifest.database.server.database_key: manifest.source
        for _, manifest in in_order(known)
        if manifest.database is not None
    }
