"""Items of a directory's list. Spec 60-snapshot.

Invariant: a decoded path stays below the directory it is written to: relative, no empty, `.` or `..` part, no NUL.
Times are wider than 64 bits of nanoseconds: file systems hold years beyond 2262, and some any second of 64 bits.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Final

from vault.errors import LimitExceeded, Malformed
from vault.format.chunks import check_content, check_no_rows, decode_chunk_list, encode_chunk_list
from vault.format.codec import INTEGER_MAX, INTEGER_MIN, POSITIVE_MAX, Record, Row, Value, array_of, proven, text_of
from vault.limits import PATH_BYTES_MAX, STAMP_BYTES_MAX
from vault.model import ChunkList, FileItem, FileType, Stamp

_MODE_MAX: Final = 0o7777
_BAD_PARTS: Final = frozenset({b"", b".", b".."})
_SECOND_NS: Final = 10**9
_NO_CHUNKS: Final = ChunkList()
_STAMPED: Final = 11
"""Members of an item that came out of a bucket; any other has one less (TREE-16)."""


def encode_file(item: FileItem) -> Value:
    """Raises as `decode_file`: whatever that refuses is not written"""
    stamp = () if item.stamp is None else (_encode_stamp(item.stamp),)
    return proven(
        (
            item.path,
            item.type.value,
            item.mode,
            _encode_time(item.mtime_ns),
            item.size,
            _encode_time(item.ctime_ns),
            item.inode,
            item.racy,
            item.target,
            encode_chunk_list(item.chunks),
            *stamp,
        ),
        decode_file,
    )


def decode_file(value: Value) -> FileItem:
    """Raises  Malformed: also for a path that leaves its directory, or fields that disagree; LimitExceeded"""
    stamped = len(array_of(value, "file")) == _STAMPED
    row = Row(value, length=_STAMPED if stamped else _STAMPED - 1, what="file")
    path, type_ = row.blob(), row.text()
    if type_ not in {known.value for known in FileType}:
        raise Malformed("file: unknown type")
    item = FileItem(
        path=path,
        type=FileType(type_),
        mode=row.integer(0, _MODE_MAX),
        mtime_ns=_decode_time(row.value()),
        size=row.integer(),
        ctime_ns=_decode_time(row.value()),
        inode=row.integer(0, INTEGER_MAX),
        racy=row.flag(),
        target=row.blob(),
        chunks=decode_chunk_list(row.value()),
        stamp=_decode_stamp(row.value()) if stamped else None,
    )
    _check(item)
    return item


def one_tree(items: Iterable[FileItem]) -> Iterator[FileItem]:
    """The same items, by ascending path. Raises  Malformed: a path below one that is no directory (TREE-13)"""
    above: list[bytes] = []  # paths of files and links, each the beginning of the next
    for item in items:
        while above and not item.path.startswith(above[-1]):
            above.pop()
        if any(item.path.startswith(path + b"/") for path in above):
            raise Malformed("file: a path below a file or a link")
        if item.type is not FileType.DIRECTORY:
            above.append(item.path)
        yield item


def _encode_stamp(stamp: Stamp) -> Value:
    """Raises  Malformed: attributes that a map would drop or put into another order"""
    names = [name for name, _ in stamp.attributes]
    if any(one >= following for one, following in pairwise(names)):
        raise Malformed("file: attributes of a stamp do not ascend")
    return {"attributes": dict(stamp.attributes), "etag": stamp.etag, "version": stamp.version}


def _decode_stamp(value: Value) -> Stamp:
    """Raises  Malformed, Unsupported; LimitExceeded"""
    fields = Record(value, what="file: stamp")
    attributes = tuple((name, text_of(held, "file: attribute")) for name, held in fields.map("attributes").items())
    stamp = Stamp(etag=fields.text("etag"), version=fields.text("version"), attributes=attributes)
    fields.finish()
    texts = (stamp.etag, stamp.version, *(text for pair in attributes for text in pair))
    if sum(len(text.encode()) for text in texts) > STAMP_BYTES_MAX:
        raise LimitExceeded(f"file: a stamp of more than {STAMP_BYTES_MAX} bytes")
    return stamp


def _encode_time(time_ns: int) -> Value:
    return divmod(time_ns, _SECOND_NS)


def _decode_time(value: Value) -> int:
    """ns since the epoch, of any size. Raises  Malformed"""
    row = Row(value, length=2, what="file: time")
    return row.integer(INTEGER_MIN, POSITIVE_MAX) * _SECOND_NS + row.integer(0, _SECOND_NS - 1)


def _check(item: FileItem) -> None:
    if max(len(item.path), len(item.target)) > PATH_BYTES_MAX:
        raise LimitExceeded(f"file: a path or target of more than {PATH_BYTES_MAX} bytes")
    if b"\0" in item.path or not _BAD_PARTS.isdisjoint(item.path.split(b"/")):
        raise Malformed("file: a path that is not relative and plain")
    if item.type is not FileType.FILE and (item.size or item.chunks != _NO_CHUNKS):
        raise Malformed("file: size or chunks of what is not a regular file")
    if item.type is not FileType.FILE and item.stamp is not None:
        raise Malformed("file: a stamp of what is not a regular file")
    if item.type is not FileType.SYMLINK and item.target:
        raise Malformed("file: a target of what is not a symbolic link")
    check_content(item.chunks, size=item.size, what="file")
    check_no_rows(item.chunks, what="file")
