"""Long lists as trees of nodes: build from a stream of items, walk, and find one item.

Pure: objects are put and loaded through functions. A split depends on the item's key alone, so one changed item rewrites one path.
A walk checks every subtree against the sums that its parent claimed. Spec 60-snapshot "Nodes".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from vault.errors import LimitExceeded, Malformed
from vault.format import tree
from vault.format.codec import Value
from vault.format.lists import ListFormat
from vault.ids import ObjectId
from vault.limits import NODE_ITEMS_MAX, NODE_SPLIT_ONE_IN, TREE_LEVEL_MAX
from vault.model import ListRef, ObjectType, Sums

T = TypeVar("T")

Put = Callable[[ObjectType, bytes], ObjectId]
Load = Callable[[Iterable[ObjectId], ObjectType], Iterator[bytes]]
"""Plaintexts in the order of the ids; may be asked lazily."""
Split = Callable[[int, bytes], int]
"""(level, key) -> u32 of the keyed split hash."""

_SPLIT_BELOW = 2**32 // NODE_SPLIT_ONE_IN


def build(items: Iterable[T], form: ListFormat[T], *, split: Split, put: Put) -> ListRef:
    """Store the items as a list and return its root. Nodes are put as they fill; memory is one node a level.

    items  in the list's order; keys strictly ascending if the form is ordered
    Raises  Malformed: keys not ascending; as `form.encode`: an item that its decoder refuses
    """
    levels = _Levels(form.node_type, split, put)
    total = Sums()
    previous: bytes | None = None
    for item in items:
        encoded = form.encode(item)
        key, sums = form.key(item), form.sums(item)
        if form.ordered and previous is not None and key <= previous:
            raise Malformed("list keys do not ascend")
        previous = key
        total += sums
        levels.add(0, encoded, key, sums)
    if total.items == 0:
        return ListRef()
    return ListRef(root=levels.close(), sums=total)


class _Level:
    """The open node of one level, and how many nodes of that level were put before it.

    `ended`: the node is complete, but is put only when another member follows, because a last node may be the root.
    """

    def __init__(self) -> None:
        self.members: list[Value] = []
        self.last_key = b""
        self.sums = Sums()
        self.nodes_put = 0
        self.ended = False


class _Levels:
    """The open path of a list that is being built, from level 0 up."""

    def __init__(self, node_type: ObjectType, split: Split, put: Put) -> None:
        self._node_type = node_type
        self._split = split
        self._put = put
        self._levels: list[_Level] = []

    def add(self, at: int, member: Value, key: bytes, sums: Sums) -> None:
        if at >= TREE_LEVEL_MAX:
            raise LimitExceeded("list is too long for a tree")
        if at == len(self._levels):
            self._levels.append(_Level())
        level = self._levels[at]
        if level.ended:
            self._flush(at)
        level.members.append(member)
        level.last_key = key
        level.sums += sums
        level.ended = len(level.members) == NODE_ITEMS_MAX or self._split(at, key) < _SPLIT_BELOW

    def close(self) -> ObjectId:
        at = 0
        while True:
            level = self._levels[at]
            if level.nodes_put == 0:
                return self._put(self._node_type, tree.encode_node(at, level.members))
            self._flush(at)
            at += 1

    def _flush(self, at: int) -> None:
        level = self._levels[at]
        node = self._put(self._node_type, tree.encode_node(at, level.members))
        child = tree.Child(last_key=level.last_key, id=node, sums=level.sums)
        level.members, level.sums, level.ended = [], Sums(), False
        level.nodes_put += 1
        self.add(at + 1, tree.child_value(child), child.last_key, child.sums)


def walk(ref: ListRef, form: ListFormat[T], load: Load) -> Iterator[T]:
    """Every item in order; siblings are loaded through one lazy `load`, so that the loader can prefetch.

    Raises  Malformed: a subtree disagrees with its parent's sums, levels or keys; and what `load` raises
    """
    if ref.root is None:
        return
    previous: bytes | None = None
    for item in _walk([tree.Child(last_key=b"", id=ref.root, sums=ref.sums)], None, form, load):
        key = form.key(item)
        if form.ordered and previous is not None and key <= previous:
            raise Malformed("list keys do not ascend")
        previous = key
        yield item


def _walk(
    places: Sequence[tree.Child], expected_level: int | None, form: ListFormat[T], load: Load, *, start: bytes = b""
) -> Iterator[T]:
    plains = load((place.id for place in places), form.node_type)
    for place, plain in zip(places, plains, strict=True):
        level, members = open_node(plain, place, expected_level, form)
        if level == 0:
            yield from (item for item in members if not isinstance(item, tree.Child))
        else:
            children = [child for child in members if isinstance(child, tree.Child) and child.last_key >= start]
            yield from _walk(children, level - 1, form, load, start=start)


def walk_from(ref: ListRef, start: bytes, form: ListFormat[T], load: Load) -> Iterator[T]:
    """Items of an ordered list from the first with a key of `start` or behind it; what lies wholly before is not read. Raises as `walk`."""
    if ref.root is not None:
        root = tree.Child(last_key=b"", id=ref.root, sums=ref.sums)
        for item in _walk([root], None, form, load, start=start):
            if form.key(item) >= start:
                yield item


def find(ref: ListRef, key: bytes, form: ListFormat[T], load: Load) -> T | None:
    """The item with that key in an ordered list, reading one path. Raises as `walk`."""
    return next((item for item in leaf(ref, key, form, load) if form.key(item) == key), None)


def leaf(ref: ListRef, key: bytes, form: ListFormat[T], load: Load) -> list[T]:
    """The items of the one node that may hold that key of an ordered list, reading one path. Raises as `walk`."""
    place = None if ref.root is None else tree.Child(last_key=b"", id=ref.root, sums=ref.sums)
    expected: int | None = None
    while place is not None:
        level, members = open_node(next(load([place.id], form.node_type)), place, expected, form)
        if level == 0:
            return [member for member in members if not isinstance(member, tree.Child)]
        expected = level - 1
        children = (member for member in members if isinstance(member, tree.Child))
        place = next((child for child in children if child.last_key >= key), None)
    return []


def open_node(
    plain: bytes, place: tree.Child, expected_level: int | None, form: ListFormat[T]
) -> tuple[int, list[T | tree.Child]]:
    """Level and decoded members of a node, checked against what its parent says of it (a root's last key is not said)."""
    node = tree.decode_node(plain)
    if expected_level is not None and node.level != expected_level:
        raise Malformed("node is at another level than its parent says", object_id=place.id.hex())
    members: list[T | tree.Child] = []
    total, last = Sums(), None
    for value in node.members:
        member: T | tree.Child
        if node.level:
            member = child = tree.decode_child(value)
            key, sums = child.last_key, child.sums
        else:
            member = item = form.decode(value)
            key, sums = form.key(item), form.sums(item)
        if form.ordered and last is not None and key <= last:
            raise Malformed("keys of a node do not ascend", object_id=place.id.hex())
        members.append(member)
        total, last = total + sums, key
    if total != place.sums:
        raise Malformed("node holds more or less than its parent says", object_id=place.id.hex())
    if place.last_key and last != place.last_key:
        raise Malformed("node ends with another key than its parent says", object_id=place.id.hex())
    return node.level, members
