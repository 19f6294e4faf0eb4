"""Read one directory into a file list.

A file whose size, times and inode are those of the previous snapshot is not read again, if its file system moves ctime at each change of
a settled file, and unless its ctime was too young then to be told apart from a later one (spec 88-files). A file that changes while it is
read is read once more; what cannot be captured is a line of the ledger.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from vault.crypto.keys import Keys
from vault.errors import IntegrityError, NotThere, PermissionMissing, SourceError
from vault.format.lists import FILES
from vault.model import ChunkList, FileItem, FileType, ListRef, Missing, ObjectType, Stamp, State
from vault.model.files import path_text
from vault.ops.backup.gaps import Gaps
from vault.ops.backup.stored_lists import ListWriter
from vault.pipeline.cut import cut_bytes, fastcdc
from vault.ports import DirectorySource, Progress, SourceFile
from vault.repo.snapshot import Snapshot
from vault.repo.writer import Writer

_RACY_NS = 2_000_000_000
"""File systems stamp times as coarsely as two seconds (FAT); a younger file may change without a trace in its times."""

_SELDOM_MEANT = {
    b"node_modules": "it can be installed again; leave it out with --exclude node_modules",
    b".env": "it often holds secrets; leave it out with --exclude .env, or keep it, encrypted as all the rest",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesCapture:
    """`paths` of everything captured, for counting. `bucket`: of a bucket, as its port gives it; None of a directory.

    `recent`: those of a bucket's objects that may be younger than the database's view.
    """

    files: ListRef
    missing: tuple[Missing, ...]
    paths: tuple[bytes, ...]
    bucket: str | None = None
    recent: frozenset[bytes] = frozenset()


def capture_files(
    name: str,
    source: DirectorySource,
    writer: Writer,
    *,
    keys: Keys,
    before: Snapshot | None,
    progress: Progress,
) -> FilesCapture:
    """Read a directory; `before` is a snapshot whose unchanged files are taken over. Raises  SourceError: no such root"""
    progress.stage(f"directory {name}")
    reading = _Reading(source, ListWriter(writer, keys), keys.cut_seed, progress)
    files = reading.lists.build(reading.items(PreviousFiles(before, name, writer)), FILES)
    return FilesCapture(files=files, missing=reading.gaps.told(), paths=tuple(reading.paths))


class PreviousFiles:
    """The previous snapshot's items, merged along an ascending scan."""

    def __init__(self, before: Snapshot | None, name: str, writer: Writer) -> None:
        self._items = iter(()) if before is None else _files_or_none(before, name)
        self._next = next(self._items, None)
        self._before = before
        self._writer = writer

    def unchanged(self, file: SourceFile) -> FileItem | None:
        """The item of the same path, if it is the same file in every recorded respect and its chunks are still there."""
        while self._next is not None and self._next.path < file.path:
            self._next = next(self._items, None)
        old = self._next
        if old is None or old.path != file.path or old.type is not FileType.FILE or old.racy:
            return None
        same = _is_same_file(old, file) if file.stamp is None else _is_same_object(old, file.stamp, file)
        return old if same and self._all_there(old.chunks) else None

    def _all_there(self, chunks: ChunkList) -> bool:
        assert self._before is not None
        try:
            return self._before.adopts(chunks, self._writer.adopt)
        except IntegrityError:
            return False  # reading the file again heals what is damaged


def _is_same_file(old: FileItem, file: SourceFile) -> bool:
    """Spec 88-files, FILE-1."""
    return (
        file.witnessed
        and old.stamp is None
        and (old.size, old.mtime_ns, old.ctime_ns, old.inode, old.mode)
        == (file.size, file.mtime_ns, file.ctime_ns, file.inode, file.mode)
    )


def _is_same_object(old: FileItem, stamp: Stamp, file: SourceFile) -> bool:
    """By the promise of its store. Spec 88-files, FILE-3."""
    return (
        old.stamp is not None
        and is_promise(stamp.etag)
        and (old.size, old.mtime_ns, old.stamp.etag, old.stamp.version)
        == (file.size, file.mtime_ns, stamp.etag, stamp.version)
    )


def is_promise(etag: str) -> bool:
    """Whether the store says with it that the same etag is the same bytes: a weak one does not."""
    return bool(etag) and not etag.startswith("W/")


def _files_or_none(before: Snapshot, name: str) -> Iterator[FileItem]:
    try:
        yield from before.files(name)
    except (NotThere, IntegrityError):
        return  # not there before, or damaged: every file from here on is read, which heals it


@dataclass(slots=True)
class _Reading:
    source: DirectorySource
    lists: ListWriter
    seed: int
    progress: Progress
    gaps: Gaps = field(default_factory=Gaps)
    hinted: set[bytes] = field(default_factory=set)
    paths: list[bytes] = field(default_factory=list)

    def items(self, previous: PreviousFiles) -> Iterator[FileItem]:
        for file in self.source.scan():
            if file.problem is not None:
                self.gaps.tell(file.problem)
                continue
            self._hint(file)
            item = self._item(file, previous)
            if item is not None and self.gaps.storable(item):
                self.paths.append(item.path)
                yield item

    def _hint(self, file: SourceFile) -> None:
        """Once for each name that seldom belongs into a backup."""
        name = file.path.rpartition(b"/")[2]
        if name in _SELDOM_MEANT and name not in self.hinted:
            self.hinted.add(name)
            self.progress.event("warning", f"{path_text(file.path)} is backed up too: {_SELDOM_MEANT[name]}")

    def _item(self, file: SourceFile, previous: PreviousFiles) -> FileItem | None:
        kind = FileType(file.type)
        if kind is not FileType.FILE:
            return _item(file, kind, ChunkList(), racy=False)
        old = previous.unchanged(file)
        if old is not None:
            return old
        return self._read(file)

    def _read(self, file: SourceFile) -> FileItem | None:
        """Read until two looks at the file agree, at most twice."""
        path = file.path
        for _ in range(2):
            started_ns = self.source.now_ns()
            try:
                file = self.source.settle(path)
                chunks, size = self._store(path)
                after = self.source.status(path)
            except SourceError as error:
                state = State.NOT_PERMITTED if isinstance(error, PermissionMissing) else State.FAILED
                why = error.message + (f": {error.why}" if error.why else "")
                self.gaps.tell(Missing(item=path_text(path), state=state, why=why, fix=error.hint))
                return None
            if after is None:
                self.gaps.report(path, "it vanished while it was read", "run the backup again")
                return None
            if after.problem is not None:
                self.gaps.report(
                    path,
                    f"it cannot be told whether it changed while it was read: {after.problem.why}",
                    after.problem.fix,
                )
                return replace(_item(file, FileType.FILE, chunks, racy=True), size=size)
            if _stamp(after) == _stamp(file) and size == after.size:
                young = file.ctime_ns > started_ns - _RACY_NS
                return _item(file, FileType.FILE, chunks, racy=young or not file.witnessed)
            file = after
        self.gaps.report(path, "it changed while it was read, twice; the last reading is stored", "stop its writer")
        return replace(_item(file, FileType.FILE, chunks, racy=True), size=size)

    def _store(self, path: bytes) -> tuple[ChunkList, int]:
        size = 0

        def blocks() -> Iterator[bytes]:
            nonlocal size
            for block in self.source.read(path):
                size += len(block)
                self.progress.advance(len(block))
                yield block

        cuts = ((chunk, False) for chunk in cut_bytes(blocks(), fastcdc(self.seed)))
        chunks = self.lists.store_chunks(cuts, ObjectType.FILE_CHUNK)
        return chunks, size


def _stamp(file: SourceFile) -> tuple[str, int, int, int, int]:
    return file.type, file.size, file.mtime_ns, file.ctime_ns, file.inode


def _item(file: SourceFile, kind: FileType, chunks: ChunkList, *, racy: bool) -> FileItem:
    is_file = kind is FileType.FILE
    return FileItem(
        path=file.path,
        type=kind,
        mode=file.mode,
        mtime_ns=file.mtime_ns,
        size=file.size if is_file else 0,
        ctime_ns=file.ctime_ns if is_file else 0,
        inode=file.inode if is_file else 0,
        racy=racy,
        target=file.target,
        chunks=chunks,
    )
