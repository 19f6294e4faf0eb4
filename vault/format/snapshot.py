"""The snapshot manifest: the root of everything that one backup holds. Spec 60-snapshot.

Never follows a reference. Invariant: values that change every day are in `server` and `effort` and nowhere below.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from vault.errors import Malformed
from vault.format import codec
from vault.format.chunks import decode_list_ref, encode_list_ref
from vault.format.codec import INTEGER_MAX, Record, Row, Value, text_of
from vault.format.ledger import decode_state
from vault.format.names import hex_name, parse_hex_name
from vault.format.tables import OID_MAX
from vault.ids import ObjectId, RepositoryId, SnapshotId
from vault.limits import FILE_BYTES_MAX
from vault.model import Counts, DatabasePart, Effort, Manifest, Origin, ServerFacts

SNAPSHOTS: Final = "snapshots"
_WHAT: Final = "snapshot"
_DIRECTORY: Final = re.compile(r"[a-z0-9_-]+")


def encode_manifest(manifest: Manifest) -> bytes:
    """Plaintext of the snapshot's file; its object id (type 32) is the snapshot's id.

    Raises as `decode_manifest`
    """
    coverage: dict[str, Value] = {name: (state.value, count) for name, (state, count) in manifest.coverage.items()}
    return codec.encode_proven(
        {
            "counts": _encode_counts(manifest.counts),
            "coverage": coverage,
            "created": manifest.created_ms,
            "database": None if manifest.database is None else _encode_database(manifest.database),
            "directories": {name: encode_list_ref(ref) for name, ref in manifest.directories.items()},
            "effort": _encode_effort(manifest.effort),
            "host": manifest.host,
            "ledger": manifest.ledger,
            "origin": None if manifest.origin is None else (manifest.origin.repository, manifest.origin.snapshot),
            "parent": manifest.parent,
            "program": manifest.program,
            "selection": manifest.selection,
            "sequence": manifest.sequence,
            "source": manifest.source,
            "suspect": manifest.suspect,
            "tags": manifest.tags,
        },
        decode_manifest,
    )


def decode_manifest(data: bytes) -> Manifest:
    """Raises  Malformed, LimitExceeded, Unsupported"""
    fields = Record.decode(data, what=_WHAT, bytes_max=FILE_BYTES_MAX)
    parent, database = fields.optional_blob("parent", 32), fields.optional_record("database")
    coverage = {name: Row(value, length=2, what="coverage") for name, value in fields.map("coverage").items()}
    manifest = Manifest(
        source=fields.text("source"),
        created_ms=fields.integer("created"),
        sequence=fields.integer("sequence", 1),
        parent=None if parent is None else SnapshotId(parent),
        selection=fields.text("selection"),
        tags={key: text_of(value, "snapshot: tags") for key, value in fields.map("tags").items()},
        program=fields.text("program"),
        database=None if database is None else _decode_database(database),
        directories={name: decode_list_ref(value) for name, value in fields.map("directories").items()},
        ledger=ObjectId(fields.blob("ledger", 32)),
        coverage={name: (decode_state(row.text()), row.integer()) for name, row in coverage.items()},
        counts=_decode_counts(fields.record("counts")),
        effort=_decode_effort(fields.record("effort")),
        suspect=fields.text("suspect"),
        host=fields.text("host"),
        origin=_decode_origin(fields.value("origin")),
    )
    fields.finish()
    _check_directories(manifest.directories)
    return manifest


def snapshot_name(snapshot: SnapshotId) -> str:
    return hex_name(SNAPSHOTS, snapshot)


def parse_snapshot_name(name: str) -> SnapshotId | None:
    """None for a name that is not a snapshot's."""
    identifier = parse_hex_name(SNAPSHOTS, name)
    return None if identifier is None else SnapshotId(identifier)


def _decode_origin(value: Value) -> Origin | None:
    if value is None:
        return None
    row = Row(value, length=2, what="snapshot: origin")
    return Origin(repository=RepositoryId(row.blob(16)), snapshot=SnapshotId(row.blob(32)))


def _check_directories(names: Iterable[str]) -> None:
    if not all(_DIRECTORY.fullmatch(name) for name in names):
        raise Malformed("snapshot: a directory's name has characters other than a-z 0-9 _ -")


def _encode_counts(counts: Counts) -> Value:
    return {
        "edge_functions": counts.edge_functions,
        "encryption_functions": counts.encryption_functions,
        "migrations": counts.migrations,
        "records": counts.records,
        "rls_policies": counts.rls_policies,
        "rpc_functions": counts.rpc_functions,
        "tables": counts.tables,
        "user_roles": counts.user_roles,
        "users": counts.users,
    }


def _decode_counts(fields: Record) -> Counts:
    counts = Counts(
        tables=fields.integer("tables"),
        records=fields.integer("records"),
        users=fields.integer("users"),
        user_roles=fields.integer("user_roles"),
        rls_policies=fields.integer("rls_policies"),
        rpc_functions=fields.integer("rpc_functions"),
        migrations=fields.integer("migrations"),
        edge_functions=fields.integer("edge_functions"),
        encryption_functions=fields.integer("encryption_functions"),
    )
    fields.finish()
    return counts


def _encode_effort(effort: Effort) -> Value:
    return {
        "duration": effort.duration_ms,
        "extents": effort.extents,
        "extents_reused": effort.extents_reused,
        "new_bytes": effort.new_bytes,
        "read_bytes": effort.read_bytes,
    }


def _decode_effort(fields: Record) -> Effort:
    effort = Effort(
        read_bytes=fields.integer("read_bytes"),
        new_bytes=fields.integer("new_bytes"),
        extents=fields.integer("extents"),
        extents_reused=fields.integer("extents_reused"),
        duration_ms=fields.integer("duration"),
    )
    fields.finish()
    return effort


def _encode_database(part: DatabasePart) -> Value:
    return {
        "catalog": part.catalog,
        "entries": encode_list_ref(part.entries),
        "large_objects": encode_list_ref(part.large_objects),
        "order": part.order,
        "roles": part.roles,
        "sequences": encode_list_ref(part.sequences),
        "server": _encode_server(part.server),
        "tables": encode_list_ref(part.tables),
    }


def _decode_database(fields: Record) -> DatabasePart:
    part = DatabasePart(
        server=_decode_server(fields.record("server")),
        tables=decode_list_ref(fields.value("tables")),
        entries=decode_list_ref(fields.value("entries")),
        order=ObjectId(fields.blob("order", 32)),
        roles=ObjectId(fields.blob("roles", 32)),
        catalog=ObjectId(fields.blob("catalog", 32)),
        sequences=decode_list_ref(fields.value("sequences")),
        large_objects=decode_list_ref(fields.value("large_objects")),
    )
    fields.finish()
    return part


def _encode_server(server: ServerFacts) -> Value:
    return {
        "database": server.database,
        "database_oid": server.database_oid,
        "encoding": server.encoding,
        "flush_lsn": server.flush_lsn,
        "horizon": server.horizon,
        "in_recovery": server.in_recovery,
        "insert_lsn": server.insert_lsn,
        "insert_lsn_before": server.insert_lsn_before,
        "next_xid": server.next_xid,
        "postmaster_start": server.postmaster_start,
        "snapshot": server.snapshot,
        "system_id": server.system_id,
        "timeline": server.timeline,
        "version": server.version,
        "version_num": server.version_num,
    }


def _decode_server(fields: Record) -> ServerFacts:
    server = ServerFacts(
        version_num=fields.integer("version_num"),
        version=fields.text("version"),
        system_id=fields.text("system_id"),
        database=fields.text("database"),
        database_oid=fields.integer("database_oid", 0, OID_MAX),
        encoding=fields.text("encoding"),
        in_recovery=fields.flag("in_recovery"),
        timeline=fields.integer("timeline"),
        postmaster_start=fields.text("postmaster_start"),
        snapshot=fields.text("snapshot"),
        horizon=fields.integer("horizon", 0, INTEGER_MAX),
        next_xid=fields.integer("next_xid", 0, INTEGER_MAX),
        insert_lsn=fields.integer("insert_lsn", 0, INTEGER_MAX),
        flush_lsn=fields.integer("flush_lsn", 0, INTEGER_MAX),
        insert_lsn_before=fields.integer("insert_lsn_before", 0, INTEGER_MAX),
    )
    fields.finish()
    return server
