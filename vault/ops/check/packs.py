"""Read whole packs, and open every object of each as a reader would.

Repairs nothing. A damaged trailer hides nothing: the objects are then found by the index, which readers use alone. What is a delta against
an object is opened with it, wherever it lies, so that a chain is opened once and not once for each that stands on it; what is left then,
because its base cannot be read or is in no pack that was asked for, is opened by itself. Spec 40-pack.
"""

from __future__ import annotations

import threading
from array import array
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from vault.crypto import keyed
from vault.errors import ContentMismatch, IntegrityError, Malformed, MissingObject, NotFound
from vault.format import pack as pack_format
from vault.ids import PackId
from vault.limits import MIB, PACK_BYTES_MAX
from vault.model import Location, ObjectRecord
from vault.pipeline.seal import open_object, open_trailer
from vault.repo.dependents import Dependents
from vault.repo.reader import pack_key
from vault.repo.state import Indexed

_HELD_BYTES_MAX: Final = 48 * MIB


@dataclass(slots=True)
class ReadPack:
    """What was found in a pack. `size`: bytes read; 0 for one that is absent or of another size, which nobody looks into."""

    size: int = 0
    objects: int = 0
    damage: list[IntegrityError] = field(default_factory=list)
    opened: bytearray = field(default_factory=bytearray)
    """1 at the ordinal of each object that was opened, or could not be."""
    waiting: array[int] = field(default_factory=lambda: array("I"))
    """Ordinals of deltas whose bases were still to come."""

    @property
    def is_finished(self) -> bool:
        return all(self.opened[ordinal : ordinal + 1] == b"\x01" for ordinal in self.waiting)

    @property
    def is_whole(self) -> bool:
        return self.size > 0 and not self.damage


class PackReading:
    """Reads the packs that it is made for. `read` and `finish` may be called from several threads, for each pack once, in this order.

    The verdict on a pack counts when `finish` has returned for all.
    """

    def __init__(self, repo: Indexed, chosen: Collection[PackId]) -> None:
        self._repo = repo
        self._reader = repo.reader(threads=1)
        self._dependents = Dependents(repo.index.runs)
        self._packs = {pack: ReadPack() for pack in chosen}
        self._keys: dict[bytes, tuple[bytes, bytes]] = {}
        self._lock = threading.Lock()
        self._held: dict[tuple[PackId, int], bytes] = {}
        """Sealed deltas of packs that were read, whose bases are still to come: read once more only if there is no room."""
        self._held_bytes = 0
        self._unread: dict[tuple[PackId, int], IntegrityError] = {}
        """Why the store gives nothing of these objects: that zeros stand for them is not what is wrong."""

    def deltas_first(self, packs: Iterable[tuple[PackId, int]]) -> list[tuple[PackId, int]]:
        """In the order in which the fewest deltas are read twice."""
        return sorted(packs, key=lambda pack: -self._dependents.in_pack(pack[0]) / max(1, pack[1]))

    @property
    def packs(self) -> Mapping[PackId, ReadPack]:
        return self._packs

    def read(self, pack_id: PackId, size: int) -> int:
        """Bytes read. Raises  StoreError: the store does not answer"""
        name = pack_format.pack_name(pack_id)
        pack = self._packs[pack_id]
        if self._repo.index.pack_sizes.get(pack_id) != size or size > PACK_BYTES_MAX:
            return 0
        try:
            data = self._repo.open.store.get(name)
        except NotFound:
            self._tell(pack_id, MissingObject("pack is gone", file=name))
            return 0
        except IntegrityError as error:
            self._tell(pack_id, error)
            data = self._what_can_be_read(pack_id, size)
        else:
            if keyed.sha256(data) != pack_id:
                why = "its bytes do not match its name"
                self._tell(pack_id, ContentMismatch("pack is damaged", why=why, file=name))
        pack.size = len(data)
        for place in self._places(pack_id, data, tell=True):
            if place.record.base is None:
                self._open_with_dependents(place, data)
            elif pack.opened[place.record.ordinal : place.record.ordinal + 1] == b"\x01":
                pass  # its base has brought it
            elif not self._is_waiting(place):
                self._open_alone(place, data)
            else:
                pack.waiting.append(place.record.ordinal)
                self._hold(place, data)
        return len(data)

    def finish(self, pack_id: PackId) -> None:
        """Open what is left of a pack that was read: deltas whose bases did not come. Raises  StoreError"""
        pack = self._packs[pack_id]
        if pack.is_finished:
            return
        try:
            data = self._repo.open.store.get(pack_format.pack_name(pack_id))
        except NotFound:
            self._tell(pack_id, MissingObject("pack is gone", file=pack_format.pack_name(pack_id)))
            return
        except IntegrityError:
            data = self._what_can_be_read(pack_id, pack.size)
        for place in self._places(pack_id, data, tell=False):
            if place.record.base is not None:
                self._open_alone(place, data)

    # --- objects -----------------------------------------------------------------------------

    def _is_waiting(self, place: Location) -> bool:
        """Whether the base of a delta is in a pack that is read too: it brings the delta."""
        assert place.record.base is not None, "the caller has looked"
        return any(pack in self._packs for pack in self._repo.index.packs_of(place.record.base))

    def _open_with_dependents(self, place: Location, data: bytes) -> None:
        """The object, and depth first what stands on it: of a chain one plaintext is held, of a tree one for each step down."""
        plain = self._opened(place, None, data) if self._is_first(place) else None
        if plain is None:
            return
        path = [(plain, place.record.depth, self._dependents.of(place.record.id))]
        while path:
            base, depth, below = path[-1]
            if not below:
                path.pop()
                continue
            delta = below.pop()
            if not below:
                path.pop()
            if delta.pack not in self._packs or delta.record.depth <= depth or not self._is_first(delta):
                continue
            plain = self._opened(delta, base, None)
            if plain is not None and (further := self._dependents.of(delta.record.id)):
                path.append((plain, delta.record.depth, further))

    def _open_alone(self, place: Location, data: bytes) -> None:
        """A delta with a base of its own."""
        record = place.record
        assert record.base is not None, "the caller has looked"
        if self._repo.index.is_orphan(record.base, depth=record.depth):
            return  # a prune deletes bases of deltas that nobody needs; where somebody needs one, the closure tells that it is missing
        if self._is_first(place):
            try:
                base = self._reader.base_of(record)
            except IntegrityError as error:
                self._count(place, error)
            else:
                self._opened(place, base, data)

    def _opened(self, place: Location, base: bytes | None, data: bytes | None) -> bytes | None:
        """The plaintext, proven; None if it does not open, which is told. `data`: the pack, None to read the object alone."""
        record, name = place.record, pack_format.pack_name(place.pack)
        try:
            if data is None and (held := self._taken(place)) is not None:
                sealed = held
            elif data is None:
                sealed = self._repo.open.store.get_range(name, record.offset, record.length)
            else:
                sealed = data[record.offset : record.offset + record.length]
            digest, key = self._key(place.header)
            plain = open_object(
                sealed, record, key=key, header_digest=digest, id_key=self._repo.open.keys.id_key, base=base
            )
        except NotFound:
            self._count(place, MissingObject("pack is gone", file=name))
        except IntegrityError as error:
            self._count(place, self._unread.get((place.pack, record.ordinal), error))
        else:
            self._count(place, None)
            return plain
        return None

    def _hold(self, place: Location, data: bytes) -> None:
        record = place.record
        with self._lock:
            if self._held_bytes + record.length <= _HELD_BYTES_MAX:
                self._held_bytes += record.length
                self._held[place.pack, record.ordinal] = data[record.offset : record.offset + record.length]

    def _taken(self, place: Location) -> bytes | None:
        with self._lock:
            held = self._held.pop((place.pack, place.record.ordinal), None)
            self._held_bytes -= 0 if held is None else len(held)
        return held

    def _key(self, header: bytes) -> tuple[bytes, bytes]:
        known = self._keys.get(header)
        if known is None:
            known = pack_key(header, self._repo.open.keys, self._repo.open.config.repository)
            self._keys[header] = known
        return known

    def _is_first(self, place: Location) -> bool:
        """Whether nobody has opened the object at this place; from now on somebody has."""
        ordinal, opened = place.record.ordinal, self._packs[place.pack].opened
        with self._lock:
            if len(opened) <= ordinal:
                opened.extend(bytes(ordinal + 1 - len(opened)))
            first = not opened[ordinal]
            opened[ordinal] = 1
        return first

    # --- places ------------------------------------------------------------------------------

    def _places(self, pack_id: PackId, data: bytes, *, tell: bool) -> Iterator[Location]:
        """Of every object of a pack; `tell` what is wrong with its header, its trailer, and what the index says otherwise."""
        try:
            places = self._listed(pack_id, data)
        except IntegrityError as error:
            if tell:
                self._tell(pack_id, _at(error, pack_format.pack_name(pack_id), None))
            yield from list(self._repo.index.in_pack(pack_id))
            return
        for place in places:
            if all(known == place for known in self._repo.index.locations(place.record.id) if known.pack == pack_id):
                yield place
            elif self._is_first(place):
                self._count(place, Malformed("index and pack do not agree about an object"))

    def _listed(self, pack_id: PackId, data: bytes) -> list[Location]:
        header_bytes = data[: pack_format.HEADER_BYTES]
        header = pack_format.decode_header(header_bytes)
        _, key = self._key(header_bytes)
        records = open_trailer(data, pack_bytes=len(data), header=header, key=key)
        return [Location(record=record, pack=pack_id, header=header_bytes) for record in records]

    def _what_can_be_read(self, pack_id: PackId, size: int) -> bytes:
        """The pack with zeros where the store gives nothing: objects elsewhere in it are whole."""
        data = bytearray(size)
        for place in self._repo.index.in_pack(pack_id):
            start, length = place.record.offset, place.record.length
            try:
                data[start : start + length] = self._repo.open.store.get_range(
                    pack_format.pack_name(pack_id), start, length
                )
            except NotFound:
                pass  # told when the zeros do not open
            except IntegrityError as error:
                self._unread[pack_id, place.record.ordinal] = error.bare()
        return bytes(data)

    # --- results -----------------------------------------------------------------------------

    def _tell(self, pack_id: PackId, error: IntegrityError) -> None:
        with self._lock:
            self._packs[pack_id].damage.append(_at(error, pack_format.pack_name(pack_id), None))

    def _count(self, place: Location, error: IntegrityError | None) -> None:
        pack = self._packs[place.pack]
        with self._lock:
            pack.objects += 1
            if error is not None:
                pack.damage.append(_at(error, pack_format.pack_name(place.pack), place.record))


def _at(error: IntegrityError, name: str, record: ObjectRecord | None) -> IntegrityError:
    """The error with its place; a delta whose base cannot be read is told with the file of the base."""
    object_id = "" if record is None else record.id.hex()
    if error.object_id in ("", object_id):
        return type(error)(error.message, why=error.why, hint=error.hint, file=name, object_id=object_id)
    why = f"the base {error.object_id[:12]} of this delta in {name} cannot be read: {error.message}"
    return type(error)("delta without its base", why=why, hint=error.hint, file=error.file or name, object_id=object_id)
