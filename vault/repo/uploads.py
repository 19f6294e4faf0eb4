"""Packs on their way to a store: one by one where that is at hand, several at a time where each put is a way over a network.

A pack that is posted waits in memory, or on the disk once a few do, so that who seals packs need not wait for the line; when the disk
has no room it waits all the same. How many go at a time follows what the line carries. `drain` returns when the store has all of them:
before that nobody may name one (70-store).
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Protocol

from vault.crypto import keyed
from vault.errors import StoreError
from vault.limits import MIB, PACK_BYTES_TARGET
from vault.ports import Clock, Entropy, ObjectStore
from vault.repo import spool
from vault.repo.spool import Spool
from vault.repo.workers import LOOK_S, Pending, Threads

AT_ONCE_MAX: Final = 6
"""Each is held whole while it is sent: 96 MiB of packs of the usual size."""
_AT_ONCE_FIRST: Final = 4
_WAITING_BYTES_MAX: Final = 32 * MIB
"""Of packs that wait in memory; the next ones wait on the disk."""
_PATIENCE_S: Final = 0.1
"""So long a pack waits for its place in memory: a line that carries a pack in that time needs no disk."""
_GAIN: Final = 1.1
"""One more at a time has to carry so much more, or it is taken back."""
_PATIENCE: Final = 7
"""Rounds after the one in which it was taken back before one more is tried again: the line may be another by then."""


class Outbox(Protocol):
    """Where a writer leaves its packs. `post` is thread-safe."""

    def post(self, name: str, data: bytes, sent: Callable[[], None]) -> None:
        """Put a pack, now or later; then call `sent`. Raises  the first error of any pack so far"""

    def drain(self) -> None:
        """Return when all are put, and their `sent` has returned. Raises  as `post`"""

    def cancel(self) -> None:
        """What has not begun is dropped, and who waits in `post` gets an error."""

    def close(self) -> None:
        """After `drain` or `cancel`: no thread and no file is left."""


class AtHand:
    """Puts at once, on the thread that posts."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def post(self, name: str, data: bytes, sent: Callable[[], None]) -> None:
        self._store.put(name, data)
        sent()

    def drain(self) -> None:
        """Nothing is under way."""

    def cancel(self) -> None:
        """Nothing is under way."""

    def close(self) -> None:
        """Nothing is left."""


class LinePace:
    """How many go at a time: one more is tried as long as that carries more, and taken back when it does not. Pure, but for its state."""

    def __init__(self, *, first: int, most: int) -> None:
        self.limit = first
        self._most = most
        self._rate = 0.0
        self._rest = 0
        self._tried = False
        self._bytes = 0
        self._done = 0
        self._began_s: float | None = None

    def ended(self, size: int, *, began_s: float, now_s: float) -> None:
        """A pack of so many bytes went, as one of `limit` at a time."""
        self._began_s = began_s if self._began_s is None else min(self._began_s, began_s)
        self._bytes += size
        self._done += 1
        if self._done < max(3, self.limit):
            return
        rate = self._bytes / max(1e-6, now_s - self._began_s)
        self._bytes, self._done, self._began_s = 0, 0, now_s
        self._decide(rate)

    def _decide(self, rate: float) -> None:
        if self._tried and rate < self._rate * _GAIN:
            self.limit, self._tried, self._rest = self.limit - 1, False, _PATIENCE
            return
        self._rate = rate
        self._tried = self._rest == 0 and self.limit < self._most
        self._rest = max(0, self._rest - 1)
        self.limit += self._tried


@dataclass(slots=True, kw_only=True)
class _Parcel:
    """`data` is None while it waits in `path`. `began_s`: when its way to the store did."""

    name: str
    size: int
    data: bytes | None
    path: Path | None
    sent: Callable[[], None]
    began_s: float = 0.0


class Uploads:
    """Several at a time. `kept`: where packs wait, if anywhere but in memory; `clock_s`: seconds that go on; `tell`: hears once that the disk has no room for what waits."""

    def __init__(
        self, store: ObjectStore, kept: Spool | None, *, clock_s: Callable[[], float], tell: Callable[[str], None]
    ) -> None:
        self._store = store
        self._spool = kept
        self._clock_s = clock_s
        self._tell = tell
        self._told = False
        self._pace = LinePace(first=_AT_ONCE_FIRST, most=AT_ONCE_MAX)
        self._threads = Threads(AT_ONCE_MAX)
        self._changed = threading.Condition()
        self._waiting: deque[_Parcel] = deque()
        self._in_memory = 0
        self._under_way: dict[Pending[None], _Parcel] = {}
        self._error: BaseException | None = None

    def post(self, name: str, data: bytes, sent: Callable[[], None]) -> None:
        parcel = _Parcel(name=name, size=len(data), data=data, path=None, sent=sent)
        with self._changed:
            self._changed.wait_for(lambda: self._error is not None or self._fits(), _PATIENCE_S)
            self._raise()
            if self._fits():
                self._add(parcel)
                return
        path = None if self._spool is None else self._spool.put(data)
        with self._changed:
            if path is not None:
                parcel.data, parcel.path = None, path
            else:
                self._wait_for_room()
            self._add(parcel)

    def _fits(self) -> bool:
        return self._in_memory == 0 or self._in_memory + PACK_BYTES_TARGET <= _WAITING_BYTES_MAX

    def _wait_for_room(self) -> None:
        if self._spool is not None and not self._told:
            self._told = True
            self._tell(
                "this machine's disk has no room for what waits to be sent: the database stays open until more is sent"
            )
        while self._error is None and not self._fits():
            self._wait()
        self._raise()

    def _add(self, parcel: _Parcel) -> None:
        self._waiting.append(parcel)
        self._in_memory += parcel.size if parcel.path is None else 0
        self._start()

    def _start(self) -> None:
        """Under the lock. Raises  MemoryError, RuntimeError: there is no memory, or no thread, for the next one"""
        while self._waiting and self._error is None and len(self._under_way) < self._pace.limit:
            parcel = self._waiting[0]
            pending = self._threads.submit(partial(self._put, parcel))
            self._under_way[pending] = parcel
            self._waiting.popleft()
            self._in_memory -= parcel.size if parcel.path is None else 0
            pending.when_done(self._ended)
        self._changed.notify_all()

    def _ended(self, done: Pending[None]) -> None:
        with self._changed:
            try:
                self._count_out(done)
                self._start()
            except Exception as error:  # noqa: BLE001  # raised to whoever posts next, or drains
                self._error = self._error or error
                self._changed.notify_all()

    def _count_out(self, done: Pending[None]) -> None:
        """Under the lock; again and again for the same one. Its error is noted before it is forgotten."""
        error = done.error()
        self._error = self._error or error
        parcel = self._under_way.pop(done, None)
        if parcel is not None and error is None:
            self._pace.ended(parcel.size, began_s=parcel.began_s, now_s=self._clock_s())

    def _put(self, parcel: _Parcel) -> None:
        parcel.began_s = self._clock_s()
        data = parcel.data if parcel.path is None else _kept(parcel.path, parcel.name)
        parcel.data = None
        assert data is not None, "a parcel has its bytes in memory or on the disk"
        self._store.put(parcel.name, data)
        del data
        if parcel.path is not None:
            parcel.path.unlink()
        parcel.sent()

    def drain(self) -> None:
        with self._changed:
            while self._error is None and (self._waiting or self._under_way):
                self._wait()
            self._raise()

    def _wait(self) -> None:
        """Under the lock. Raises  as `post`; MemoryError: nobody will say that something changed"""
        if not self._changed.wait(LOOK_S):
            for pending in [pending for pending in self._under_way if pending.done()]:  # and could not be counted
                self._count_out(pending)
            self._start()
            self._raise()
            self._threads.require_alive()

    def cancel(self) -> None:
        with self._changed:
            self._error = self._error or StoreError("what waited to be sent was dropped")
            self._waiting.clear()
            self._changed.notify_all()

    def close(self) -> None:
        self._threads.close()
        if self._spool is not None:
            self._spool.close()

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error


def _kept(path: Path, name: str) -> bytes:
    """What waited on the disk, if that is still the pack that was proven (its name is the hash of its bytes). Raises  StoreError"""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise StoreError(
            f"cannot read back {name} from {path.parent}, where it waited to be sent",
            why=error.strerror or str(error),
            hint="run the backup again; what was sent is kept",
        ) from error
    if keyed.sha256(data).hex() != name.rpartition("/")[2]:
        raise StoreError(
            f"{name} was changed in {path.parent}, where it waited to be sent",
            why="this machine's disk gave other bytes than were written to it",
            hint="look at the disk (dmesg), or set PGVAULT_CACHE_DIR to another; then run the backup again",
        )
    return data


def begin(
    store: ObjectStore, cache_dir: Path | None, *, entropy: Entropy, clock: Clock | None, tell: Callable[[str], None]
) -> Uploads:
    """With a spool in the repository's own part of the cache, if one can be made. Without a clock the number at a time stays."""
    kept = None if cache_dir is None else spool.opened(cache_dir / "spool", entropy)
    return Uploads(store, kept, clock_s=(lambda: 0.0) if clock is None else clock.uptime_s, tell=tell)
