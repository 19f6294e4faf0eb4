"""Leases, sweeps and forgotten records, the files that keep writers and prune apart; and the names of all sealed records. Spec 60-snapshot.

Never decides anything. Invariant: lists of packs ascend and name each pack once.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from vault.errors import Malformed
from vault.format import codec
from vault.format.codec import Record, Row, Value, blob_of
from vault.format.names import hex_name, parse_hex_name
from vault.ids import PackId, SnapshotId
from vault.limits import FILE_BYTES_MAX
from vault.model import FileKind, Forgotten, ForgottenSnapshot, Lease, Sweep

DIRECTORIES: Final = {
    FileKind.LEASE: "leases",
    FileKind.SWEEP: "sweeps",
    FileKind.FORGOTTEN: "forgotten",
    FileKind.CHECK: "checks",
    FileKind.PIN: "pins",
    FileKind.FINDINGS: "findings",
    FileKind.ACK: "acks",
    FileKind.DRILL: "drills",
}


def upkeep_name(kind: FileKind, identifier: bytes) -> str:
    """Name of a sealed record, those of `format.notes` included. `identifier`: SHA-256 of the file's bytes."""
    return hex_name(DIRECTORIES[kind], identifier)


def parse_upkeep_name(name: str) -> tuple[FileKind, bytes] | None:
    """None for a name of another file."""
    for kind, directory in DIRECTORIES.items():
        identifier = parse_hex_name(directory, name)
        if identifier is not None:
            return kind, identifier
    return None


def encode_lease(lease: Lease) -> bytes:
    """Raises as `decode_lease`"""
    return codec.encode_proven(
        {
            "created": lease.created_ms,
            "host": lease.host,
            "packs": lease.packs,
            "parent": lease.parent,
            "pid": lease.pid,
            "purpose": lease.purpose,
            "source": lease.source,
        },
        decode_lease,
    )


def decode_lease(data: bytes) -> Lease:
    """Raises  Malformed, LimitExceeded, Unsupported"""
    fields = Record.decode(data, what="lease", bytes_max=FILE_BYTES_MAX)
    parent = fields.optional_blob("parent", 32)
    lease = Lease(
        created_ms=fields.integer("created"),
        host=fields.text("host"),
        pid=fields.integer("pid"),
        purpose=fields.text("purpose"),
        source=fields.text("source"),
        parent=None if parent is None else SnapshotId(parent),
        packs=_ascending(PackId(blob_of(value, "lease: packs", length=32)) for value in fields.array("packs")),
    )
    fields.finish()
    return lease


def encode_sweep(sweep: Sweep) -> bytes:
    """Raises as `decode_sweep`"""
    return codec.encode_proven({"created": sweep.created_ms, "packs": sweep.packs}, decode_sweep)


def decode_sweep(data: bytes) -> Sweep:
    """Raises  Malformed, LimitExceeded, Unsupported"""
    fields = Record.decode(data, what="sweep", bytes_max=FILE_BYTES_MAX)
    sweep = Sweep(
        created_ms=fields.integer("created"),
        packs=_ascending(PackId(blob_of(value, "sweep: packs", length=32)) for value in fields.array("packs")),
    )
    fields.finish()
    return sweep


def encode_forgotten(forgotten: Forgotten) -> bytes:
    """Raises as `decode_forgotten`"""
    snapshots: tuple[Value, ...] = tuple(
        (item.id, item.source, item.sequence, item.created_ms) for item in forgotten.snapshots
    )
    return codec.encode_proven({"created": forgotten.created_ms, "snapshots": snapshots}, decode_forgotten)


def decode_forgotten(data: bytes) -> Forgotten:
    """Raises  Malformed, LimitExceeded, Unsupported"""
    fields = Record.decode(data, what="forgotten record", bytes_max=FILE_BYTES_MAX)
    forgotten = Forgotten(
        created_ms=fields.integer("created"),
        snapshots=tuple(_decode_forgotten_snapshot(value) for value in fields.array("snapshots")),
    )
    fields.finish()
    return forgotten


def _decode_forgotten_snapshot(value: Value) -> ForgottenSnapshot:
    row = Row(value, length=4, what="forgotten snapshot")
    return ForgottenSnapshot(
        id=SnapshotId(row.blob(32)), source=row.text(), sequence=row.integer(1), created_ms=row.integer()
    )


def _ascending(packs: Iterable[PackId]) -> tuple[PackId, ...]:
    result = tuple(packs)
    if not codec.ascend(result):
        raise Malformed("packs do not ascend")
    return result
