"""Bring a captured directory back as it was, into a new one or into what is left of it. Writes through DirectoryTarget alone.

Into one that is there: what is missing comes, what is equal is left alone, what differs is left and told, or replaced when
asked for; what the snapshot does not know is never touched.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from vault.errors import UnsafeError
from vault.model import FileItem, FileType, Missing, State
from vault.model.files import path_text
from vault.ops.restore.standing_paths import EQUAL, MISSING, Differing, standing
from vault.ports import DirectorySource, DirectoryTarget, Progress
from vault.repo.snapshot import Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoredDirectory:
    """`files` and links written, `size` of their content in bytes; `changed`: what could not be made as it was.

    `paths`: all that the snapshot has; `equal`: paths that were there already; `left`: those that differ and stayed.
    """

    files: int
    size: int
    paths: tuple[bytes, ...]
    changed: tuple[Missing, ...]
    equal: int = 0
    left: tuple[Differing, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Merging:
    """`there`: the target as it is read; `replace` what differs."""

    there: DirectorySource
    replace: bool


def restore_directory(
    snapshot: Snapshot, name: str, target: DirectoryTarget, *, progress: Progress, merging: Merging | None = None
) -> RestoredDirectory:
    """Write every path of directory `name` below the target's root; with `merging` only those that it says.

    target  an entered DirectoryTarget; finished on return
    Raises  NotThere: the snapshot has no such directory; UnsafeError, SourceError: from the target
    """
    listed = snapshot.directory(name)
    progress.stage(f"files of {name}", listed.sums.bytes)
    work = _Work(snapshot, target, progress)
    for item in snapshot.to_read(snapshot.files(name), lambda item: item.chunks):
        work.paths.append(item.path)
        if merging is None:
            work.write(item)
        else:
            work.merge(item, merging)
    return RestoredDirectory(
        files=work.files,
        size=work.size,
        paths=tuple(work.paths),
        changed=(*work.refused, *target.finish()),
        equal=work.equal,
        left=tuple(work.left),
    )


@dataclass(slots=True)
class _Work:
    snapshot: Snapshot
    target: DirectoryTarget
    progress: Progress
    files: int = 0
    size: int = 0
    equal: int = 0
    paths: list[bytes] = field(default_factory=list)
    left: list[Differing] = field(default_factory=list)
    refused: list[Missing] = field(default_factory=list)

    def merge(self, item: FileItem, merging: Merging) -> None:
        difference = standing(self.snapshot, item, merging.there)
        if difference == EQUAL:
            self.equal += 1
        elif difference != MISSING and not merging.replace:
            self.left.append(Differing(path=path_text(item.path), why=difference))
        else:
            try:
                self.write(item)
            except UnsafeError as error:  # what is in the way of one path is in the way of no other
                why = f"{error.message}: {error.why}"
                self.refused.append(
                    Missing(item=path_text(item.path), state=State.FAILED, why=why, fix="move away what is there")
                )

    def write(self, item: FileItem) -> None:
        if item.type is FileType.DIRECTORY:
            self.target.make_directory(item.path, mode=item.mode, mtime_ns=item.mtime_ns)
            return
        if item.type is FileType.SYMLINK:
            self.target.make_symlink(item.path, item.target, mtime_ns=item.mtime_ns)
        else:
            blocks = _told(self.snapshot.file_blocks(item), self.progress)
            self.target.write_file(item.path, blocks, mode=item.mode, mtime_ns=item.mtime_ns)
            self.size += item.size
        self.files += 1


def _told(blocks: Iterator[bytes], progress: Progress) -> Iterator[bytes]:
    for block in blocks:
        progress.advance(len(block))
        yield block
