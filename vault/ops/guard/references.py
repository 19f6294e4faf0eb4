"""What a snapshot is compared with, and which snapshots hold what a ruin has lost. Pure. Spec 60-snapshot, 82-retention.

The last good one is not enough: what came into the database after it is in later ones alone: in ruins, as long as nobody answers for
these, in what is suspect or failed in a part, in snapshots of other selections. So the newest of each is looked at too, and each that holds
what a ruin has lost; what is found there of contents counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

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
    """What came after the last good one, in any state, and may hold what this snapshot has lost: of each selection the newest, forks of
    one number together, and each holder. Newest first.

    A selection that has no sound snapshot is looked at from its beginning: the last good one is then of another, and may not say so much.
    """
    since = 0 if good is None else good[1].sequence
    own_since = since if good is not None and good[1].selection == manifest.selection else 0
    later = [
        pair
        for pair in _before(manifest, known)
        if pair != good and pair[1].sequence >= (own_since if pair[1].selection == manifest.selection else since)
    ]
    numbers = {
        number
        for ruin, (source, sequence) in notes.places.items()
        if source == manifest.source and since <= sequence < manifest.sequence
        for number in holders(notes, ruin)
    }
    newest = {pair[1].selection: pair[1].sequence for pair in later}
    chosen = [pair for pair in later if pair[1].sequence in {*numbers, newest[pair[1].selection]}]
    return sorted(chosen, key=lambda pair: -pair[1].sequence)


def kept_for(ruin: SnapshotId, earlier: Sequence[Known], notes: Remembered) -> list[SnapshotId]:
    """What stays until somebody answers for a ruin. `earlier`: the snapshots before it of its source, in order

    Of each selection the newest sound one, and each holder. A holder that is not here, for a part alone was copied, say, leaves the newest
    before it of each selection.
    """
    kept = {manifest.selection: id for id, manifest in earlier if notes.is_sound(id, manifest)}
    having: list[SnapshotId] = []
    for number in sorted(holders(notes, ruin)):
        its = [id for id, manifest in earlier if manifest.sequence == number]
        having += its or {manifest.selection: id for id, manifest in earlier if manifest.sequence < number}.values()
    return [*kept.values(), *having]


def holders(notes: Remembered, ruin: SnapshotId) -> frozenset[int]:
    """Numbers of the snapshots of its source that hold what is gone from it, until somebody answered for that."""
    waits = any(tells_of_contents(one) for _, one in notes.open.get(ruin, ()))
    return notes.holders.get(ruin, frozenset()) if waits else frozenset()


def tells_of_contents(one: Finding) -> bool:
    """That they are gone from what comes later, or may be."""
    return one.code in codes.OF_CONTENTS or one.code == codes.NOT_COMPARED


def has_it(one: Finding, pair: Known, notes: Remembered, ruin: SnapshotId) -> bool:
    """Whether a snapshot may hold what a finding of a later one says is gone: nothing was found there about it, nor about all."""
    found = [other for _, other in notes.open.get(pair[0], ())]
    is_base = is_unbroken(pair[1]) or pair[1].sequence in holders(notes, ruin)
    return is_base and not any(
        other.subject == one.subject or other.code in _OF_ALL for other in found if other.code in codes.OF_CONTENTS
    )


_OF_ALL = frozenset({codes.DATABASE_EMPTY, codes.SCHEMA_GONE, codes.MORE})


def _before(manifest: Manifest, known: Iterable[Known]) -> list[Known]:
    return [
        pair for pair in in_order(known) if pair[1].source == manifest.source and pair[1].sequence < manifest.sequence
    ]
