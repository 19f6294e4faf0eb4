"""The vectors through spec/reader.py: kind -> what the reader makes of the input."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from spec import reader

Inputs = dict[str, Any]


def _keys(inputs: Inputs) -> reader.Keys:
    return reader.Keys(inputs.get("id_key", bytes(32)), inputs["root"])


def _opened(keys: reader.Keys, repository: bytes) -> dict[str, Any]:
    return {"value": {"id": keys.id_key.hex(), "root": keys.root.hex(), "repository": repository.hex()}}


def slot(inputs: Inputs) -> Any:
    return _opened(*reader.open_slot(inputs["data"], inputs["passphrase"]))


def kit(inputs: Inputs) -> Any:
    _repository, secret, data = reader.decode_kit(inputs["data"])
    return _opened(*reader.open_slot(data, secret))


def config(inputs: Inputs) -> Any:
    reader.decode_config(reader.split_config(inputs["data"])[1])
    reader.check_config(inputs["data"], _keys(inputs))


def envelope(inputs: Inputs) -> Any:
    return _output(reader.open_envelope(inputs["data"], inputs["file_kind"], _keys(inputs)))


def object_(inputs: Inputs) -> Any:
    one = reader.decode_record(inputs["record"])
    plain = reader.decode_object(inputs["sealed"], inputs["header"], one, _keys(inputs), inputs.get("base"))
    return _output(plain)


def pack_header(inputs: Inputs) -> Any:
    reader.check_pack_header(inputs["data"], None, inputs["repository"])
    reader.need(inputs["data"][12:20] == inputs["key_id"], "another key", "authentication")


def pack(inputs: Inputs) -> Any:
    return {"value": {"objects": len(reader.read_pack(inputs["data"], _keys(inputs), inputs["repository"]))}}


def _output(plain: bytes) -> dict[str, Any]:
    return {"output_sha256": hashlib.sha256(plain).hexdigest()}


def repository(inputs: Inputs) -> Any:
    with tempfile.TemporaryDirectory() as directory:
        for name, data in inputs["files"].items():
            path = Path(directory, name)
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(data)
        opened = reader.Repository.unlock(reader.Store(Path(directory)), lambda: str(inputs["passphrase"]))
        manifests = [opened.manifest(name) for name in opened.store.list("snapshots")]
        opened.load_index()
        return {"outputs": {key: item for manifest in manifests for key, item in _drain(opened, manifest).items()}}


def _drain(opened: reader.Repository, manifest: dict[str, Any]) -> dict[str, str]:
    outputs = {}

    def add(name: str, *pieces: bytes) -> None:
        outputs[name] = hashlib.sha256(b"".join(pieces)).hexdigest()

    opened.ledger(manifest)
    for name, reference in manifest["directories"].items():
        for item in opened.files(reference):
            if item[1] == "f":
                chunks = opened.chunks(item[9], reader.FILE_CHUNK)
                add(f"file {name} {item[0].hex()}", *(plain for plain, _more in chunks))
            elif item[1] == "l":
                add(f"link {name} {item[0].hex()}", item[8])
    database = manifest["database"]
    if database is None:
        return outputs
    for number, entry in enumerate(opened.entries(database)):
        add(f"entry {number}", reader.encode(entry))
    reader.decode_roles(opened.get(database["roles"], reader.ROLES))
    reader.decode_catalog(opened.get(database["catalog"], reader.CATALOG))
    for table in opened.walk(database["tables"], reader.TABLES):
        add(f"rows {table[0]}.{table[1]}", *opened.rows(table))
        if opened.has_values(table):
            add(f"values {table[0]}.{table[1]}", *opened.values(table))
    for item in opened.walk(database["sequences"], reader.SEQUENCES):
        add(f"sequence {item[0]}.{item[1]}", f"{item[2]} {str(item[3]).lower()}".encode())
    for item in opened.walk(database["large_objects"], reader.LARGE_OBJECTS):
        chunks = opened.chunks(item[5], reader.LARGE_OBJECT_CHUNK)
        add(f"large_object {item[0]}", *(plain for plain, _more in chunks))
    return outputs


def passphrase(inputs: Inputs) -> Any:
    return {"value": {"password": reader.password_bytes(reader.without_line_end(inputs["data"].decode())).hex()}}


def fields_digest(inputs: Inputs) -> Any:
    fields = inputs["data"].split(b"\n")[:-1]
    return {"value": {"digest": reader.fields_digest(inputs["id_key"], fields).hex()}}


def upkeep(inputs: Inputs) -> Any:
    value = reader.decode_upkeep(inputs["data"], inputs["file_kind"])
    if inputs["file_kind"] != reader.FINDINGS:
        return None
    ids = [reader.finding_id(value["snapshot"], code, subject).hex() for code, subject, _text in value["findings"]]
    return {"value": {"ids": ids}}


READERS: dict[str, Callable[[Inputs], Any]] = {
    "encoding": lambda i: reader.decode(i["data"], "vector", 1024),
    "bundle": lambda i: reader.decode_bundle(i["data"]),
    "digest": fields_digest,
    "passphrase": passphrase,
    "slot": slot,
    "kit": kit,
    "config": config,
    "envelope": envelope,
    "record": lambda i: reader.decode_record(i["data"]),
    "object": object_,
    "pack_header": pack_header,
    "pack_footer": lambda i: reader.decode_footer(i["tail"], i["pack_bytes"]),
    "pack_trailer": lambda i: reader.decode_trailer(i["plain"], i["header"], i["trailer_offset"]),
    "pack": pack,
    "index": lambda i: reader.decode_fragment(i["data"]),
    "node": lambda i: reader.decode_node(i["data"], i["node_type"]),
    "snapshot": lambda i: reader.decode_manifest(i["data"]),
    "entry": lambda i: reader.decode_entry(i["data"]),
    "order": lambda i: reader.decode_order(i["data"]),
    "roles": lambda i: reader.decode_roles(i["data"]),
    "catalog": lambda i: reader.decode_catalog(i["data"]),
    "ledger": lambda i: reader.decode_ledger(i["data"]),
    "upkeep": upkeep,
    "repository": repository,
}
