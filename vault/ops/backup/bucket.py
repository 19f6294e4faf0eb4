"""Read a bucket into a file list, as `files` reads a directory.

Objects that the store says are those of the previous snapshot are taken over unread (spec 88-files). The others are fetched by
several threads a bounded number of bytes ahead, and stored in order; what is larger is streamed. An object that changes under the
reading is read once more; what cannot be captured is a line of the ledger.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace

from vault.crypto.keys import Keys
from vault.errors import Incoherent
from vault.format.lists import FILES
from vault.limits import MIB, STAMP_BYTES_MAX
from vault.model import ChunkList, FileItem, FileType, ObjectType, Stamp
from vault.ops.backup.files import FilesCapture, PreviousFiles, is_promise
from vault.ops.backup.gaps import Gaps
from vault.ops.backup.stored_lists import ListWriter
from vault.pipeline.cut import cut_bytes, fastcdc
from vault.ports import Progress, SourceFile
from vault.ports_of_buckets import BucketSource, Fetched
from vault.repo.snapshot import Snapshot
from vault.repo.workers import ordered
from vault.repo.writer import Writer

_THREADS = 8
_AHEAD = 12
_AHEAD_BYTES_MAX = 4 * MIB
"""What is larger is read when its turn comes: at most 48 MiB wait in memory."""
_CLOCKS_MS = 10 * 60 * 1000
"""By so much the clocks of bucket and machine may differ."""
_AGAIN = "run the backup again when nothing writes it"


def capture_bucket(
    name: str,
    source: BucketSource,
    writer: Writer,
    *,
    keys: Keys,
    before: Snapshot | None,
    progress: Progress,
    since_ms: int = 0,
) -> FilesCapture:
    """As `capture_files`. `since_ms`: when the backup began, by this machine's clock. Raises  SourceError: no such bucket; PermissionMissing; Unreachable: also in the midst of it"""
    progress.stage(f"bucket {name}")
    reading = _Reading(source, ListWriter(writer, keys), keys.cut_seed, progress)
    reading.recent_ns = (since_ms - _CLOCKS_MS) * 1_000_000
    files = reading.lists.build(reading.items(PreviousFiles(before, name, writer)), FILES)
    return FilesCapture(
        files=files,
        missing=reading.gaps.told(),
        paths=tuple(reading.paths),
        bucket=source.bucket,
        recent=frozenset(reading.recent),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """An object in its turn: taken over as `old`, or to be read, perhaps already `fetched` or found `changed`."""

    file: SourceFile
    old: FileItem | None
    fetched: Fetched | None = None
    changed: bool = False


@dataclass(slots=True)
class _Reading:
    source: BucketSource
    lists: ListWriter
    seed: int
    progress: Progress
    gaps: Gaps = field(default_factory=Gaps)
    paths: list[bytes] = field(default_factory=list)
    recent: list[bytes] = field(default_factory=list)
    recent_ns: int = 0

    def items(self, previous: PreviousFiles) -> Iterator[FileItem]:
        steps = ordered(self._ahead, self._steps(previous), threads=_THREADS, ahead=_AHEAD, cancel=self.source.cancel)
        with closing(steps):
            for step in steps:
                item = step.old or self._read(step)
                if item is not None and self.gaps.storable(item):
                    self.paths.append(item.path)
                    if item.mtime_ns >= self.recent_ns:
                        self.recent.append(item.path)
                    yield item

    def _steps(self, previous: PreviousFiles) -> Iterator[_Step]:
        for file in self.source.scan():
            if file.problem is not None:
                self.gaps.tell(file.problem)
            else:
                yield _Step(file=file, old=previous.unchanged(file))

    def _ahead(self, step: _Step) -> _Step:
        """On a thread: the whole of an object that is small enough."""
        if step.old is not None or step.file.size > _AHEAD_BYTES_MAX:
            return step
        try:
            fetched = self.source.fetch(step.file)
            content = list(fetched.blocks)
        except Incoherent:
            return replace(step, changed=True)
        return replace(step, fetched=replace(fetched, blocks=iter(content)))

    def _read(self, step: _Step) -> FileItem | None:
        """Of one state of the object; of a second one, if the first is gone."""
        file, fetched = step.file, step.fetched
        if not step.changed:
            try:
                return self._stored(fetched or self.source.fetch(file))
            except Incoherent:
                pass
        changed = self.source.now(file)
        if changed is None:
            self.gaps.report(file.path, "it vanished after it was listed", "run the backup again")
            return None
        try:
            return self._stored(self.source.fetch(changed))
        except Incoherent:
            self.gaps.report(file.path, "it changed while it was read, twice", _AGAIN)
            return None

    def _stored(self, fetched: Fetched) -> FileItem | None:
        """Raises  Incoherent: another state came into the stream; what was stored of it is for a prune"""
        file = fetched.file
        if file.problem is not None:
            self.gaps.tell(file.problem)
            return None
        size = 0

        def blocks() -> Iterator[bytes]:
            nonlocal size
            for block in fetched.blocks:
                size += len(block)
                self.progress.advance(len(block))
                yield block

        chunks = self.lists.store_chunks(
            ((chunk, False) for chunk in cut_bytes(blocks(), fastcdc(self.seed))), ObjectType.FILE_CHUNK
        )
        if size != file.size:
            raise Incoherent("cannot read it", why=f"{size} bytes came of {file.size}")
        return self._item(file, chunks)

    def _item(self, file: SourceFile, chunks: ChunkList) -> FileItem:
        assert file.stamp is not None
        stamp = file.stamp
        if _length(stamp) > STAMP_BYTES_MAX:
            why = f"its attributes have {_length(stamp)} bytes and are not kept; its content is"
            self.gaps.report(file.path, why, "give it fewer")
            stamp = replace(stamp, attributes=())
        return FileItem(
            path=file.path,
            type=FileType.FILE,
            mode=file.mode,
            mtime_ns=file.mtime_ns,
            size=file.size,
            racy=not is_promise(stamp.etag),
            chunks=chunks,
            stamp=stamp,
        )


def _length(stamp: Stamp) -> int:
    texts = (stamp.etag, stamp.version, *(text for pair in stamp.attributes for text in pair))
    return sum(len(text.encode()) for text in texts)
