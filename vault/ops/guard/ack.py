"""Which findings wait for an answer, and the answer: somebody looked, and it is no damage. Spec 60-snapshot.

An answer counts for the same fault in earlier snapshots of the source too, for a ruin that lasts is found again each day. After it the
snapshot is what the next one is compared with.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from vault.errors import NotThere, UsageError
from vault.format.notes import encode_ack
from vault.format.upkeep import decode_forgotten
from vault.ids import FindingId, SnapshotId
from vault.limits import NOTE_BYTES_MAX
from vault.model import Ack, FileKind, Finding
from vault.ports import Clock, Entropy
from vault.repo.lineage import Known
from vault.repo.records import load, save_all
from vault.repo.remembered import Remembered, unanswered
from vault.repo.state import Open

_PREFIX = re.compile(r"[0-9a-f]{6,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A finding that nobody answered for. `sequence`: of its snapshot, which may have been forgotten since (`there`)."""

    id: FindingId
    finding: Finding
    snapshot: SnapshotId
    source: str
    sequence: int
    there: bool


def waiting(repo: Open, source: str | None) -> tuple[Waiting, ...]:
    """Of one source or of all, the earliest snapshot first. What is about a snapshot that never came is left out. Raises  StoreError"""
    notes = unanswered(repo)
    if not notes.open:
        return ()
    records = load(repo, FileKind.FORGOTTEN, decode_forgotten).found
    forgotten = {one.id for _, record in records for one in record.snapshots}
    return listed(repo.snapshots(), notes, forgotten, source=source)


def listed(
    known: Sequence[Known], notes: Remembered, forgotten: Collection[SnapshotId], *, source: str | None
) -> tuple[Waiting, ...]:
    """As `waiting`, of what was read."""
    there = {snapshot for snapshot, _ in known}
    rows = [
        Waiting(
            id=number,
            finding=finding,
            snapshot=snapshot,
            source=notes.places[snapshot][0],
            sequence=notes.places[snapshot][1],
            there=snapshot in there,
        )
        for snapshot, findings in notes.open.items()
        for number, finding in findings
        if snapshot in there or snapshot in forgotten
    ]
    rows.sort(key=lambda row: (row.source, row.sequence, row.snapshot, row.finding.code, row.finding.subject))
    return tuple(row for row in rows if source in (None, row.source))


def chosen(rows: Sequence[Waiting], word: str, *, snapshot_named: Callable[[str], Known]) -> tuple[Waiting, ...]:
    """What a finding's id, or a word for a snapshot, means: that finding, or all up to that snapshot, and the same faults before.

    snapshot_named  what a word means that is no id of these
    Raises  UsageError: a prefix of several; NotThere: of none; as `snapshot_named`
    """
    is_id = bool(_PREFIX.fullmatch(word))
    findings = [row for row in rows if is_id and row.id.hex().startswith(word)]
    snapshots = {row.snapshot: row for row in rows if is_id and row.snapshot.hex().startswith(word)}
    if len(findings) + len(snapshots) > 1:
        raise UsageError(f"{word} names {len(findings) + len(snapshots)} things", hint="use more digits of the id")
    if snapshots:
        (up_to,) = snapshots.values()
        return tuple(row for row in rows if row.source == up_to.source and row.sequence <= up_to.sequence)
    if findings:
        (one,) = findings
        return tuple(row for row in rows if _is_same(row, one))
    return _up_to(rows, word, snapshot_named)


def _up_to(rows: Sequence[Waiting], word: str, snapshot_named: Callable[[str], Known]) -> tuple[Waiting, ...]:
    """All up to the snapshot that the word names, which needs no finding itself."""
    none = NotThere(
        f"no finding {word} waits for an answer",
        why=f"{len(rows)} do" if rows else "none does",
        hint="list them with: pgvault ack",
    )
    try:
        _, manifest = snapshot_named(word)
    except NotThere as error:
        raise none if _PREFIX.fullmatch(word) else error from None
    up_to = tuple(row for row in rows if row.source == manifest.source and row.sequence <= manifest.sequence)
    if not up_to:
        raise none
    return up_to


def _is_same(row: Waiting, later: Waiting) -> bool:
    same = (row.source, row.finding.code, row.finding.subject) == (
        later.source,
        later.finding.code,
        later.finding.subject,
    )
    return same and row.sequence <= later.sequence


def acknowledge(repo: Open, rows: Sequence[Waiting], *, reason: str, host: str, clock: Clock, entropy: Entropy) -> None:
    """Answer for these. Raises  UsageError: no reason, or a long one; StoreError: those before stay answered"""
    if not reason.strip():
        raise UsageError(
            "an answer needs a reason", why="in a year somebody asks why", hint='--reason "we moved the logs"'
        )
    if len(reason.encode("utf-8", "surrogatepass")) > NOTE_BYTES_MAX:
        raise UsageError("the reason is too long", why=f"at most {NOTE_BYTES_MAX} bytes are kept")
    now_ms = max(0, clock.now_ms())
    records = (Ack(created_ms=now_ms, finding=row.id, host=host, reason=reason) for row in rows)
    save_all(repo, FileKind.ACK, map(encode_ack, records), entropy=entropy)
