"""What a snapshot is compared with, and which snapshots hold what a ruin has lost. Pure. Spec 60-snapshot, 82-retention.

The last good one is not enough: what came into the database after it is in ruins alone, as long as nobody answers for these. So the
snapshot right before is looked at too, and right before each ruin that lost something new; what is found there of contents counts.
"""

from __future__ import annotations

from collections.abc import Iterable

from vault.ids import SnapshotId
from vault.model import Finding, Manifest
from vault.ops.guard import codes
from vault.ops.project.backup_selection import closest
from vault.repo.lineage import Known, in_order
from vault.repo.remembered import Remembered, is_unbroken


def last_good(manifest: Manifest, known: Iterable[Known], notes: Remembered) -> Known | None:
    """The newest sound snapshot before this one: of the same selection, else of the same part of the database, else of any.

    A ruin that nobody answered for is none, so a second ruin is compared with what was good.
    """
    return closest(manifest.selection, [pair for pair in _before(manifest, known) if notes.is_sound(*pair)])


def later_ones(manifest: Manifest, known: Iterable[Known], notes: Remembered, good: Known | None) -> list[Known]:
    """Ruins after the last good one that may hold what this snapshot has lost: the newest first."""
    after = 0 if good is None else good[1].sequence
    ruins = [pair for pair in _before(manifest, known) if is_unbroken(pair[1]) and not notes.is_sound(*pair)]
    later = [pair for pair in ruins if pair[1].sequence > after]
    numbers = {number for ruin, _ in later for number in holders(notes, ruin)}
    newest = closest(manifest.selection, later)
    chosen = [pair for pair in later if pair[1].sequence in numbers or pair == newest]
    return sorted(chosen, key=lambda pair: -pair[1].sequence)


def holders(notes: Remembered, ruin: SnapshotId) -> frozenset[int]:
    """Numbers of the snapshots of its source that hold what is gone from it, until somebody answered for that."""
    waits = any(tells_of_contents(one) for _, one in notes.open.get(ruin, ()))
    return notes.holders.get(ruin, frozenset()) if waits else frozenset()


def tells_of_contents(one: Finding) -> bool:
    """That they are gone from what comes later, or may be."""
    return one.code in codes.OF_CONTENTS or one.code == codes.NOT_COMPARED


def has_it(one: Finding, pair: Known, notes: Remembered) -> bool:
    """Whether a snapshot may hold what a finding of a later one says is gone: nothing was found there about it, nor about all."""
    found = [other for _, other in notes.open.get(pair[0], ())]
    return is_unbroken(pair[1]) and not any(
        other.subject == one.subject or other.code in _OF_ALL for other in found if other.code in codes.OF_CONTENTS
    )


_OF_ALL = frozenset({codes.DATABASE_EMPTY, codes.SCHEMA_GONE, codes.MORE})


def _before(manifest: Manifest, known: Iterable[Known]) -> list[Known]:
    return [
        pair for pair in in_order(known) if pair[1].source == manifest.source and pair[1].sequence < manifest.sequence
    ]
