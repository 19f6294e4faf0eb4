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
    """Makes files in `directory`, which is private to this program."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def file(self) -> IO[bytes]:
        """A new file for writing and reading; closing it removes it. Raises  OSError"""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        return tempfile.TemporaryFile(dir=self._directory, buffering=_READ_BYTES)


class SortedRecords:
    """Records of one width, added in any order, read in ascending order as often as wanted. Memory: `_HELD_RECORDS` of them."""

    def __init__(self, scratch: Scratch, width_bytes: int) -> None:
        self._scratch = scratch
        self._width_bytes = width_bytes
        self._held: list[bytes] = []
        self._runs: list[IO[bytes]] = []
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def extend(self, records: Iterable[bytes]) -> None:
        """Raises  OSError: the disk is full"""
        before = len(self._held)
        self._held.extend(records)
        self._count += len(self._held) - before
        if len(self._held) >= _HELD_RECORDS:
            self._spill(sorted(self._held))
            self._held = []

    def __iter__(self) -> Iterator[bytes]:
        self._held.sort()
        return heapq.merge(self._held, *map(self._read, self._runs)) if self._runs else iter(self._held)

    def close(self) -> None:
        for run in self._runs:
            run.close()
        self._runs, self._held = [], []

    def _spill(self, records: Iterable[bytes]) -> None:
        if len(self._runs) == _RUNS_MAX:
            merged = self._written(heapq.merge(*map(self._read, self._runs)))
            for run in self._runs:
                run.close()
            self._runs = [merged]
        self._runs.append(self._written(records))

    def _written(self, records: Iterable[bytes]) -> IO[bytes]:
        run, source = self._scratch.file(), iter(records)
        while block := b"".join(islice(source, _READ_BYTES // self._width_bytes)):
            run.write(block)
        run.flush()
        return run

    def _read(self, run: IO[bytes]) -> Iterator[bytes]:
        """Independent of other readers of the same run."""
        width = self._width_bytes
        step, at = _READ_BYTES // width * width, 0
        while block := os.pread(run.fileno(), step, at):
            yield from (block[start : start + width] for start in range(0, len(block), width))
            at += len(block)
