"""Put objects, chunks and lists of one repository, for everything that a backup reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain, islice
from typing import TypeVar

from vault.crypto import keyed
from vault.crypto.keys import Keys
from vault.errors import IntegrityError, SourceError
from vault.format.codec import Value
from vault.format.lists import CHUNKS, ListFormat
from vault.format.object import plain_bytes_max
from vault.ids import ObjectId
from vault.limits import INLINE_CHUNKS_MAX
from vault.model import ChunkList, ChunkRef, ListRef, ObjectType
from vault.ops.backup.previous_snapshot import BaseOf, no_base
from vault.pipeline.lists import build
from vault.repo.workers import Pending
from vault.repo.writer import Writer

T = TypeVar("T")

_PENDING_CHUNKS_MAX = 64
"""Chunks whose ids one reading thread waits for; the writer's own bound is in bytes."""
_AT_ONCE_BYTES_MAX = 4096
"""A chunk of a small table is stored sooner than it is handed to another thread."""


@contextmanager
def storable(what: str | Callable[[], str]) -> Iterator[None]:
    """Name what was read and cannot be stored: it is the source's fault, no damage of the repository. Raises  SourceError"""
    try:
        yield
    except IntegrityError as error:
        named = what if isinstance(what, str) else what()
        raise SourceError(
            f"cannot store {named}", why=error.message, hint="bring it into the range of the format, or leave it out"
        ) from error


class ListWriter:
    """Puts objects and lists of one repository; thread-safe, because the writer is."""

    def __init__(self, writer: Writer, keys: Keys) -> None:
        self._writer = writer
        self._id_key = keys.id_key

    def put(self, object_type: ObjectType, plain: bytes) -> ObjectId:
        """Raises  SourceError: what was read is larger than one object may be"""
        if len(plain) > plain_bytes_max(object_type):
            raise SourceError(
                f"a {object_type.name.lower().replace('_', ' ')} of {len(plain)} bytes is too large to store",
                why=f"the format holds at most {plain_bytes_max(object_type)} bytes",
                hint="leave out what makes it so large with -N or -T",
            )
        return self._writer.put(object_type, plain)

    def adopt(self, object_id: ObjectId) -> bool:
        """Whether the repository has the object and all that it is a delta against; their packs then count as used."""
        return self._writer.adopt(object_id)

    def build(self, items: Iterable[T], form: ListFormat[T]) -> ListRef:
        """Raises  SourceError: an item that no reader takes, by its kind and the reason"""

        kind = form.node_type.name.lower().removesuffix("_node")

        def encode(item: T) -> Value:
            with storable(lambda: f"an item of the {kind} list: {item!r:.200}"):  # there are thousands, and few fail
                return form.encode(item)

        return build(items, replace(form, encode=encode), split=self._split, put=self.put)

    def chunk_list(self, refs: Iterator[ChunkRef]) -> ChunkList:
        """Inline if there are few; a long list is built as it streams."""
        head = tuple(islice(refs, INLINE_CHUNKS_MAX + 1))
        if len(head) <= INLINE_CHUNKS_MAX:
            return ChunkList(inline=head)
        return ChunkList(more=self.build(chain(head, refs), CHUNKS))

    def store_chunks(
        self, chunks: Iterator[tuple[bytes, bool]], chunk_type: ObjectType, *, base_of: BaseOf = no_base
    ) -> ChunkList:
        """Hand the chunks (bytes, continues) to the workers and list them in order."""
        return self.chunk_list(self._refs(chunks, chunk_type, base_of))

    def _refs(
        self, chunks: Iterator[tuple[bytes, bool]], chunk_type: ObjectType, base_of: BaseOf
    ) -> Iterator[ChunkRef]:
        pending: list[tuple[Pending[ObjectId], int, bool]] = []
        offset = 0
        for plain, continues in chunks:
            base = base_of(offset, len(plain))
            if not pending and len(plain) <= _AT_ONCE_BYTES_MAX:
                offset += len(plain)
                yield ChunkRef(
                    id=self._writer.put(chunk_type, plain, base=base), length=len(plain), continues=continues
                )
                continue
            future = self._writer.submit(chunk_type, plain, base=base)
            offset += len(plain)
            pending.append((future, len(plain), continues))
            if len(pending) > _PENDING_CHUNKS_MAX:
                yield _resolve(pending.pop(0))
        yield from map(_resolve, pending)

    def _split(self, level: int, key: bytes) -> int:
        return keyed.split_value(self._id_key, level, key)


def _resolve(pending: tuple[Pending[ObjectId], int, bool]) -> ChunkRef:
    future, length, continues = pending
    return ChunkRef(id=future.result(), length=length, continues=continues)
