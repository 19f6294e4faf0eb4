"""Compare a snapshot that is about to be committed with the last good one, and record what is found first.

Findings are durable before the manifest is put: a ruin never stands in the repository without its warning, whenever the run dies, and
where the record cannot be written there is no snapshot either. Findings of a snapshot that never came warn of nothing. Spec 60-snapshot.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vault.errors import IntegrityError
from vault.format.notes import encode_findings
from vault.ids import SnapshotId
from vault.model import FileKind, Finding, Findings, Manifest
from vault.ops.guard import codes
from vault.ops.guard.compare import bounded, compare, finding
from vault.ops.guard.facts import Terms
from vault.ops.guard.gather import gather
from vault.ops.project.backup_selection import closest
from vault.ports import Entropy
from vault.repo.lineage import Known, in_order
from vault.repo.records import save
from vault.repo.remembered import Remembered, unanswered, unanswered_at_opening
from vault.repo.state import Indexed, Open


def judged(
    repo: Indexed,
    known: Iterable[Known],
    new: Known,
    *,
    terms: Terms,
    now_ms: int,
    entropy: Entropy,
) -> tuple[Known | None, tuple[Finding, ...]]:
    """The last good one, and what is found about `new`, whose objects can be read; recorded, if it is anything. Raises  StoreError: it cannot be recorded"""
    snapshot, manifest = new
    notes = unanswered_at_opening(repo.open)
    base = base_of(manifest, known, notes)
    if base is None:
        return None, ()
    try:
        found = compare(*gather(repo.known(*base), repo.known(*new), terms), terms)
    except IntegrityError as error:
        told = f"snapshot {base[0].hex()[:12]}: {error.message}"
        found = bounded([finding(codes.NOT_COMPARED, "", told)])
    if notes.damaged and not any(one.code == codes.NOT_COMPARED for one in found):
        first = notes.damaged[0].file
        told = f"{first} does not open, so what it was compared with may be a ruin itself: pgvault check"
        found = bounded([finding(codes.NOT_COMPARED, "", told), *found])
    if found:
        record = Findings(
            created_ms=now_ms,
            findings=found,
            snapshot=snapshot,
            source=manifest.source,
            sequence=manifest.sequence,
        )
        save(repo.open, FileKind.FINDINGS, encode_findings(record), entropy=entropy)
    return base, found


def base_of(manifest: Manifest, known: Iterable[Known], notes: Remembered) -> Known | None:
    """The newest sound snapshot before this one: of the same selection, else of the same part of the database, else of any.

    A ruin that nobody answered for is none, so a second ruin is compared with what was good.
    """
    earlier = [
        pair
        for pair in in_order(known)
        if pair[1].source == manifest.source and pair[1].sequence < manifest.sequence and notes.is_sound(*pair)
    ]
    return closest(manifest.selection, earlier)


def warning(repo: Open, of: Known) -> str:
    """For who is about to use a snapshot: that it looks like a ruin, and which the last good one is. Empty: it does not. Raises  StoreError"""
    snapshot, manifest = of
    notes = unanswered(repo)
    found = [one for _, one in notes.open.get(snapshot, ())]
    if not found:
        return ""
    base = base_of(manifest, repo.snapshots(), notes)
    told = f"{found[0].code} {found[0].subject}".rstrip() + (f" and {len(found) - 1} more" if found[1:] else "")
    good = "" if base is None else f"; the last good one before it is {base[0].hex()[:12]}"
    return f"snapshot {snapshot.hex()[:12]} looks like damage ({told}): pgvault ack{good}"


def held(known: Sequence[Known], notes: Remembered, gone: Iterable[SnapshotId]) -> dict[SnapshotId, SnapshotId]:
    """Of each selection the newest sound snapshot before one with open findings -> that one: what a forget leaves alone.

    gone  recorded as forgotten. What is neither there nor forgotten never came, and holds nothing
    """
    there = {snapshot for snapshot, _ in known} | set(gone)
    kept: dict[SnapshotId, SnapshotId] = {}
    for ruin, (source, sequence) in sorted(notes.places.items(), key=lambda pair: (pair[1], pair[0])):
        if ruin in there:
            earlier = [pair for pair in known if pair[1].source == source and pair[1].sequence < sequence]
            newest = {manifest.selection: one for one, manifest in in_order(earlier) if notes.is_sound(one, manifest)}
            kept |= {good: ruin for good in newest.values() if good not in kept}
    return kept
