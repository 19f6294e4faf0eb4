"""Read whole packs, and open every object of each as a reader would.

Repairs nothing. A damaged trailer hides nothing: the objects are then found by the index, which readers use alone. Spec 40-pack.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from vault.crypto import keyed
from vault.errors import ContentMismatch, IntegrityError, Malformed, MissingObject, NotFound
from vault.format import pack as pack_format
from vault.ids import PackId
from vault.limits import PACK_BYTES_MAX
from vault.model import Codec, Location, ObjectRecord
from vault.pipeline.seal import open_object, open_trailer
from vault.ports import Entropy
from vault.repo.reader import Reader, pack_key
from vault.repo.state import Indexed


def sample(packs: list[tuple[PackId, int]], share: float, entropy: Entropy) -> list[tuple[PackId, int]]:
    """At least one pack if there is any; a random choice, so that repeated partial checks cover everything."""
    if share >= 1:
        return packs
    drawn = sorted(packs, key=lambda _: entropy(8))
    return list(islice(drawn, max(1, round(len(packs) * share))))


def check_pack(repo: Indexed, reader: Reader, pack_id: PackId, size: int) -> tuple[int, int, list[IntegrityError]]:
    """(objects opened, bytes read, damage) of one pack; nothing for one that is absent or of another size.

    Raises  StoreError: the store does not answer
    """
    name = pack_format.pack_name(pack_id)
    if repo.index.pack_sizes.get(pack_id) != size or size > PACK_BYTES_MAX:
        return 0, 0, []
    damage: list[IntegrityError] = []
    try:
        data = repo.open.store.get(name)
    except NotFound:
        return 0, 0, [MissingObject("pack is gone", file=name)]
    except IntegrityError as error:
        damage.append(_at(error, name, None))
        data = _what_can_be_read(repo, pack_id, size)
    else:
        if keyed.sha256(data) != pack_id:
            damage.append(ContentMismatch("pack is damaged", why="its bytes do not match its name", file=name))
    count = 0
    for place, wrong in _open_all(repo, reader, pack_id, data):
        count += 1
        if wrong is not None:
            damage.append(_at(wrong, name, place))
    return count, len(data), damage


def _what_can_be_read(repo: Indexed, pack_id: PackId, size: int) -> bytes:
    """The pack with zeros where the store gives nothing: objects elsewhere in it are whole."""
    data = bytearray(size)
    for place in repo.index.in_pack(pack_id):
        start, length = place.record.offset, place.record.length
        try:
            data[start : start + length] = repo.open.store.get_range(pack_format.pack_name(pack_id), start, length)
        except (IntegrityError, NotFound):
            pass  # told when the zeros do not open
    return bytes(data)


def _at(error: IntegrityError, name: str, place: Location | None) -> IntegrityError:
    """The error with its place; a delta whose base cannot be read is told with the file of the base."""
    object_id = "" if place is None else place.record.id.hex()
    if error.object_id in ("", object_id):
        return type(error)(error.message, why=error.why, hint=error.hint, file=name, object_id=object_id)
    why = f"the base {error.object_id[:12]} of this delta in {name} cannot be read: {error.message}"
    return type(error)("delta without its base", why=why, hint=error.hint, file=error.file or name, object_id=object_id)


def _open_all(
    repo: Indexed, reader: Reader, pack_id: PackId, data: bytes
) -> Iterator[tuple[Location | None, IntegrityError | None]]:
    """Every object with what is wrong with it, and first, without an object, what is wrong with header or trailer."""
    try:
        places = _places(repo, pack_id, data)
    except IntegrityError as error:
        yield None, error
        places = list(repo.index.in_pack(pack_id))
    keys: dict[bytes, tuple[bytes, bytes]] = {}
    for place in places:
        if _is_orphan(repo, place.record):
            continue
        try:
            if place.header not in keys:
                keys[place.header] = pack_key(place.header, repo.open.keys, repo.open.config.repository)
            _open(repo, reader, place, data=data, key=keys[place.header])
        except IntegrityError as error:
            yield place, error
        else:
            yield place, None


def _is_orphan(repo: Indexed, record: ObjectRecord) -> bool:
    """A prune deletes bases of deltas that nobody needs; where somebody needs one, the closure tells that it is missing."""
    return record.base is not None and repo.index.is_orphan(record.base, depth=record.depth)


def _places(repo: Indexed, pack_id: PackId, data: bytes) -> list[Location]:
    header_bytes = data[: pack_format.HEADER_BYTES]
    header = pack_format.decode_header(header_bytes)
    pack_format.check_owner(header, key_id=repo.open.keys.key_id, repository=repo.open.config.repository)
    _, key = pack_key(header_bytes, repo.open.keys, repo.open.config.repository)
    records = open_trailer(data, pack_bytes=len(data), header=header, key=key)
    return [Location(record=record, pack=pack_id, header=header_bytes) for record in records]


def _open(repo: Indexed, reader: Reader, place: Location, *, data: bytes, key: tuple[bytes, bytes]) -> None:
    record = place.record
    for known in repo.index.locations(record.id):
        if known.pack == place.pack and known != place:
            raise Malformed("index and pack do not agree about an object")
    open_object(
        data[record.offset : record.offset + record.length],
        record,
        key=key[1],
        header_digest=key[0],
        id_key=repo.open.keys.id_key,
        base=_base(reader, record),
    )


def _base(reader: Reader, record: ObjectRecord) -> bytes | None:
    return reader.base_of(record) if record.codec is Codec.ZSTD_DELTA else None
