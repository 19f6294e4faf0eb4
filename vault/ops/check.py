"""Check that a repository is whole: files, index, closure of every snapshot, and on request every byte.

Finds and names; repairs nothing. One damaged thing never hides another: each file and each node is looked at on its own, and every
damage is told with the tables, files and snapshots that it hits.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice

from vault.crypto import keyed
from vault.errors import ContentMismatch, IntegrityError, Malformed, MissingObject, NotFound
from vault.format import pack as pack_format
from vault.ids import ObjectId, PackId
from vault.limits import PACK_BYTES_MAX
from vault.model import Codec, ObjectRecord
from vault.ops.check_closure import Closure
from vault.ops.keys import list_slots
from vault.pipeline.seal import open_object, open_trailer
from vault.ports import Entropy, Progress
from vault.repo.reader import Reader, pack_key
from vault.repo.state import Indexed
from vault.repo.workers import ordered

_AFFECTS_MAX = 1000
"""Names kept for one damage; a lost pack of a large table would otherwise name every file of it."""


@dataclass(slots=True)
class Damage:
    """`kind`: the error's code. `object`: hex id, or None if it is a file's. `affects`: `SNAPSHOT:what`, bounded."""

    file: str
    kind: str
    object: str | None
    why: str
    affects: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    objects: int
    read_bytes: int
    damage: tuple[Damage, ...]
    snapshots: int


def run(
    repo: Indexed, *, read_data: float | None, entropy: Entropy, progress: Progress, threads: int = 2
) -> CheckReport:
    """Check everything; `read_data` is the share of packs (0..1] whose bytes are read and opened, None for none.

    Raises  StoreError: the store itself does not answer
    """
    found = _Findings()
    _check_files(repo, found)
    objects = read_bytes = 0
    if read_data is not None:
        chosen = _sample(list(repo.index.packs()), read_data, entropy)
        progress.stage("reading packs", sum(size for _, size in chosen))
        reader = repo.reader(threads=1)
        results = ordered(lambda pack: _check_pack(repo, reader, *pack), chosen, threads=threads, ahead=threads)
        for count, size, damaged in results:
            objects += count
            read_bytes += size
            progress.advance(size)
            for error in damaged:
                found.add(error)
    progress.stage("snapshots")
    closure = Closure(repo, found.objects(), found.add)
    for snapshot_id, manifest in repo.open.scan():
        if isinstance(manifest, IntegrityError):
            found.add(manifest, affects=f"{snapshot_id.hex()[:12]}: the whole snapshot")
        else:
            closure.check(snapshot_id, manifest)
    return CheckReport(
        objects=objects or closure.objects,
        read_bytes=read_bytes,
        damage=found.all(),
        snapshots=closure.snapshots,
    )


class _Findings:
    """Damages, one for each file or object."""

    def __init__(self) -> None:
        self._damage: dict[tuple[str, str], Damage] = {}

    def add(self, error: IntegrityError, affects: str = "") -> None:
        by_object = (key for key in self._damage if error.object_id and key[1] == error.object_id)
        key = next(by_object, (error.file, error.object_id))
        damage = self._damage.get(key)
        if damage is None:
            why = error.message + (f": {error.why}" if error.why else "")
            damage = Damage(error.file, error.code, error.object_id or None, why)
            self._damage[key] = damage
        if affects and len(damage.affects) < _AFFECTS_MAX and affects not in damage.affects:
            damage.affects.append(affects)

    def objects(self) -> dict[ObjectId, IntegrityError]:
        """Damaged objects, as the errors that reading them gives."""
        return {
            ObjectId(bytes.fromhex(object_id)): ContentMismatch(damage.why, file=damage.file, object_id=object_id)
            for (_, object_id), damage in self._damage.items()
            if object_id
        }

    def all(self) -> tuple[Damage, ...]:
        return tuple(self._damage.values())


def _check_files(repo: Indexed, found: _Findings) -> None:
    _, slots = list_slots(repo.open.store)
    for error in (*slots, *repo.index.damage):
        found.add(error)
    for pack_id, size in repo.index.missing_packs():
        name = pack_format.pack_name(pack_id)
        there = repo.index.pack_sizes.get(pack_id)
        if there is None:
            found.add(MissingObject("pack is missing", file=name))
        else:
            found.add(Malformed("pack has another size", why=f"{there} bytes instead of {size}", file=name))


def _sample(packs: list[tuple[PackId, int]], share: float, entropy: Entropy) -> list[tuple[PackId, int]]:
    """At least one pack if there is any; a random choice, so that repeated partial checks cover everything."""
    if share >= 1:
        return packs
    drawn = sorted(packs, key=lambda _: entropy(8))
    return list(islice(drawn, max(1, round(len(packs) * share))))


def _check_pack(repo: Indexed, reader: Reader, pack_id: PackId, size: int) -> tuple[int, int, list[IntegrityError]]:
    """(objects opened, bytes read, damage) of one pack. A pack that is not there was reported already."""
    name = pack_format.pack_name(pack_id)
    if repo.index.pack_sizes.get(pack_id) != size or size > PACK_BYTES_MAX:
        return 0, 0, []
    try:
        data = repo.open.store.get(name)
    except NotFound:
        return 0, 0, [MissingObject("pack is gone", file=name)]
    damage: list[IntegrityError] = []
    if keyed.sha256(data) != pack_id:
        damage.append(ContentMismatch("pack is damaged", why="its bytes do not match its name", file=name))
    count = 0
    for record, error in _check_objects(repo, reader, data):
        count += 1
        if error is not None:
            error.file = name
            error.object_id = error.object_id or ("" if record is None else record.id.hex())
            damage.append(error)
    return count, len(data), damage


def _check_objects(
    repo: Indexed, reader: Reader, data: bytes
) -> Iterator[tuple[ObjectRecord | None, IntegrityError | None]]:
    keys = repo.open.keys
    header_bytes = data[: pack_format.HEADER_BYTES]
    try:
        digest, key = pack_key(header_bytes, keys)
        records: Iterable[ObjectRecord] = open_trailer(
            data, pack_bytes=len(data), header=pack_format.decode_header(header_bytes), key=key
        )
    except IntegrityError as error:
        yield None, error
        return
    for record in records:
        try:
            base = None
            if record.codec is Codec.ZSTD_DELTA and record.base is not None:
                base = reader.base_of(record)
            sealed = data[record.offset : record.offset + record.length]
            open_object(sealed, record, key=key, header_digest=digest, id_key=keys.id_key, base=base)
            yield record, None
        except IntegrityError as error:
            yield record, error
