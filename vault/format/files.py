"""Items of a directory's list. Spec 60-snapshot.

Invariant: a decoded path stays below the directory it is written to: relative, no empty, `.` or `..` part, no NUL.
"""

from __future__ import annotations

from typing import Final

from vault.errors import Malformed
from vault.format.chunks import decode_chunk_list, encode_chunk_list
from vault.format.codec import INTEGER_MAX, INTEGER_MIN, POSITIVE_MAX, Row, Value
from vault.model import FileItem, FileType

_MODE_MAX: Final = 2**32 - 1


def encode_file(item: FileItem) -> Value:
    """Raises  Malformed: a path that leaves its directory"""
    _check_path(item.path)
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
    """Raises  Malformed: also for a path that leaves its directory; LimitExceeded"""
    row = Row(value, length=10, what="file")
    path, type_ = row.blob(), row.text()
    if type_ not in {known.value for known in FileType}:
        raise Malformed("file: unknown type")
    _check_path(path)
    return FileItem(
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


def _check_path(path: bytes) -> None:
    if b"\0" in path or any(part in (b"", b".", b"..") for part in path.split(b"/")):
        raise Malformed("file: a path that is not relative and plain")
