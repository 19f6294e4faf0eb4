"""The shapes of `--json` results. Fields may be added, never renamed. Pure.

Sizes are integers ending in `_bytes`, durations end in `_s`, times are RFC 3339 in UTC, ids are hex.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from vault.cli import about
from vault.cli.failures import told
from vault.errors import IntegrityError, VaultError
from vault.ids import SnapshotId
from vault.model import Counts, Ledger, Manifest, Pin, SlotInfo
from vault.sql.names import show_name

if TYPE_CHECKING:
    from vault.app.restore import PlannedRestore, Restored
    from vault.ops.backup.run import BackupReport
    from vault.ops.check.run import CheckReport
    from vault.ops.doctor.symptoms import Symptom
    from vault.ops.repository.stats import Stats
    from vault.ops.restore.dry_run import Step
    from vault.ops.restore.failures import Failure
    from vault.ops.retention.forget import ForgetPlan
    from vault.ops.retention.unlock import LeaseRow, Unlocked
    from vault.ops.view.tree import ViewEntry
    from vault.repo.freshness import Rollback
    from vault.repo.lineage import Known
    from vault.repo.remembered import Remembered
    from vault.repo.snapshot import Snapshot

Json = dict[str, Any]


def result(**fields: object) -> Json:
    return {"type": "result", **fields}


def coverage(ledger: Ledger) -> Json:
    return {
        component: {
            "state": item.state.value,
            "count": item.count,
            "missing": [
                {"item": gap.item, "state": gap.state.value, "why": gap.why, "fix": gap.fix} for gap in item.missing
            ],
        }
        for component, item in ledger.items()
    }


def counts(value: Counts) -> Json:
    return {name: getattr(value, name) for name in Counts.__dataclass_fields__}


def snapshot(id: SnapshotId, manifest: Manifest, now_ms: int, notes: Remembered) -> Json:
    fields, told = about.fields(manifest, now_ms), [f"{word}: {text}" for word, text in about.notes(id, notes)]
    warnings = [*about.warnings(manifest, now_ms), *(text for text in told if text.startswith("FINDING"))]
    return {
        "id": id.hex(),
        **fields,
        **about.note_fields(id, notes),
        "warnings": warnings,
        "parent": manifest.parent.hex() if manifest.parent is not None else None,
        "rows": rows(manifest),
        "source_bytes": source_bytes(manifest),
        "new_bytes": manifest.effort.new_bytes,
        "tags": dict(manifest.tags),
        "files": files(manifest),
        "file_bytes": file_bytes(manifest),
        "suspect": manifest.suspect or None,
    }


def rows(manifest: Manifest) -> int:
    return manifest.database.tables.sums.rows if manifest.database is not None else 0


def source_bytes(manifest: Manifest) -> int:
    return manifest.database.tables.sums.bytes if manifest.database is not None else 0


def tables(manifest: Manifest) -> int:
    """That have rows of their own: partitions and a platform's are among them, unlike in the nine lines. For programs, not for screens."""
    return manifest.database.tables.sums.items if manifest.database is not None else 0


def files(manifest: Manifest) -> int:
    return sum(listed.sums.items for listed in manifest.directories.values())


def file_bytes(manifest: Manifest) -> int:
    return sum(listed.sums.bytes for listed in manifest.directories.values())


def backup(report: BackupReport) -> Json:
    manifest = report.manifest
    effort = manifest.effort
    return result(
        snapshot=report.id.hex(),
        source=manifest.source,
        sequence=manifest.sequence,
        warnings=backup_warnings(report),
        rollback=None if report.rollback is None else _rollback(report.rollback),
        parent=manifest.parent.hex() if manifest.parent is not None else None,
        duration_s=effort.duration_ms / 1000,
        tables=tables(manifest),
        rows=rows(manifest),
        source_bytes=source_bytes(manifest),
        read_bytes=effort.read_bytes,
        new_bytes=effort.new_bytes,
        extents=effort.extents,
        extents_reused=effort.extents_reused,
        files=files(manifest),
        file_bytes=file_bytes(manifest),
        coverage=coverage(report.ledger),
        counts=counts(manifest.counts),
        findings=[{"code": one.code, "subject": one.subject, "text": one.text} for one in report.findings],
    )


def backup_warnings(report: BackupReport) -> list[str]:
    """Why a snapshot that was saved is no reason to be content."""
    suspect = f"{report.manifest.suspect}; the next backup reads everything again" if report.manifest.suspect else ""
    error = None if report.rollback is None else report.rollback.error()
    lost = "" if error is None else f"{error.message}: {error.why}; {error.hint}"
    return [text for text in (report.apart, suspect, lost) if text]


def _rollback(rollback: Rollback) -> Json:
    head = rollback.head
    return {"seen_sequence": head.sequence, "seen_snapshot": head.id.hex(), "sequence": rollback.there}


def error(error: VaultError, exit_code: int) -> Json:
    """As the last line of a command that failed."""
    why = told(error)
    parts = {"code": why.code, "message": why.message, "why": why.why, "fix": why.fix}
    return {"type": "error", **parts, "exit_code": int(exit_code)}


def check(report: CheckReport, duration_s: float) -> Json:
    since, read_ms = report.remembered_since_ms, report.data_read_ms
    return result(
        objects=report.objects,
        read_bytes=report.read_bytes,
        snapshots=report.snapshots,
        damage=[asdict(fault) for fault in report.damage],
        packs_left=report.read.left,
        notes=list(report.notes),
        remembered=report.remembered,
        remembered_since=None if since is None else about.instant(since),
        data_read=None if read_ms is None else about.instant(read_ms),
        duration_s=duration_s,
    )


def snapshots(listed: Iterable[Known], damaged: Iterable[IntegrityError], now_ms: int, notes: Remembered) -> Json:
    return result(
        snapshots=[snapshot(id, manifest, now_ms, notes) for id, manifest in listed],
        damage=_damage(damaged),
    )


def forgotten(plan: ForgetPlan, spared: Iterable[SnapshotId], *, dry_run: bool, freed_bytes: int | None) -> Json:
    """With `dry_run`, what would be; `freed_bytes` is told only with a prune."""
    left = set(spared)
    known = dict(plan.inventory.known)

    def named(id: SnapshotId) -> Json:
        manifest = known[id]
        return {
            "id": id.hex(),
            "source": manifest.source,
            "sequence": manifest.sequence,
            "time": about.instant(manifest.created_ms),
        }

    going = plan.going() - left
    return result(
        kept=[{**named(one.candidate.id), "reasons": list(one.reasons)} for one in plan.kept()],
        removed=[named(id) for id in known if id in going],
        spared=[named(id) for id in known if id in left],
        misplaced=[one.candidate.id.hex() for one in plan.verdicts if one.misplaced],
        dry_run=dry_run,
        freed_bytes=freed_bytes,
        damage=_damage(plan.inventory.damaged),
    )


def pinned(id: SnapshotId, pins: Iterable[Pin]) -> Json:
    """The pins that a `pin` left, or an `unpin` removed."""
    told = [{"reason": pin.reason, "host": pin.host, "time": about.instant(pin.created_ms)} for pin in pins]
    return result(snapshot=id.hex(), pins=told)


def _damage(damaged: Iterable[IntegrityError]) -> list[Json]:
    return [{"file": error.file, "kind": error.code, "why": error.message} for error in damaged]


def keys(slots: Iterable[SlotInfo]) -> Json:
    return result(
        keys=[
            {
                "id": slot.id.hex(),
                "label": slot.label,
                "created": about.instant(slot.created_ms),
                "kdf": {
                    "name": "argon2id",
                    "passes": slot.kdf.passes,
                    "memory_bytes": slot.kdf.memory_kib * 1024,
                    "lanes": slot.kdf.lanes,
                },
            }
            for slot in slots
        ]
    )


def unlocked(done: Unlocked) -> Json:
    return result(
        removed=[_lease(row) for row in done.removed], leases=[_lease(row) for row in done.left], young=done.young
    )


def _lease(row: LeaseRow) -> Json:
    """What only its owner's program can tell is null where that is a newer one."""
    lease = row.lease
    return {
        "id": row.id,
        "age_s": row.age_s,
        "host": lease.host if lease else None,
        "pid": lease.pid if lease else None,
        "purpose": lease.purpose if lease else None,
        "source": lease.source if lease else None,
        "packs": len(lease.packs) if lease else None,
        "dead": row.dead or None,
    }


def server_facts(manifest: Manifest) -> Mapping[str, object] | None:
    if manifest.database is None:
        return None
    facts = manifest.database.server
    return {name: getattr(facts, name) for name in type(facts).__dataclass_fields__}


def shown(subject: Snapshot, parent: Snapshot | None, now_ms: int, notes: Remembered) -> Json:
    from vault.ops.backup.why_read import readings

    return result(
        snapshot=snapshot(subject.id, subject.manifest, now_ms, notes),
        coverage=coverage(subject.ledger()),
        tables=[
            {
                "name": str(table.name),
                "rows": table.sums.rows,
                "source_bytes": table.sums.bytes,
                "extents": reading.extents,
                "extents_reused": reading.reused,
                "why_read": reading.why_read,
            }
            for table, reading in readings(subject, parent)
        ],
        server=server_facts(subject.manifest),
        counts=counts(subject.manifest.counts),
    )


def view_entry(entry: ViewEntry) -> Json:
    return {
        "path": entry.path,
        "kind": entry.kind,
        "size_bytes": entry.size_bytes,
        "mtime": about.instant(entry.mtime_ns // 1_000_000),
        "mode": f"{entry.mode:04o}",
    }


def _failed(failure: Failure) -> Json:
    """`because`, the entry of the first cause, only where there is one."""
    return {"entry": failure.entry, "why": failure.why, **({"because": failure.because} if failure.because else {})}


def restored(done: Restored, duration_s: float) -> Json:
    return result(
        tables=done.tables,
        rows=done.rows,
        entries=done.entries,
        files=done.files,
        bytes=done.bytes,
        failed=[_failed(failure) for failure in done.failed],
        large_objects=done.large_objects,
        merged=[
            {
                "table": show_name(name),
                "added": rows.added,
                "left_different": rows.differing,
                "changed": rows.changed,
                "deleted": rows.removed,
                "refused": rows.refused,
            }
            for name, rows in done.merged.items()
        ],
        files_equal=done.files_equal,
        files_left=[{"path": left.path, "why": left.why} for left in done.files_left],
        beside=[
            {"table": show_name(referring.table), "why": referring.why, "replace": referring.replace}
            for referring in done.beside
        ],
        counts=counts(done.counts),
        duration_s=duration_s,
    )


def foreseen(planned: PlannedRestore, now_ms: int) -> Json:
    """`restore --dry-run`: the plan in fields, and in words."""
    plan, steps = planned.plan, planned.foreseen
    target = None if plan is None else {name: getattr(plan.target, name) for name in ("database", "version", "user")}
    return result(
        plan={
            "snapshot": planned.snapshot.id.hex(),
            **about.fields(planned.snapshot.manifest, now_ms),
            "target": target,
            "steps": [_step(step) for step in steps],
            "beside": [
                {"table": show_name(referring.table), "why": referring.why, "replace": referring.replace}
                for referring in planned.beside
            ],
            "warnings": [*about.warnings(planned.snapshot.manifest, now_ms), *(() if plan is None else plan.warnings)],
        }
    )


def _step(step: Step) -> Json:
    named = {"entry": step.entry} if step.entry else {"table": step.table}
    if step.rows is None:
        return {"action": step.action, **named, "why": step.why}
    counted = {"rows_added": step.rows.added, "rows_changed": step.rows.changed, "rows_deleted": step.rows.removed}
    return {"action": step.action, **named, **counted, "why": step.why}


def stats(sizes: Stats) -> Json:
    return result(
        snapshots=len(sizes.snapshots),
        source_bytes=sizes.source_bytes,
        stored_bytes=sizes.stored_bytes,
        objects=sizes.objects,
        tables=[
            {
                "source": table.source,
                "name": str(table.name),
                "rows": table.rows,
                "source_bytes": table.source_bytes,
            }
            for table in sizes.tables
        ],
        growth=[
            {
                "id": size.id.hex(),
                "time": about.instant(size.created_ms),
                "source": size.source,
                "source_bytes": size.source_bytes,
                "new_bytes": size.new_bytes,
            }
            for size in sizes.snapshots
        ],
    )


def doctor(symptoms: Iterable[Symptom], exit_code: int) -> Json:
    return result(
        exit_code=exit_code,
        findings=[
            {
                "check": one.check,
                "state": one.health.value,
                "source": one.source or None,
                "what": one.what,
                "why": one.why,
                "fix": one.fix,
                "lines": list(one.lines),
                "code": None if one.error is None else one.error.code,
            }
            for one in symptoms
        ],
    )
