"""What stands when somebody stopped a command: Ctrl-C, SIGTERM, a terminal that was closed. Nothing is looked up: it holds at any moment."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from vault.app.conninfo import client_words, redacted
from vault.cli.failures import Told, told

if TYPE_CHECKING:
    from vault.app.restore import PlannedRestore
    from vault.ids import SnapshotId

_SNAPSHOTS: Final = "every snapshot that `pgvault snapshots` lists is whole"
_NOTHING: Final = "nothing was changed"
_NOT_ALL: Final = "what was written is not all of it"

STANDS: Final[Mapping[str, str]] = {
    "backup": f"{_SNAPSHOTS}; what was stored of this one is used by the next",
    "run": f"{_SNAPSHOTS}; what was stored of this one is used by the next",
    "copy": "every snapshot that the other repository lists is whole; the same command passes over what is there",
    "prune": "no snapshot lost anything; the next prune goes on with what this one began",
    "forget": f"{_SNAPSHOTS}; the others are gone",
    "restore": "nothing was restored",
    "check": _NOTHING,
    "verify": _NOTHING,
    "drill": f"{_NOTHING}; no record of this drill was left",
    "doctor": _NOTHING,
    "export": _NOT_ALL,
    "extract": _NOT_ALL,
    "table": _NOT_ALL,
    "cat": _NOT_ALL,
    "repair": "what was mended stays so; the same command goes on with the rest",
}
"""By command, where it says nothing better itself, as `restore` does once it writes."""


_ANEW: Final = frozenset({"export", "extract"})
"""They write into a new or empty place, which it is no more."""


def interrupted(command: str | None, arguments: Sequence[str], *, done: str = "") -> Told:
    """`command`: the one that was found; `arguments`: all that was typed, which is what to type to go on; `done`: what is over already."""
    failure = told(KeyboardInterrupt())
    if done:
        return replace(failure, why=done)
    if command is None or command not in STANDS:
        return failure
    again = "to begin anew, into what is new or empty" if command in _ANEW else "to go on"
    return replace(failure, why=STANDS[command], fix=redacted(f"{again}: pgvault {shlex.join(arguments)}"))


@dataclass(frozen=True, slots=True, kw_only=True)
class InPart:
    """What a restore that was stopped left, and what to type."""

    stands: str
    again: str


def naming(arguments: Sequence[str], word: str, snapshot: SnapshotId) -> list[str]:
    """As typed, with the snapshot that `word` meant by its id: another one may be the latest by now."""
    words = list(arguments)
    if words.count(word) == 1:
        words[words.index(word)] = snapshot.hex()[:12]
    return words


def restored_in_part(planned: PlannedRestore, arguments: Sequence[str], *, was_at: str) -> InPart:
    """A new database has to be made anew, for only an empty one takes a whole snapshot; what was there before is gone on with.

    was_at  how far the restore came; empty if it had not begun
    """
    same = redacted(shlex.join(["pgvault", *arguments]))
    if not was_at:
        return InPart(stands="nothing was changed", again=f"to go on: {same}")
    if planned.plan is None:
        return InPart(stands=f"the directories hold a part of the snapshot: {was_at}", again=f"to go on: {same}")
    name = planned.plan.target.database
    if not planned.plan.fresh:
        stands = f"what had come into database {name} stays, and the rest of it is as it was: {was_at}"
        return InPart(stands=stands, again=f"to go on: {same}")
    stands = f"database {name} holds a part of the snapshot, and has to be made anew: {was_at}"
    if planned.request.flags.local or planned.request.flags.linked:
        return InPart(stands=stands, again=f"when it is empty again: {same}")
    words = [*client_words(planned.request.conninfo or ""), name]
    made = f"{shlex.join(['dropdb', *words])} && {shlex.join(['createdb', *words])}"
    return InPart(stands=stands, again=f"{made} && {same}")
