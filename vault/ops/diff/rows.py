"""Which rows differ between two snapshots, table by table, as a stream: nothing is read before it is asked for.

What both snapshots share is not read; of the rest, rows are matched by hashes and only those that differ are fetched. Rows that merely
lie elsewhere do not differ. Keys are told by their text: numeric 1.0 and 1.00 are two of them. Generated columns are no part of rows.
Memory is bounded, but for rows that are fetched: one before and one after.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Self

from vault.model import Column, TableItem, TableName
from vault.ops.diff.columns import ComparedColumns, compared, places_of
from vault.ops.diff.matched import Heard, Marker, Matches, Own, Parts, Side, collect, unheard
from vault.ops.diff.places import FetchedRow, Places, RowForm
from vault.ops.diff.scratch import Scratch
from vault.ops.diff.shared import Version, all_rows
from vault.ops.diff.tables import Leaf, TablePair, changed_pairs, same_database, table_names
from vault.repo.snapshot import Snapshot
from vault.sql.encoding import codec_of

KEY_BYTES: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class RowChange:
    """A row that differs. `before` None: inserted; `after` None: deleted; both: updated, under the same key.

    Each is the row's fields as COPY text (escaped, `\\N` is NULL), in UTF-8, in the order of `TableChanges.columns`.
    leaf_before, leaf_after  the partition that holds it; None in a table that has none
    """

    before: tuple[bytes, ...] | None
    after: tuple[bytes, ...] | None
    leaf_before: TableName | None = None
    leaf_after: TableName | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeCounts:
    inserted: int = 0
    deleted: int = 0
    updated: int = 0

    @property
    def total(self) -> int:
        return self.inserted + self.deleted + self.updated


class TableChanges:
    """One table, a partitioned one with all its leaves. Use it as a context manager: it may hold room on the disk.

    name          as it is called in `after`, or in `before` if it is gone; before, after: what it is called, None where it is not there
    key           columns by which rows are matched; empty: as wholes, so that none is updated
    columns       compared ones, as in `after`; was: the same as in `before`
    only_before, only_after, retyped   columns that are not in both, or have another type: told here, and not by any row
    unlike        those of both whose values are not compared: their types print values differently
    uncaptured    the table, or leaves of it, whose rows one of the snapshots does not have: nothing is said of these

    marker        whose rows alone are told, as far as others can be left out cheaply; None: all
    """

    def __init__(
        self,
        pair: TablePair,
        before: Snapshot,
        after: Snapshot,
        *,
        scratch: Scratch,
        key: bytes,
        marker: Marker | None = None,
    ) -> None:
        self.before, self.after, self.name = pair.before, pair.after, pair.name
        self.uncaptured = pair.uncaptured
        self._snapshots = (before, after)
        self._scratch, self._key, self._marker = scratch, key, marker
        self._leaves = pair.leaves
        found = _columns(pair.leaves, by_oid=same_database(before, after))
        self.key = found.key
        self.was = tuple(old for old, _ in found.pairs)
        self.columns = tuple(new for _, new in found.pairs)
        self.only_before, self.only_after = found.only_before, found.only_after
        self.retyped, self.unlike = found.retyped, found.unlike
        self._parts = [self._part(leaf) for leaf in pair.leaves]
        self._collected: set[int] = set()
        """Numbers of parts of which the sides know."""
        self._sides: tuple[Side, Side] | None = None
        self._matches: Matches | None = None
        self._plain: list[Parts] = []

    @property
    def items_before(self) -> tuple[TableItem, ...]:
        """The table, or its leaves, as the earlier snapshot has them; of leaves those that may have changed."""
        return tuple(leaf.before for leaf in self._leaves if leaf.before is not None)

    @property
    def items_after(self) -> tuple[TableItem, ...]:
        return tuple(leaf.after for leaf in self._leaves if leaf.after is not None)

    @property
    def is_partitioned(self) -> bool:
        names = (self.before, self.after)
        return any(item.name not in names for leaf in self._leaves for item in (leaf.before, leaf.after) if item)

    @property
    def compared_bytes_max(self) -> int:
        """Text of all rows that may have to be read to compare them."""
        return sum(item.sums.bytes for leaf in self._leaves for item in (leaf.before, leaf.after) if item is not None)

    def has_moved(self, row: RowChange) -> bool:
        """Whether a row of both lies in another leaf than it did; one that was renamed, or attached, is the same."""
        leaves = (row.leaf_before or self.before, row.leaf_after or self.after)
        same = ((leaf.before, leaf.after) for leaf in self._leaves)
        is_there = any(was and now and (was.name, now.name) == leaves for was, now in same)
        return row.before is not None and row.after is not None and not is_there

    def match(self) -> None:
        """Find out which rows differ, without fetching any. Raises  as `counts`"""
        self._matched()

    def counts(self, heard: Heard = unheard) -> ChangeCounts:
        """How many rows differ, without fetching any. Raises  IntegrityError; OSError: no room for hashes"""
        matches = self._matched(heard)
        plain = [[one.item.sums.rows for part in self._plain for one in _versions(part, side)] for side in (0, 1)]
        return ChangeCounts(
            inserted=matches.inserted + sum(plain[1]),
            deleted=matches.deleted + sum(plain[0]),
            updated=matches.updated,
        )

    def __iter__(self) -> Iterator[RowChange]:
        """What is deleted or updated as it lay before, then what is inserted as it lies. Raises  as `counts`"""
        matches = self._matched()
        assert self._sides is not None, "they are what was matched"
        was, now = (side.places for side in self._sides)
        yield from self._alone(0)
        for before, after in matches:
            yield self._change(_fetched(was, before), _fetched(now, after))
        yield from self._alone(1)

    def beside(self, side: int, hold: Callable[[bytes, RowForm], bool]) -> Iterator[tuple[bytes, ...]]:
        """Of every row before (0) or after (1), in leaves that may have changed: what is in columns that are not compared, as COPY text in
        UTF-8. Reads all rows of leaves that have such columns.

        hold  whether to look at these rows, which are as they are stored
        """
        names = {column.name for column in (self.was, self.columns)[side]}
        for item in (self.items_before, self.items_after)[side]:
            others = [column.name for column in item.columns if column.name not in names]
            if others:
                form = self._form(item, side, others)
                for piece in all_rows(Version(snapshot=self._snapshots[side], item=item)):
                    if hold(piece.text, form):
                        yield from map(form.fields, piece.text.split(b"\n")[:-1])

    def all_after(self) -> Iterator[tuple[bytes, ...]]:
        """Every row of the table as it is, those that did not change too, in the columns that are compared. Reads all of it."""
        snapshot = self._snapshots[1]
        roots = table_names(snapshot)
        for item in snapshot.tables():
            if roots[item.name] == self.after:
                form = self._form(item, 1)
                for piece in all_rows(Version(snapshot=snapshot, item=item)):
                    yield from map(form.fields, piece.text.split(b"\n")[:-1])

    def close(self) -> None:
        """Give back the room on the disk."""
        if self._matches is not None:
            self._matches.close()
        for side in self._sides or ():
            side.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def to_collect(self, users: int) -> tuple[tuple[Side, Side], list[tuple[int, tuple[Own, Own]]]]:
        """What of its two sides is to be collected by the caller: leaves of both whose rows are compared as they are stored.

        users  comparisons that are under way at once, and share the memory of one
        """
        assert self._sides is None, "it was begun"
        self._scratch = self._scratch.shared(users)
        shared = [
            (number, (part.before, part.after))
            for number, part in enumerate(self._parts)
            if part.raw and part.before is not None and part.after is not None
        ]
        self._collected = {number for number, _ in shared}
        return self._begun(), shared

    def _begun(self) -> tuple[Side, Side]:
        if self._sides is None:
            before, after = (
                Side(
                    self._scratch,
                    key=self._key,
                    has_key=bool(self.key),
                    in_leaves=len(self._parts) > 1,
                    marker=self._marker,
                )
                for _ in ("before", "after")
            )
            self._sides = (before, after)
        return self._sides

    def _matched(self, heard: Heard = unheard) -> Matches:
        if self._matches is None:
            sides = self._begun()
            numbered = [one for one in enumerate(self._parts) if one[0] not in self._collected]
            collect([one for one in numbered if None not in (one[1].before, one[1].after)], sides, heard)
            rest = [one for one in numbered if None in (one[1].before, one[1].after)]
            if self._has_no_counterpart([part for _, part in rest]):
                self._plain = [part for _, part in rest]
            else:
                collect(rest, sides, heard)
            is_marked = self._marker is not None
            self._matches = Matches(self._scratch, sides, has_key=bool(self.key), is_marked=is_marked)
            for side in sides:
                side.records.close()
        return self._matches

    def _has_no_counterpart(self, rest: list[Parts]) -> bool:
        """Whether each row of leaves that only one side has is one that only this side has."""
        assert self._sides is not None, "the others were collected"
        gone, new = any(part.before for part in rest), any(part.after for part in rest)
        return not (gone and (new or len(self._sides[1].records))) and not (new and len(self._sides[0].records))

    def _alone(self, at: int) -> Iterator[RowChange]:
        for part in self._plain:
            own = (part.before, part.after)[at]
            for piece in all_rows(own[0]) if own is not None else ():
                assert own is not None
                for line in piece.text.split(b"\n")[:-1]:
                    row = FetchedRow(fields=own[1].fields(line), leaf=own[0].item.name)
                    yield self._change(row, None) if at == 0 else self._change(None, row)

    def _change(self, before: FetchedRow | None, after: FetchedRow | None) -> RowChange:
        return RowChange(
            before=None if before is None else before.fields,
            after=None if after is None else after.fields,
            leaf_before=None if before is None or before.leaf == self.before else before.leaf,
            leaf_after=None if after is None or after.leaf == self.after else after.leaf,
        )

    def _part(self, leaf: Leaf) -> Parts:
        items = (leaf.before, leaf.after)
        sides = [
            None if item is None else (Version(snapshot=self._snapshots[side], item=item), self._form(item, side))
            for side, item in enumerate(items)
        ]
        forms = [one[1] for one in sides if one is not None]
        raw = all(form.is_complete for form in forms) and len({form.kept for form in forms}) == 1
        return Parts(before=sides[0], after=sides[1], raw=raw and not any(form.is_recoded for form in forms))

    def _form(self, item: TableItem, side: int, names: Sequence[str] | None = None) -> RowForm:
        """Of a leaf in one of the snapshots. `names`: of its columns that are looked at; None: those that are compared"""
        if names is not None:
            codec = _codec(self._snapshots[side])
            return RowForm(kept=places_of(item, names), count=len(item.columns), key=(), codec=codec, recoded=False)
        was = {new.name: old.name for old, new in zip(self.was, self.columns, strict=True)}
        codecs = [_codec(snapshot) for snapshot in self._snapshots]
        return RowForm(
            kept=places_of(item, [column.name for column in (self.was, self.columns)[side]]),
            count=len(item.columns),
            key=places_of(item, [was[name] if side == 0 else name for name in self.key]),
            codec=codecs[side],
            recoded=codecs[0] != codecs[1],
        )


def changed_tables(
    before: Snapshot,
    after: Snapshot,
    *,
    chosen: Callable[[TableName], bool],
    scratch: Scratch,
    key: bytes,
    marker: Marker | None = None,
) -> Iterator[TableChanges]:
    """Tables of whose rows any may differ, by name; those that are certainly equal are left out.

    chosen  by the name of the table, never of a leaf; a renamed one by any of its names
    key     KEY_BYTES random bytes, drawn for this comparison
    Raises  NotThere: a snapshot holds no database; IntegrityError
    """
    for pair in changed_pairs(before, after):
        if any(name is not None and chosen(name) for name in (pair.before, pair.after)):
            yield TableChanges(pair, before, after, scratch=scratch, key=key, marker=marker)


def _columns(leaves: tuple[Leaf, ...], *, by_oid: bool) -> ComparedColumns:
    was = [leaf.before for leaf in leaves if leaf.before is not None]
    now = [leaf.after for leaf in leaves if leaf.after is not None]
    if was or now:
        return compared(was or now, now or was, same_database=by_oid or not (was and now))
    return ComparedColumns(pairs=(), only_before=(), only_after=(), retyped=(), unlike=(), key=())


def _versions(part: Parts, side: int) -> list[Version]:
    own = (part.before, part.after)[side]
    return [] if own is None else [own[0]]


def _fetched(places: Places, place: int | None) -> FetchedRow | None:
    return None if place is None else places.row(place)


def _codec(snapshot: Snapshot) -> str:
    database = snapshot.manifest.database
    return codec_of(database.server.encoding) if database is not None else "utf-8"


__all__ = ["KEY_BYTES", "ChangeCounts", "Column", "RowChange", "RowForm", "TableChanges", "changed_tables"]
