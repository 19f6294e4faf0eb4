"""What a check remembers: which snapshots it found whole, and by which packs; and when it last read every byte.

Nothing about bytes: a snapshot that was whole needs no second walk as long as every pack that it relies on is listed with the same size
and every fragment that told of them still counts. So what a name and a size cannot show, only a walk or a reading of the data shows: a
memory ends after 30 days, and every report says how old it is and since when the data was not read. Not used where data is read.
Sealed, in the cache; on any doubt it is thrown away.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vault.errors import IntegrityError
from vault.format import codec
from vault.format.codec import Record, Row, Value
from vault.ids import PackId, SnapshotId
from vault.limits import FILE_BYTES_MAX
from vault.model import LocalKind
from vault.repo import local, private
from vault.repo.state import Indexed

_DAYS_MAX: Final = 30
_DAY_MS: Final = 86_400_000
_LAYOUT: Final = b"closures 1"
_PACK_BYTES: Final = 40
"""Id, and the file's size in eight bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Walked:
    """A snapshot that was whole. `packs`: a bit for each number in the table of packs, as an integer."""

    walked_ms: int
    objects: int
    packs: int


class ClosureMemory:
    """Of one repository, from the beginning of one check to its end. `directory` is the program's cache; None remembers nothing."""

    def __init__(self, repo: Indexed, directory: Path | None, *, now_ms: int) -> None:
        self._repo = repo
        self._now_ms = now_ms
        self._path = None if directory is None else directory / repo.open.config.repository.hex() / "closures"
        self._sealer = local.Sealer(repo.open.keys, LocalKind.CLOSURES, repo.open.config.repository)
        self._numbers: dict[tuple[PackId, int], int] = {}
        self._walked: dict[SnapshotId, _Walked] = {}
        self.used = 0
        self.objects = 0
        self.since_ms = now_ms

    def load(self) -> None:
        """Take over what still holds."""
        if self._path is None or self._repo.index.damage:
            return
        with suppress(OSError, IntegrityError):
            data = private.load(self._path)
            if data is not None and len(data) <= FILE_BYTES_MAX:
                self._take_over(self._sealer.unseal(data, name=_LAYOUT))

    def holds(self, snapshot_id: SnapshotId) -> bool:
        """Whether the snapshot was whole, and nothing that a listing shows has changed since."""
        walked = self._walked.get(snapshot_id)
        if walked is None:
            return False
        self.used += 1
        self.objects += walked.objects
        self.since_ms = min(self.since_ms, walked.walked_ms)
        return True

    def add(self, snapshot_id: SnapshotId, packs: Collection[PackId] | None, *, objects: int) -> None:
        """A snapshot that was found whole just now. `packs`: None for every pack there is."""
        if self._repo.index.loads:
            return  # something was pruned while the check ran: which packs it saw cannot be told
        sizes = self._repo.index.pack_sizes
        bits = bytearray()
        for pack in sizes if packs is None else packs:
            number = self._numbers.setdefault((pack, sizes[pack]), len(self._numbers))
            if number >= 8 * len(bits):
                bits.extend(bytes(number // 8 + 1 - len(bits)))
            bits[number // 8] |= 1 << number % 8
        self._walked[snapshot_id] = _Walked(
            walked_ms=self._now_ms, objects=objects, packs=int.from_bytes(bits, "little")
        )

    def save(self, listed: Iterable[SnapshotId]) -> None:
        """Keep what holds of the snapshots that are there, as far as it fits, those that were walked last first; fails silently."""
        if self._path is None or self._repo.index.damage or self._repo.index.loads:
            return
        there = set(listed)
        walked = [(key, one) for key, one in self._walked.items() if key in there]
        walked.sort(key=lambda pair: -pair[1].walked_ms)
        rows: list[Value] = []
        room = FILE_BYTES_MAX // 2
        for snapshot_id, one in walked:
            bits = one.packs.to_bytes(one.packs.bit_length() // 8 + 1, "little")
            room -= len(bits) + 64
            if room < 0:
                break
            rows.append((snapshot_id, one.walked_ms, one.objects, bits))
        record: dict[str, Value] = {
            "fragments": tuple(sorted(self._repo.index.fragments())),
            "packs": b"".join(pack + size.to_bytes(8, "big") for pack, size in self._numbers),
            "snapshots": tuple(rows),
        }
        with suppress(OSError, IntegrityError):
            private.save(self._path, self._sealer.seal(codec.encode(record), name=_LAYOUT))

    def _take_over(self, plain: bytes) -> None:
        fields = Record(codec.decode_own(plain), what="closures")
        if not self._repo.index.fragments().issuperset(
            codec.blob_of(one, "fragment") for one in fields.array("fragments")
        ):
            return  # what told of a pack may have told of more objects of it than what tells of it now
        table, gone = fields.blob("packs"), 0
        numbers: dict[tuple[PackId, int], int] = {}
        for number in range(len(table) // _PACK_BYTES):
            row = table[number * _PACK_BYTES : (number + 1) * _PACK_BYTES]
            pack, size = PackId(row[:32]), int.from_bytes(row[32:], "big")
            numbers[pack, size] = number
            if self._repo.index.pack_sizes.get(pack) != size:
                gone |= 1 << number
        for value in fields.array("snapshots"):
            row_ = Row(value, length=4, what="closure")
            key, walked_ms, objects = SnapshotId(row_.blob(32)), row_.integer(), row_.integer()
            packs = int.from_bytes(row_.blob(), "little")
            if packs & gone == 0 and 0 <= self._now_ms - walked_ms < _DAYS_MAX * _DAY_MS:
                self._walked[key] = _Walked(walked_ms=walked_ms, objects=objects, packs=packs)
        if gone.bit_count() * 2 > len(numbers):
            numbers, self._walked = {}, {}  # more gone than there: a table that only grew would be carried on for ever
        self._numbers = numbers


class DataRead:
    """When this machine last read all data of a repository, in its state directory; only for people to see."""

    def __init__(self, repo: Indexed, directory: Path | None) -> None:
        self._path = None if directory is None else directory / repo.open.config.repository.hex() / "data-read"
        self._sealer = local.Sealer(repo.open.keys, LocalKind.CLOSURES, repo.open.config.repository)

    def load(self) -> int | None:
        with suppress(OSError, IntegrityError):
            data = None if self._path is None else private.load(self._path)
            if data is not None:
                return Record(codec.decode_own(self._sealer.unseal(data, name=b"read")), what="data").integer("read")
        return None

    def save(self, now_ms: int) -> None:
        """Fails silently."""
        if self._path is not None:
            with suppress(OSError):
                private.save(self._path, self._sealer.seal(codec.encode({"read": now_ms}), name=b"read"))
