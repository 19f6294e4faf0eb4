"""What is remembered of snapshots outside their manifests: pins, findings, what was acknowledged, drills. Spec 60-snapshot.

Read whole and small, for lists and for retention. A file that does not open is told beside it, and stops nobody here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from vault.errors import IntegrityError
from vault.format.notes import decode_ack, decode_drill, decode_findings, decode_pin, finding_id
from vault.format.upkeep import DIRECTORIES
from vault.ids import FindingId, SnapshotId
from vault.model import DrillRecord, FileKind, Finding, Manifest, Pin, State
from vault.ports import StoredFile
from vault.repo.records import load
from vault.repo.state import Open


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """pins      oldest first; open: findings that nobody acknowledged; drills: the newest of each snapshot, oldest first
    places    source and number of each snapshot in `open`, which may be gone
    holders   of each of these, numbers of earlier ones of its source that hold what is gone from it
    damaged   what is wrong with files of these kinds"""

    pins: Mapping[SnapshotId, tuple[Pin, ...]] = field(default_factory=dict)
    open: Mapping[SnapshotId, tuple[tuple[FindingId, Finding], ...]] = field(default_factory=dict)
    drills: Mapping[SnapshotId, DrillRecord] = field(default_factory=dict)
    places: Mapping[SnapshotId, tuple[str, int]] = field(default_factory=dict)
    holders: Mapping[SnapshotId, frozenset[int]] = field(default_factory=dict)
    damaged: tuple[IntegrityError, ...] = ()

    def damaged_of(self, *kinds: FileKind) -> list[IntegrityError]:
        """What is wrong with files of these kinds."""
        directories = tuple(f"{DIRECTORIES[kind]}/" for kind in kinds)
        return [error for error in self.damaged if error.file.startswith(directories)]

    def is_sound(self, snapshot: SnapshotId, manifest: Manifest) -> bool:
        """Neither suspect, nor failed in a part, nor with a finding that nobody acknowledged (82-retention)."""
        return is_unbroken(manifest) and snapshot not in self.open


def is_unbroken(manifest: Manifest) -> bool:
    """Neither suspect, nor failed in a part: what it says that it holds was captured."""
    return not manifest.suspect and all(state is not State.FAILED for state, _ in manifest.coverage.values())


def remembered(repo: Open, *, at_opening: bool = False) -> Remembered:
    """Raises  StoreError

    at_opening  those that were listed when the repository was opened will do, for who only shows them
    """
    glanced = _glanced if at_opening else _unlisted
    pins = load(repo, FileKind.PIN, decode_pin, files=glanced(repo, FileKind.PIN))
    listed = glanced(repo, FileKind.DRILL)
    if listed is None:
        listed = tuple(repo.store.list(f"{DIRECTORIES[FileKind.DRILL]}/"))
    drills = load(repo, FileKind.DRILL, decode_drill, files=listed)
    told = unanswered(repo, files=glanced(repo, FileKind.FINDINGS))
    pinned: dict[SnapshotId, list[Pin]] = defaultdict(list)
    for _, pin in sorted(pins.found, key=lambda pair: (pair[1].created_ms, pair[0])):
        pinned[pin.snapshot].append(pin)
    return replace(
        told,
        pins={snapshot: tuple(several) for snapshot, several in pinned.items()},
        drills=_newest_drills(drills.found, {stored.name: stored.modified_ms for stored in listed}),
        damaged=(*pins.damaged, *told.damaged, *drills.damaged),
    )


def _newest_drills(
    found: Iterable[tuple[str, DrillRecord]], modified_ms: Mapping[str, int]
) -> dict[SnapshotId, DrillRecord]:
    """Oldest first by the store's time: a writer's clock may have been ahead, and then the store's time is the record's."""
    newest: dict[SnapshotId, DrillRecord] = {}
    for name, drill in sorted(found, key=lambda pair: (modified_ms.get(pair[0], 0), pair[1].created_ms)):
        stored_ms = modified_ms.get(name) or drill.created_ms
        newest.pop(drill.snapshot, None)  # its place is the last one now
        newest[drill.snapshot] = replace(drill, created_ms=min(drill.created_ms, stored_ms))
    return newest


def _glanced(repo: Open, kind: FileKind) -> tuple[StoredFile, ...] | None:
    return repo.glanced(f"{DIRECTORIES[kind]}/")


def _unlisted(repo: Open, kind: FileKind) -> None:
    """Of no repository and no kind: they are to be listed now."""


def unanswered_at_opening(repo: Open) -> Remembered:
    """As `unanswered`, of the snapshots that were listed when the repository was opened (`Open.listed_at_opening`). Raises  StoreError"""
    return unanswered(repo, files=repo.listed_at_opening(f"{DIRECTORIES[FileKind.FINDINGS]}/"))


def unanswered(repo: Open, *, files: Sequence[StoredFile] | None = None) -> Remembered:
    """Findings alone; where there is none, which is nearly always, one listing. Raises  StoreError

    files   of findings/, if they were listed already
    """
    findings = load(repo, FileKind.FINDINGS, decode_findings, files=files)
    if not findings.found:
        return Remembered(damaged=findings.damaged)
    acks = load(repo, FileKind.ACK, decode_ack)
    acknowledged = {ack.finding for _, ack in acks.found}
    waiting: dict[SnapshotId, dict[FindingId, Finding]] = defaultdict(dict)
    holders: dict[SnapshotId, frozenset[int]] = defaultdict(frozenset)
    for _, told in findings.found:
        for one in told.findings:
            number = finding_id(told.snapshot, one.code, one.subject)
            if number not in acknowledged:
                waiting[told.snapshot][number] = one
                holders[told.snapshot] |= {*told.holders}
    return Remembered(
        open={snapshot: tuple(several.items()) for snapshot, several in waiting.items()},
        places={told.snapshot: (told.source, told.sequence) for _, told in findings.found if told.snapshot in waiting},
        holders=holders,
        damaged=(*findings.damaged, *acks.damaged),
    )
