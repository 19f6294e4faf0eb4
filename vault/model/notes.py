"""What is remembered of a snapshot outside its manifest: pins, findings, acknowledgements, drills, checks. Spec 60-snapshot.

Each is a file of its own, so that it can come after the snapshot, and outlive it.
"""

from __future__ import annotations

from dataclasses import dataclass

from vault.ids import FindingId, PackId, SnapshotId


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """A snapshot that no policy removes, as long as this file is there."""

    created_ms: int
    host: str
    reason: str
    snapshot: SnapshotId
    source: str
    sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A guard's warning: `code` is one of a closed list, `subject` what it is about (a table, say), `text` is for people."""

    code: str
    subject: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """All that the guard found about one snapshot, at least one, ascending by (code, subject).

    holders  numbers of earlier snapshots of the source next to which contents are gone, ascending
    """

    created_ms: int
    findings: tuple[Finding, ...]
    holders: tuple[int, ...] = ()
    snapshot: SnapshotId
    source: str
    sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ack:
    """Somebody has seen a finding, and says why it is no damage."""

    created_ms: int
    finding: FindingId
    host: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillRecord:
    """A snapshot was really restored and compared. `server`: its version. What was not compared is never silent."""

    created_ms: int
    duration_ms: int
    host: str
    mismatches: tuple[str, ...]
    not_checked: tuple[str, ...]
    passed: bool
    rows: int
    server: str
    snapshot: SnapshotId
    source: str
    tables: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedPack:
    """A pack as it was listed. `read_ms`: when all its bytes were last read and found right; None: never."""

    id: PackId
    size: int
    read_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeClosure:
    """All that the snapshot needs had a whole place in these packs: positions in the record's packs, ascending."""

    snapshot: SnapshotId
    checked_ms: int
    packs: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRecord:
    """Result of a check or verify (`kind`). `damage`: one line of text each. `packs` ascend by id, `closures` by snapshot."""

    created_ms: int
    kind: str
    host: str
    objects: int
    read_bytes: int
    damage: tuple[str, ...] = ()
    packs: tuple[CheckedPack, ...] = ()
    closures: tuple[WholeClosure, ...] = ()
