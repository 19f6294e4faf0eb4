"""Bring a captured directory back as it was, into a directory of its own. Writes through DirectoryTarget alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from vault.model import FileType, Missing
from vault.ports import DirectoryTarget, Progress
from vault.repo.snapshot import Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoredDirectory:
    """`files` and links written, `size` of their content in bytes; `changed`: what could not be made as it was."""

    files: int
    size: int
    paths: tuple[bytes, ...]
    changed: tuple[Missing, ...]


def restore_directory(
    snapshot: Snapshot, name: str, target: DirectoryTarget, *, progress: Progress
) -> RestoredDirectory:
    """Write every path of directory `name` below the target's root.

    target  an entered DirectoryTarget; finished on return
    Raises  NotThere: the snapshot has no such directory; UnsafeError, SourceError: from the target
    """
    listed = snapshot.directory(name)
    progress.stage(f"files of {name}", listed.sums.bytes)
    paths: list[bytes] = []
    files = size = 0
    for item in snapshot.files(name):
        paths.append(item.path)
        if item.type is FileType.DIRECTORY:
            target.make_directory(item.path, mode=item.mode, mtime_ns=item.mtime_ns)
            continue
        files += 1
        if item.type is FileType.SYMLINK:
            target.make_symlink(item.path, item.target, mtime_ns=item.mtime_ns)
            continue
        blocks = _told(snapshot.file_blocks(item), progress)
        target.write_file(item.path, blocks, mode=item.mode, mtime_ns=item.mtime_ns)
        size += item.size
    return RestoredDirectory(files=files, size=size, paths=tuple(paths), changed=tuple(target.finish()))


def _told(blocks: Iterator[bytes], progress: Progress) -> Iterator[bytes]:
    for block in blocks:
        progress.advance(len(block))
        yield block
