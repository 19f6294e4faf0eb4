"""Nodes, children, list references and chunk lists: spec 60-snapshot."""

from __future__ import annotations

from typing import Any

import pytest

from vault.errors import IntegrityError, LimitExceeded, Malformed
from vault.format import chunks, codec, lists, tree
from vault.format.codec import Value
from vault.ids import ObjectId
from vault.limits import CHUNK_BYTES_MAX, INLINE_CHUNKS_MAX, META_BYTES_MAX, NODE_ITEMS_MAX, TREE_LEVEL_MAX
from vault.model import ChunkList, ChunkRef, ListRef, Sums

ID = ObjectId(b"\xaa" * 32)
CHUNK = ChunkRef(id=ID, length=5, continues=False)
CHUNK_VALUE: Value = (ID, 5, False)
MANY = ListRef(root=ID, sums=Sums(items=INLINE_CHUNKS_MAX + 1, rows=0, bytes=99))


def test_node_is_level_and_members() -> None:
    assert tree.encode_node(0, (1, "a")).hex() == "92" + "00" + "92" + "01" + "a161"
    assert tree.decode_node(bytes.fromhex("92009201a161")) == tree.Node(level=0, members=(1, "a"))


@pytest.mark.spec("TREE-3")
@pytest.mark.parametrize(
    ("value", "error"),
    [
        ((0, ()), Malformed),
        ((0, (None,) * (NODE_ITEMS_MAX + 1)), LimitExceeded),
        ((TREE_LEVEL_MAX + 1, (None,)), LimitExceeded),
        ((-1, (None,)), Malformed),
        ((0,), Malformed),
        ((0, (None,), 0), Malformed),
        ((0, {"a": 1}), Malformed),
        (None, Malformed),
    ],
)
def test_node_out_of_bounds_is_refused(value: Value, error: type[IntegrityError]) -> None:
    with pytest.raises(error):
        tree.decode_node(codec.encode(value))


def test_writer_of_nodes_is_held_to_the_same_bounds() -> None:
    for level, members in ((0, (None,) * (NODE_ITEMS_MAX + 1)), (TREE_LEVEL_MAX + 1, (None,))):
        with pytest.raises(LimitExceeded):
            tree.encode_node(level, members)
    with pytest.raises(Malformed):
        tree.encode_node(0, ())
    with pytest.raises(LimitExceeded):
        tree.encode_node(0, (bytes(META_BYTES_MAX),))
    full = (None,) * NODE_ITEMS_MAX
    assert tree.decode_node(tree.encode_node(TREE_LEVEL_MAX, full)).members == full


def test_child_is_last_key_id_and_sums() -> None:
    child = tree.Child(last_key=b"k", id=ID, sums=Sums(items=1, rows=2, bytes=3))
    assert tree.child_value(child) == (b"k", ID, 1, 2, 3)
    assert tree.decode_child((b"k", ID, 1, 2, 3)) == child


@pytest.mark.parametrize(
    "value", [(b"k", ID, 0, 0, 0), (b"k", ID[1:], 1, 2, 3), ("k", ID, 1, 2, 3), (b"k", ID, 1, 2, -3), (b"k", ID, 1, 2)]
)
def test_damaged_child_is_refused(value: Value) -> None:
    with pytest.raises(Malformed):
        tree.decode_child(value)


@pytest.mark.spec("TREE-1")
@pytest.mark.parametrize(
    "value", [(None, 1, 0, 0), (ID, 0, 0, 0), (None, 0, 1, 0), (None, 0, 0, 1), (ID[1:], 1, 0, 0), (ID, -1, 0, 0), None]
)
def test_list_reference_whose_root_and_sums_disagree_is_refused(value: Value) -> None:
    with pytest.raises(Malformed):
        lists.decode_list_ref(value)


def test_list_reference_is_root_and_sums() -> None:
    assert lists.encode_list_ref(ListRef()) == (None, 0, 0, 0)
    assert lists.encode_list_ref(MANY) == (ID, 9, 0, 99)
    assert lists.decode_list_ref((ID, 9, 0, 99)) == MANY
    with pytest.raises(Malformed):
        lists.encode_list_ref(ListRef(root=ID))


def test_chunk_list_is_inline_or_a_list() -> None:
    assert lists.encode_chunk_list(ChunkList(inline=(CHUNK,))) == ((CHUNK_VALUE,), None)
    assert lists.encode_chunk_list(ChunkList(more=MANY)) == ((), (ID, 9, 0, 99))
    assert lists.decode_chunk_list(((CHUNK_VALUE,), None)) == ChunkList(inline=(CHUNK,))
    assert lists.decode_chunk_list(((), (ID, 9, 0, 99))) == ChunkList(more=MANY)


@pytest.mark.spec("TREE-7")
@pytest.mark.parametrize(
    ("value", "error"),
    [
        (((CHUNK_VALUE,) * (INLINE_CHUNKS_MAX + 1), None), LimitExceeded),
        (((CHUNK_VALUE,), (ID, 9, 0, 99)), Malformed),
        (((), (ID, INLINE_CHUNKS_MAX, 0, 99)), Malformed),
        (((), (None, 0, 0, 0)), Malformed),
        ((((ID, CHUNK_BYTES_MAX + 1, False),), None), LimitExceeded),
        ((((ID, 1, 0),), None), Malformed),
        ((((ID, 1),), None), Malformed),
    ],
)
def test_chunk_list_in_another_form_is_refused(value: Value, error: type[IntegrityError]) -> None:
    with pytest.raises(error):
        lists.decode_chunk_list(value)


def test_writer_of_chunk_lists_is_held_to_the_same_form() -> None:
    short = ListRef(root=ID, sums=Sums(items=1, bytes=1))
    for refused in (ChunkList(more=short), ChunkList(inline=(CHUNK,), more=MANY)):
        with pytest.raises(Malformed):
            lists.encode_chunk_list(refused)
    with pytest.raises(LimitExceeded):
        lists.encode_chunk_list(ChunkList(inline=(CHUNK,) * 9))


@pytest.mark.spec("TREE-10")
@pytest.mark.parametrize(
    ("content", "size"), [(ChunkList(inline=(CHUNK,)), 4), (ChunkList(more=MANY), 98), (ChunkList(), 1)]
)
def test_chunks_that_do_not_sum_up_are_refused(content: ChunkList, size: int) -> None:
    chunks.check_content(content, size=size + (1 if size != 1 else -1), what="file")
    with pytest.raises(Malformed):
        chunks.check_content(content, size=size, what="file")


def test_formats_of_lists_are_all_different() -> None:
    formats: list[lists.ListFormat[Any]] = [
        lists.TABLES,
        lists.EXTENTS,
        lists.CHUNKS,
        lists.FILES,
        lists.ENTRIES,
        lists.SEQUENCES,
        lists.LARGE_OBJECTS,
    ]
    assert sorted(form.node_type for form in formats) == list(range(16, 23))
    assert [form.node_type for form in formats if not form.ordered] == [lists.CHUNKS.node_type]
