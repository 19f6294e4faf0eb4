"""Read objects: find a location, fetch its range, unseal, resolve a delta's base, and prove the id.

Every object that leaves this module has been proven by its keyed id. All locations of an id are tried before it is reported damaged.
Thread-safe. Spec 30-object.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from itertools import chain, islice

from vault.crypto import keyed
from vault.crypto.keys import Keys
from vault.errors import IntegrityError, Malformed, MissingObject, NotFound
from vault.format.object import pack_class
from vault.format.pack import check_owner, decode_header, pack_name
from vault.ids import ObjectId, PackId, RepositoryId
from vault.limits import CHUNK_BYTES_MAX, MIB
from vault.model import Codec, Location, ObjectRecord, ObjectType, PackClass
from vault.pipeline.compress import decompress
from vault.pipeline.seal import open_object, unseal, verify_id
from vault.ports import ObjectStore
from vault.repo.index import ANY_DEPTH, Index
from vault.repo.meta_packs import MetaPacks
from vault.repo.read_ahead import ReadAhead, Shared
from vault.repo.workers import ordered

_CACHE_BYTES_MAX = 16 * MIB
_KEPT_BYTES_MAX = 64 * MIB
"""Where chunks are kept for the deltas against them: of an extent of 1,024 blocks that is one version or more, and another that stands on it."""
_PACK_KEYS_MAX = 4096


def unheard(_: int) -> None:
    """Nobody asks how far it came."""


@dataclass(slots=True, kw_only=True)
class Tally:
    """What a reader had to open: `objects`, and the bytes of their plaintexts. What it still knew is not counted again.

    heard  told of the bytes of each, by any thread
    """

    objects: int = 0
    bytes: int = 0
    heard: Callable[[int], object] = unheard


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """An object with the form in which it is stored: `stored` is still compressed, `base` the plaintext that a delta is against."""

    record: ObjectRecord
    stored: bytes
    plain: bytes
    base: bytes | None


class Reader:
    """`threads` fetch and open objects ahead in `get_many`."""

    def __init__(
        self,
        store: ObjectStore,
        keys: Keys,
        index: Index,
        *,
        repository: RepositoryId,
        threads: int,
        meta: MetaPacks | None,
    ) -> None:
        self.tally = Tally()
        self._meta = meta
        self._aheads: tuple[ReadAhead, ...] = ()
        self._store = store
        self._keys = keys
        self._repository = repository
        self.index = index
        self._threads = threads
        self._lock = threading.Lock()
        self._plains: OrderedDict[ObjectId, bytes] = OrderedDict()
        self._plain_bytes = 0
        self._plain_bytes_max = _CACHE_BYTES_MAX
        self._pack_keys: OrderedDict[PackId, tuple[bytes, bytes]] = OrderedDict()

    @property
    def id_key(self) -> bytes:
        return self._keys.id_key

    def get(self, object_id: ObjectId, object_type: ObjectType, *, keep: bool = False) -> bytes:
        """Plaintext of one object. `keep`: what is a delta against it comes next.

        Raises  MissingObject: no usable location; other IntegrityError: every location is damaged (the last one's error)
        """
        cached = self._cached(object_id)
        if cached is not None:
            return cached
        if keep:
            self._plain_bytes_max = _KEPT_BYTES_MAX
        plain = self._get(object_id, object_type, below=ANY_DEPTH)
        if keep or object_type.value >= ObjectType.TABLE_NODE:
            self._keep(object_id, plain)
        return plain

    def get_each(self, ids: Iterable[ObjectId], object_type: ObjectType) -> Iterator[bytes]:
        """Plaintexts in the order of the ids, one after the other."""
        return (self.get(object_id, object_type) for object_id in ids)

    def get_many(self, ids: Iterable[ObjectId], object_type: ObjectType, *, keep: bool = False) -> Iterator[bytes]:
        """Plaintexts in the order of the ids, read ahead by a bounded number of objects. `keep`: as `get` takes it"""
        source = iter(ids)
        head = list(islice(source, 2))
        if len(head) < 2:
            for object_id in head:
                yield self.get(object_id, object_type, keep=keep)
            return
        shared = Shared(chain(head, source))
        ahead = self._ahead(head[0], object_type, shared)
        with ahead:
            yield from ordered(
                lambda object_id: self.get(object_id, object_type, keep=keep),
                shared.consumed(),
                threads=self._threads,
                ahead=4 * self._threads,
            )

    def _ahead(
        self, first: ObjectId, object_type: ObjectType, shared: Shared[ObjectId]
    ) -> AbstractContextManager[object]:
        """Reads ahead where that saves waiting, and nobody does so already."""
        if self._meta is None or pack_class(object_type) is PackClass.META:
            return nullcontext()
        place = next(iter(self.index.locations(first)), None)
        if place is not None and any(ahead.covers(place) for ahead in self._aheads):
            return nullcontext()
        return self.reading_ahead(shared.announced())

    @contextmanager
    def reading_ahead(self, ids: Iterator[ObjectId | None]) -> Iterator[ReadAhead]:
        """While these are read, in this order, their sealed bytes come before they are asked for, where that saves waiting."""
        is_far = self._meta is not None
        with ReadAhead(self._store, self.index, ids, is_far=is_far) as ahead:
            with self._lock:
                self._aheads = (*self._aheads, ahead) if is_far else self._aheads
            try:
                yield ahead
            finally:
                with self._lock:
                    self._aheads = tuple(other for other in self._aheads if other is not ahead)

    def _get(
        self, object_id: ObjectId, object_type: ObjectType, *, below: int, gone: frozenset[PackId] = frozenset()
    ) -> bytes:
        """A pack that is gone was pruned, and what is needed of it is elsewhere: the index is loaded once more.

        gone  packs that were not there a moment ago, and are not asked for again: a listing may lie, and name them for ever
        """
        seen = self.index.loads
        failure = self.index.failure(object_id)
        for place in self.index.locations(object_id):
            if place.record.depth >= below or place.pack in gone:
                continue
            if place.record.type is not object_type:
                raise Malformed(f"object is a {place.record.type.name.lower()}, not a {object_type.name.lower()}")
            try:
                return self._open(place)
            except IntegrityError as error:
                error.file = error.file or pack_name(place.pack)
                error.object_id = error.object_id or object_id.hex()
                failure = error
            except NotFound:
                self.index.reload(seen, gone=place.pack)
                return self._get(object_id, object_type, below=below, gone=gone | {place.pack})
            self.index.distrust(object_id, place, failure)
        if self.index.loads != seen or (failure is None and self.index.reload(seen, gone=None)):
            # The base was pruned, and the delta stored whole.
            return self._get(object_id, object_type, below=below, gone=gone)
        if failure is not None:
            raise failure
        lost_from = self.index.gone_from(object_id)
        there = None if lost_from is None else self.index.pack_sizes.get(lost_from)
        raise MissingObject(
            f"object {object_id.hex()[:12]} is missing",
            why="no pack that is there holds it"
            if there is None
            else f"that pack is there in another size, {there} bytes, and is not read",
            hint="run: pgvault check",
            file="" if lost_from is None else pack_name(lost_from),
            object_id=object_id.hex(),
        )

    def _open(self, place: Location) -> bytes:
        record = place.record
        with self._lock:
            self.tally.objects += 1
            self.tally.bytes += record.plain_length
        self.tally.heard(record.plain_length)
        base = self.base_of(record) if record.codec is Codec.ZSTD_DELTA else None
        sealed = self._sealed(place)
        digest, key = self._pack_key(place)
        return open_object(sealed, record, key=key, header_digest=digest, id_key=self._keys.id_key, base=base)

    def _sealed(self, place: Location) -> bytes:
        record = place.record
        if self._meta is not None and pack_class(record.type) is PackClass.META:
            size = self.index.pack_sizes.get(place.pack, 0)
            return self._meta.read(place.pack, size, offset=record.offset, length=record.length)
        for ahead in self._aheads:
            data = ahead.take(place)
            if data is not None:
                return data
        return self._store.get_range(pack_name(place.pack), record.offset, record.length)

    def open_places(self, places: Sequence[Location]) -> list[Opened]:
        """Objects of one pack, ascending by offset, in one read from the first to the last: each proven, and with its stored form.

        Raises  IntegrityError: one does not open at this very place; NotFound: the pack is gone
        """
        first, last = places[0].record, places[-1].record
        name = pack_name(places[0].pack)
        data = self._store.get_range(name, first.offset, last.offset + last.length - first.offset)
        digest, key = self._pack_key(places[0])
        opened: list[Opened] = []
        for place in places:
            record, start = place.record, place.record.offset - first.offset
            try:
                base = self.base_of(record) if record.codec is Codec.ZSTD_DELTA else None
                stored = unseal(data[start : start + record.length], record, key=key, header_digest=digest)
                plain = decompress(stored, record.codec, plain_length=record.plain_length, base=base)
                verify_id(plain, record.id, object_type=record.type, id_key=self._keys.id_key)
            except IntegrityError as error:
                error.file = error.file or name
                error.object_id = error.object_id or record.id.hex()
                self.index.distrust(record.id, place, error)
                raise
            if record.type is ObjectType.ROW_CHUNK:
                self._keep(record.id, plain)  # what is a delta against it comes next
            opened.append(Opened(record=record, stored=stored, plain=plain, base=base))
        return opened

    def base_of(self, record: ObjectRecord) -> bytes:
        """Plaintext of a delta's base, from a location of smaller depth than the delta's own (OBJ-10). Raises as `get`."""
        assert record.base is not None, "decode_record lets no delta through without a base"
        plain = self._cached(record.base)
        if plain is None:
            plain = self._get(record.base, record.type, below=record.depth)
            self._keep(record.base, plain)
        return plain

    def _pack_key(self, place: Location) -> tuple[bytes, bytes]:
        with self._lock:
            known = self._pack_keys.get(place.pack)
        if known is not None:
            return known
        known = pack_key(place.header, self._keys, self._repository)
        with self._lock:
            self._pack_keys[place.pack] = known
            if len(self._pack_keys) > _PACK_KEYS_MAX:
                self._pack_keys.popitem(last=False)
        return known

    def _cached(self, object_id: ObjectId) -> bytes | None:
        with self._lock:
            plain = self._plains.get(object_id)
            if plain is not None:
                self._plains.move_to_end(object_id)
            return plain

    def _keep(self, object_id: ObjectId, plain: bytes) -> None:
        if len(plain) > CHUNK_BYTES_MAX:
            return
        with self._lock:
            if object_id in self._plains:
                return
            self._plains[object_id] = plain
            self._plain_bytes += len(plain)
            while self._plain_bytes > self._plain_bytes_max:
                self._plain_bytes -= len(self._plains.popitem(last=False)[1])


def pack_key(header_bytes: bytes, keys: Keys, repository: RepositoryId) -> tuple[bytes, bytes]:
    """(digest of the header, key) of a pack. Raises  Malformed, Unsupported, AuthenticationFailed: of other keys."""
    header = decode_header(header_bytes)
    check_owner(header, key_id=keys.key_id, repository=repository)
    return keyed.digest(header_bytes), keys.pack_key(header.pack_class, header_bytes, header.salt)
