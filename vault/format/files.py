"""Items of a directory's list. Spec 60-snapshot.

Invariant: a decoded path stays below the directory it is written to: relative, no empty, `.` or `..` part, no NUL.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from vault.errors import Malformed
from vault.format.chunks import check_content, check_no_rows, decode_chunk_list, encode_chunk_list
from vault.format.codec import INTEGER_MAX, INTEGER_MIN, POSITIVE_MAX, Row, Value
from vault.model import ChunkList, FileItem, FileType

_MODE_MAX: Final = 0o7777
_BAD_PARTS: Final = frozenset({b"", b".", b".."})
_NO_CHUNKS: Final = ChunkList()


def encode_file(item: FileItem) -> Value:
    """Raises  Malformed: a path that leaves its directory; fields that disagree"""
    _check(item)
    return (
        item.path,
        item.type.value,
        item.mode,
        item.mtime_ns,
        item.size,
        item.ctime_ns,
        item.inode,
        item.racy,
        item.target,
        encode_chunk_list(item.chunks),
    )


def decode_file(value: Value) -> FileItem:
    """Raises  Malformed: also for a path that leaves its directory, or fields that disagree; LimitExceeded"""
    row = Row(value, length=10, what="file")
    path, type_ = row.blob(), row.text()
    if type_ not in {known.value for known in FileType}:
        raise Malformed("file: unknown type")
    item = FileItem(
        path=path,
        type=FileType(type_),
        mode=row.integer(0, _MODE_MAX),
        mtime_ns=row.integer(INTEGER_MIN, POSITIVE_MAX),
        size=row.integer(),
        ctime_ns=row.integer(INTEGER_MIN, POSITIVE_MAX),
        inode=row.integer(0, INTEGER_MAX),
        racy=row.flag(),
        target=row.blob(),
        chunks=decode_chunk_list(row.value()),
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


def _check(item: FileItem) -> None:
    if b"\0" in item.path or not _BAD_PARTS.isdisjoint(item.path.split(b"/")):
        raise Malformed("file: a path that is not relative and plain")
    if not 0 <= item.mode <= _MODE_MAX:
        raise Malformed("file: mode is more than permission bits")
    if item.type is not FileType.FILE and (item.size or item.chunks != _NO_CHUNKS):
        raise Malformed("file: size or chunks of what is not a regular file")
    if item.type is not FileType.SYMLINK and item.target:
        raise Malformed("file: a target of what is not a symbolic link")
    check_content(item.chunks, size=item.size, what="file")
    check_no_rows(item.chunks, what="file")
