"""The rows that differ as a patch for psql, which turns A into B or refuses. Rows alone: of tables that both have, in the columns of both.

Memory: one row, and what `counted_rows` holds of a table without a key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import replace

from vault.model import TableName
from vault.ops.diff.counted_rows import counted_rows
from vault.ops.diff.rows import ChangeCounts, TableChanges
from vault.ops.diff.scratch import Scratch
from vault.ops.diff.uncompared import Uncompared
from vault.repo.snapshot import Snapshot
from vault.sql import patch
from vault.sql.encoding import client_encoding
from vault.sql.names import one_line, show_name
from vault.sql.patch import PatchedTable

_PIECE_BYTES = 1 << 16


Changed = tuple[TableChanges, ChangeCounts]


def as_patch(
    before: Snapshot,
    after: Snapshot,
    tables: Iterable[Changed],
    *,
    scratch: Scratch,
    key: bytes,
    leave: Callable[[Uncompared], None],
) -> Iterator[bytes]:
    """The script in pieces. Each of `tables` is closed. `leave` is told of what no patch of rows brings. Raises  as `TableChanges.counts`"""
    wanted: list[tuple[TableChanges, PatchedTable]] = []
    with ExitStack() as stack:
        for changes, counts in tables:
            stack.enter_context(changes)
            for reason in _beyond(changes, counts):
                leave(Uncompared(what=f"table {show_name(changes.name)}", why=reason))
            if changes.before is not None and changes.after is not None and changes.columns and counts.total:
                wanted.append((changes, _patched(len(wanted) + 1, changes, changes.before)))
        databases = [one.manifest.database for one in (before, after)]
        encoding = client_encoding(*(one.server.encoding for one in databases if one is not None))
        yield patch.head(_comment(before, after), encoding=encoding).encode()
        yield patch.lock([table for _, table in wanted]).encode()
        for changes, table in wanted:
            yield patch.begin(table).encode()
            rows = _Rows(changes)
            yield from _pieces(rows.keyed() if table.key else rows.whole(scratch, key))
            changed = tuple(name for at, name in enumerate(table.columns) if at in rows.changed)
            yield (patch.END_OF_ROWS + patch.look(replace(table, changed=changed))).encode()
            changes.close()
        yield (patch.RUN + "".join(patch.check_keys(table) for _, table in wanted) + patch.END).encode()


def _patched(number: int, changes: TableChanges, name: TableName) -> PatchedTable:
    was = {new.name: old.name for old, new in zip(changes.was, changes.columns, strict=True)}
    return PatchedTable(
        number=number,
        name=name,
        columns=tuple(column.name for column in changes.was),
        key=tuple(was[column] for column in changes.key),
    )


def _comment(before: Snapshot, after: Snapshot) -> list[str]:
    sides = [f"{one.id.hex()[:12]} of {one.manifest.source}" for one in (before, after)]
    return [
        f"Turns the rows of snapshot {sides[0]}",
        f"into those of {sides[1]}.",
        "For psql: psql -X -d URL -f THIS. One transaction; applied twice it does nothing the second time.",
        "Rows alone: no definition, privilege, sequence, large object or file.",
    ]


def _beyond(changes: TableChanges, counts: ChangeCounts) -> Iterator[str]:
    """What the patch leaves as it is."""
    if changes.before is None or changes.after is None:
        yield f"it {'is new' if changes.before is None else 'is gone'}, and a patch makes and drops no table"
        return
    if changes.before != changes.after:
        yield f"it was called {show_name(changes.before)}, and the patch leaves its name"
    for columns, word in ((changes.only_before, "gone"), (changes.only_after, "new")):
        if columns:
            yield f"not in the patch: what is {word}, {', '.join(one_line(column.name) for column in columns)}"
    if not changes.columns and counts.total:
        yield "it has no columns that the patch could tell its rows by"


class _Rows:
    """Lines of COPY text. `changed`: places of columns that an update changed, known at the end."""

    def __init__(self, changes: TableChanges) -> None:
        self._changes = changes
        self.changed: set[int] = set()

    def keyed(self) -> Iterator[bytes]:
        for change in self._changes:
            if change.before == change.after:
                continue  # it moved to another partition, where any server puts it by itself
            if change.before is not None and change.after is not None:
                pairs = enumerate(zip(change.before, change.after, strict=True))
                self.changed.update(at for at, (old, new) in pairs if old != new)
            if change.before is not None:
                yield _line((*change.before, patch.OLD))
            if change.after is not None:
                yield _line((*change.after, patch.NEW))

    def whole(self, scratch: Scratch, key: bytes) -> Iterator[bytes]:
        """Each different row once, with how often it is there before and after."""
        for fields, was, will in counted_rows(self._changes, scratch=scratch, key=key):
            yield _line((*fields, b"%d" % was, b"%d" % will))


def _line(fields: tuple[bytes, ...]) -> bytes:
    return b"\t".join(fields) + b"\n"


def _pieces(lines: Iterator[bytes]) -> Iterator[bytes]:
    waiting: list[bytes] = []
    size = 0
    for line in lines:
        waiting.append(line)
        size += len(line)
        if size >= _PIECE_BYTES:
            yield b"".join(waiting)
            waiting, size = [], 0
    yield b"".join(waiting)
