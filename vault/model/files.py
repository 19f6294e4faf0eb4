"""Paths of a directory. Spec 60-snapshot."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from vault.model.objects import ChunkList


class FileType(str, Enum):
    FILE = "f"
    DIRECTORY = "d"
    SYMLINK = "l"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileItem:
    """One path of a directory, relative, `/`-separated bytes, sorted bytewise. Times in ns since the epoch.

    `ctime_ns`, `inode` and `device` only serve to recognise an unchanged file. `racy` forbids that: the file's ctime
    was within two seconds of its reading.
    """

    path: bytes
    type: FileType
    mode: int
    mtime_ns: int
    size: int = 0
    ctime_ns: int = 0
    inode: int = 0
    racy: bool = False
    target: bytes = b""
    chunks: ChunkList = field(default_factory=ChunkList)


def path_text(path: bytes) -> str:
    """`path` for people and JSON: UTF-8, other bytes as %XX, and % as %25."""
    text = path.replace(b"%", b"%25").decode("utf-8", "surrogateescape")
    return "".join(f"%{ord(sign) - 0xDC00:02X}" if "\udc80" <= sign <= "\udcff" else sign for sign in text)
