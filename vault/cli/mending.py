"""What to type about files that a check found damaged: the command that mends each kind, in the order in which they are run. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Final

from vault.errors import RolledBack, Unreadable, Unsupported

if TYPE_CHECKING:
    from vault.ops.check.damages import Damage

_NOWHERE: Final = ""
"""In place of a file: of an object that no index tells of. Either the index is gone, or the pack with it."""
_STEPS: Final = (
    ("pgvault repair index", ("index", _NOWHERE)),
    ("pgvault repair packs", ("packs",)),
    ("pgvault backup", ("packs", _NOWHERE)),
    ("pgvault repair snapshots", ("packs", "snapshots", "forgotten", _NOWHERE)),
)
"""Command, and the directories whose damage it is for. A backup stores anew what its source still has, which heals earlier snapshots."""
_BY_HAND: Final = ("leases", "sweeps", "checks", "pins", "findings", "acks", "drills")


_NO_REPAIR: Final = frozenset({Unsupported.code, RolledBack.code, Unreadable.code})
"""Another program, who took it away, and another user mend these."""


def to_type(damage: Iterable[Damage]) -> list[str]:
    """`next_steps` of what a repair mends; and of what this user may not read, who may."""
    faults = list(damage)
    lines = next_steps([fault.file for fault in faults if fault.kind not in _NO_REPAIR])
    if any(fault.kind == Unreadable.code for fault in faults):
        lines.append(
            "what this user may not read is not known to be damaged: run it as the owner of the repository, or give this user rights"
        )
    return lines


def next_steps(files: Collection[str]) -> list[str]:
    """Lines about damaged files, by their names; none where nothing can be typed."""
    directories = {file.partition("/")[0] for file in files}
    lines = []
    commands = [command for command, kinds in _STEPS if directories.intersection(kinds)]
    if commands:
        lines.append("to mend that, in this order: " + "; ".join(commands))
    if others := [f"{directory}/" for directory in _BY_HAND if directory in directories]:
        lines.append(
            f"nobody can read what lies damaged in {', '.join(others)}, and nothing needs it: remove those files by hand"
        )
    return lines
