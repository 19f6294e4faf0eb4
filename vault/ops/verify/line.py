"""What a snapshot owes to those before it: whether taking rows over from its parent kept the rules, and whether one of its line is suspect.

The rules are those of the backup, asked again of what both manifests recorded (85-reuse). A parent that was forgotten leaves nothing to ask;
the rows are there all the same, as `contents` has seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain

from vault.format.lists import EXTENTS, TABLES
from vault.ids import SnapshotId
from vault.model import Extent, ListRef, Manifest, TableItem
from vault.ops.backup.reuse import snapshot_reason
from vault.pipeline.list_differences import differences
from vault.pipeline.lists import walk
from vault.repo.lineage import is_mended
from vault.repo.reader import Reader

Known = Mapping[SnapshotId, Manifest]


def broken_rule(manifest: Manifest, known: Known, reader: Reader) -> str:
    """Why rows cannot have been taken over as the manifest says; empty if they can, or none were. Raises  IntegrityError, StoreError"""
    reused = manifest.effort.extents_reused
    if not reused or manifest.database is None or is_mended(manifest):
        return ""
    if manifest.parent is None:
        return f"{reused} extents were taken over, and there was no snapshot before it"
    parent = known.get(manifest.parent)
    if parent is None or parent.database is None:
        return ""
    if reason := snapshot_reason(parent, manifest.database.server):
        return f"{reused} extents were taken over from {_short(manifest.parent)}, and {reason}"
    equal = _equal_extents(parent.database.tables, manifest.database.tables, reader)
    if equal < reused:
        return f"{reused} extents were taken over from {_short(manifest.parent)}, and {equal} are as they are there"
    return ""


def _equal_extents(before: ListRef, after: ListRef, reader: Reader) -> int:
    """How many extents two lists of tables have in common."""
    changed = {now.name: then for then, now in differences(before, after, TABLES, load=reader.get_many) if now}
    equal = 0
    for now in walk(after, TABLES, reader.get_many):
        if now.name not in changed:
            equal += now.extents.sums.items if now.inline is None else 1
        elif (then := changed[now.name]) is not None:
            equal += _in_common(_extents(then, reader), _extents(now, reader))
    return equal


def _extents(table: TableItem, reader: Reader) -> Iterator[Extent]:
    inline = () if table.inline is None else (table.inline,)
    return chain(inline, walk(table.extents, EXTENTS, reader.get_many))


def _in_common(before: Iterator[Extent], after: Iterator[Extent]) -> int:
    """Both by start; one of each is held."""
    equal = 0
    then = next(before, None)
    for now in after:
        while then is not None and then.start < now.start:
            then = next(before, None)
        equal += then == now
    return equal


def suspects(snapshot_id: SnapshotId, known: Known) -> Iterator[str]:
    """What makes rows of a snapshot doubtful: its own finding, or that of one with which it shares rows that nobody read again."""
    manifest = known[snapshot_id]
    if manifest.suspect:
        yield f"it is suspect: {manifest.suspect}"
    for other_id in _taken_from(snapshot_id, known):
        if (other := known[other_id]).suspect and not is_mended(other):
            yield f"it took rows over from {_short(other_id)}, which is suspect: {other.suspect}"
    if not manifest.effort.extents_reused:
        return
    for other_id, other in known.items():
        if other.suspect and not is_mended(other) and snapshot_id in _taken_from(other_id, known):
            yield f"{_short(other_id)} took rows over from it, and is suspect: {other.suspect}"


def _taken_from(snapshot_id: SnapshotId, known: Known) -> list[SnapshotId]:
    """Snapshots of which a snapshot may hold extents unread, the nearest first, to one that read everything."""
    line: list[SnapshotId] = []
    at = known[snapshot_id]
    while at.effort.extents_reused and at.parent in known and at.parent not in line:
        assert at.parent is not None, "it is a key"
        line.append(at.parent)
        at = known[at.parent]
    return line


def _short(snapshot_id: SnapshotId) -> str:
    return snapshot_id.hex()[:12]
