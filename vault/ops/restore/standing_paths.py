"""How a captured path stands in a directory that is there: missing, equal, or otherwise. Reads, never writes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from vault.errors import SourceError
from vault.model import FileItem, FileType
from vault.model.files import path_text
from vault.ports import DirectorySource
from vault.repo.snapshot import Snapshot

MISSING: Final = "missing"
EQUAL: Final = ""
_KINDS: Final = {FileType.FILE: "file", FileType.DIRECTORY: "directory", FileType.SYMLINK: "link"}
_MODES: Final = {FileType.FILE: 0o1777, FileType.DIRECTORY: 0o3777, FileType.SYMLINK: 0}
"""Bits that a restore sets (vault.source.files.target)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Differing:
    """A path that is there otherwise than in the snapshot."""

    path: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Of all paths of one directory; what the snapshot does not know is in none of them."""

    missing: int
    equal: int
    differing: tuple[Differing, ...]


def compare_directory(snapshot: Snapshot, name: str, there: DirectorySource) -> Standing:
    """Raises  NotThere: the snapshot has no such directory; IntegrityError"""
    missing = equal = 0
    differing: list[Differing] = []
    for item in snapshot.files(name):
        difference = standing(snapshot, item, there)
        missing += difference == MISSING
        equal += difference == EQUAL
        if difference not in (MISSING, EQUAL):
            differing.append(Differing(path=path_text(item.path), why=difference))
    return Standing(missing=missing, equal=equal, differing=tuple(differing))


def standing(snapshot: Snapshot, item: FileItem, there: DirectorySource) -> str:
    """MISSING, EQUAL, or in what it differs. Times do not count. Raises  IntegrityError"""
    status = there.status(item.path)
    if status is None:
        return MISSING
    if status.type != item.type.value:
        known = {kind.value: word for kind, word in _KINDS.items()}
        return f"a {_KINDS[item.type]} here, there {'a ' + known[status.type] if status.type in known else 'something else'}"
    if item.type is FileType.SYMLINK and status.target != item.target:
        return "the link leads elsewhere there"
    if item.type is FileType.FILE:
        if status.size != item.size:
            return f"other content there, {status.size} bytes for {item.size}"
        try:
            if not same_bytes(snapshot.file_blocks(item), there.read(item.path)):
                return "other content there, of the same length"
        except SourceError as error:
            return f"what is there cannot be read: {error.why}"
    if (status.mode ^ item.mode) & _MODES[item.type]:
        return f"mode {status.mode:04o} there for {item.mode:04o}"
    return EQUAL


def same_bytes(one: Iterator[bytes], other: Iterator[bytes]) -> bool:
    """Whether two streams, in blocks of any size, hold the same bytes."""
    left = right = b""
    while True:
        left = left or next((block for block in one if block), b"")
        right = right or next((block for block in other if block), b"")
        length = min(len(left), len(right))
        if left[:length] != right[:length]:
            return False
        if length == 0:
            return not left and not right
        left, right = left[length:], right[length:]
