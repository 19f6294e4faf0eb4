"""Which packs go, and what is copied out of them first. Pure: a census and a listing in, a value out; the marks say which objects.

A pack goes if nothing of it is needed, if so much of it is dead that copying the rest pays, or if it is one of many small ones that
fill a whole one together. Packs that are young, or that a writer's lease names, stay as they are. Spec 80-leases.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from vault.format.object import RECORD_BYTES
from vault.ids import PackId
from vault.limits import MIB, PACK_BYTES_TARGET, PRUNE_AGE_S
from vault.ops.retention.delta_chains import expected_whole, free_chains
from vault.repo.census import COPIED, FREED, WHOLE, Census

MAX_UNUSED: Final = 0.05
"""Share of what is needed that may lie about unused: less costs more copying than it frees."""
_SMALL_PACK_BYTES: Final = 1 * MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneOptions:
    """`min_age_ms`: younger packs stay; `max_unused`: share of the needed bytes; `copied_bytes_max`: of one prune, None without bound.

    remove_all  somebody says that there is no snapshot on purpose
    """

    min_age_ms: int = PRUNE_AGE_S * 1000
    max_unused: float = MAX_UNUSED
    copied_bytes_max: int | None = None
    remove_all: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PackFile:
    """A pack as it is listed. `modified_ms` by the store's clock."""

    size: int
    modified_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PrunePlan:
    """What a prune will do. Counts are of packs; `copied_bytes` is foreseen, what is stored whole by its chain's ratio.

    delete      packs of which nothing is needed, those that no fragment names included
    repack      packs that go when the rest of them is copied
    swept       packs that an earlier prune announced, still to be deleted
    """

    delete: tuple[PackId, ...]
    repack: tuple[PackId, ...]
    swept: tuple[PackId, ...]
    deleted_bytes: int
    copied_bytes: int
    stored_whole: int
    stay: int
    stay_bytes: int
    unused_bytes: int
    young: int
    young_unused_bytes: int
    leased: int

    @property
    def goes(self) -> int:
        """Packs that a run deletes."""
        return len(self.delete) + len(self.repack) + len(self.swept)

    @property
    def sweep(self) -> tuple[PackId, ...]:
        """What is to be announced: ascending."""
        return tuple(sorted((*self.delete, *self.repack)))


def plan(
    census: Census,
    listed: Mapping[PackId, PackFile],
    *,
    leased: frozenset[PackId],
    now_ms: int,
    options: PruneOptions,
) -> PrunePlan:
    """Decide, and mark what is to be copied or stored whole.

    census   of everything that the remaining snapshots need
    leased   packs that leases name: their writers rely on them
    now_ms   by the store's clock
    """
    free_chains(census, copied_bytes_max=options.copied_bytes_max)
    packs = _Packs(census, listed, leased=leased, young_ms=now_ms - options.min_age_ms)
    going = packs.choose(options)
    while deltas := _deltas_again(census, going):
        packs.keep(deltas)
        going = packs.choose(options)
    copied_bytes, stored_whole = _mark_copies(census, going)
    return packs.value(going, copied_bytes=copied_bytes, stored_whole=stored_whole)


def copied(census: Census) -> Iterator[int]:
    """Numbers of what is to be copied as it is, or stored whole."""
    return (number for number, mark in enumerate(census.marks) if mark & (COPIED | WHOLE))


class _Packs:
    """Objects and bytes of each pack by its number, in all and needed, tags and trailer entries included."""

    def __init__(
        self, census: Census, listed: Mapping[PackId, PackFile], *, leased: frozenset[PackId], young_ms: int
    ) -> None:
        self._census = census
        self._listed = listed
        counts, sizes = census.contents()
        self._bytes = [size + RECORD_BYTES * count for count, size in zip(counts, sizes, strict=True)]
        self._live = [0] * len(census.packs)
        self.keep(number for number in census.kept() if not census.marks[number] & (FREED | WHOLE))
        there = [listed.get(pack) for pack in census.packs]
        self._young = {n for n, file in enumerate(there) if file is None or file.modified_ms > young_ms}
        self._leased = {n for n, pack in enumerate(census.packs) if pack in leased}
        self._there = [n for n in range(len(census.packs)) if census.usable[n] and not census.swept[n]]
        named = set(census.packs)
        self._nameless = {
            pack: file.size
            for pack, file in listed.items()
            if pack not in named and pack not in leased and file.modified_ms <= young_ms
        }

    def keep(self, numbers: Iterable[int]) -> None:
        """Count these as needed where they are."""
        for number in numbers:
            entry = self._census.entry(number)
            self._live[entry.pack] += entry.length + RECORD_BYTES

    def _unused(self, pack: int) -> int:
        return self._bytes[pack] - self._live[pack]

    def _may_go(self) -> list[int]:
        return [pack for pack in self._there if pack not in self._young and pack not in self._leased]

    def choose(self, options: PruneOptions) -> set[int]:
        """Numbers of the packs that go."""
        free = self._may_go()
        going = {pack for pack in free if not self._live[pack]}
        rest = sorted((pack for pack in free if pack not in going), key=self._order)
        unused = sum(self._unused(pack) for pack in rest)
        unused_max = int(options.max_unused * sum(self._live))
        room = _Room(options.copied_bytes_max, spent=self._must_copy())
        for pack in rest:
            if unused <= unused_max:
                break
            if self._unused(pack) and room.take(self._live[pack]):
                going.add(pack)
                unused -= self._unused(pack)
        for class_ in set(self._census.classes):
            small = [
                pack
                for pack in rest
                if pack not in going
                and self._census.classes[pack] == class_
                and self._census.pack_bytes[pack] < _SMALL_PACK_BYTES
            ]
            if sum(self._live[pack] for pack in small) >= PACK_BYTES_TARGET:
                going.update(pack for pack in small if room.take(self._live[pack]))
        return going

    def _order(self, pack: int) -> tuple[float, PackId]:
        """Most dead for its size first."""
        return self._live[pack] / self._bytes[pack], self._census.packs[pack]

    def _must_copy(self) -> int:
        """Bytes in packs that others announced: they have to be copied whatever is chosen."""
        return sum(live for live, swept in zip(self._live, self._census.swept, strict=True) if swept)

    def value(self, going: set[int], *, copied_bytes: int, stored_whole: int) -> PrunePlan:
        census = self._census
        delete = [census.packs[pack] for pack in going if not self._live[pack]]
        repack = [census.packs[pack] for pack in going if self._live[pack]]
        stay = [pack for pack in self._there if pack not in going]
        announced = zip(census.packs, census.swept, strict=True)
        swept = {pack: self._listed[pack].size for pack, named in announced if named and pack in self._listed}
        return PrunePlan(
            delete=tuple(sorted([*delete, *self._nameless])),
            repack=tuple(sorted(repack)),
            swept=tuple(sorted(swept)),
            deleted_bytes=sum(census.pack_bytes[pack] for pack in going)
            + sum((*swept.values(), *self._nameless.values())),
            copied_bytes=copied_bytes,
            stored_whole=stored_whole,
            stay=len(stay),
            stay_bytes=sum(census.pack_bytes[pack] for pack in stay),
            unused_bytes=sum(self._unused(pack) for pack in stay),
            young=sum(1 for pack in stay if pack in self._young),
            young_unused_bytes=sum(self._unused(pack) for pack in stay if pack in self._young),
            leased=sum(1 for pack in stay if pack in self._leased),
        )


class _Room:
    """What may still be copied."""

    def __init__(self, bytes_max: int | None, *, spent: int) -> None:
        self._left = None if bytes_max is None else bytes_max - spent

    def take(self, size: int) -> bool:
        if self._left is None:
            return True
        if size > self._left:
            return False
        self._left -= size
        return True


def _deltas_again(census: Census, going: set[int]) -> list[int]:
    """What was to be stored whole stays a delta where every base of its chain stays anyway, which would free nothing: all of these,
    and those bases."""
    marks = census.marks
    again: list[int] = []
    for number in range(len(marks)):
        if marks[number] & WHOLE:
            chain = _freed_chain(census, number)
            if not any(_goes(census, base, going) for base in chain):
                again += [number, *chain]
                marks[number] &= ~WHOLE
                for base in chain:
                    marks[base] &= ~FREED
    return again


def _freed_chain(census: Census, number: int) -> list[int]:
    chain: list[int] = []
    base_id = census.entry(number).base
    while base_id is not None:
        base = census.chosen(base_id)
        if base is None or not census.marks[base] & FREED:
            break
        chain.append(base)
        base_id = census.entry(base).base
    return chain


def _goes(census: Census, number: int, going: set[int]) -> bool:
    pack = census.entry(number).pack
    return pack in going or bool(census.swept[pack])


def _mark_copies(census: Census, going: set[int]) -> tuple[int, int]:
    """(bytes to be written, objects stored whole)."""
    written = whole = 0
    for number in census.kept():
        if census.marks[number] & WHOLE:
            whole += 1
            written += expected_whole(census, number)
        elif not census.marks[number] & FREED and _goes(census, number, going):
            census.marks[number] |= COPIED
            written += census.entry(number).length
    return written, whole
