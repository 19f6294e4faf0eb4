"""Where rows lie in a snapshot, as numbers that fit into a record, and their values fetched by these.

A place is the ordinal of a chunk among those that were noted, and an offset in it: 4 bytes each.
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, Final

from vault.errors import Malformed
from vault.ids import ObjectId
from vault.limits import MIB
from vault.model import ChunkRef, ObjectType, TableName
from vault.ops.diff.scratch import Scratch
from vault.ops.diff.shared import Version

_CHUNK: Final = struct.Struct(">32sII?")
"""Of a noted chunk: id, length, number of its leaf, whether it continues."""
_HELD_BYTES: Final = 4 * MIB
"""Of noted chunks: those of some 50 GB of rows. More are on disk."""
_OFFSET_BITS: Final = 32
_CACHED_BYTES: Final = 24 * MIB
_OTHER_FIELDS: Final = "the rows of a table do not have as many fields as the table has columns"


class RowForm:
    """What is compared of a leaf's rows, and how it is shown.

    kept    places of the compared columns among the `count` that a row has, in the order of the comparison; key: of those of the key
    codec   Python's for the rows' encoding; recoded: they are compared in UTF-8, as the other side has another encoding
    """

    def __init__(self, *, kept: Sequence[int], count: int, key: Sequence[int], codec: str, recoded: bool) -> None:
        self.kept = tuple(kept)
        self._count = count
        self._key = tuple(key)
        self._key_end = max(key, default=-1) + 1
        self._codec = codec
        self.is_in_utf8 = codec == "utf-8"
        self.is_recoded = recoded
        self.is_complete = len(self.kept) == count
        self._whole = self.kept == tuple(range(count)) and not recoded

    def normal(self, line: bytes) -> bytes:
        """What both sides have of equal rows."""
        if self._whole:
            return line
        row = b"\t".join(self._fields(line))
        return self._in_utf8(row) if self.is_recoded else row

    def key(self, line: bytes) -> bytes:
        end = -1
        for _ in range(self._key_end):
            end = line.find(b"\t", end + 1)
            if end < 0:
                break
        fields = (line if end < 0 else line[:end]).split(b"\t")  # what follows the key may be long
        if len(fields) < self._key_end:
            raise Malformed(_OTHER_FIELDS)
        key = b"\t".join([fields[at] for at in self._key])
        return self._in_utf8(key) if self.is_recoded else key

    def fields(self, line: bytes) -> tuple[bytes, ...]:
        """COPY text of the compared columns, in UTF-8. Raises  Malformed: other fields than that"""
        fields = self._fields(line)
        return tuple(fields) if self.is_in_utf8 else tuple(map(self._in_utf8, fields))

    def _fields(self, line: bytes) -> list[bytes]:
        fields = line.split(b"\t") if self._count else []
        if len(fields) != self._count:
            raise Malformed(_OTHER_FIELDS)
        return [fields[at] for at in self.kept]

    def _in_utf8(self, text: bytes) -> bytes:
        """A byte that is not valid in its encoding stays what it is."""
        return text if self.is_in_utf8 else text.decode(self._codec, "surrogateescape").encode(errors="surrogateescape")


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedRow:
    """A row that was fetched."""

    fields: tuple[bytes, ...]
    leaf: TableName


class Places:
    """Of one side. Used by one thread."""

    def __init__(self, scratch: Scratch) -> None:
        self._scratch = scratch
        self._noted = bytearray()
        self._file: IO[bytes] | None = None
        self._count = 0
        self._leaves: dict[int, tuple[Version, RowForm]] = {}
        self._last: tuple[int, tuple[ChunkRef, ...]] = (0, ())
        self._chunks: OrderedDict[int, bytes] = OrderedDict()
        self._cached_bytes = 0

    def note(self, version: Version, form: RowForm, leaf: int, refs: tuple[ChunkRef, ...]) -> int:
        """The place of the first byte of these chunks, in which rows begin and end."""
        if refs is not self._last[1] or leaf not in self._leaves:
            self._leaves[leaf] = (version, form)
            self._last = (self._count, refs)
            for ref in refs:
                self._noted += _CHUNK.pack(ref.id, ref.length, leaf, ref.continues)
            self._count += len(refs)
            if len(self._noted) > _HELD_BYTES:
                self._spill()
        return self._last[0] << _OFFSET_BITS

    def row(self, place: int) -> FetchedRow:
        """Raises  IntegrityError"""
        ordinal, offset = place >> _OFFSET_BITS, place & ((1 << _OFFSET_BITS) - 1)
        parts: list[bytes] = []
        while True:
            ref, leaf = self._chunk(ordinal)
            if offset >= ref.length:
                ordinal, offset = ordinal + 1, offset - ref.length
                continue
            text = self._text(ordinal, ref, leaf)
            end = text.find(b"\n", offset)
            parts.append(text[offset:end] if end >= 0 else text[offset:])
            if end >= 0:
                version, form = self._leaves[leaf]
                line = b"".join(parts)
                parts.clear()  # a row may be long
                return FetchedRow(fields=form.fields(line), leaf=version.item.name)
            ordinal, offset = ordinal + 1, 0

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _spill(self) -> None:
        if self._file is None:
            self._file = self._scratch.file()
        self._file.seek(0, 2)
        self._file.write(self._noted)
        self._file.flush()
        self._noted.clear()

    def _chunk(self, ordinal: int) -> tuple[ChunkRef, int]:
        on_disk = self._count - len(self._noted) // _CHUNK.size
        if ordinal < on_disk:
            assert self._file is not None, "what is on disk was written"
            self._file.seek(ordinal * _CHUNK.size)
            record = self._file.read(_CHUNK.size)
        else:
            start = (ordinal - on_disk) * _CHUNK.size
            record = bytes(self._noted[start : start + _CHUNK.size])
        object_id, length, leaf, continues = _CHUNK.unpack(record)
        return ChunkRef(id=ObjectId(object_id), length=length, continues=continues), leaf

    def _text(self, ordinal: int, ref: ChunkRef, leaf: int) -> bytes:
        text = self._chunks.get(ordinal)
        if text is not None:
            self._chunks.move_to_end(ordinal)
            return text
        (text,) = self._leaves[leaf][0].snapshot.blocks([ref], ObjectType.ROW_CHUNK)
        self._chunks[ordinal] = text
        self._cached_bytes += len(text)
        while self._cached_bytes > _CACHED_BYTES:
            self._cached_bytes -= len(self._chunks.popitem(last=False)[1])
        return text
