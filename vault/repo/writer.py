"""Write objects: id, deduplicate, compress, seal, open again, pack, publish, commit.

Order of durability: packs, barrier, index fragment, barrier, manifest, barrier; the manifest is the only commit. Every object is
opened from its sealed bytes before its pack is sent. After the first error the writer only fails. Spec 40-pack, 50-index, 70-store.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import Self

from vault.crypto import keyed
from vault.crypto.keys import Keys
from vault.errors import AlreadyExists, ContentMismatch
from vault.format.index import GENERATION_MAX, build_fragment, encode_fragment, fragment_name
from vault.format.object import pack_class, plain_bytes_max
from vault.format.pack import encode_header, pack_name
from vault.format.snapshot import encode_manifest, snapshot_name
from vault.ids import FragmentId, ObjectId, PackId, RepositoryId, SnapshotId
from vault.limits import FRAGMENT_ENTRIES_MAX, MIB, OPEN_PACKS_PER_CLASS, PACK_BYTES_TARGET, PACK_SPREAD_BYTES
from vault.model import FileKind, Manifest, ObjectType, PackClass, PackEntry, PackHeader
from vault.pipeline.seal import PackSealer, draft_record, open_object
from vault.ports import Entropy, ObjectStore
from vault.repo.deltas import Deltas, Stored, whole
from vault.repo.index import Index
from vault.repo.keyring import seal_file
from vault.repo.meta_packs import MetaPacks
from vault.repo.reader import Reader
from vault.repo.uploads import AtHand, Outbox
from vault.repo.workers import BoundedPool, Pending

_PENDING_ENTRIES_MAX = FRAGMENT_ENTRIES_MAX // 4
"""A fragment is published when so many objects wait for one: a retry adopts what was uploaded, and memory stays bounded.
A pack never holds more, so that its objects and those that wait fit into one fragment."""
_IN_FLIGHT_BYTES_MAX = 24 * MIB
_SIZE_ROUNDS_MAX = 8
"""The manifest holds the size of its own file; a few rounds find a number that agrees, or one a few bytes off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed:
    """`size`: of the snapshot's file."""

    id: SnapshotId
    manifest: Manifest
    size: int


@dataclass(slots=True)
class _OpenPack:
    """A pack that is being filled. `unproven` counts objects that were sealed and not yet opened again."""

    sealer: PackSealer
    lock: threading.Lock = field(default_factory=threading.Lock)
    unproven: int = 0
    full: bool = False


class Writer:
    """Use as a context manager. `put` and `submit` are thread-safe; `publish` is for one thread, when all puts are done.

    `published` hears, from any thread, what is relied on so far, after each fragment but those of `publish`; raising there ends it all.
    """

    def __init__(
        self,
        store: ObjectStore,
        keys: Keys,
        index: Index,
        *,
        reader: Reader,
        repository: RepositoryId,
        entropy: Entropy,
        threads: int,
        published: Callable[[frozenset[PackId]], None] | None,
        meta: MetaPacks | None,
        outbox: Outbox | None,
    ) -> None:
        self._meta = meta
        self._outbox: Outbox = AtHand(store) if outbox is None else outbox
        self._published = published
        self._deltas = Deltas(index, reader)
        self._store = store
        self._keys = keys
        self._index = index
        self._repository = repository
        self._entropy = entropy
        self._pool = BoundedPool(threads=threads, bytes_max=_IN_FLIGHT_BYTES_MAX)
        self._lock = threading.Lock()
        self._claimed: set[ObjectId] = set()
        self._open: dict[PackClass, list[_OpenPack | None]] = {
            kind: [None] * OPEN_PACKS_PER_CLASS for kind in PackClass
        }
        self._sealed_bytes = dict.fromkeys(PackClass, 0)
        self._unpublished: list[PackEntry] = []
        self._unpublished_objects = 0
        self._new_bytes = 0
        self._packs_used: set[PackId] = set()
        self.unsettled = ""
        """Name of a snapshot whose put was begun: it may be there, or may still land, and its lease has not been looked for."""

    @property
    def new_bytes(self) -> int:
        """Bytes of packs and fragments sent so far."""
        return self._new_bytes

    def submit(self, object_type: ObjectType, plain: bytes, *, base: ObjectId | None = None) -> Pending[ObjectId]:
        """`put` on a worker; waits while too much is under way. Raises an earlier worker's error."""
        return self._pool.submit(lambda: self.put(object_type, plain, base=base), size=len(plain) + 1)

    def put(self, object_type: ObjectType, plain: bytes, *, base: ObjectId | None = None) -> ObjectId:
        """Store an object unless the repository has it; durable only after `publish`.

        plain   within the type's bound (the caller has checked)
        base    for row chunks: an object that may be much like it
        Raises  StoreError; IntegrityError: the sealed bytes do not open again (faulty memory or library)
        """
        assert len(plain) <= plain_bytes_max(object_type), "callers bound what they put"
        object_id = keyed.object_id(self._keys.id_key, object_type, plain)
        if self._claim(object_id):
            self._store_new(object_id, object_type, plain, base)
        return object_id

    def adopt(self, object_id: ObjectId) -> bool:
        """Whether the repository has the object, with what a delta needs, outside of swept packs; if so, its packs count as
        used by this writer."""
        packs = self._index.lasting_packs(object_id)
        with self._lock:
            self._packs_used.update(packs)
        return bool(packs)

    def submit_again(self, object_id: ObjectId, object_type: ObjectType, plain: bytes, form: Stored) -> Pending[None]:
        """Store an object that the repository has once more, in this form: its pack is going away. Waits, and raises, as `submit`.

        form   a delta keeps its depth, which is greater than that of a place of its base that stays (OBJ-7)
        """
        return self._pool.submit(lambda: self._append(object_id, object_type, plain, form), size=2 * len(plain) + 1)

    def _claim(self, object_id: ObjectId) -> bool:
        """Whether the caller is the first to need this object stored."""
        with self._lock:
            if object_id in self._claimed:
                return False
            self._claimed.add(object_id)
        known = self.adopt(object_id)
        if known:
            with self._lock:
                self._claimed.discard(object_id)
        return not known

    def _store_new(self, object_id: ObjectId, object_type: ObjectType, plain: bytes, base: ObjectId | None) -> None:
        form = whole(plain, object_type) if base is None else self._deltas.encode(plain, base)
        self._append(object_id, object_type, plain, form)

    def _append(self, object_id: ObjectId, object_type: ObjectType, plain: bytes, form: Stored) -> None:
        draft = draft_record(
            object_id, object_type, form.codec, plain_length=len(plain), depth=form.depth, base=form.base
        )
        kind = pack_class(object_type)
        slot = self._slot(kind)
        while True:
            pack = self._open_pack(kind, slot)
            with pack.lock:
                if not pack.full:  # else another thread has filled it since
                    record, sealed = pack.sealer.append(draft, form.stored)
                    pack.unproven += 1
                    if pack.sealer.size >= PACK_BYTES_TARGET or pack.sealer.count >= _PENDING_ENTRIES_MAX:
                        self._retire(kind, slot)  # first: interrupted in between, nobody turns round at a full one
                        pack.full = True
                    break
        plain_again = open_object(
            sealed,
            record,
            key=pack.sealer.key,
            header_digest=pack.sealer.header_digest,
            id_key=self._keys.id_key,
            base=form.base_plain,
        )
        if plain_again != plain:
            raise ContentMismatch("object does not read back", hint="the machine's memory may be faulty")
        with pack.lock:
            pack.unproven -= 1
            complete = pack.full and pack.unproven == 0
        with self._lock:
            self._sealed_bytes[kind] += len(sealed)
            self._packs_used.update(form.packs)
        if complete:
            self._send(pack)

    def _slot(self, kind: PackClass) -> int:
        """Which of the open packs of a class the next object goes to."""
        with self._lock:
            if self._sealed_bytes[kind] < PACK_SPREAD_BYTES:
                return 0
        return self._entropy(1)[0] % OPEN_PACKS_PER_CLASS

    def _open_pack(self, kind: PackClass, slot: int) -> _OpenPack:
        with self._lock:
            pack = self._open[kind][slot]
            if pack is None:
                pack = _OpenPack(self._new_sealer(kind))
                self._open[kind][slot] = pack
            return pack

    def _retire(self, kind: PackClass, slot: int) -> None:
        """For the thread that filled the pack there, while it holds that one's lock."""
        with self._lock:
            self._open[kind][slot] = None

    def _new_sealer(self, kind: PackClass) -> PackSealer:
        header = PackHeader(
            pack_class=kind, key_id=self._keys.key_id, repository=self._repository, salt=self._entropy(32)
        )
        return PackSealer(header, self._keys.pack_key(kind, encode_header(header), header.salt))

    def _send(self, pack: _OpenPack) -> None:
        records = pack.sealer.records
        data = pack.sealer.close()
        pack_id = PackId(keyed.sha256(data))
        entry = PackEntry(pack=pack_id, size=len(data), header=pack.sealer.header, records=records)
        if self._meta is not None and pack.sealer.pack_class is PackClass.META:
            self._meta.keep(pack_id, data)
        self._outbox.post(pack_name(pack_id), data, partial(self._sent, entry))

    def _sent(self, entry: PackEntry) -> None:
        """The store has the pack."""
        with self._lock:
            self._unpublished.append(entry)
            self._unpublished_objects += len(entry.records)
            self._new_bytes += entry.size
            self._packs_used.add(entry.pack)
            due = self._take_unpublished() if self._unpublished_objects >= _PENDING_ENTRIES_MAX else []
        if due:
            self._publish(due)
            if self._published is not None:
                self._published(self.relied_on())

    def relied_on(self) -> frozenset[PackId]:
        """Packs of all that was stored or adopted so far."""
        with self._lock:
            return frozenset(self._packs_used)

    def _take_unpublished(self) -> list[PackEntry]:
        due, self._unpublished, self._unpublished_objects = self._unpublished, [], 0
        return due

    def _publish(self, entries: list[PackEntry]) -> None:
        self._store.barrier()
        fragment = build_fragment(entries)
        data = seal_file(encode_fragment(fragment), FileKind.INDEX, self._keys, salt=self._entropy(24), squeeze=False)
        fragment_id = FragmentId(keyed.sha256(data))
        with self._lock:
            # A name is not authentic: whoever renames a fragment to the last generation must not end all writing.
            self._index.generation = min(self._index.generation + 1, GENERATION_MAX)
            generation = self._index.generation
        self._store.put(fragment_name(generation, fragment_id), data)
        self._index.add(fragment, fragment_id)
        with self._lock:
            self._new_bytes += len(data)
            self._claimed.difference_update(record.id for entry in entries for record in entry.records)

    def publish(self) -> None:
        """Wait for every put, send what is open, and make all of it durable and indexed."""
        self._pool.drain()
        for kind in PackClass:
            for slot, pack in enumerate(self._open[kind]):
                self._open[kind][slot] = None
                if pack is not None and pack.sealer.records:
                    self._send(pack)
        self._outbox.drain()
        with self._lock:
            due = self._take_unpublished()
        if due:
            self._publish(due)
        self._store.barrier()

    def commit(
        self, manifest_at: Callable[[int], Manifest], *, before: Callable[[SnapshotId, Manifest], None]
    ) -> Committed:
        """Publish everything, then write the manifest: the only commit.

        manifest_at  (new bytes, the manifest's own file included) -> manifest; asked until the number agrees with itself
        before       called when all but the manifest is durable, right before that is put; raising there leaves no snapshot

        Whoever holds the lease says `settled` when he has looked for it.
        """
        self.publish()
        manifest, plain, data = self._sealed_manifest(manifest_at)
        snapshot_id = SnapshotId(keyed.object_id(self._keys.id_key, ObjectType.SNAPSHOT, plain))
        before(snapshot_id, manifest)
        self._put_snapshot(snapshot_name(snapshot_id), data)
        self._new_bytes += len(data)
        return Committed(id=snapshot_id, manifest=manifest, size=len(data))

    def settled(self) -> None:
        """The lease was there after the snapshot, or the snapshot is withdrawn."""
        self.unsettled = ""

    def _put_snapshot(self, name: str, data: bytes) -> None:
        self.unsettled = name
        try:
            self._store.put(name, data)
        except AlreadyExists:
            self.unsettled = ""  # an answer; any other error may follow a try that still lands
            raise
        self._store.barrier()

    def _sealed_manifest(self, manifest_at: Callable[[int], Manifest]) -> tuple[Manifest, bytes, bytes]:
        total = self._new_bytes
        for _ in range(_SIZE_ROUNDS_MAX):
            manifest = manifest_at(total)
            plain = encode_manifest(manifest)
            data = seal_file(plain, FileKind.SNAPSHOT, self._keys, salt=self._entropy(24), squeeze=True)
            if self._new_bytes + len(data) == total:
                break
            total = self._new_bytes + len(data)
        return manifest, plain, data

    def __enter__(self) -> Self:
        self._pool.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._outbox.cancel()
        try:
            self._pool.__exit__(kind, error, trace)
        finally:
            self._outbox.cancel()
            self._outbox.close()
