"""Save what opens out of damaged packs, and announce that they go, so that the next backup stores the rest anew. Spec 80-leases.

Never deletes: a sweep hides the damaged packs from writers, readers still try them, and a prune deletes them when nothing needs them.
The copies are durable and indexed before the sweep. What does not open is named with what it hits, and is healed by a backup of the
same content.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from vault.errors import IntegrityError, NotFound
from vault.format.pack import pack_name
from vault.ids import ObjectId, PackId
from vault.model import Lease, Location
from vault.ops.check.packs import PackReading
from vault.ops.retention.reclaim import maintenance
from vault.ports import Clock, Entropy, Progress
from vault.repo import sweep
from vault.repo.deltas import Stored
from vault.repo.lease import index_after_sweeps
from vault.repo.reader import Opened
from vault.repo.state import Indexed, Open
from vault.repo.workers import ordered


@dataclass(frozen=True, slots=True, kw_only=True)
class DamagedPack:
    """`why`: the first thing that is wrong with it; `saved`: objects of it that open; `elsewhere`: that another pack has too."""

    pack: PackId
    size: int
    why: str
    saved: int
    elsewhere: int
    lost: tuple[ObjectId, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PacksPlan:
    packs: tuple[DamagedPack, ...]
    read_bytes: int

    @property
    def saved(self) -> int:
        return sum(damaged.saved for damaged in self.packs)

    @property
    def lost(self) -> int:
        return len({object_id for damaged in self.packs for object_id in damaged.lost})


def plan(repo: Indexed, *, progress: Progress, threads: int = 2) -> PacksPlan:
    """Read every pack, and find which of them are damaged. Nothing is written. Raises  StoreError"""
    index = repo.index
    swept = {pack for found in sweep.found_sweeps(repo.open) for pack in found.packs}
    packs = [(pack, size) for pack, size in index.packs() if pack not in swept]
    progress.stage("reading packs", sum(size for _, size in packs))
    bad: dict[PackId, tuple[int, str]] = {}
    read_bytes = 0

    reading = PackReading(repo, [pack for pack, _ in packs])
    packs = reading.deltas_first(packs)
    for count in ordered(lambda pack: reading.read(*pack), packs, threads=threads, ahead=threads):
        read_bytes += count
        progress.advance(count)
    for _ in ordered(reading.finish, [pack for pack, _ in packs], threads=threads, ahead=threads):
        pass
    for pack, size in packs:
        errors = reading.packs[pack].damage
        own = [error for error in errors if error.file == pack_name(pack) and not error.object_id]
        if own:
            bad[pack] = size, own[0].message
    for pack, size in index.missing_packs():
        there = index.pack_sizes.get(pack)
        if there is not None and pack not in swept:
            bad[pack] = there, f"{there} bytes instead of {size}"
    index.sweep({*swept, *bad})
    return PacksPlan(packs=tuple(_of(repo, pack, *what) for pack, what in sorted(bad.items())), read_bytes=read_bytes)


def _of(repo: Indexed, pack: PackId, size: int, why: str) -> DamagedPack:
    saved = elsewhere = 0
    lost: list[ObjectId] = []
    for place in repo.index.in_pack(pack, usable=False):
        if repo.index.lasting_chain(place.record.id):
            elsewhere += 1
        elif _opened(repo, place) is not None:
            saved += 1
        else:
            lost.append(place.record.id)
    return DamagedPack(pack=pack, size=size, why=why, saved=saved, elsewhere=elsewhere, lost=tuple(lost))


def run(
    repo: Open,
    planned: PacksPlan,
    lease: Lease,
    *,
    is_dead: Callable[[Lease], bool],
    clock: Clock,
    entropy: Entropy,
    progress: Progress,
) -> tuple[str, ...]:
    """Copy what opens, then publish the sweep; its names. `lease`, `is_dead`: as `maintenance` takes them.

    Raises  Locked: a prune is at work; StoreError; IntegrityError: what was written does not read back. Nothing is announced then
    """
    packs = [damaged.pack for damaged in planned.packs]
    with maintenance(repo, lease, is_dead=is_dead, entropy=entropy, progress=progress):
        indexed = index_after_sweeps(repo, None)
        indexed.index.sweep(packs)
        with indexed.writer(entropy=entropy) as writer:
            for opened in _salvaged(indexed, planned):
                record = opened.record
                form = Stored(
                    codec=record.codec,
                    stored=opened.stored,
                    depth=record.depth,
                    base=record.base,
                    base_plain=opened.base,
                )
                writer.submit_again(record.id, record.type, opened.plain, form)
                progress.advance(record.length)
            writer.publish()
        return sweep.publish(repo, packs, now_ms=max(0, clock.now_ms()), entropy=entropy)


def _salvaged(repo: Indexed, planned: PacksPlan) -> Iterator[Opened]:
    """Every object that opens and lies nowhere else, each once, a base before what is a delta against it."""
    places = [place for damaged in planned.packs for place in repo.index.in_pack(damaged.pack, usable=False)]
    done: set[ObjectId] = set()
    for place in sorted(places, key=lambda place: place.record.depth):
        if place.record.id in done or repo.index.lasting_chain(place.record.id):
            continue
        opened = _opened(repo, place)
        if opened is not None:
            done.add(place.record.id)
            yield opened


def _opened(repo: Indexed, place: Location) -> Opened | None:
    try:
        return repo.reader(threads=1).open_places([place])[0]
    except (IntegrityError, NotFound):
        return None
