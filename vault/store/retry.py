"""A store that tries again what failed for a passing reason.

Only Unavailable is tried again; every other error passes at once, a failed sync above all. Never starts a clock or
draws randomness itself. Invariant: a caller sees the effect of each call at most once, although a put whose answer was
lost may have reached the store. Spec 70-store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, TypeVar

from vault.errors import AlreadyExists, Unavailable
from vault.ports import ObjectStore, StoredFile

FIRST_DELAY_S: Final = 0.5
DELAY_S_MAX: Final = 30.0

T = TypeVar("T")


class RetryStore:
    """At most `attempts` calls of `next_store` for each call.

    `sleep` takes seconds; `jitter` returns a number in [0, 1) that shortens each delay by up to a half, so that many
    clients of one failed store do not come back together.
    """

    def __init__(
        self,
        next_store: ObjectStore,
        *,
        attempts: int,
        sleep: Callable[[float], None],
        jitter: Callable[[], float],
    ) -> None:
        assert attempts >= 1
        self._next = next_store
        self._attempts = attempts
        self._sleep = sleep
        self._jitter = jitter

    @property
    def url(self) -> str:
        return self._next.url

    @property
    def network(self) -> str:
        return self._next.network

    def put(self, name: str, data: bytes) -> None:
        """As the port. A second attempt that finds the name taken succeeds if the bytes there are `data`."""
        again = False

        def attempt() -> None:
            nonlocal again
            try:
                self._next.put(name, data)
            except Unavailable:
                again = True
                raise
            except AlreadyExists:
                if not again or self._next.get(name) != data:
                    raise

        self._retry(attempt)

    def get(self, name: str) -> bytes:
        return self._retry(lambda: self._next.get(name))

    def get_range(self, name: str, offset: int, length: int) -> bytes:
        return self._retry(lambda: self._next.get_range(name, offset, length))

    def list(self, prefix: str) -> Iterator[StoredFile]:
        """As the port. A listing that breaks goes on behind the last name that was given."""
        last = ""
        failures = 0
        while True:
            try:
                for file in self._next.list(prefix):
                    if file.name > last:
                        last = file.name
                        failures = 0
                        yield file
                return
            except Unavailable:
                failures += 1
                if failures >= self._attempts:
                    raise
                self._wait(failures)

    def delete(self, *names: str) -> None:
        self._retry(lambda: self._next.delete(*names))

    def barrier(self) -> None:
        self._retry(self._next.barrier)

    def _retry(self, call: Callable[[], T]) -> T:
        for failures in range(1, self._attempts):
            try:
                return call()
            except Unavailable:
                self._wait(failures)
        return call()

    def _wait(self, failures: int) -> None:
        delay_s = min(DELAY_S_MAX, FIRST_DELAY_S * 2 ** (failures - 1))
        self._sleep(delay_s * (1 - self._jitter() / 2))
