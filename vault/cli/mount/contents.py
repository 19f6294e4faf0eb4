"""What a file of the file system holds: how long it is, and any part of it, whoever asks in whatever order.

Programs that copy or compare trust sizes, so each is exact. Of what is rendered it is known only when it was: whatever fits is kept then,
in memory or in a file without a name on this machine's disk, and read from there; what is longer is counted, and streamed when it is
read, from its start whenever somebody goes back. Captured files are read from the piece on in which they are wanted.
Bounded: `spool_bytes` on the disk, MEMORY_BYTES_MAX in memory, one window for each open file. Thread-safe.
"""

from __future__ import annotations

import os
import tempfile
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import IO, Final

from vault.cli.mount.tree import PathNode
from vault.errors import UsageError
from vault.limits import KIB, MIB
from vault.model import FileItem, ObjectType
from vault.ops.view.tree import DUMP
from vault.repo.snapshot import Snapshot

MEMORY_BYTES_MAX: Final = 32 * MIB
SPOOL_BYTES: Final = 512 * MIB
_IN_MEMORY_MAX: Final = 256 * KIB
_SPOOLED_FILES_MAX: Final = 64
"""Each is an open file."""
_SHARE: Final = 4
"""No file takes more than this part of the spool."""
_WINDOW_BYTES: Final = 4 * MIB
_SIZES_MAX: Final = 1 << 16


class KeptContent:
    """The whole content of a file: in memory, or in a file without a name, which is closed when nobody has it any more."""

    def __init__(self, size: int, *, memory: bytes = b"", file: IO[bytes] | None = None) -> None:
        self.size = size
        self._memory = memory
        self._descriptor: int | None = None
        if file is not None:
            self._descriptor = os.dup(file.fileno())
            weakref.finalize(self, os.close, self._descriptor)

    @property
    def is_on_disk(self) -> bool:
        return self._descriptor is not None

    def read(self, offset: int, size: int) -> bytes:
        if self._descriptor is not None:
            return os.pread(self._descriptor, size, offset)
        return self._memory[offset : offset + size]


class ContentSpool:
    """FileContents by key, those that were used last. `directory` is private to this program."""

    def __init__(self, directory: Path, *, spool_bytes: int) -> None:
        self._directory = directory
        self._limit_bytes = spool_bytes
        self.share_bytes = max(_IN_MEMORY_MAX, spool_bytes // _SHARE)
        self._kept: OrderedDict[Hashable, KeptContent] = OrderedDict()
        self._sizes: OrderedDict[Hashable, int] = OrderedDict()
        self._busy: dict[Hashable, tuple[threading.Lock, int]] = {}
        self._lock = threading.Lock()

    def size(self, key: Hashable, render: Callable[[], Iterator[bytes]]) -> int:
        with self._alone(key):
            known = self._sizes.get(key)
            return self._fill(key, render)[0] if known is None else known

    def kept(self, key: Hashable, render: Callable[[], Iterator[bytes]]) -> KeptContent | None:
        """None: it is too long to be kept."""
        with self._alone(key):
            with self._lock:
                kept = self._kept.get(key)
                if kept is not None:
                    self._kept.move_to_end(key)
                    return kept
            if self._sizes.get(key, 0) > self.share_bytes:
                return None
            return self._fill(key, render)[1]

    @contextmanager
    def _alone(self, key: Hashable) -> Iterator[None]:
        """Two who want the same wait for one another; others do not."""
        with self._lock:
            lock, waiting = self._busy.get(key, (threading.Lock(), 0))
            self._busy[key] = lock, waiting + 1
        try:
            with lock:
                yield
        finally:
            with self._lock:
                lock, waiting = self._busy[key]
                if waiting == 1:
                    del self._busy[key]
                else:
                    self._busy[key] = lock, waiting - 1

    def _fill(self, key: Hashable, render: Callable[[], Iterator[bytes]]) -> tuple[int, KeptContent | None]:
        with ExitStack() as opened:
            size, memory, file = self._written(render(), opened)
            kept = None
            if size <= self.share_bytes:
                kept = KeptContent(size, memory=bytes(memory), file=file)
        with self._lock:
            self._sizes[key] = size
            while len(self._sizes) > _SIZES_MAX:
                self._sizes.popitem(last=False)
            if kept is not None:
                self._kept[key] = kept
                self._make_room()
        return size, kept

    def _written(self, blocks: Iterator[bytes], opened: ExitStack) -> tuple[int, bytearray, IO[bytes] | None]:
        """Size, and where the content is if it is not too long; what was opened for it."""
        size, memory, file = 0, bytearray(), None
        for block in blocks:
            size += len(block)
            if size > self.share_bytes:
                opened.close()
                memory = bytearray()
            elif file is not None:
                file.write(block)
            elif size <= _IN_MEMORY_MAX:
                memory += block
            else:
                file = opened.enter_context(self._file())
                file.write(bytes(memory) + block)
                memory = bytearray()
        return size, memory, file

    def _file(self) -> IO[bytes]:
        """Without a name, so that it is gone with this program however that ends."""
        return tempfile.TemporaryFile(dir=self._directory, buffering=0)

    def _make_room(self) -> None:
        """The oldest go; whoever reads one at this moment still has it."""
        while len(self._kept) > 1 and self._is_over():
            self._kept.popitem(last=False)

    def _is_over(self) -> bool:
        memory = sum(kept.size for kept in self._kept.values() if not kept.is_on_disk)
        files = [kept.size for kept in self._kept.values() if kept.is_on_disk]
        return memory > MEMORY_BYTES_MAX or sum(files) > self._limit_bytes or len(files) > _SPOOLED_FILES_MAX


@dataclass(slots=True)
class Handle:
    """An open file: its whole content, or a stream with a window behind it."""

    kept: KeptContent | None
    start: Callable[[int], tuple[int, Iterator[bytes]]]
    """Offset -> where the blocks begin, at it or before it, and the blocks."""
    _blocks: Iterator[bytes] | None = None
    _window: bytearray = field(default_factory=bytearray)
    _offset: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def is_streamed(self) -> bool:
        return self.kept is None

    def read(self, offset: int, size: int) -> bytes:
        """Fewer bytes only at the end."""
        if self.kept is not None:
            return self.kept.read(offset, size)
        with self._lock:
            if self._blocks is None or not self._offset <= offset <= self._offset + len(self._window):
                self._offset, self._blocks = self.start(offset)
                self._window = bytearray()
            while self._offset + len(self._window) < offset + size:
                block = next(self._blocks, None)
                if block is None:
                    break
                self._window += block
                surplus = min(len(self._window) - _WINDOW_BYTES, offset - self._offset)
                if surplus > 0:
                    del self._window[:surplus]
                    self._offset += surplus
            at = offset - self._offset
            return bytes(self._window[at : at + size])


class FileContents:
    """`spool_bytes`: of rendered and captured files together; 0 streams all that does not fit into memory."""

    def __init__(self, directory: Path, *, spool_bytes: int = SPOOL_BYTES) -> None:
        self._spool = ContentSpool(directory, spool_bytes=spool_bytes)

    def size(self, node: PathNode) -> int:
        """Exact. Raises  as `View.open_entry`"""
        entry, view = node.entry, node.view
        if entry is None or view is None or node.kind != "file":
            return len(node.target)
        if entry.size_bytes is not None:
            return entry.size_bytes
        if entry.path == DUMP:
            return view.size_bytes(entry)
        return self._spool.size(_key(node), lambda: view.open_entry(entry))

    def open(self, node: PathNode) -> Handle:
        """Raises  as `View.open_entry`"""
        entry, view = node.entry, node.view
        if entry is None or view is None or node.kind != "file":
            raise UsageError("no file")
        is_long = self.size(node) > self._spool.share_bytes
        kept = None if is_long else self._spool.kept(_key(node), lambda: view.open_entry(entry))
        item, snapshot = entry.item, node.snapshot
        if item is None or snapshot is None:
            return Handle(kept=kept, start=lambda offset: (0, view.open_entry(entry)))
        return Handle(kept=kept, start=lambda offset: _captured(snapshot, item, offset))


def _key(node: PathNode) -> Hashable:
    assert node.entry is not None, "a file below a snapshot"
    assert node.view is not None, "a file below a snapshot"
    return node.view.likeness(node.entry)


def _captured(snapshot: Snapshot, item: FileItem, offset: int) -> tuple[int, Iterator[bytes]]:
    """From the chunk on that holds the byte at `offset`; earlier ones are not read."""
    refs = snapshot.chunk_refs(item.chunks)
    begins = 0
    for ref in refs:
        if begins + ref.length > offset:
            return begins, snapshot.blocks(chain((ref,), refs), ObjectType.FILE_CHUNK)
        begins += ref.length
    return begins, iter(())
