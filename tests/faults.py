"""Stores for tests only: one that fails on request, one that writes down what it is asked, and one that others use meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from vault.errors import StoreError
from vault.ports import ObjectStore, StoredFile
from vault.repo.glance import PAGE_FILES

T = TypeVar("T")


class Crashed(BaseException):
    """The simulated end of the process; no handler of ours may catch it as an error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Raise `error` at call number `at` (from 1) of `kind` (put get get_range list delete barrier) below `prefix`.

    `after`: the call takes effect first, only its answer is lost. `crash`: from then on every call raises Crashed.
    """

    kind: str
    at: int = 1
    error: BaseException = field(default_factory=lambda: StoreError("injected fault"))
    prefix: str = ""
    after: bool = False
    crash: bool = False


class FaultStore:
    """Passes calls to `next_store` and raises at the places that `faults` name. After the test, look at `next_store`."""

    def __init__(self, next_store: ObjectStore, faults: Sequence[Fault] = ()) -> None:
        self._next = next_store
        self._faults = tuple(faults)
        self._counts = [0] * len(self._faults)
        self._lock = threading.Lock()
        self.crashed = False

    @property
    def url(self) -> str:
        return self._next.url

    @property
    def network(self) -> str:
        return self._next.network

    def put(self, name: str, data: bytes) -> None:
        self._call("put", name, lambda: self._next.put(name, data))

    def get(self, name: str) -> bytes:
        return self._call("get", name, lambda: self._next.get(name))

    def get_range(self, name: str, offset: int, length: int) -> bytes:
        return self._call("get_range", name, lambda: self._next.get_range(name, offset, length))

    def list(self, prefix: str) -> Iterator[StoredFile]:
        return self._call("list", prefix, lambda: self._next.list(prefix))

    def delete(self, *names: str) -> None:
        for name in names:
            self._call("delete", name, partial(self._next.delete, name))

    def barrier(self) -> None:
        self._call("barrier", "", self._next.barrier)

    def _call(self, kind: str, name: str, call: Callable[[], T]) -> T:
        fault = self._due(kind, name)
        if fault is None:
            return call()
        if fault.after:
            call()
        raise Crashed(kind, name) if fault.crash else fault.error

    def _due(self, kind: str, name: str) -> Fault | None:
        with self._lock:
            if self.crashed:
                raise Crashed(kind, name)
            due = None
            for position, fault in enumerate(self._faults):
                if fault.kind == kind and name.startswith(fault.prefix):
                    self._counts[position] += 1
                    if self._counts[position] == fault.at:
                        due = fault
                        self.crashed = self.crashed or fault.crash
            return due


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of a store; `length` is what was put or asked for; `follows`: it is of the same request as the one before."""

    kind: str
    name: str
    length: int = 0
    offset: int = 0
    follows: bool = False


class RecordingStore:
    """Passes calls to `next_store` and keeps them in `calls`, in order of their beginning."""

    def __init__(self, next_store: ObjectStore) -> None:
        self._next = next_store
        self.calls: list[Call] = []

    @property
    def url(self) -> str:
        return self._next.url

    @property
    def network(self) -> str:
        return self._next.network

    def put(self, name: str, data: bytes) -> None:
        self.calls.append(Call(kind="put", name=name, length=len(data)))
        self._next.put(name, data)

    def get(self, name: str) -> bytes:
        self.calls.append(Call(kind="get", name=name))
        return self._next.get(name)

    def get_range(self, name: str, offset: int, length: int) -> bytes:
        self.calls.append(Call(kind="get_range", name=name, length=length, offset=offset))
        return self._next.get_range(name, offset, length)

    def list(self, prefix: str) -> Iterator[StoredFile]:
        """A further call for each page after the first that somebody reads."""
        self.calls.append(Call(kind="list", name=prefix))
        return self._pages(prefix)

    def _pages(self, prefix: str) -> Iterator[StoredFile]:
        for number, file in enumerate(self._next.list(prefix)):
            if number and number % PAGE_FILES == 0:
                self.calls.append(Call(kind="list", name=prefix))
            yield file

    def requests(self) -> Sequence[str]:
        """`kind directory` of each request that an object store would have had, in order."""
        asked = (call for call in self.calls if call.kind != "barrier" and not call.follows)
        return [f"{call.kind} {call.name.partition('/')[0]}".strip() for call in asked]

    def delete(self, *names: str) -> None:
        self.calls.extend(Call(kind="delete", name=name, follows=at > 0) for at, name in enumerate(names))
        self._next.delete(*names)

    def barrier(self) -> None:
        self.calls.append(Call(kind="barrier", name=""))
        self._next.barrier()


class Meanwhile(RecordingStore):
    """Calls `act` once, on another thread, before call number `at` of all that it passes on; what that does is not counted."""

    def __init__(self, next_store: ObjectStore, at: int, act: Callable[[], None]) -> None:
        super().__init__(next_store)
        self._at = at
        self._act = act
        self._acted = False

    def _due(self) -> None:
        if not self._acted and len(self.calls) >= self._at:
            self._acted = True
            with ThreadPoolExecutor(1) as another:
                another.submit(self._act).result()

    def put(self, name: str, data: bytes) -> None:
        self._due()
        super().put(name, data)

    def get(self, name: str) -> bytes:
        self._due()
        return super().get(name)

    def get_range(self, name: str, offset: int, length: int) -> bytes:
        self._due()
        return super().get_range(name, offset, length)

    def list(self, prefix: str) -> Iterator[StoredFile]:
        self._due()
        return super().list(prefix)
