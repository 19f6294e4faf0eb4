"""Whose snapshot it is, of when, and what to know about it: the same in lists, plans and JSON. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from vault.cli import render
from vault.ids import SnapshotId
from vault.model import Manifest
from vault.model.words import counted
from vault.ops.project.backup_selection import narrowed
from vault.repo.lineage import is_ahead

if TYPE_CHECKING:
    from vault.repo.remembered import Remembered
    from vault.repo.snapshot import Snapshot

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CYCLE_YEARS = 400
_CYCLE_MS = 146_097 * 86_400_000
"""The Gregorian calendar repeats after 400 years."""
_DRILLED = "DRILLED"


def instant(time_ms: int) -> str:
    """`2026-11-22T23:15:02.123Z`; outside the years 1 to 9999 with a sign and six digits or more (ISO 8601)."""
    cycles, rest_ms = divmod(time_ms, _CYCLE_MS)
    shifted = _EPOCH + timedelta(milliseconds=rest_ms)
    year = shifted.year + _CYCLE_YEARS * cycles
    shown = f"{year:04}" if 1 <= year <= 9999 else f"{year:+07}"
    return shown + shifted.isoformat(timespec="milliseconds")[4:].replace("+00:00", "Z")


def marks(manifest: Manifest, now_ms: int) -> list[str]:
    """What a list of snapshots says beside one, in a word each."""
    words = (
        ("SUSPECT", manifest.suspect),
        ("FUTURE", is_ahead(manifest, now_ms)),
        ("PARTIAL", narrowed(manifest.selection)),
    )
    return [word for word, holds in words if holds]


def warnings(manifest: Manifest, now_ms: int) -> list[str]:
    """The same in sentences."""
    ahead = "its time is in the future: its clock was ahead, or this one is behind; the order is that of the numbers"
    part = f"it holds a part of the database only: {', '.join(narrowed(manifest.selection))}"
    texts = (
        (manifest.suspect, manifest.suspect),
        (ahead, is_ahead(manifest, now_ms)),
        (part, narrowed(manifest.selection)),
    )
    return [text for text, holds in texts if holds]


def notes(id: SnapshotId, told: Remembered) -> list[tuple[str, str]]:
    """What is remembered of a snapshot outside of its manifest: (a word, in a sentence)."""
    lines = [
        ("PINNED", f"{pin.reason} (since {instant(pin.created_ms)[:10]}, by {pin.host})")
        for pin in told.pins.get(id, ())
    ]
    for number, finding in told.open.get(id, ()):
        lines.append(("FINDING", f"{finding.code} {finding.subject}: {finding.text} (finding {number.hex()[:12]})"))
    if (drill := told.drills.get(id)) is not None:
        beside = f", {counted(len(drill.not_checked), 'thing')} not checked" if drill.not_checked else ""
        how = f"restored and equal{beside}" if drill.passed else "restored, and NOT equal"
        server = f", PostgreSQL {drill.server}" if drill.server else ""
        lines.append((_DRILLED, f"{instant(drill.created_ms)[:10]}{server}: {how}"))
    return lines


def note_marks(id: SnapshotId, told: Remembered) -> list[str]:
    """The same for a list of snapshots: a word or two each, once; of a drill when it was, and nothing that sounds as if it had passed."""
    words = dict.fromkeys(word for word, _ in notes(id, told) if word != _DRILLED)
    if (drill := told.drills.get(id)) is not None:
        words[f"{_DRILLED if drill.passed else 'DRILL FAILED'} {instant(drill.created_ms)[:10]}"] = None
    return list(words)


def note_fields(id: SnapshotId, told: Remembered) -> dict[str, object]:
    """The same for programs: `pinned` is the reasons or null, `drilled` the time of the last drill that passed or null."""
    pins, drill = told.pins.get(id, ()), told.drills.get(id)
    return {
        "pinned": "; ".join(pin.reason for pin in pins) if pins else None,
        "drilled": instant(drill.created_ms) if drill is not None and drill.passed else None,
        "findings": [
            {"id": number.hex(), "code": finding.code, "subject": finding.subject, "text": finding.text}
            for number, finding in told.open.get(id, ())
        ],
    }


def server(manifest: Manifest) -> Mapping[str, object] | None:
    """What tells a database apart, for lists."""
    if manifest.database is None:
        return None
    facts = manifest.database.server
    return {name: getattr(facts, name) for name in ("version", "system_id", "database", "database_oid")}


def header(id: SnapshotId, manifest: Manifest, now_ms: int) -> Iterator[str]:
    """Above a plan: the last chance to see that it is another snapshot."""
    yield f"restore of snapshot {id.hex()[:12]}, number {manifest.sequence} of source {manifest.source}"
    yield f"  taken {instant(manifest.created_ms)}, {render.when(manifest.created_ms, now_ms)}"
    if manifest.database is not None:
        server = manifest.database.server
        yield f"  of database {server.database} on PostgreSQL {server.version}, system {server.system_id}"
    yield from (f"  warning: {text}" for text in warnings(manifest, now_ms))


def fields(manifest: Manifest, now_ms: int) -> dict[str, object]:
    """The same for programs."""
    return {
        "source": manifest.source,
        "sequence": manifest.sequence,
        "host": manifest.host or None,
        "server": server(manifest),
        "time": instant(manifest.created_ms),
        "age_s": (now_ms - manifest.created_ms) / 1000,
        "partial": bool(narrowed(manifest.selection)),
        "warnings": warnings(manifest, now_ms),
    }


def moment(one: Snapshot) -> dict[str, object]:
    """For programs: a snapshot by what is told of it where many are named."""
    return {"snapshot": one.id.hex(), "sequence": one.manifest.sequence, "time": instant(one.manifest.created_ms)}
