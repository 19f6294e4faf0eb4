"""A whole snapshot in one of the forms that other programs read: a directory, pg_dump's archive, a script, a tar. Streams.

Nothing here opens a file: a directory is written through DirectoryTarget, everything else is blocks for the caller to write.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from typing import Final

from vault.errors import Malformed
from vault.ops.view.extract import entry_name
from vault.ops.view.tree import DUMP, SQL, View, ViewEntry
from vault.repo.lineage import calendar

FILES: Final = {"pgdump": DUMP, "sql": SQL}
"""Formats that are one file of the view."""
FORMATS: Final = ("layout", *FILES, "tar")
_BLOCK_BYTES: Final = 512
_RECORD_BYTES: Final = 20 * _BLOCK_BYTES
_KINDS: Final = {"file": tarfile.REGTYPE, "directory": tarfile.DIRTYPE, "symlink": tarfile.SYMTYPE}
_NS: Final = 1_000_000_000


class Tar:
    """The layout as a POSIX tar (pax): one top directory, names as bytes, owner 0. `files` counts files and links yielded.

    A member's size comes before its bytes, so rendered files, except the dump, are rendered twice: to be measured, then
    to be written. Nothing is spooled.
    """

    def __init__(self, view: View, taken_ms: int) -> None:
        self._view = view
        self._top = calendar(taken_ms).strftime("comprehensive_backup_%Y%m%d_%H%M%S")
        self.files = 0

    def blocks(self) -> Iterator[bytes]:
        """Raises  Malformed: a file has another length than it was measured to have; all that View.open raises"""
        total = 0
        for block in self._members():
            total += len(block)
            yield block
        yield bytes(2 * _BLOCK_BYTES + -(total + 2 * _BLOCK_BYTES) % _RECORD_BYTES)

    def _members(self) -> Iterator[bytes]:
        for entry in self._view.to_read(self._view.ls(recursive=True)):
            is_file = entry.kind == "file"
            size = self._view.size_bytes(entry) if is_file else 0
            self.files += entry.kind != "directory"
            yield self._header(entry, size)
            if is_file:
                yield from self._content(entry, size)

    def _content(self, entry: ViewEntry, size: int) -> Iterator[bytes]:
        written = 0
        for block in self._view.open_entry(entry):
            written += len(block)
            yield block
        if written != size:
            raise Malformed(f"{entry.path} was rendered in two lengths", why=f"{size} bytes, then {written}")
        yield bytes(-size % _BLOCK_BYTES)

    def _header(self, entry: ViewEntry, size: int) -> bytes:
        info = tarfile.TarInfo(f"{self._top}/{_text(entry_name(entry))}")
        info.type = _KINDS[entry.kind]
        info.size = size
        info.mode = entry.mode
        seconds, rest = divmod(entry.mtime_ns, _NS)
        info.mtime = seconds
        if rest:
            info.pax_headers = {"mtime": f"{seconds}.{rest:09d}" if seconds >= 0 else f"{entry.mtime_ns / _NS:.9f}"}
        if entry.item is not None and entry.kind == "symlink":
            info.linkname = _text(entry.item.target)
        return info.tobuf(format=tarfile.PAX_FORMAT, encoding="utf-8", errors="surrogateescape")


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", errors="surrogateescape")
