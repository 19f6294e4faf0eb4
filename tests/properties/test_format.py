"""Every encoding: it comes back equal, it is the only one of its value, and hostile bytes end in an IntegrityError."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
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

every_layout = pytest.mark.parametrize("name", list(LAYOUTS))
few = settings(max_examples=60, deadline=None)


def _accepts_only_canonical(layout: Layout, data: bytes) -> bool:
    """Whether `data` is accepted; if it is, it must be what its value encodes to. Anything but IntegrityError escapes."""
    try:
        value = layout.decode(data)
    except IntegrityError:
        return False
    assert layout.encode(value) == data
    return True


@every_layout
@few
@given(data=st.data())
def test_value_comes_back_equal(name: str, data: st.DataObject) -> None:
    layout = LAYOUTS[name]
    value = data.draw(layout.values)
    assert layout.decode(layout.encode(value)) == value


@every_layout
@few
@given(data=st.data())
def test_flipped_bit_is_refused_or_the_only_form_of_another_value(name: str, data: st.DataObject) -> None:
    layout = LAYOUTS[name]
    value = data.draw(layout.values)
    encoded = bytearray(layout.encode(value))
    bit = data.draw(st.integers(0, 8 * len(encoded) - 1))
    encoded[bit // 8] ^= 1 << bit % 8
    if _accepts_only_canonical(layout, bytes(encoded)):
        assert layout.decode(bytes(encoded)) != value


@every_layout
@few
@given(data=st.data())
def test_truncated_encoding_is_refused(name: str, data: st.DataObject) -> None:
    layout = LAYOUTS[name]
    encoded = layout.encode(data.draw(layout.values))
    end = data.draw(st.integers(0, len(encoded) - 1))
    with pytest.raises(IntegrityError):
        layout.decode(encoded[:end])


@pytest.mark.parametrize("name", [name for name in LAYOUTS if name not in FIXED_LAYOUTS])
@few
@given(data=st.data())
def test_encoding_with_a_tail_is_refused(name: str, data: st.DataObject) -> None:
    layout = LAYOUTS[name]
    encoded = layout.encode(data.draw(layout.values))
    with pytest.raises(IntegrityError):
        layout.decode(encoded + data.draw(st.binary(min_size=1, max_size=90)))


@every_layout
@few
@given(noise=st.binary(max_size=300))
def test_noise_raises_nothing_but_integrity_errors(name: str, noise: bytes) -> None:
    layout = LAYOUTS[name]
    if name in FIXED_LAYOUTS:
        noise = noise[:12]
    _accepts_only_canonical(layout, noise)


@every_layout
@few
@given(value=strategies.values)
def test_canonical_value_of_another_shape_raises_nothing_but_integrity_errors(name: str, value: Value) -> None:
    layout = LAYOUTS[name]
    encoded = codec.encode(value)
    if name not in FIXED_LAYOUTS:
        _accepts_only_canonical(layout, encoded)
    for magic in (b"PGVAULTK", b"PGVAULTC"):
        if name in {"key slot", "config"}:
            _accepts_only_canonical(layout, magic + encoded)


@pytest.mark.parametrize(
    "name", ["key bundle", "schema entry", "schema order", "roles", "catalog", "manifest", "lease"]
)
@few
@given(data=st.data())
def test_changed_field_of_a_record_raises_nothing_but_integrity_errors(name: str, data: st.DataObject) -> None:
    layout = LAYOUTS[name]
    fields = codec.decode(layout.encode(data.draw(layout.values)), what="record", bytes_max=1 << 20)
    assert isinstance(fields, dict)
    key = data.draw(st.sampled_from(sorted(fields)))
    _accepts_only_canonical(layout, codec.encode({**fields, key: data.draw(strategies.values)}))


@few
@given(data=st.data())
def test_trailer_comes_back_and_fits_no_other_place(data: st.DataObject) -> None:
    header = data.draw(strategies.pack_headers)
    records = data.draw(strategies.tiled_records(header.pack_class))
    pad = data.draw(st.integers(0, 1000))
    end = (records[-1].offset + records[-1].length if records else pack.HEADER_BYTES) + pad
    if not records:
        with pytest.raises(IntegrityError):
            pack.encode_trailer(records, header=header, pad=pad)
        return
    plain = pack.encode_trailer(records, header=header, pad=pad)
    assert pack.decode_trailer(plain, header=header, trailer_offset=end) == records
    other = data.draw(st.integers(0, 2 * end).filter(lambda offset: offset != end))
    with pytest.raises(IntegrityError):
        pack.decode_trailer(plain, header=header, trailer_offset=other)
