"""Which files, sequences and large objects differ. Reads lists, and contents only where equal bytes may lie under other ids.

A file's time alone is no change, nor is who may read it in a bucket's own words; its mode is one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from vault.model import Address, ChunkList, FileItem, LargeObjectItem, SequenceItem, TableName
from vault.model.files import path_text
from vault.ops.diff.found import ChangeKind, FoundChange, change_of, turned
from vault.repo import differing
from vault.repo.snapshot import Snapshot
from vault.sql.names import show_name


def files(before: Snapshot, after: Snapshot, directory: str) -> Iterator[FoundChange]:
    """Of a directory that both have, by path. Raises  IntegrityError"""
    for old, new in differing.files(before, after, directory):
        item = new or old
        assert item is not None, "one of a pair is there"
        details = () if old is None or new is None else tuple(_file_details((before, after), (old, new)))
        change = change_of(old, new)
        if details or change is not ChangeKind.CHANGED:
            yield FoundChange(kind="file", name=path_text(item.path), change=change, details=details, place=directory)


Sides = tuple[Snapshot, Snapshot]


def _file_details(sides: Sides, items: tuple[FileItem, FileItem]) -> Iterator[str]:
    old, new = items
    if old.type is not new.type:
        yield turned("type", old.type.name.lower(), new.type.name.lower())
        return
    if old.mode != new.mode:
        yield turned("mode", f"{old.mode:04o}", f"{new.mode:04o}")
    if old.target != new.target:
        yield turned("target", path_text(old.target), path_text(new.target))
    if old.size != new.size:
        yield turned("size", old.size, new.size)
    elif old.chunks != new.chunks and not _equal(sides, _file(sides[0], old), _file(sides[1], new)):
        yield "content"
    stamps = [() if item.stamp is None else item.stamp.attributes for item in (old, new)]
    if stamps[0] != stamps[1]:
        yield "attributes"


def sequences(before: Snapshot, after: Snapshot) -> Iterator[FoundChange]:
    """By name. Raises  IntegrityError"""
    for old, new in differing.sequences(before, after):
        name = _name(old, new)
        details = (turned("next after", _value(old), _value(new)),) if old is not None and new is not None else ()
        about = Address(kind="sequence", names=(name.schema, name.name))
        yield FoundChange(
            kind="sequence", name=show_name(name), change=change_of(old, new), details=details, about=about
        )


def _name(old: SequenceItem | None, new: SequenceItem | None) -> TableName:
    item = new or old
    assert item is not None, "one of a pair is there"
    return item.name


def _value(item: SequenceItem) -> str:
    return str(item.last_value) if item.is_called else f"{item.last_value}, not handed out yet"


def large_objects(before: Snapshot, after: Snapshot) -> Iterator[FoundChange]:
    """By oid. Raises  IntegrityError"""
    for old, new in differing.large_objects(before, after):
        item = new or old
        assert item is not None, "one of a pair is there"
        details = () if old is None or new is None else tuple(_large_object_details((before, after), (old, new)))
        change = change_of(old, new)
        if details or change is not ChangeKind.CHANGED:
            yield FoundChange(kind="large object", name=str(item.oid), change=change, details=details)


def _large_object_details(sides: Sides, items: tuple[LargeObjectItem, LargeObjectItem]) -> Iterator[str]:
    old, new = items
    for what in ("owner", "acl", "comment"):
        was, now = getattr(old, what), getattr(new, what)
        if was != now:
            yield turned(what, was, now)
    if old.size != new.size:
        yield turned("size", old.size, new.size)
    elif old.chunks != new.chunks and not _equal(sides, _large_object(sides[0], old), _large_object(sides[1], new)):
        yield "content"


Contents = tuple[ChunkList, Callable[[], Iterator[bytes]]]
"""What names some bytes, and what reads them."""


def _file(snapshot: Snapshot, item: FileItem) -> Contents:
    return item.chunks, lambda: snapshot.file_blocks(item)


def _large_object(snapshot: Snapshot, item: LargeObjectItem) -> Contents:
    return item.chunks, lambda: snapshot.large_object_blocks(item)


def _equal(sides: Sides, old: Contents, new: Contents) -> bool:
    """Whether the bytes of two contents of one size are equal."""
    if sides[1].names_alike(sides[0]):
        ids = [[ref.id for ref in side.chunk_refs(one[0])] for side, one in zip(sides, (old, new), strict=True)]
        if ids[0] == ids[1]:
            return True
    return _equal_bytes(old[1](), new[1]())


def _equal_bytes(was: Iterator[bytes], now: Iterator[bytes]) -> bool:
    """Blocks may end anywhere."""
    left = right = b""
    while True:
        left, right = left or next(was, b""), right or next(now, b"")
        if not left or not right:
            return not left and not right
        size = min(len(left), len(right))
        if left[:size] != right[:size]:
            return False
        left, right = left[size:], right[size:]
