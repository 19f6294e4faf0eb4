"""What a restore could not do, collected as it happens, and what follows from what. Invariant: every failure is kept; folding only draws."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from vault.ports import Progress

_NAMED_MAX: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What is missing or differs. `entry` names it as pg_dump does; `why` holds no row data.

    because  entry of the failure without which this one would not be; empty where it stands for itself
    state    the server's SQLSTATE, where it refused
    """

    entry: str
    why: str
    because: str = ""
    state: str = ""


class Failures:
    """Collected from any thread, in the order they happened, and told at once, if they do not follow from another."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._lock = threading.Lock()
        self._all: list[Failure] = []
        self._causes: dict[str, str] = {}
        self._is_stopped = False

    def stop(self) -> None:
        """The restore ends here, and says why itself: what fails from now on, because its statement was canceled, is not told."""
        self._is_stopped = True

    def add(self, entry: str, why: str, *, known: bool = False, because: str = "", state: str = "") -> None:
        """`known`: the plan said so. `because`: another failure's entry; the first cause is recorded."""
        with self._lock:
            cause = self._causes.get(because, because)
            if cause == entry:
                cause = ""
            self._causes.setdefault(entry, cause or entry)
            self._all.append(Failure(entry=entry, why=why, because=cause, state=state))
        if not known and not cause and not self._is_stopped:
            self._progress.event("failed", f"{entry}: {why}")

    def has(self, entry: str) -> bool:
        """Whether something failed under this name."""
        with self._lock:
            return entry in self._causes

    def all(self) -> tuple[Failure, ...]:
        with self._lock:
            return tuple(self._all)


def folded(failed: Iterable[Failure]) -> Iterator[str]:
    """A line for each that stands for itself, with how many follow from it, and which first."""
    failures = list(failed)
    alone = {failure.entry for failure in failures if not failure.because}
    followers: dict[str, list[str]] = {}
    for failure in failures:
        if failure.because in alone:
            followers.setdefault(failure.because, []).append(failure.entry)
    for failure in failures:
        if failure.because in alone:
            continue
        line = f"{failure.entry}: {failure.why}"
        if after := followers.pop(failure.entry, []):
            shown = ", ".join(after[:_NAMED_MAX]) + (", ..." if len(after) > _NAMED_MAX else "")
            line += f"; so {len(after)} more that need it: {shown}"
        yield line
