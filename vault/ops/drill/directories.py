"""A restored directory beside the one in the snapshot: every path, its content byte by byte, and nothing besides."""

from __future__ import annotations

from vault.model.files import path_text
from vault.ops.drill.verdict import DrillVerdict, Point, differs
from vault.ops.restore.standing_paths import EQUAL, standing
from vault.ports import DirectorySource
from vault.repo.snapshot import Snapshot


def check_directory(snapshot: Snapshot, name: str, there: DirectorySource | None) -> DrillVerdict:
    """`there`: what was restored, None if it is empty. Raises  IntegrityError: the snapshot is damaged"""
    wrong: list[Point] = []
    known: set[bytes] = set()
    for item in snapshot.files(name):
        known.add(item.path)
        why = "missing" if there is None else standing(snapshot, item, there)
        if why != EQUAL:
            wrong.append(Point(kind="file", name=f"{name}/{path_text(item.path)}", why=why))
    for file in there.scan() if there is not None else ():
        if file.path not in known:
            wrong.append(Point(kind="file", name=f"{name}/{path_text(file.path)}", why="not in the snapshot"))
    return differs(*wrong)
