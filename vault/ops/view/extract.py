"""Take paths of the view out into a directory. Writes through DirectoryTarget alone, which never leaves its root."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from vault.errors import UsageError
from vault.model import FileType, Missing
from vault.ops.view.tree import View, ViewEntry
from vault.ports import DirectoryTarget, Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Extracted:
    """`files` and links written, `bytes` of their content; `changed`: what could not be made as it was."""

    files: int
    bytes: int
    changed: tuple[Missing, ...]


def extract(
    view: View,
    paths: Sequence[str],
    target: DirectoryTarget,
    *,
    progress: Progress,
    has: Callable[[bytes], bool] = lambda name: True,
) -> Extracted:
    """Write the selected paths, directories with all they hold, under their last names; without paths, everything.

    has    without paths: whether the file of this one is to be written; directories are, all of them
    Captured files keep mode and time; rendered ones belong to their reader alone (0600) and have the snapshot's time.
    Every path is looked up before anything is written.
    Raises  NotThere; UsageError: two of the paths have the same last name; UnsafeError, SourceError: from the target
    """
    selected = _tops([view.entry(path) for path in paths])
    progress.stage("extract")
    files = size = 0
    every = (entry for entry in view.ls(recursive=True) if entry.kind == "directory" or has(entry_name(entry)))
    for entry, above in _below(view, selected) if paths else ((entry, 0) for entry in view.to_read(every)):
        name = entry_name(entry).split(b"/", above)[-1]
        if entry.kind == "directory":
            target.make_directory(name, mode=entry.mode, mtime_ns=entry.mtime_ns)
            continue
        files += 1
        if entry.item is not None and entry.item.type is FileType.SYMLINK:
            target.make_symlink(name, entry.item.target, mtime_ns=entry.mtime_ns)
            continue
        counter = _Counter(view.open_entry(entry), progress)
        target.write_file(name, counter.blocks(), mode=entry.mode, mtime_ns=entry.mtime_ns)
        size += counter.size
    return Extracted(files=files, bytes=size, changed=tuple(target.finish()))


def _tops(selected: Sequence[ViewEntry]) -> list[ViewEntry]:
    """The selected entries without those below another. Raises  UsageError: two would have one name"""
    chosen = {entry.path: entry for entry in selected}
    tops: dict[str, ViewEntry] = {}
    for path, entry in chosen.items():
        above = path.split("/")
        if any("/".join(above[:depth]) in chosen for depth in range(1, len(above))):
            continue
        if (other := tops.setdefault(above[-1], entry)) is not entry:
            raise UsageError(
                f"{other.path} and {path} would both be written as {above[-1]}",
                why="what is extracted keeps its last name alone",
                hint="extract them into two directories",
            )
    return list(tops.values())


def _below(view: View, selected: Sequence[ViewEntry]) -> Iterator[tuple[ViewEntry, int]]:
    """The entries and what is below them, with the number of directories above the selected one."""
    for top in selected:
        above = top.path.count("/")
        yield top, above
        if top.kind == "directory":
            for entry in view.to_read(view.ls(top.path, recursive=True)):
                yield entry, above


def entry_name(entry: ViewEntry) -> bytes:
    """The path on disk: captured names are the bytes that they were."""
    if entry.item is not None:
        return entry.directory.encode() + b"/" + entry.item.path
    return entry.path.encode()


class _Counter:
    """Counts the bytes that pass."""

    def __init__(self, blocks: Iterator[bytes], progress: Progress) -> None:
        self._blocks = blocks
        self._progress = progress
        self.size = 0

    def blocks(self) -> Iterator[bytes]:
        for block in self._blocks:
            self.size += len(block)
            self._progress.advance(len(block))
            yield block
