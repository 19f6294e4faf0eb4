"""One symptom of a look at everything that a backup needs, and what symptoms say together. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from vault.errors import VaultError


class Health(StrEnum):
    """`warn`: a backup would work, now and here; `skipped`: nobody could look."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Symptom:
    """`check`: what was looked at. `fix`: the line to type next; `lines`: more of them, one for each object.

    source      whose it is; empty: everybody's
    error       what a backup would end with
    incomplete  a backup would save its snapshot without something that was asked for
    """

    check: str
    health: Health
    what: str
    why: str = ""
    fix: str = ""
    lines: tuple[str, ...] = ()
    source: str = ""
    error: VaultError | None = None
    incomplete: bool = False


ORDER: Final = (
    *("program", "source", "repository", "passphrase", "writable", "space", "leases", "leftovers"),
    *("database", "connection", "row security", "names", "pg_dump", "objects", "rights", "identity", "snapshots"),
    *("directories", "coverage"),
    *("clock", "schedule", "state", "cache", "embedded server"),
)
"""Checks as people read them; a backup meets them in another order."""


def as_read(symptoms: Iterable[Symptom]) -> list[Symptom]:
    """What is everybody's and comes first, what is of each source, source by source, and the machine's."""
    listed = list(symptoms)
    names = list(dict.fromkeys(one.source for one in listed))
    last = ORDER.index("clock")
    return sorted(
        listed,
        key=lambda one: (
            ORDER.index(one.check) >= last,
            names.index(one.source) if one.source else -1,
            ORDER.index(one.check),
        ),
    )


def ok(check: str, what: str, *, source: str = "") -> Symptom:
    return Symptom(check=check, health=Health.OK, what=what, source=source)


def warn(check: str, what: str, *, why: str = "", fix: str = "", source: str = "") -> Symptom:
    return Symptom(check=check, health=Health.WARN, what=what, why=why, fix=fix, source=source)


def skipped(check: str, what: str, *, why: str = "", fix: str = "", source: str = "") -> Symptom:
    return Symptom(check=check, health=Health.SKIPPED, what=what, why=why, fix=fix, source=source)


def stopped(check: str, error: VaultError, *, source: str = "", lines: Sequence[str] = ()) -> Symptom:
    """A backup would end with `error`."""
    return Symptom(
        check=check,
        health=Health.FAIL,
        what=error.message,
        why=error.why,
        fix=error.hint,
        lines=tuple(lines),
        source=source,
        error=error,
    )


def first_error(symptoms: Iterable[Symptom], source: str) -> VaultError | None:
    """What a backup of `source` would end with. `symptoms` stand in the order in which a backup meets what they are about."""
    return next((one.error for one in symptoms if one.error is not None and one.source in ("", source)), None)


def is_incomplete(symptoms: Iterable[Symptom], source: str) -> bool:
    return any(one.incomplete for one in symptoms if one.source in ("", source))
