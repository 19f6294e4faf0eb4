"""Where a dataset of several files goes: a directory or a bucket. Implements `ops.datasets.parquet.DatasetTarget`.

In a directory everything is written to a private place first, and moved when all of it is there: an export that ends early leaves
nothing. In a bucket each object appears whole, and what says that all are there comes last. Nothing that is there is replaced, but
what an export that never ended left behind.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from vault.bucket.objects import BucketObjects
from vault.errors import UnsafeError
from vault.ports import Entropy
from vault.source.files.bucket import translated
from vault.source.files.bucket_target import BucketWriter, holds_something
from vault.source.files.durable import sync_file_systems
from vault.source.files.paths import DIRECTORY_FLAGS, directory_error
from vault.source.files.staging import is_stage, staged
from vault.source.files.target import DirectoryWriter

_FILE_MODE: Final = 0o600


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """Names of files: `dataset` says that what is there is a dataset that more may come into, `done` that what would come is there."""

    dataset: str
    done: str


class FolderDataset:
    """Use as a context, and call `finish`. `marks` None: the directory must be new or empty."""

    def __init__(self, root: Path, entropy: Entropy, *, marks: Marks | None, mtime_ns: int) -> None:
        self._root = root
        self._entropy = entropy
        self._marks = marks
        self._mtime_ns = mtime_ns
        self._ending = ExitStack()
        self._stage = Path()
        self._writer: DirectoryWriter

    def __enter__(self) -> Self:
        """Raises  UnsafeError: it holds something else, or the same already; SourceError, PermissionMissing"""
        self._look()
        try:
            self._root.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise directory_error(error, f"cannot write {self._root}") from error
        beside = (self._root, "") if self._root.is_dir() else (self._root.parent, self._root.name)
        try:
            self._stage = self._ending.enter_context(staged(*beside, self._entropy))
            self._writer = self._ending.enter_context(DirectoryWriter(self._stage, self._entropy))
        except BaseException:
            self._ending.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.close()

    def write(self, path: str, blocks: Iterator[bytes]) -> int:
        counted = _Counted(blocks)
        self._writer.write_file(path.encode(), counted, mode=_FILE_MODE, mtime_ns=self._mtime_ns)
        return counted.bytes

    def finish(self) -> None:
        """Have all of it on the disk, and move it to its place. Raises  UnsafeError: something came there meanwhile; SourceError"""
        self._writer.finish()
        self._look()
        try:
            self._move_all()
            root = os.open(self._root, DIRECTORY_FLAGS)
            try:
                sync_file_systems(root, set())
            finally:
                os.close(root)
        except OSError as error:
            raise directory_error(error, f"cannot write {self._root}") from error

    def _move_all(self) -> None:
        if not self._root.is_dir():
            self._stage.rename(self._root)
            return
        last = Path(self._marks.done) if self._marks is not None else Path()
        files = {path.relative_to(self._stage) for path in self._stage.rglob("*") if path.is_file()}
        for path in (*sorted(files - {last}), *files & {last}):
            self._move(path)

    def _move(self, path: Path) -> None:
        """With the folder that it is in, if that is not there yet: so a reader sees all files of a table or none."""
        if not (self._stage / path).exists():
            return
        folder = self._root / path.parent
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if len(path.parts) > 2 and not folder.exists():
            with suppress(OSError):  # another part made it meanwhile
                (self._stage / path.parent).rename(folder)
                return
        folder.mkdir(mode=0o700, exist_ok=True)
        os.replace(self._stage / path, self._root / path)

    def _look(self) -> None:
        """Raises  UnsafeError: something else is there, or what would come; SourceError"""
        try:
            there = os.path.lexists(self._root) and not self._root.is_dir()
            there = there or (self._root.is_dir() and any(not is_stage(name) for name in os.listdir(self._root)))
        except OSError as error:
            raise directory_error(error, f"cannot look into {self._root}") from error
        if there and (self._marks is None or not (self._root / self._marks.dataset).is_file()):
            raise _in_the_way(str(self._root))
        if there and self._marks is not None and (self._root / self._marks.done).exists():
            raise _done_already(str(self._root))


class BucketDataset:
    """The same below a prefix of a bucket."""

    def __init__(self, objects: BucketObjects, *, marks: Marks) -> None:
        self._objects = objects
        self._marks = marks
        self._writer = BucketWriter(objects, merge=True)

    def __enter__(self) -> Self:
        """Raises  as `FolderDataset`; Unreachable"""
        with translated(f"cannot look at {self._objects.url}"):
            if self._objects.stat(self._marks.done.encode()) is not None:
                raise _done_already(self._objects.url)
            known = self._objects.stat(self._marks.dataset.encode()) is not None
        if not known and holds_something(self._objects):
            raise _in_the_way(self._objects.url)
        return self

    def __exit__(self, *_: object) -> None:
        return

    def write(self, path: str, blocks: Iterator[bytes]) -> int:
        counted = _Counted(blocks)
        self._writer.write_object(path.encode(), iter(counted), stamp=None, replace=True)
        return counted.bytes

    def finish(self) -> None:
        return


class _Counted:
    def __init__(self, blocks: Iterator[bytes]) -> None:
        self.bytes = 0
        self._blocks = blocks

    def __iter__(self) -> Iterator[bytes]:
        for block in self._blocks:
            self.bytes += len(block)
            yield block


def _in_the_way(place: str) -> UnsafeError:
    return UnsafeError(
        f"{place} exists already", why="it holds something else than a dataset of pgvault", hint="name a new one"
    )


def _done_already(place: str) -> UnsafeError:
    return UnsafeError(
        f"{place} holds this snapshot already", why="nothing that is there is written again", hint="name another place"
    )
