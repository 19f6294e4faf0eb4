"""Every layout of the format: values of it, its encoder and its decoder. For tests of properties, and for fuzzing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from tests import strategies, strategies_objects
from vault.errors import IntegrityError
from vault.format import (
    chunks,
    cluster,
    codec,
    config,
    envelope,
    files,
    index,
    keyslot,
    ledger,
    notes,
    pack,
    schema,
    snapshot,
    tables,
    tree,
    upkeep,
)
from vault.format import object as object_format
from vault.format.codec import Value
from vault.ids import KeyId
from vault.model import FileKind


@dataclass(frozen=True, slots=True)
class Layout:
    """A pair under test. Equal values must give equal bytes, whatever `decode` returns."""

    values: st.SearchStrategy[Any]
    encode: Callable[[Any], bytes]
    decode: Callable[[bytes], Any]


def _item(values: st.SearchStrategy[Any], encode: Callable[[Any], Value], decode: Callable[[Value], Any]) -> Layout:
    return Layout(
        values,
        lambda value: codec.encode(encode(value)),
        lambda data: decode(codec.decode(data, what="item", bytes_max=1 << 20)),
    )


_ENVELOPE_KEY = KeyId(b"key-id-8")

LAYOUTS = {
    "codec": Layout(strategies.values, codec.encode, lambda data: codec.decode(data, what="value", bytes_max=1 << 20)),
    "object record": Layout(strategies.object_records(), object_format.encode_record, object_format.decode_record),
    "pack header": Layout(strategies.pack_headers, pack.encode_header, pack.decode_header),
    "footer": Layout(
        st.integers(17, 10_000), pack.encode_footer, lambda data: pack.decode_footer(data, pack_bytes=11_000)
    ),
    "fragment": Layout(
        st.lists(strategies.pack_entries(), max_size=3, unique_by=lambda entry: entry.pack).map(index.build_fragment),
        index.encode_fragment,
        index.decode_fragment,
    ),
    "envelope header": Layout(
        strategies.envelope_headers.filter(lambda header: header.kind is FileKind.INDEX).map(
            lambda header: envelope.EnvelopeHeader(
                kind=header.kind, codec=header.codec, key_id=_ENVELOPE_KEY, salt=header.salt
            )
        ),
        envelope.encode_header,
        lambda data: envelope.decode_header(data, kind=FileKind.INDEX, key_id=_ENVELOPE_KEY),
    ),
    "key bundle": Layout(strategies.key_bundles, keyslot.encode_bundle, keyslot.decode_bundle),
    "key slot": Layout(strategies.key_slots, keyslot.encode_slot, keyslot.decode_slot),
    "config": Layout(strategies.configs, config.encode_config, config.decode_config),
    "node": Layout(strategies.nodes, lambda node: tree.encode_node(node.level, node.members), tree.decode_node),
    "child": _item(strategies.children, tree.child_value, tree.decode_child),
    "list reference": _item(strategies.list_refs, chunks.encode_list_ref, chunks.decode_list_ref),
    "chunk": _item(strategies.chunk_refs, chunks.encode_chunk, chunks.decode_chunk),
    "chunk list": _item(
        strategies.chunk_lists(rows=True).map(lambda drawn: drawn[0]),
        chunks.encode_chunk_list,
        chunks.decode_chunk_list,
    ),
    "file": _item(strategies.file_items(), files.encode_file, files.decode_file),
    "extent": _item(strategies.extents(), tables.encode_extent, tables.decode_extent),
    "table": _item(strategies.tables(), tables.encode_table, tables.decode_table),
    "sequence": _item(strategies.sequences, tables.encode_sequence, tables.decode_sequence),
    "large object": _item(strategies.large_objects(), tables.encode_large_object, tables.decode_large_object),
    "identity": _item(strategies.identities, schema.encode_identity, schema.decode_identity),
    "entry item": _item(strategies.entry_items, schema.encode_entry_item, schema.decode_entry_item),
    "schema entry": Layout(strategies_objects.schema_entries, schema.encode_entry, schema.decode_entry),
    "schema order": Layout(strategies_objects.orders(), schema.encode_order, schema.decode_order),
    "roles": Layout(strategies_objects.roles, cluster.encode_roles, cluster.decode_roles),
    "catalog": Layout(strategies_objects.catalogs, cluster.encode_catalog, cluster.decode_catalog),
    "ledger": Layout(strategies_objects.ledgers, ledger.encode_ledger, ledger.decode_ledger),
    "manifest": Layout(strategies_objects.manifests, snapshot.encode_manifest, snapshot.decode_manifest),
    "lease": Layout(strategies_objects.leases, upkeep.encode_lease, upkeep.decode_lease),
    "sweep": Layout(strategies_objects.sweeps, upkeep.encode_sweep, upkeep.decode_sweep),
    "forgotten": Layout(strategies_objects.forgottens, upkeep.encode_forgotten, upkeep.decode_forgotten),
    "check": Layout(strategies_objects.checks(), notes.encode_check, notes.decode_check),
    "pin": Layout(strategies_objects.pins, notes.encode_pin, notes.decode_pin),
    "findings": Layout(strategies_objects.findings, notes.encode_findings, notes.decode_findings),
    "ack": Layout(strategies_objects.acks, notes.encode_ack, notes.decode_ack),
    "drill": Layout(strategies_objects.drills(), notes.encode_drill, notes.decode_drill),
}

FIXED_LAYOUTS = {"pack header", "envelope header", "footer"}
"""Read from the front (or end) of longer data, so what follows is not theirs to judge."""


def accepts_only_canonical(layout: Layout, data: bytes) -> bool:
    """Whether `data` is accepted; if it is, it must be what its value encodes to. Anything but IntegrityError escapes."""
    try:
        value = layout.decode(data)
    except IntegrityError:
        return False
    assert layout.encode(value) == data
    return True
