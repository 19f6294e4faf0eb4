"""Pins, findings, acknowledgements, drills and checks: sealed records about snapshots. Names are in `format.upkeep`. Spec 60-snapshot.

Never decides anything. Invariant: texts and lists are bounded before anything is done with them (NOTE-1).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from itertools import pairwise
from typing import TypeVar

from vault.errors import LimitExceeded, Malformed
from vault.format import codec
from vault.format.codec import Record, Row, Value
from vault.ids import FindingId, PackId, SnapshotId
from vault.limits import FILE_BYTES_MAX, NOTE_BYTES_MAX, NOTES_MAX
from vault.model import Ack, CheckedPack, CheckRecord, DrillRecord, Finding, Findings, Pin, WholeClosure


def encode_pin(pin: Pin) -> bytes:
    """Raises as `decode_pin`"""
    return codec.encode_proven(
        {
            "created": pin.created_ms,
            "host": pin.host,
            "reason": pin.reason,
            "sequence": pin.sequence,
            "snapshot": pin.snapshot,
            "source": pin.source,
        },
        decode_pin,
    )


def decode_pin(data: bytes) -> Pin:
    """Raises  Malformed, LimitExceeded, Unsupported"""
    fields = Record.decode(data, what="pin", bytes_max=FILE_BYTES_MAX)
    pin = Pin(
        created_ms=fields.integer("created"),
        host=_note(fields.text("host"), "pin: host"),
        reason=_note(fields.text("reason"), "pin: reason"),
        snapshot=SnapshotId(fields.blob("snapshot", 32)),
        source=fields.text("source"),
        sequence=fields.integer("sequence", 1),
    )
    fields.finish()
    return pin


def encode_findings(findings: Findings) -> bytes:
    """Raises as `decode_findings`"""
    return codec.encode_proven(
        {
            "created": findings.created_ms,
            "findings": tuple((item.code, item.subject, item.text) for item in findings.findings),
            "holders": findings.holders,
            "sequence": findings.sequence,
            "snapshot": findings.snapshot,
            "source": findings.source,
        },
        decode_findings,
    )


def decode_findings(data: bytes) -> Findings:
    """Raises  Malformed, LimitExceeded, Unsupported"""
    fields = Record.decode(data, what="findings", bytes_max=FILE_BYTES_MAX)
    rows = _few(fields.array("findings"), "findings")
    holders = _few(fields.array("holders"), "findings: holders")
    findings = Findings(
        created_ms=fields.integer("created"),
        findings=tuple(_decode_finding(value) for value in rows),
        holders=tuple(codec.integer_of(value, "findings: holders", low=1) for value in holders),
        snapshot=SnapshotId(fields.blob("snapshot", 32)),
        source=fields.text("source"),
        sequence=fields.integer("sequence", 1),
    )
    fields.finish()
    if not findings.findings:
        raise Malformed("findings: there is none")
    keys = [(item.code, item.subject) for item in findings.findings]
    if not all(before < following for before, following in pairwise(keys)):
        raise Malformed("findings do not ascend")
    if not all(before < following for before, following in pairwise((*findings.holders, findings.sequence))):
        raise Malformed("findings: holders are not numbers before its own that ascend")
    return findings


def finding_id(snapshot: SnapshotId, code: str, subject: str) -> FindingId:
    """The same for the same fault of a snapshot, whenever and in whatever words it is told."""
    return FindingId(hashlib.sha256(codec.encode((snapshot, code, subject))).digest())


def encode_ack(ack: Ack) -> bytes:
    """Raises as `decode_ack`"""
    return codec.encode_proven(
        {"created": ack.created_ms, "finding": ack.finding, "host": ack.host, "reason": ack.reason}, decode_ack
    )


def decode_ack(data: bytes) -> Ack:
    """Raises  Malformed, LimitExceeded, Unsupported"""
    fields = Record.decode(data, what="acknowledgement", bytes_max=FILE_BYTES_MAX)
    ack = Ack(
        created_ms=fields.integer("created"),
        finding=FindingId(fields.blob("finding", 32)),
        host=_note(fields.text("host"), "acknowledgement: host"),
        reason=_note(fields.text("reason"), "acknowledgement: reason"),
    )
    fields.finish()
    return ack


def encode_drill(drill: DrillRecord) -> bytes:
    """Raises as `decode_drill`"""
    return codec.encode_proven(
        {
            "created": drill.created_ms,
            "duration": drill.duration_ms,
            "host": drill.host,
            "mismatches": drill.mismatches,
            "not_checked": drill.not_checked,
            "passed": drill.passed,
            "rows": drill.rows,
            "server": drill.server,
            "snapshot": drill.snapshot,
            "source": drill.source,
            "tables": drill.tables,
        },
        decode_drill,
    )


def decode_drill(data: bytes) -> DrillRecord:
    """Raises  Malformed, LimitExceeded, Unsupported"""
    fields = Record.decode(data, what="drill record", bytes_max=FILE_BYTES_MAX)
    drill = DrillRecord(
        created_ms=fields.integer("created"),
        duration_ms=fields.integer("duration"),
        host=_note(fields.text("host"), "drill record: host"),
        mismatches=_notes(fields.texts("mismatches"), "drill record: mismatches"),
        not_checked=_notes(fields.texts("not_checked"), "drill record: not_checked"),
        passed=fields.flag("passed"),
        rows=fields.integer("rows"),
        server=_note(fields.text("server"), "drill record: server"),
        snapshot=SnapshotId(fields.blob("snapshot", 32)),
        source=fields.text("source"),
        tables=fields.integer("tables"),
    )
    fields.finish()
    if drill.passed and drill.mismatches:
        raise Malformed("drill record: it passed, and something differed")
    return drill


def encode_check(check: CheckRecord) -> bytes:
    """Raises as `decode_check`"""
    closures: tuple[Value, ...] = tuple((item.snapshot, item.checked_ms, item.packs) for item in check.closures)
    return codec.encode_proven(
        {
            "closures": closures,
            "created": check.created_ms,
            "damage": check.damage,
            "host": check.host,
            "kind": check.kind,
            "objects": check.objects,
            "packs": tuple((pack.id, pack.size, pack.read_ms) for pack in check.packs),
            "read_bytes": check.read_bytes,
        },
        decode_check,
    )


def decode_check(data: bytes) -> CheckRecord:
    """Raises  Malformed, LimitExceeded, Unsupported"""
    fields = Record.decode(data, what="check record", bytes_max=FILE_BYTES_MAX)
    packs = tuple(_decode_pack(value) for value in fields.array("packs"))
    check = CheckRecord(
        created_ms=fields.integer("created"),
        kind=fields.text("kind"),
        host=_note(fields.text("host"), "check record: host"),
        objects=fields.integer("objects"),
        read_bytes=fields.integer("read_bytes"),
        damage=fields.texts("damage"),
        packs=packs,
        closures=tuple(_decode_closure(value, len(packs)) for value in fields.array("closures")),
    )
    fields.finish()
    if not codec.ascend([pack.id for pack in packs]):
        raise Malformed("check record: packs do not ascend")
    if not codec.ascend([closure.snapshot for closure in check.closures]):
        raise Malformed("check record: closures do not ascend")
    return check


def _decode_finding(value: Value) -> Finding:
    row = Row(value, length=3, what="finding")
    code, subject, text = _notes((row.text(), row.text(), row.text()), "finding")
    return Finding(code=code, subject=subject, text=text)


def _decode_pack(value: Value) -> CheckedPack:
    row = Row(value, length=3, what="check record: packs")
    return CheckedPack(id=PackId(row.blob(32)), size=row.integer(), read_ms=row.optional_integer())


def _decode_closure(value: Value, packs: int) -> WholeClosure:
    row = Row(value, length=3, what="check record: closures")
    snapshot, checked_ms = SnapshotId(row.blob(32)), row.integer()
    what = "check record: packs of a closure"
    positions = tuple(codec.integer_of(item, what, high=packs - 1) for item in row.array())
    if not codec.ascend(positions):
        raise Malformed(f"{what} do not ascend")
    return WholeClosure(snapshot=snapshot, checked_ms=checked_ms, packs=positions)


def _note(text: str, what: str) -> str:
    if len(text.encode()) > NOTE_BYTES_MAX:
        raise LimitExceeded(f"{what}: a text of more than {NOTE_BYTES_MAX} bytes")
    return text


def _notes(texts: Iterable[str], what: str) -> tuple[str, ...]:
    return _few(tuple(_note(text, what) for text in texts), what)


T = TypeVar("T")


def _few(items: tuple[T, ...], what: str) -> tuple[T, ...]:
    if len(items) > NOTES_MAX:
        raise LimitExceeded(f"{what}: {len(items)} of them, the limit is {NOTES_MAX}")
    return items
