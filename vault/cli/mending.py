"""What to type about files that a check found damaged: the command that mends each kind, in the order in which they are run. Pure."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

_STEPS: Final = (
    ("pgvault repair index", ("index",)),
    ("pgvault repair packs", ("packs",)),
    ("pgvault backup", ("packs",)),
    ("pgvault repair snapshots", ("packs", "snapshots", "forgotten")),
)
"""Command, and the directories whose damage it is for. A backup stores anew what its source still has, which heals earlier snapshots."""
_BY_HAND: Final = ("leases", "sweeps", "checks", "pins", "findings", "acks", "drills")


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
