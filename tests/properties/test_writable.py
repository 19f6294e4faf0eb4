"""What an encoder writes, its decoder takes: over everything that Python's and the system's types can hold [ENC-13]."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests import strategies, wide
from tests.layouts import LAYOUTS
from vault.errors import IntegrityError
from vault.format import kit, lists
from vault.format.envelope import EnvelopeHeader
from vault.format.index import Fragment
from vault.format.lists import ListFormat
from vault.format.tree import Child, Node
from vault.ids import KeyId
from vault.limits import PACK_BYTES_MAX
from vault.model import (
    Ack,
    CatalogFacts,
    CheckRecord,
    ChunkList,
    ChunkRef,
    DrillRecord,
    EntryItem,
    Extent,
    FileItem,
    FileKind,
    Findings,
    Forgotten,
    Identity,
    KeyBundle,
    KeySlot,
    LargeObjectItem,
    Lease,
    Ledger,
    ListRef,
    Manifest,
    ObjectRecord,
    OrderItem,
    PackHeader,
    Pin,
    RepositoryConfig,
    Roles,
    SchemaEntry,
    SequenceItem,
    Sweep,
    TableItem,
)

KINDS: dict[str, st.SearchStrategy[Any]] = {
    "codec": st.recursive(
        wide.surprises,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(wide.texts | wide.integers, inner, max_size=4),
        max_leaves=30,
    ),
    "object record": wide.built(ObjectRecord),
    "pack header": wide.built(PackHeader),
    "footer": wide.integers.filter(lambda length: not 17 <= length <= PACK_BYTES_MAX),
    "fragment": wide.built(Fragment),
    "envelope header": wide.built(EnvelopeHeader, kind=st.just(FileKind.INDEX), key_id=st.just(KeyId(b"key-id-8"))),
    "key bundle": wide.built(KeyBundle),
    "key slot": wide.built(KeySlot),
    "config": wide.built(RepositoryConfig),
    "node": wide.built(Node, members=st.lists(strategies.scalars | wide.surprises, max_size=600).map(tuple)),
    "child": wide.built(Child),
    "list reference": wide.built(ListRef),
    "chunk": wide.built(ChunkRef),
    "chunk list": wide.built(ChunkList),
    "file": wide.built(FileItem),
    "extent": wide.built(Extent),
    "table": wide.built(TableItem),
    "sequence": wide.built(SequenceItem),
    "large object": wide.built(LargeObjectItem),
    "identity": wide.built(Identity),
    "entry item": wide.built(EntryItem),
    "schema entry": wide.built(SchemaEntry),
    "schema order": wide.values_of(tuple[OrderItem, ...]),
    "roles": wide.built(Roles),
    "catalog": wide.built(CatalogFacts),
    "ledger": wide.values_of(Ledger),
    "manifest": wide.built(Manifest),
    "lease": wide.built(Lease),
    "sweep": wide.built(Sweep),
    "forgotten": wide.built(Forgotten),
    "check": wide.built(CheckRecord),
    "pin": wide.built(Pin),
    "findings": wide.built(Findings),
    "ack": wide.built(Ack),
    "drill": wide.built(DrillRecord),
}
"""Layouts of test_format -> values of which most are not legal."""

LISTS: dict[str, tuple[ListFormat[Any], type[Any], st.SearchStrategy[Any]]] = {
    "tables": (lists.TABLES, TableItem, strategies.tables()),
    "extents": (lists.EXTENTS, Extent, strategies.extents()),
    "chunks": (lists.CHUNKS, ChunkRef, strategies.chunk_refs),
    "files": (lists.FILES, FileItem, strategies.file_items()),
    "entries": (lists.ENTRIES, EntryItem, strategies.entry_items),
    "sequences": (lists.SEQUENCES, SequenceItem, strategies.sequences),
    "large objects": (lists.LARGE_OBJECTS, LargeObjectItem, strategies.large_objects()),
}

many = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)
"""Without shrinking: the values are small, and what fails is named by its layout."""


def holds(name: str, value: Any) -> None:
    """Refused by the encoder, or read back equal; nothing else may happen."""
    layout = LAYOUTS[name]
    try:
        encoded = layout.encode(value)
    except IntegrityError:
        return
    assert layout.decode(encoded) == _as_read(value)


def _as_read(value: Any) -> Any:
    """Bare lists come back as tuples; every record of the model has tuples anyway."""
    if isinstance(value, list | tuple):
        return tuple(map(_as_read, value))
    return {key: _as_read(item) for key, item in value.items()} if isinstance(value, dict) else value


def test_every_record_kind_is_drawn() -> None:
    assert set(KINDS) == set(LAYOUTS)


@pytest.mark.spec("ENC-13")
@pytest.mark.parametrize("name", list(KINDS))
@many
@given(data=st.data())
def test_encoder_writes_only_what_its_decoder_takes(name: str, data: st.DataObject) -> None:
    holds(name, data.draw(KINDS[name]))


@pytest.mark.spec("ENC-13")
@pytest.mark.parametrize("name", [name for name in KINDS if name != "envelope header"])
@many
@given(data=st.data())
def test_one_hostile_field_in_a_legal_record_is_refused_or_comes_back(name: str, data: st.DataObject) -> None:
    holds(name, data.draw(wide.mixed(LAYOUTS[name].values)))


@pytest.mark.parametrize("name", list(LISTS))
@many
@given(data=st.data())
def test_item_that_is_taken_has_a_key_and_sums(name: str, data: st.DataObject) -> None:
    form, kind, legal = LISTS[name]
    item = data.draw(wide.mixed(legal) | wide.built(kind))
    try:
        form.encode(item)
    except IntegrityError:
        return
    assert isinstance(form.key(item), bytes)
    assert form.sums(item).items == 1


@many
@given(kits=st.tuples(wide.blobs, wide.blobs, wide.blobs), comments=st.lists(wide.texts, max_size=3))
def test_kit_is_refused_or_comes_back(kits: tuple[Any, bytes, bytes], comments: list[str]) -> None:
    try:
        text = kit.encode_kit(*kits, comments=comments)
    except IntegrityError:
        return
    assert kit.decode_kit(text) == kit.Kit(repository=kits[0], secret=kits[1], slot=kits[2])
