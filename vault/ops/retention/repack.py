"""Copy what is needed out of packs that go into new ones, before anything is announced or deleted.

Nothing is trusted on the way: each object is proven by its id when it is read and again from its new sealed bytes. Its compressed form
is kept; a delta keeps its base and depth, or is stored whole. When `repack` returns, all of it is durable and indexed.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from vault.errors import IntegrityError, NotFound, UnsafeError
from vault.ids import ObjectId
from vault.limits import KIB, MIB
from vault.model import Location
from vault.ops.retention.prune_plan import copied
from vault.ports import Entropy, Progress
from vault.repo.census import WHOLE, Census
from vault.repo.deltas import Stored, whole
from vault.repo.reader import Opened
from vault.repo.state import Indexed
from vault.repo.workers import ordered

_Span = tuple[list[Location], list[int]]
"""Places of one pack, ascending, and their numbers."""
_ROUND_OBJECTS: Final = 1 << 18
"""So many objects are sorted at a time: memory stays bounded whatever is copied."""
_GAP_BYTES_MAX: Final = 64 * KIB
_SPAN_PLAIN_BYTES_MAX: Final = 1 * MIB
"""Objects of one pack that lie near each other are one read, up to this much plaintext."""


def repack(repo: Indexed, census: Census, *, entropy: Entropy, progress: Progress, threads: int = 2) -> int:
    """Copy everything that the plan marked; returns the bytes of packs and fragments written.

    Raises  UnsafeError: something of it cannot be read; StoreError; IntegrityError: what was written does not read back
    """
    reader = repo.reader(threads=1)
    with repo.writer(entropy=entropy, threads=threads) as writer:
        for numbers in _rounds(census):
            for opened in ordered(
                lambda span: _opened(reader.open_places, span),
                _spans(census, _in_order(census, numbers)),
                threads=threads,
                ahead=2 * threads,
            ):
                for place, number in opened:
                    form = _form(place, stored_whole=bool(census.marks[number] & WHOLE))
                    writer.submit_again(place.record.id, place.record.type, place.plain, form)
                    progress.advance(place.record.length)
        writer.publish()
        return writer.new_bytes


def _form(opened: Opened, *, stored_whole: bool) -> Stored:
    record = opened.record
    if stored_whole:
        return whole(opened.plain, record.type)
    return Stored(
        codec=record.codec, stored=opened.stored, depth=record.depth, base=record.base, base_plain=opened.base
    )


def _opened(open_places: Callable[[Sequence[Location]], list[Opened]], span: _Span) -> list[tuple[Opened, int]]:
    places, numbers = span
    try:
        return list(zip(open_places(places), numbers, strict=True))
    except NotFound as error:
        raise UnsafeError(
            "nothing is pruned: a pack went away while it was read", why=str(error), hint="pgvault prune"
        ) from error
    except IntegrityError as error:
        raise UnsafeError(
            f"nothing is pruned: {error.file} is damaged",
            why=f"object {error.object_id[:12]} is needed and does not open: {error.message}",
            hint="pgvault repair packs",
        ) from error


def _rounds(census: Census) -> Iterator[Sequence[int]]:
    """What is to be copied, whole packs at a time."""
    wanted = [0] * len(census.packs)
    for number in copied(census):
        wanted[census.entry(number).pack] += 1
    packs: set[int] = set()
    objects = 0
    for pack, count in enumerate(wanted):
        packs.add(pack)
        objects += count
        if objects >= _ROUND_OBJECTS or (objects and pack == len(wanted) - 1):
            yield array("Q", (number for number in copied(census) if census.entry(number).pack in packs))
            packs, objects = set(), 0


def _in_order(census: Census, numbers: Sequence[int]) -> list[int]:
    """Whole objects by their place, so that neighbours are one read; then deltas, each after what it is a delta against."""
    roots: dict[ObjectId, int] = {}

    def root(number: int) -> int:
        base = census.entry(number).base
        if base is None:
            return number
        if base not in roots:
            place = census.chosen(base)
            roots[base] = number if place is None else root(place)
        return roots[base]

    def key(number: int) -> tuple[bool, int, int]:
        entry = census.entry(number)
        if entry.base is None:
            return (False, entry.pack, entry.offset)
        return (True, root(number), entry.depth)

    return sorted(numbers, key=key)


def _spans(census: Census, numbers: Iterable[int]) -> Iterator[_Span]:
    places: list[Location] = []
    chosen: list[int] = []
    plain_bytes = 0
    for number in numbers:
        place = census.location(number)
        record = place.record
        if places and not (
            places[-1].pack == place.pack
            and 0 <= record.offset - (places[-1].record.offset + places[-1].record.length) <= _GAP_BYTES_MAX
            and plain_bytes + record.plain_length <= _SPAN_PLAIN_BYTES_MAX
        ):
            yield places, chosen
            places, chosen, plain_bytes = [], [], 0
        places.append(place)
        chosen.append(number)
        plain_bytes += record.plain_length
    if places:
        yield places, chosen
