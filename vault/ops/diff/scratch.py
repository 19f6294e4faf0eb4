"""Room on this machine's disk for what a comparison cannot keep in memory: files without a name, gone whatever happens.

Holds keyed hashes and places, never a value of a row. A file has no name from the moment it can be written to, so that nothing is
left by a program that is killed.
"""

from __future__ import annotations

import heapq
import os
import tempfile
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import IO, Final

_HELD_RECORDS: Final = 1 << 18
"""In memory, of some 90 bytes each with their list; a table with fewer rows that differ touches no disk."""
_RUNS_MAX: Final = 64
_READ_BYTES: Final = 1 << 16


class Scratch:
    """Makes files in `directory`, which is private to this program. `users`: so many are at work at once, and hold together what one may."""

    def __init__(self, directory: Path, *, users: int = 1) -> None:
        self._directory = directory
        self._users = users

    def shared(self, users: int) -> Scratch:
        return Scratch(self._directory, users=self._users * users)

    @property
    def held_records(self) -> int:
        return max(1, _HELD_RECORDS // self._users)

    def file(self) -> IO[bytes]:
        """A new file for writing and reading; closing it removes it. Raises  OSError"""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        return tempfile.TemporaryFile(dir=self._directory, buffering=_READ_BYTES)


class SortedRecords:
    """Records of one width, added in any order, read in ascending order as often as wanted. Memory: what `scratch` says; one open file."""

    def __init__(self, scratch: Scratch, width_bytes: int) -> None:
        self._scratch = scratch
        self._width_bytes = width_bytes
        self._held: list[bytes] = []
        self._file: IO[bytes] | None = None
        self._runs: list[tuple[int, int]] = []
        """Where each of them starts in the file and ends."""
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def extend(self, records: Iterable[bytes]) -> None:
        """Raises  OSError: the disk is full"""
        before = len(self._held)
        self._held.extend(records)
        self._count += len(self._held) - before
        if len(self._held) >= self._scratch.held_records:
            self._spill(sorted(self._held))
            self._held = []

    def __iter__(self) -> Iterator[bytes]:
        self._held.sort()
        return heapq.merge(self._held, *self._read()) if self._runs else iter(self._held)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file, self._runs, self._held = None, [], []

    def _spill(self, records: Iterable[bytes]) -> None:
        if self._file is None:
            self._file = self._scratch.file()
        if len(self._runs) == _RUNS_MAX:
            merged = self._scratch.file()
            self._runs = [self._written(merged, 0, heapq.merge(*self._read()))]
            self._file.close()
            self._file = merged
        start = self._runs[-1][1] if self._runs else 0
        self._runs.append(self._written(self._file, start, records))

    def _written(self, file: IO[bytes], start: int, records: Iterable[bytes]) -> tuple[int, int]:
        source, end = iter(records), start
        file.seek(start)
        while block := b"".join(islice(source, _READ_BYTES // self._width_bytes)):
            file.write(block)
            end += len(block)
        file.flush()
        return start, end

    def _read(self) -> list[Iterator[bytes]]:
        """Each run, independent of other readers of the same."""
        return [] if self._file is None else [self._read_run(self._file, *run) for run in self._runs]

    def _read_run(self, file: IO[bytes], at: int, end: int) -> Iterator[bytes]:
        width = self._width_bytes
        step = _READ_BYTES // width * width
        while block := os.pread(file.fileno(), min(step, end - at), at):
            yield from (block[start : start + width] for start in range(0, len(block), width))
            at += len(block)
