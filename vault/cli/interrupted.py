"""What stands when somebody stopped a command: Ctrl-C, SIGTERM, a terminal that was closed. Nothing is looked up: it holds at any moment."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from vault.app.conninfo import redacted
from vault.cli.failures import Told, told

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


def interrupted(command: str | None, arguments: Sequence[str]) -> Told:
    """`command`: the one that was found; `arguments`: all that was typed, which is what to type to go on."""
    failure = told(KeyboardInterrupt())
    if command is None or command not in STANDS:
        return failure
    return replace(failure, why=STANDS[command], fix=redacted(f"to go on: pgvault {shlex.join(arguments)}"))
