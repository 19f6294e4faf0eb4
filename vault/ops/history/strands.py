"""Snapshots that can be compared one after the other: of one source, oldest first, and of the same part of it. Pure.

A snapshot of a part of a database lacks what nobody selected, which is not gone; so it has a strand of its own. Spec 60-snapshot.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from vault.ops.project.backup_selection import narrowed
from vault.repo.snapshot import Snapshot

Strand = Sequence[Snapshot]


def of_databases(snapshots: Iterable[Snapshot]) -> list[Strand]:
    """Of each source, and of each selection of its tables."""
    strands: dict[tuple[str, tuple[str, ...]], list[Snapshot]] = {}
    for snapshot in snapshots:
        manifest = snapshot.manifest
        if manifest.database is not None:
            strands.setdefault((manifest.source, narrowed(manifest.selection)), []).append(snapshot)
    return list(strands.values())


def of_directories(snapshots: Iterable[Snapshot]) -> Mapping[tuple[str, str], Strand]:
    """By source and name of the directory."""
    strands: dict[tuple[str, str], list[Snapshot]] = {}
    for snapshot in snapshots:
        for name in snapshot.manifest.directories:
            strands.setdefault((snapshot.manifest.source, name), []).append(snapshot)
    return strands


def is_part(snapshot: Snapshot) -> bool:
    """Whether it holds a part of its database only."""
    return bool(narrowed(snapshot.manifest.selection))
