"""Directories that paths of a snapshot imply: what came out of a bucket has files alone, and a tree that shows no folders hides them.

Pure. Memory: the directories that begin the path at hand, by their lengths.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from vault.model import FileItem, FileType

_MODE: Final = 0o700


def with_folders(items: Iterable[FileItem], *, mtime_ns: int) -> Iterator[FileItem]:
    """The same items, and before the first below a directory that has no item one for it.

    items  by ascending path. `a-b` sorts between `a` and `a/b`, so a directory is forgotten only when no path can begin with it
    mtime_ns  of the directories added
    """
    previous, known = b"", list[int]()  # lengths of the directories that begin `previous`, ascending
    for item in items:
        path = item.path
        while known and not path.startswith(previous[: known[-1]]):
            known.pop()
        # whatever is above a known directory is known, so only longer ones can be missing
        end = path.find(b"/", known[-1] + 1 if known else 0)
        while end >= 0:
            yield folder(path[:end], mtime_ns=mtime_ns)
            known.append(end)
            end = path.find(b"/", end + 1)
        yield item
        if item.type is FileType.DIRECTORY:
            known.append(len(path))
        previous = path


def folder(path: bytes, *, mtime_ns: int) -> FileItem:
    """The item of a directory that has none in its snapshot; its owner's alone."""
    return FileItem(path=path, type=FileType.DIRECTORY, mode=_MODE, mtime_ns=mtime_ns)
