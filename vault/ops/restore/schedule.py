"""Hand out entries as soon as what they need is done and no running entry locks their tables.

After pg_backup_archiver.c: reduce_dependencies and identify_locking_dependencies. Starts no threads: `tasks` is pulled by
repo/workers, and blocks until something is ready. Invariant: each position is handed out exactly once, also in a cycle.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from vault.ops.restore.plan.contents import Item
from vault.repo.workers import LOOK_S

_NOTHING_YET: Final = -1


class Schedule:
    """`positions` of `items`, in the order preferred. What `needs` names outside of them counts as done."""

    def __init__(self, items: Sequence[Item], positions: Sequence[int]) -> None:
        inside = set(positions)
        self._waiting = {at: {need for need in items[at].needs if need in inside and need != at} for at in positions}
        self._tables = {at: _tables(items, at) for at in positions}
        self._exclusive = {at: items[at].identity.desc != "INDEX" for at in positions}
        self._dependents: dict[int, list[int]] = {}
        for at, needs in self._waiting.items():
            for need in needs:
                self._dependents.setdefault(need, []).append(at)
        self._ready = [at for at in positions if not self._waiting[at]]
        self._running: set[int] = set()
        self._broken = False
        self._changed = threading.Condition()

    def tasks(self, execute: Callable[[int], None]) -> Iterator[Callable[[], None] | None]:
        """One task a position; None: for a while nothing has become ready. An exception of any task ends the iteration."""
        while (at := self._next()) is not None:
            yield self._task(execute, at) if at >= 0 else None

    def _task(self, execute: Callable[[int], None], at: int) -> Callable[[], None]:
        def run() -> None:
            try:
                execute(at)
            except BaseException:
                with self._changed:
                    self._broken = True
                raise
            finally:
                self._done(at)

        return run

    def _next(self) -> int | None:
        with self._changed:
            while not self._broken:
                if not self._ready and not self._running:
                    if not self._waiting:
                        return None
                    self._ready.append(min(self._waiting))
                at = next((at for at in self._ready if not self._conflicts(at)), None)
                if at is not None:
                    self._ready.remove(at)
                    del self._waiting[at]
                    self._running.add(at)
                    return at
                if not self._changed.wait(LOOK_S):
                    return _NOTHING_YET
            return None

    def _conflicts(self, at: int) -> bool:
        return any(
            (self._exclusive[at] or self._exclusive[other]) and not self._tables[at].isdisjoint(self._tables[other])
            for other in self._running
        )

    def _done(self, at: int) -> None:
        with self._changed:
            self._running.discard(at)
            for dependent in self._dependents.get(at, ()):
                needs = self._waiting.get(dependent)
                if needs is not None:
                    needs.discard(at)
                    if not needs and dependent not in self._ready:
                        self._ready.append(dependent)
            self._changed.notify_all()


def _tables(items: Sequence[Item], at: int) -> frozenset[int]:
    return frozenset(need for need in items[at].needs if items[need].identity.desc == "TABLE")
