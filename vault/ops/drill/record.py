"""The record that a drill leaves in the repository: what was restored into which server, and how it ended. Spec 60-snapshot."""

from __future__ import annotations

from dataclasses import dataclass

from vault.format.notes import encode_drill
from vault.limits import NOTE_BYTES_MAX, NOTES_MAX
from vault.model import DrillRecord, FileKind
from vault.ops.drill.verdict import DrillVerdict, shortened
from vault.ports import Entropy
from vault.repo.records import save
from vault.repo.snapshot import Snapshot
from vault.repo.state import Open


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillEffort:
    """`running_ms`: from the start to a complete database; `server`: its version, empty where only directories came; `host`: where."""

    tables: int
    rows: int
    running_ms: int
    server: str
    host: str
    ended_ms: int


def leave_record(
    repo: Open, snapshot: Snapshot, verdict: DrillVerdict, effort: DrillEffort, *, entropy: Entropy
) -> DrillRecord:
    """Raises  StoreError: it could not be written"""
    record = DrillRecord(
        created_ms=effort.ended_ms,
        duration_ms=effort.running_ms,
        host=effort.host.encode()[:NOTE_BYTES_MAX].decode(errors="ignore"),
        mismatches=tuple(shortened(verdict.mismatches, lines_max=NOTES_MAX, bytes_max=NOTE_BYTES_MAX)),
        not_checked=tuple(shortened(verdict.not_checked, lines_max=NOTES_MAX, bytes_max=NOTE_BYTES_MAX)),
        passed=verdict.passed,
        rows=effort.rows,
        server=effort.server[:NOTE_BYTES_MAX],
        snapshot=snapshot.id,
        source=snapshot.manifest.source,
        tables=effort.tables,
    )
    save(repo, FileKind.DRILL, encode_drill(record), entropy=entropy)
    return record
