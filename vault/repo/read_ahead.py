"""Sealed objects that somebody will ask for soon, read before that: neighbours in a pack in one request, several requests at a time.

Only where requests are round trips. Whoever reads many objects says which ones, lazily and in order; the first that is asked for of a
window starts the windows after it. What was not announced, is gone, or cannot be read is left to the ordinary way, with its errors.
Invariant: a stream holds a few windows of sealed bytes, whatever is read. Spec 40-pack.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import Final, Generic, Self, TypeVar

from vault.errors import IntegrityError, NotFound
from vault.format.object import pack_class
from vault.format.pack import pack_name
from vault.ids import ObjectId, PackId
from vault.limits import KIB, MIB
from vault.model import Location, PackClass
from vault.ports import ObjectStore
from vault.repo.index import Index
from vault.repo.workers import Pending, Threads

_WINDOW_BYTES: Final = 4 * MIB
"""With what lies between its objects, which is held too. Extents that were read at the same time lie between each other in a pack: of a longer piece more is neighbours."""
_WINDOW_OBJECTS: Final = 512
_WINDOWS_AHEAD: Final = 2
"""Some 12 MiB of a stream are under way or waiting: at 50 ms a request 200 MB/s."""
_GAP_BYTES_MAX: Final = 64 * KIB
"""So much that nobody wants is read between two objects, rather than asking twice."""
_SPAN_BYTES_MAX: Final = 4 * MIB
_THREADS: Final = 8

T = TypeVar("T")
_Place = tuple[PackId, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadSpan:
    """Objects of one pack that are read in one request; `places` ascend by offset."""

    pack: PackId
    offset: int
    length: int
    places: tuple[Location, ...]


def spans(places: Iterable[Location]) -> list[ReadSpan]:
    """The fewest reads of objects that lie close to each other; each place once."""
    by_pack: dict[PackId, dict[int, Location]] = {}
    for place in places:
        by_pack.setdefault(place.pack, {})[place.record.offset] = place
    found: list[ReadSpan] = []
    for several in by_pack.values():
        run: list[Location] = []
        for offset in sorted(several):
            place = several[offset]
            if run and not _joins(run, place):
                found.append(_span(run))
                run = []
            run.append(place)
        found.append(_span(run))
    return found


def _joins(run: list[Location], place: Location) -> bool:
    start, last = run[0].record.offset, run[-1].record
    gap = place.record.offset - last.offset - last.length
    return gap <= _GAP_BYTES_MAX and place.record.offset + place.record.length - start <= _SPAN_BYTES_MAX


def _span(run: list[Location]) -> ReadSpan:
    first, last = run[0].record, run[-1].record
    length = last.offset + last.length - first.offset
    return ReadSpan(pack=run[0].pack, offset=first.offset, length=length, places=tuple(run))


@dataclass(slots=True)
class _Window:
    """What was announced together: (what its request gives, where in that) by place. `began`: something of it was asked for."""

    objects: dict[_Place, tuple[Pending[bytes | None], int, int]] = field(default_factory=dict)
    began: bool = False


class ReadAhead:
    """Use as a context manager. `take` is thread-safe; `ids` is pulled by whoever takes, on whatever thread, so it must raise nothing."""

    def __init__(self, store: ObjectStore, index: Index, ids: Iterator[ObjectId | None], *, is_far: bool) -> None:
        """`ids`: None is an item with nothing to read. `is_far`: False reads nothing ahead; the ids are pulled all the same."""
        self._is_far = is_far
        self._store = store
        self._index = index
        self._ids = ids
        self._windows: deque[_Window] = deque()
        self._lock = threading.RLock()
        self._threads = Threads(_THREADS)

    def take(self, place: Location) -> bytes | None:
        """The sealed bytes at a place that was announced; None: it was not, or its request failed. Raises  Unavailable; StoreError"""
        found = self._found(place)
        if found is None:
            return None
        data = found[0].result()
        return None if data is None else data[found[1] : found[1] + found[2]]

    def covers(self, place: Location) -> bool:
        """Whether it was announced."""
        return self._found(place) is not None

    def _found(self, place: Location) -> tuple[Pending[bytes | None], int, int] | None:
        """Others ask too, for what was never announced here: that starts no more windows than are wanted anyway."""
        key = place.pack, place.record.offset
        with self._lock:
            found = self._find(key)
            if found is None and len(self._windows) <= _WINDOWS_AHEAD and self.more():
                found = self._find(key)
            return found

    def next_window(self) -> bool:
        """As `more`, for one who is done with all that was announced: of that only what threads may still open is kept."""
        with self._lock:
            while len(self._windows) > _WINDOWS_AHEAD:
                self._windows.popleft()
            return self.more()

    def more(self) -> bool:
        """Announce one more window; False: there is none."""
        with self._lock:
            places = self._pull()
            if places is None:
                return False
            window = _Window()
            for span in spans(places) if self._is_far else ():
                read = self._threads.submit(partial(_read, self._store, span))
                for place in span.places:
                    at = place.record.offset - span.offset
                    window.objects[place.pack, place.record.offset] = read, at, place.record.length
            self._windows.append(window)
            return True

    def _find(self, key: _Place) -> tuple[Pending[bytes | None], int, int] | None:
        for number, window in enumerate(self._windows):
            if key in window.objects:
                if not window.began:
                    window.began = True
                    self._advance(number)
                return window.objects[key]
        return None

    def _advance(self, began: int) -> None:
        """Two windows behind the newest that began are done with: threads that open objects may be that late."""
        for _ in range(began - 1):
            self._windows.popleft()
            began -= 1
        while len(self._windows) - began <= _WINDOWS_AHEAD and self.more():
            pass

    def _pull(self) -> list[Location] | None:
        """Places of the next ids, with all that they are deltas against; None: there are no more ids."""
        places: list[Location] = []
        held_bytes = 0
        for count, object_id in enumerate(self._ids, 1):
            if object_id is not None:
                chain = self._index.chain(object_id)
                found = [place for place in chain if pack_class(place.record.type) is PackClass.DATA]
                places += found
                held_bytes += sum(place.record.length + _GAP_BYTES_MAX for place in found)  # at most
                if held_bytes >= _WINDOW_BYTES:
                    held_bytes = sum(span.length for span in spans(places))
            if held_bytes >= _WINDOW_BYTES or count >= _WINDOW_OBJECTS:
                return places
        return places or None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._threads.close()


def _read(store: ObjectStore, span: ReadSpan) -> bytes | None:
    try:
        return store.get_range(pack_name(span.pack), span.offset, span.length)
    except (NotFound, IntegrityError):
        return None  # whoever wants an object of it asks for that one, and tells what is wrong


class Shared(Generic[T]):
    """One stream of items for two: who announces them runs ahead of who consumes them. Each item is pulled once, by whoever needs it
    first, on whatever thread. What the source raises is raised to the consumer, in its place; the other one sees an end."""

    def __init__(self, source: Iterator[T]) -> None:
        self._source = source
        self._lock = threading.RLock()
        self._ahead: deque[T] = deque()
        self._error: BaseException | None = None

    def announced(self) -> Iterator[T]:
        while True:
            with self._lock:
                try:
                    item = next(self._source)
                except StopIteration:
                    return
                except BaseException as error:  # noqa: BLE001  # it is the consumer's, whatever it is
                    self._error = error
                    return
                self._ahead.append(item)
            yield item

    def consumed(self) -> Iterator[T]:
        while True:
            with self._lock:
                if self._ahead:
                    item = self._ahead.popleft()
                elif self._error is not None:
                    raise self._error
                else:
                    try:
                        item = next(self._source)
                    except StopIteration:
                        return
            yield item
