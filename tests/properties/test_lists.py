"""Properties of stored lists: what goes in comes out, one change rewrites one path, what lies is refused."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vault.crypto import keyed
from vault.errors import IntegrityError, LimitExceeded, Malformed
from vault.format import tree
from vault.format.lists import CHUNKS, FILES, SEQUENCES
from vault.ids import ObjectId
from vault.limits import NODE_ITEMS_MAX, NODE_SPLIT_ONE_IN, TREE_LEVEL_MAX
from vault.model import ChunkRef, FileItem, FileType, ListRef, ObjectType, SequenceItem, Sums, TableName
from vault.pipeline.lists import build, find, walk, walk_from

KEY = bytes(range(32))


@dataclass
class Objects:
    """Where the lists of a test are stored; `puts` counts."""

    plains: dict[ObjectId, bytes] = field(default_factory=dict)
    puts: int = 0
    loads: int = 0

    def put(self, object_type: ObjectType, plain: bytes) -> ObjectId:
        object_id = keyed.object_id(KEY, object_type, plain)
        self.puts += object_id not in self.plains
        self.plains[object_id] = plain
        return object_id

    def load(self, ids: Iterable[ObjectId], object_type: ObjectType) -> Iterator[bytes]:
        for object_id in ids:
            self.loads += 1
            yield self.plains[object_id]


def split(level: int, key: bytes) -> int:
    return keyed.split_value(KEY, level, key)


def never(level: int, key: bytes) -> int:
    return 2**32 - 1


def sequence(number: int, value: int = 0) -> SequenceItem:
    return SequenceItem(name=TableName(schema="s", name=f"{number:08d}"), last_value=value, is_called=True)


def file(number: int) -> FileItem:
    return FileItem(path=b"%08d" % number, type=FileType.DIRECTORY, mode=0o755, mtime_ns=number)


def build_sequences(objects: Objects, items: Iterable[SequenceItem]) -> ListRef:
    return build(items, SEQUENCES, split=split, put=objects.put)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 3_000))
def test_list_gives_back_its_items(count: int) -> None:
    objects = Objects()
    items = [file(number) for number in range(count)]
    ref = build(items, FILES, split=split, put=objects.put)
    assert list(walk(ref, FILES, objects.load)) == items
    assert ref.sums == Sums(items=count)
    assert (ref.root is None) == (count == 0)


def test_find_gives_every_item_and_reads_one_path() -> None:
    objects = Objects()
    items = [sequence(number) for number in range(0, 3_000, 2)]
    ref = build_sequences(objects, items)
    for number in range(-1, 3_002):
        wanted = sequence(number) if number in range(0, 3_000, 2) else None
        objects.loads = 0
        assert find(ref, SEQUENCES.key(sequence(number)), SEQUENCES, objects.load) == wanted
        assert objects.loads <= 4
    assert find(ListRef(), b"", SEQUENCES, objects.load) is None


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 3_000), st.data())
def test_a_walk_from_the_middle_gives_the_rest_and_does_not_read_what_lies_before(
    count: int, data: st.DataObject
) -> None:
    objects = Objects()
    ref = build_sequences(objects, (sequence(2 * number) for number in range(count)))
    start = data.draw(st.integers(-1, 2 * count + 1))
    rest = [sequence(2 * number) for number in range(count) if 2 * number >= start]
    objects.loads = 0
    assert list(walk_from(ref, SEQUENCES.key(sequence(start)), SEQUENCES, objects.load)) == rest
    assert objects.loads <= 4 + len(rest)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 3_000), st.data())
def test_changed_value_rewrites_one_path(count: int, data: st.DataObject) -> None:
    objects = Objects()
    items = [sequence(number) for number in range(count)]
    ref = build_sequences(objects, items)
    at = data.draw(st.integers(0, count - 1))
    items[at] = sequence(at, value=1)
    objects.puts = 0
    changed = build_sequences(objects, items)
    levels = tree.decode_node(objects.plains[ref.root or ObjectId(b"")]).level + 1
    assert objects.puts <= levels
    assert list(walk(changed, SEQUENCES, objects.load)) == items


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 3_000), st.data())
def test_inserted_or_removed_item_rewrites_few_nodes(count: int, data: st.DataObject) -> None:
    objects = Objects()
    items = [sequence(number) for number in range(count)]
    build_sequences(objects, items)
    at = data.draw(st.integers(0, count - 1))
    objects.puts = 0
    build_sequences(objects, items[:at] + items[at + 1 :])
    assert objects.puts <= 7


def test_node_that_ends_with_the_last_item_is_the_root_alone() -> None:
    """A node that could end is put as root if nothing follows, without a level above it."""
    objects = Objects()
    ends = next(n for n in range(10_000) if split(0, SEQUENCES.key(sequence(n))) < 2**32 // 48)
    first = next(n for n in range(ends, -1, -1) if n == 0 or split(0, SEQUENCES.key(sequence(n - 1))) < 2**32 // 48)
    ref = build_sequences(objects, [sequence(number) for number in range(first, ends + 1)])
    assert ref.root is not None
    assert tree.decode_node(objects.plains[ref.root]).level == 0
    assert objects.puts == 1


@pytest.mark.parametrize("count", [NODE_ITEMS_MAX, NODE_ITEMS_MAX + 1, NODE_ITEMS_MAX**2 + 1])
def test_node_ends_at_its_limit_when_no_key_ends_it(count: int) -> None:
    objects = Objects()
    items = [sequence(number) for number in range(count)]
    ref = build(items, SEQUENCES, split=never, put=objects.put)
    assert list(walk(ref, SEQUENCES, objects.load)) == items
    assert ref.root is not None
    assert tree.decode_node(objects.plains[ref.root]).level == {512: 0, 513: 1, 262_145: 2}[count]


def test_list_whose_every_key_ends_a_node_is_refused_at_the_level_limit() -> None:
    with pytest.raises(LimitExceeded):
        build([sequence(1), sequence(2)], SEQUENCES, split=lambda level, key: 0, put=Objects().put)


@pytest.mark.parametrize("numbers", [(1, 1), (2, 1)])
def test_keys_that_do_not_ascend_are_refused(numbers: tuple[int, int]) -> None:
    with pytest.raises(Malformed):
        build_sequences(Objects(), [sequence(number) for number in numbers])


def test_equal_chunks_may_follow_each_other() -> None:
    objects = Objects()
    items = [ChunkRef(id=ObjectId(bytes(32)), length=10)] * 2_000
    ref = build(items, CHUNKS, split=split, put=objects.put)
    assert list(walk(ref, CHUNKS, objects.load)) == items
    assert ref.sums == Sums(items=2_000, bytes=20_000)


@pytest.mark.parametrize("sums", [Sums(items=1_999), Sums(items=2_001), Sums(items=2_000, rows=1)])
def test_root_that_holds_more_or_less_than_said_is_refused(sums: Sums) -> None:
    objects = Objects()
    ref = build_sequences(objects, [sequence(number) for number in range(2_000)])
    with pytest.raises(Malformed):
        list(walk(ListRef(root=ref.root, sums=sums), SEQUENCES, objects.load))
    with pytest.raises(Malformed):
        find(ListRef(root=ref.root, sums=sums), b"", SEQUENCES, objects.load)


def one_level(objects: Objects, items: list[SequenceItem], **lies: object) -> ListRef:
    """A root over one leaf, with `level`, `last_key` or `sums` of the child as the test wants them."""
    leaf = tree.encode_node(0, [SEQUENCES.encode(item) for item in items])
    sums = lies.get("sums", Sums(items=len(items)))
    last_key = lies.get("last_key", SEQUENCES.key(items[-1]))
    level = lies.get("level", 1)
    assert isinstance(sums, Sums)
    assert isinstance(last_key, bytes)
    assert isinstance(level, int)
    child = tree.Child(last_key=last_key, id=objects.put(ObjectType.SEQUENCE_NODE, leaf), sums=sums)
    root = objects.put(ObjectType.SEQUENCE_NODE, tree.encode_node(level, [tree.child_value(child)]))
    return ListRef(root=root, sums=sums)


def test_handmade_tree_is_read() -> None:
    objects = Objects()
    items = [sequence(1), sequence(2)]
    assert list(walk(one_level(objects, items), SEQUENCES, objects.load)) == items


@pytest.mark.parametrize(
    "lie", [{"sums": Sums(items=3)}, {"sums": Sums(items=2, bytes=1)}, {"last_key": b"zzz"}, {"level": 2}]
)
def test_child_that_is_not_what_its_parent_says_is_refused(lie: dict[str, object]) -> None:
    objects = Objects()
    with pytest.raises(Malformed):
        list(walk(one_level(objects, [sequence(1), sequence(2)], **lie), SEQUENCES, objects.load))


@pytest.mark.parametrize("leaves", [((3, 4), (1, 2)), ((3, 4), (1, 9)), ((3, 4), (4, 9))])
def test_keys_that_do_not_ascend_across_nodes_are_refused(leaves: tuple[tuple[int, int], ...]) -> None:
    objects = Objects()
    children = []
    for numbers in leaves:
        leaf = tree.encode_node(0, [SEQUENCES.encode(sequence(number)) for number in numbers])
        child = tree.Child(
            last_key=SEQUENCES.key(sequence(numbers[1])),
            id=objects.put(ObjectType.SEQUENCE_NODE, leaf),
            sums=Sums(items=2),
        )
        children.append(tree.child_value(child))
    root = objects.put(ObjectType.SEQUENCE_NODE, tree.encode_node(1, children))
    with pytest.raises(Malformed):
        list(walk(ListRef(root=root, sums=Sums(items=4)), SEQUENCES, objects.load))


def test_bomb_of_one_child_named_many_times_is_refused_at_once() -> None:
    """Twelve levels of 512 times the same child: sums and levels agree, only the order tells."""
    objects = Objects()
    node = objects.put(ObjectType.SEQUENCE_NODE, tree.encode_node(0, [SEQUENCES.encode(sequence(1))]))
    key, items = SEQUENCES.key(sequence(1)), 1
    for level in range(1, 7):
        child = tree.child_value(tree.Child(last_key=key, id=node, sums=Sums(items=items)))
        node = objects.put(ObjectType.SEQUENCE_NODE, tree.encode_node(level, [child] * NODE_ITEMS_MAX))
        items *= NODE_ITEMS_MAX
    with pytest.raises(IntegrityError):
        list(walk(ListRef(root=node, sums=Sums(items=items)), SEQUENCES, objects.load))
    assert objects.loads < 3 * TREE_LEVEL_MAX


BOUND = 2**32 // NODE_SPLIT_ONE_IN


@pytest.mark.parametrize(("value", "nodes"), [(BOUND, 1), (BOUND - 1, 9)])
def test_a_node_ends_with_a_value_below_the_bound_and_not_at_it(value: int, nodes: int) -> None:
    objects = Objects()

    def at_the_bound(level: int, key: bytes) -> int:
        return never(level, key) if level else value

    build([sequence(number) for number in range(8)], SEQUENCES, split=at_the_bound, put=objects.put)
    assert objects.puts == nodes


def test_what_lies_wholly_before_the_start_is_not_read() -> None:
    objects = Objects()
    items = [sequence(number) for number in range(64)]

    def each(level: int, key: bytes) -> int:
        return never(level, key) if level else 0

    ref = build(items, SEQUENCES, split=each, put=objects.put)
    assert list(walk_from(ref, SEQUENCES.key(items[60]), SEQUENCES, objects.load)) == items[60:]
    assert objects.loads == 1 + 4
