"""What a scheduled run left undone after its backup, until a run of the same schedule did it: for status, which else would not know.

One file a schedule, replaced as a whole. Losing it costs a warning; the next run that fails gives it again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from vault.app import state
from vault.app.state import StateDirectory
from vault.errors import StateUnusable


@dataclass(frozen=True, slots=True, kw_only=True)
class Undone:
    """A step that failed. `step`: retention, prune, ...; `fix`: the line to type."""

    step: str
    why: str
    fix: str


def note(directory: StateDirectory, schedule: str, *, repository: str, undone: Sequence[Undone]) -> None:
    """In place of what its last run left. Raises  StateUnusable"""
    path = _path(directory, schedule)
    if not undone:
        with suppress(OSError):
            path.unlink(missing_ok=True)
        return
    steps = [{"step": one.step, "why": one.why, "fix": one.fix} for one in undone]
    state.write_json(path, {"repository": repository, "undone": steps})


def load(directory: StateDirectory, repository: str) -> Iterator[Undone]:
    """In this repository, by whichever schedule of this machine. What cannot be read is passed over."""
    with suppress(OSError, StateUnusable):
        for path in sorted((directory.root / _FOLDER).iterdir()):
            found = state.read_json(path)
            if found is not None and found.value is not None and found.value.get("repository") == repository:
                yield from _steps(found.value.get("undone"))


def _steps(value: object) -> Iterator[Undone]:
    for one in value if isinstance(value, list) else ():
        if isinstance(one, dict):
            yield Undone(**{name: str(one.get(name, "")) for name in ("step", "why", "fix")})


_FOLDER = "undone"


def _path(directory: StateDirectory, schedule: str) -> Path:
    return directory.root / _FOLDER / f"{state.file_name(schedule)}.json"
