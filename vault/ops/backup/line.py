"""Where a new snapshot stands among those of its source: its parent, its number, and what of its parent is not to be believed. Pure.

Spec 60-snapshot, 85-reuse.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from vault.repo.lineage import Known, in_order


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """`distrust`: why no extent of the parent may be taken over, or empty."""

    source: str
    parent: Known | None
    sequence: int
    distrust: str


def choose_line(known: Iterable[Known], *, source: str, selection: str) -> Line:
    """The parent is the newest snapshot of the source that is not suspect, of the same selection if there is one.

    A suspect snapshot says that something is wrong with what came before it. One with the parent's own number was taken beside it, from
    the same rows, and puts it in doubt as a later one does.
    """
    same = in_order(pair for pair in known if pair[1].source == source)
    sound = [pair for pair in same if not pair[1].suspect]
    alike = [pair for pair in sound if pair[1].selection == selection]
    parent = next(reversed(alike or sound), None)
    from_number = 0 if parent is None else parent[1].sequence
    doubted = any(manifest.suspect and manifest.sequence >= from_number for _, manifest in same)
    return Line(
        source=source,
        parent=parent,
        sequence=max((manifest.sequence for _, manifest in same), default=0) + 1,
        distrust="a newer snapshot is suspect" if doubted else "",
    )
