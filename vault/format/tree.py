"""Nodes of stored lists, and references to a child with its sums. Spec 60-snapshot.

Never walks or splits. Invariant: an encoded node has 1 to NODE_ITEMS_MAX members. Members are raw values: a list's
format reads those of level 0, `decode_child` those above.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vault.errors import LimitExceeded, Malformed
from vault.format import codec
from vault.format.codec import Row, Value
from vault.ids import ObjectId
from vault.limits import META_BYTES_MAX, NODE_ITEMS_MAX, TREE_LEVEL_MAX
from vault.model import Sums


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """A node as its parent names it. `last_key` of its subtree; `sums` of the subtree."""

    last_key: bytes
    id: ObjectId
    sums: Sums


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    level: int
    members: tuple[Value, ...]


def encode_node(level: int, members: Sequence[Value]) -> bytes:
    """Raises  Malformed: no members; LimitExceeded: too many members, bytes or levels"""
    _check(level, len(members))
    data = codec.encode((level, tuple(members)))
    if len(data) > META_BYTES_MAX:
        raise LimitExceeded(f"node: {len(data)} bytes, the limit is {META_BYTES_MAX}")
    return data


def decode_node(data: bytes) -> Node:
    """Raises  Malformed; LimitExceeded: too many members, bytes or levels"""
    row = Row(codec.decode(data, what="node", bytes_max=META_BYTES_MAX), length=2, what="node")
    level, members = row.integer(), row.array()
    _check(level, len(members))
    return Node(level=level, members=members)


def child_value(child: Child) -> Value:
    """Raises as `decode_child`"""
    sums = child.sums
    return codec.proven((child.last_key, child.id, sums.items, sums.rows, sums.bytes), decode_child)


def decode_child(value: Value) -> Child:
    """Raises  Malformed: not a reference to a node with at least one item"""
    row = Row(value, length=5, what="node: child")
    return Child(
        last_key=row.blob(),
        id=ObjectId(row.blob(32)),
        sums=Sums(items=row.integer(1), rows=row.integer(), bytes=row.integer()),
    )


def _check(level: int, members: int) -> None:
    if not 0 <= level <= TREE_LEVEL_MAX:
        raise LimitExceeded(f"node: level {level}, the limit is {TREE_LEVEL_MAX}")
    if members == 0:
        raise Malformed("node: no members")
    if members > NODE_ITEMS_MAX:
        raise LimitExceeded(f"node: {members} members, the limit is {NODE_ITEMS_MAX}")
