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
class Stamp:
    """What a bucket said of an object besides its bytes. `etag` and `version` serve to recognise it unchanged.

    `attributes`: (name, value) ascending by name, each once: HTTP's in lower case, a user's own with `meta-` before their name.
    """

    etag: str
    version: str = ""
    attributes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FileItem:
    """One path of a directory, relative, `/`-separated bytes, sorted bytewise. Times in ns since the epoch.

    `ctime_ns`, `inode` and `device` only serve to recognise an unchanged file. `racy` forbids that: the file's ctime
    was within two seconds of its reading. `stamp`: of what came out of a bucket; its path is then its key as
    `model.object_keys` writes it.
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
    stamp: Stamp | None = None


def path_text(path: bytes) -> str:
    """`path` for people and JSON: UTF-8, other bytes as %XX, and % as %25."""
    text = path.replace(b"%", b"%25").decode("utf-8", "surrogateescape")
    return "".join(f"%{ord(sign) - 0xDC00:02X}" if "\udc80" <= sign <= "\udcff" else sign for sign in text)
