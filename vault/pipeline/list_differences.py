"""What differs between two stored lists of one repository, without reading what they share.

A split of a list depends on its items' keys alone (`lists`), so equal ranges have equal nodes: a node that both lists name holds the same
items in both, and is passed over. Two lists that differ in one item cost two paths. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from vault.format import tree
from vault.format.lists import ListFormat
from vault.model import ListRef
from vault.pipeline.lists import Load, open_node

T = TypeVar("T")

_ITEMS = -1
"""The height below the lowest nodes."""


@dataclass(frozen=True, slots=True)
class _Cut(Generic[T]):
    """A list cut through at one height, without what the other list has too: nodes of that level, or the items below level 0."""

    height: int
    nodes: Sequence[tree.Child]
    items: Sequence[T]


def differences(
    before: ListRef, after: ListRef, form: ListFormat[T], *, load: Load
) -> Iterator[tuple[T | None, T | None]]:
    """Items that are not equal in both ordered lists, by key: as it was and as it is, None where there is none.

    Raises  Malformed: a subtree disagrees with its parent's sums, levels or keys; and what `load` raises
    """
    if before.root == after.root:
        return
    was, now = _top(before, form, load), _top(after, form, load)
    while True:
        if was.height == now.height:
            was, now = _without_shared(was, now)
        if was.height == now.height == _ITEMS:
            break
        height = max(was.height, now.height)
        was = _lower(was, form, load) if was.height == height else was
        now = _lower(now, form, load) if now.height == height else now
    earlier = {form.key(item): item for item in was.items}
    later = {form.key(item): item for item in now.items}
    for key in sorted(earlier.keys() | later.keys()):
        if (pair := (earlier.get(key), later.get(key)))[0] != pair[1]:
            yield pair


def between(
    before: Iterator[T], after: Iterator[T], *, key: Callable[[T], bytes]
) -> Iterator[tuple[T | None, T | None]]:
    """The same of items that ascend by key, wherever they come from: each is looked at."""
    was, now = next(before, None), next(after, None)
    while was is not None or now is not None:
        keys = [None if item is None else key(item) for item in (was, now)]
        behind = keys[1] is None or (keys[0] is not None and keys[0] < keys[1])
        ahead = keys[0] is None or (keys[1] is not None and keys[1] < keys[0])
        pair = (None if ahead else was), (None if behind else now)
        if pair[0] != pair[1]:
            yield pair
        was = was if ahead else next(before, None)
        now = now if behind else next(after, None)


def _top(ref: ListRef, form: ListFormat[T], load: Load) -> _Cut[T]:
    if ref.root is None:
        return _Cut(_ITEMS, (), ())
    place = tree.Child(last_key=b"", id=ref.root, sums=ref.sums)
    level, members = open_node(next(load([place.id], form.node_type)), place, None, form)
    return _cut(level, members)


def _lower(cut: _Cut[T], form: ListFormat[T], load: Load) -> _Cut[T]:
    """The same cut one level further down."""
    members: list[T | tree.Child] = []
    plains = load((node.id for node in cut.nodes), form.node_type)
    for node, plain in zip(cut.nodes, plains, strict=True):
        members += open_node(plain, node, cut.height, form)[1]
    return _cut(cut.height, members)


def _cut(level: int, members: Sequence[T | tree.Child]) -> _Cut[T]:
    """Of the members of nodes of that level."""
    nodes = [member for member in members if isinstance(member, tree.Child)]
    items = [member for member in members if not isinstance(member, tree.Child)]
    return _Cut(level - 1, nodes, items)


def _without_shared(was: _Cut[T], now: _Cut[T]) -> tuple[_Cut[T], _Cut[T]]:
    shared = {node.id for node in was.nodes} & {node.id for node in now.nodes}
    left, right = ([node for node in cut.nodes if node.id not in shared] for cut in (was, now))
    return _Cut(was.height, left, was.items), _Cut(now.height, right, now.items)
