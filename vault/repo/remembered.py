"""What is remembered of snapshots outside their manifests: pins, findings, what was acknowledged, drills. Spec 60-snapshot.

Read whole and small, for lists and for retention. A file that does not open is told beside it, and stops nobody here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from vault.errors import IntegrityError
from vault.format.notes import decode_ack, decode_drill, decode_findings, decode_pin, finding_id
from vault.format.upkeep import DIRECTORIES
from vault.ids import FindingId, SnapshotId
from vault.model import DrillRecord, FileKind, Finding, Pin
from vault.repo.records import load
from vault.repo.state import Open


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """pins      oldest first; open: findings that nobody acknowledged; drills: the newest of each snapshot
    damaged   what is wrong with files of these kinds"""

    pins: Mapping[SnapshotId, tuple[Pin, ...]] = field(default_factory=dict)
    open: Mapping[SnapshotId, tuple[tuple[FindingId, Finding], ...]] = field(default_factory=dict)
    drills: Mapping[SnapshotId, DrillRecord] = field(default_factory=dict)
    damaged: tuple[IntegrityError, ...] = ()

    def damaged_pins(self) -> list[IntegrityError]:
        return [error for error in self.damaged if error.file.startswith(f"{DIRECTORIES[FileKind.PIN]}/")]


def remembered(repo: Open) -> Remembered:
    """Raises  StoreError"""
    pins = load(repo, FileKind.PIN, decode_pin)
    findings = load(repo, FileKind.FINDINGS, decode_findings)
    acks = load(repo, FileKind.ACK, decode_ack)
    drills = load(repo, FileKind.DRILL, decode_drill)
    acknowledged = {ack.finding for _, ack in acks.found}
    unanswered: dict[SnapshotId, dict[FindingId, Finding]] = defaultdict(dict)
    for _, told in findings.found:
        for one in told.findings:
            number = finding_id(told.snapshot, one.code, one.subject)
            if number not in acknowledged:
                unanswered[told.snapshot][number] = one
    pinned: dict[SnapshotId, list[Pin]] = defaultdict(list)
    for _, pin in sorted(pins.found, key=lambda pair: (pair[1].created_ms, pair[0])):
        pinned[pin.snapshot].append(pin)
    return Remembered(
        pins={snapshot: tuple(several) for snapshot, several in pinned.items()},
        open={snapshot: tuple(several.items()) for snapshot, several in unanswered.items()},
        drills={drill.snapshot: drill for _, drill in sorted(drills.found, key=lambda pair: pair[1].created_ms)},
        damaged=(*pins.damaged, *findings.damaged, *acks.damaged, *drills.damaged),
    )
