"""The vectors through vault's decoders: kind -> what vault makes of the input. Raises what vault raises."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from vault.crypto import kdf, keyed
from vault.crypto.keys import Keys
from vault.errors import (
    AuthenticationFailed,
    ContentMismatch,
    LimitExceeded,
    Malformed,
    MissingObject,
    NoRepository,
    NotFound,
    Unsupported,
    VaultError,
    WrongPassphrase,
)
from vault.format import (
    cluster,
    codec,
    config,
    envelope,
    index,
    keyslot,
    ledger,
    notes,
    object,
    pack,
    schema,
    snapshot,
    tree,
    upkeep,
)
from vault.format import lists as list_formats
from vault.ids import KeyId, ObjectId, RepositoryId
from vault.model import FileKind, FileType, Findings, KeyBundle, ObjectType, PackClass, Sums
from vault.pipeline import lists, seal
from vault.pipeline.cut import cut_bytes, cut_rows, fastcdc
from vault.pipeline.generated import ColumnDigests
from vault.repo import keyring
from vault.repo.snapshot import Snapshot
from vault.repo.state import Closed
from vault.store.memory import MemoryStore

Inputs = dict[str, Any]

LAYERS: tuple[tuple[type[VaultError], str], ...] = (
    (Malformed, "malformed"),
    (LimitExceeded, "limit"),
    (Unsupported, "unsupported"),
    (AuthenticationFailed, "authentication"),
    (WrongPassphrase, "authentication"),
    (ContentMismatch, "mismatch"),
    (MissingObject, "missing"),
    (NoRepository, "missing"),
    (NotFound, "missing"),
)


def layer_of(error: VaultError) -> str:
    return next((layer for kind, layer in LAYERS if isinstance(error, kind)), type(error).__name__)


def _keys(inputs: Inputs) -> Keys:
    return Keys.derive(KeyBundle(id_key=inputs.get("id_key", bytes(32)), root=inputs["root"], cut_seed=1))


def _opened(bundle: KeyBundle, repository: RepositoryId) -> dict[str, Any]:
    return {"value": {"id": bundle.id_key.hex(), "root": bundle.root.hex(), "repository": repository.hex()}}


def _output(plain: bytes) -> dict[str, Any]:
    return {"output_sha256": hashlib.sha256(plain).hexdigest()}


def open_slot(inputs: Inputs) -> Any:
    bundle = keyring.open_slot(inputs["data"], inputs["passphrase"])
    return _opened(bundle, keyslot.decode_slot(inputs["data"]).repository)


def open_kit(inputs: Inputs) -> Any:
    opened, _keys, bundle = keyring.unlock_with_kit(MemoryStore(), inputs["data"].decode())
    return _opened(bundle, opened.repository)


def open_config(inputs: Inputs) -> Any:
    signed, mac = config.split_config(inputs["data"])
    config.decode_config(signed)
    keyed.verify_mac(_keys(inputs).config_mac_key, signed, expected=mac, what="config")


def open_envelope(inputs: Inputs) -> Any:
    kind = FileKind(inputs["file_kind"])
    envelope.decode_header(inputs["data"], kind=kind, key_id=_keys(inputs).key_id)
    return _output(keyring.unseal_file(inputs["data"], kind, _keys(inputs)))


def _pack_key(header: bytes, keys: Keys) -> bytes:
    return keys.pack_key(PackClass(header[10]), header, header[36:])


def open_object(inputs: Inputs) -> Any:
    keys, header = _keys(inputs), inputs["header"]
    record = object.decode_record(inputs["record"])
    plain = seal.open_object(
        inputs["sealed"],
        record,
        key=_pack_key(header, keys),
        header_digest=keyed.digest(header),
        id_key=keys.id_key,
        base=inputs.get("base"),
    )
    return _output(plain)


def open_pack_header(inputs: Inputs) -> Any:
    header = pack.decode_header(inputs["data"])
    pack.check_owner(header, key_id=KeyId(inputs["key_id"]), repository=RepositoryId(inputs["repository"]))


def open_pack(inputs: Inputs) -> Any:
    data, keys = inputs["data"], _keys(inputs)
    header = pack.decode_header(data[:68])
    pack.check_owner(header, key_id=keys.key_id, repository=RepositoryId(inputs["repository"]))
    records = seal.open_trailer(data, pack_bytes=len(data), header=header, key=_pack_key(data[:68], keys))
    return {"value": {"objects": len(records)}}


def open_node(inputs: Inputs) -> Any:
    """The node as if its parent had told the truth about it."""
    form = FORMS[ObjectType(inputs["node_type"])]
    node = tree.decode_node(inputs["data"])
    children = [tree.decode_child(member) for member in node.members] if node.level else []
    items = [] if node.level else [form.decode(member) for member in node.members]
    keys = [child.last_key for child in children] or [form.key(item) for item in items]
    sums = [child.sums for child in children] or [form.sums(item) for item in items]
    total = Sums()
    for part in sums:
        total = total + part
    place = tree.Child(last_key=keys[-1], id=ObjectId(bytes(32)), sums=total)
    lists.open_node(inputs["data"], place, None, form)


FORMS: dict[ObjectType, list_formats.ListFormat[Any]] = {
    form.node_type: form
    for form in (
        list_formats.CHUNKS,
        list_formats.ENTRIES,
        list_formats.EXTENTS,
        list_formats.FILES,
        list_formats.LARGE_OBJECTS,
        list_formats.SEQUENCES,
        list_formats.TABLES,
    )
}


def open_repository(inputs: Inputs) -> Any:
    outputs: dict[str, str] = {}
    opened = Closed(MemoryStore(dict(inputs["files"]))).open(inputs["passphrase"])
    found = []
    for snapshot_id, manifest in opened.scan():
        if isinstance(manifest, VaultError):
            raise manifest
        found.append(snapshot_id)
    indexed = opened.indexed(None)
    for snapshot_id in found:
        outputs |= _drain(indexed.snapshot(snapshot_id))
    return {"outputs": outputs}


def _drain(read: Snapshot) -> dict[str, str]:
    outputs = {}

    def add(name: str, *pieces: bytes) -> None:
        outputs[name] = hashlib.sha256(b"".join(pieces)).hexdigest()

    read.ledger()
    for name in read.manifest.directories:
        for item in read.files(name):
            if item.type is FileType.FILE:
                add(f"file {name} {item.path.hex()}", *read.file_blocks(item))
            elif item.type is FileType.SYMLINK:
                add(f"link {name} {item.path.hex()}", item.target)
    if read.manifest.database is None:
        return outputs
    for number, entry in enumerate(read.entries(read.order())):
        add(f"entry {number}", schema.encode_entry(entry))
    read.roles()
    read.catalog()
    for table in read.tables():
        add(f"rows {table.name}", *read.rows(table))
        if read.has_values(table):
            add(f"values {table.name}", *read.values(table))
    for sequence in read.sequences():
        value = f"{sequence.last_value} {str(sequence.is_called).lower()}"
        add(f"sequence {sequence.name}", value.encode())
    for large in read.large_objects():
        add(f"large_object {large.oid}", *read.large_object_blocks(large))
    return outputs


def read_passphrase(inputs: Inputs) -> Any:
    return {"value": {"password": kdf.password_bytes(kdf.without_line_end(inputs["data"].decode())).hex()}}


def cut(inputs: Inputs) -> Any:
    cutter = fastcdc(inputs["seed"])
    if inputs["rows"]:
        chunks = [chunk for chunk, _ in cut_rows([inputs["data"]], cutter)]
    else:
        chunks = list(cut_bytes([inputs["data"]], cutter))
    return {"value": {"lengths": [len(chunk) for chunk in chunks]}}


def fields_digest(inputs: Inputs) -> Any:
    read = ColumnDigests.read([inputs["data"]] if inputs["data"] else [], 1, id_key=inputs["id_key"])
    return {"value": {"digest": read.digests[0].hex()}}


RECORDS: dict[FileKind, Callable[[bytes], Any]] = {
    FileKind.LEASE: upkeep.decode_lease,
    FileKind.SWEEP: upkeep.decode_sweep,
    FileKind.FORGOTTEN: upkeep.decode_forgotten,
    FileKind.CHECK: notes.decode_check,
    FileKind.PIN: notes.decode_pin,
    FileKind.FINDINGS: notes.decode_findings,
    FileKind.ACK: notes.decode_ack,
    FileKind.DRILL: notes.decode_drill,
}


def open_upkeep(inputs: Inputs) -> Any:
    value = RECORDS[FileKind(inputs["file_kind"])](inputs["data"])
    if not isinstance(value, Findings):
        return None
    ids = [notes.finding_id(value.snapshot, one.code, one.subject).hex() for one in value.findings]
    return {"value": {"ids": ids}}


READERS: dict[str, Callable[[Inputs], Any]] = {
    "encoding": lambda i: codec.decode(i["data"], what="vector", bytes_max=1024),
    "bundle": lambda i: keyslot.decode_bundle(i["data"]),
    "digest": fields_digest,
    "passphrase": read_passphrase,
    "slot": open_slot,
    "kit": open_kit,
    "config": open_config,
    "envelope": open_envelope,
    "record": lambda i: object.decode_record(i["data"]),
    "object": open_object,
    "pack_header": open_pack_header,
    "pack_footer": lambda i: pack.decode_footer(i["tail"], pack_bytes=i["pack_bytes"]),
    "pack_trailer": lambda i: pack.decode_trailer(
        i["plain"], header=pack.decode_header(i["header"]), trailer_offset=i["trailer_offset"]
    ),
    "pack": open_pack,
    "index": lambda i: index.decode_fragment(i["data"]),
    "node": open_node,
    "snapshot": lambda i: snapshot.decode_manifest(i["data"]),
    "entry": lambda i: schema.decode_entry(i["data"]),
    "order": lambda i: schema.decode_order(i["data"]),
    "roles": lambda i: cluster.decode_roles(i["data"]),
    "catalog": lambda i: cluster.decode_catalog(i["data"]),
    "ledger": lambda i: ledger.decode_ledger(i["data"]),
    "upkeep": open_upkeep,
    "repository": open_repository,
    "cut": cut,
}
