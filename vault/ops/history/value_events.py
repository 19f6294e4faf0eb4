"""When a text came into rows, definitions or a file, and when it went: `log -S`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from vault.errors import NotThere, UsageError
from vault.model import Address, EntryItem, TableName
from vault.model.words import counted
from vault.ops.diff.rows import RowChange, RowForm, TableChanges, changed_tables
from vault.ops.diff.scratch import Scratch
from vault.ops.history.comparisons import Comparisons
from vault.ops.history.events import APPEARED, CHANGED, THERE, UNKNOWN, WENT, Event, Value, not_captured, shown
from vault.ops.view.paths import read_path
from vault.pipeline.copytext import escape, to_utf8, unescape, whole_rows
from vault.repo import differing
from vault.repo.leaves import leaves
from vault.repo.snapshot import Snapshot
from vault.sql.encoding import codec_of
from vault.sql.names import one_line, show_name


class Needle:
    """A text, and whether bytes hold it."""

    def __init__(self, text: str) -> None:
        if not text:
            raise UsageError("-S: nothing to look for", hint="pgvault log -S 'text' public.orders")
        self.raw = text.encode("utf-8", "surrogateescape")
        self._escaped = escape(self.raw)

    def may_be_in(self, text: bytes) -> bool:
        """False if no row of this COPY text in UTF-8 holds it."""
        return self._escaped in text

    def is_in_row(self, fields: Iterable[bytes]) -> bool:
        """Fields of COPY text in UTF-8. An escape is no letter, so what is found is looked at without escapes."""
        return any(self._escaped in field and self.raw in unescape(field) for field in fields)

    def is_in(self, blocks: Iterable[bytes]) -> bool:
        """Across blocks too."""
        tail = b""
        for block in blocks:
            joined = tail + block
            if self.raw in joined:
                return True
            tail = joined[-(len(self.raw) - 1) :] if len(self.raw) > 1 else b""
        return False

    def rows(self, blocks: Iterable[bytes]) -> int:
        """How many rows of COPY text in UTF-8, in blocks of whole rows, hold it."""
        count = 0
        for block in blocks:
            if self._escaped in block:
                count += sum(self.is_in_row(line.split(b"\t")) for line in block.split(b"\n") if self._escaped in line)
        return count


class RowTexts:
    """Implements events.Differ and Foreseeing, and matched.Marker: rows that got or lost the text; of all tables, if none is named."""

    def __init__(self, needle: Needle, table: TableName | None, *, scratch: Scratch, key: bytes) -> None:
        self._needle, self._table, self._scratch, self._key = needle, table, scratch, key
        self._comparisons = Comparisons(self._find)

    def may_mark(self, text: bytes, form: RowForm) -> bool:
        return self._needle.may_be_in(text) if form.is_in_utf8 else True

    def marks(self, fields: tuple[bytes, ...]) -> bool:
        return self._needle.is_in_row(fields)

    def foresee(self, window: Sequence[Snapshot]) -> None:
        self._comparisons.foresee(window, self._table)

    def close(self) -> None:
        self._comparisons.close()

    def _find(self, older: Snapshot, newer: Snapshot, name: TableName | None) -> Iterator[TableChanges]:
        return changed_tables(
            older, newer, chosen=lambda one: name in (None, one), scratch=self._scratch, key=self._key, marker=self
        )

    def between(self, older: Snapshot, newer: Snapshot) -> Iterator[Event]:
        for changes in self._comparisons.between(older, newer, self._table):
            with changes:
                for change in changes:
                    before, after = (
                        row is not None and self._needle.is_in_row(row) for row in (change.before, change.after)
                    )
                    if before != after:
                        yield self._event(newer, changes, change, APPEARED if after else WENT)
                yield from self._beside(newer, changes)
            if self._table is not None:
                self._table = changes.before or self._table

    def _beside(self, snapshot: Snapshot, changes: TableChanges) -> Iterator[Event]:
        """What no compared row tells: the text in columns that came, went or have another type, and rows that were not captured."""
        before, after = (sum(map(self._needle.is_in_row, changes.beside(side, self.may_mark))) for side in (0, 1))
        came = [column.name for column in (*changes.only_after, *(new for _, new in changes.unlike))]
        gone = [column.name for column in (*changes.only_before, *(old for old, _ in changes.unlike))]
        notes = [
            f"{counted(count, 'row')} {'has' if count == 1 else 'have'} it in {', '.join(map(one_line, names))}, {why}"
            for count, names, why in (
                (before, gone, "which is not there any more, or of another type"),
                (after, came, "which was not there before, or of another type"),
            )
            if count
        ]
        if notes:
            change = CHANGED if before and after else APPEARED if after else WENT
            yield Event(snapshot=snapshot, what="rows", change=change, name=show_name(changes.name), notes=tuple(notes))
        if changes.uncaptured:
            yield Event(
                snapshot=snapshot,
                what="rows",
                change=UNKNOWN,
                name=show_name(changes.name),
                notes=(not_captured(changes.uncaptured),),
                is_whole=False,
            )

    def first(self, oldest: Snapshot) -> Iterator[Event]:
        database = oldest.manifest.database
        codec = codec_of(database.server.encoding if database is not None else "UTF8")
        for item in oldest.tables() if self._table is None else leaves(oldest, self._table):
            rows = self._needle.rows(to_utf8(whole_rows(oldest.rows(item)), codec))
            if rows:
                yield Event(snapshot=oldest, what="rows", change=THERE, name=show_name(item.name), counts=(rows, 0, 0))

    def _event(self, snapshot: Snapshot, changes: TableChanges, change: RowChange, word: str) -> Event:
        """The row's key, and the columns that have the text or lost it."""
        values: list[Value] = []
        key: list[tuple[str, str | None]] = []
        for at, column in enumerate(changes.columns):
            before = None if change.before is None else change.before[at]
            after = None if change.after is None else change.after[at]
            if column.name in changes.key:
                key.append((column.name, shown(after if after is not None else before or b"")))
            if any(field is not None and self._needle.is_in_row((field,)) for field in (before, after)):
                values.append(
                    Value(
                        name=column.name,
                        before=None if before is None else shown(before),
                        after=None if after is None else shown(after),
                    )
                )
        return Event(
            snapshot=snapshot,
            what="row",
            change=word,
            name=show_name(changes.name),
            key=tuple(key),
            values=tuple(values),
        )


class DefinitionTexts:
    """Implements events.Differ: definitions that got or lost the text; `address`: of one object alone, with what is about it."""

    def __init__(self, needle: Needle, address: Address | None = None) -> None:
        self._needle, self._address = needle, address

    def between(self, older: Snapshot, newer: Snapshot) -> Iterator[Event]:
        for was, now in differing.entries(older, newer):
            before, after = self._holds(older, was), self._holds(newer, now)
            item = now or was
            if before != after and item is not None:
                yield Event(snapshot=newer, what="definition", change=APPEARED if after else WENT, name=_label(item))

    def first(self, oldest: Snapshot) -> Iterator[Event]:
        for item in oldest.entry_items():
            if self._holds(oldest, item):
                yield Event(snapshot=oldest, what="definition", change=THERE, name=_label(item))

    def _holds(self, snapshot: Snapshot, item: EntryItem | None) -> bool:
        if item is None or not self._is_asked_for(item):
            return False
        (entry,) = snapshot.entries([item])
        return self._needle.is_in((entry.definition.encode(),))

    def _is_asked_for(self, item: EntryItem) -> bool:
        address, own = self._address, item.identity.address
        if address is None or own.whole == address:
            return True
        return len(own.names) > len(address.names) and own.names[: len(address.names)] == address.names


class FileTexts:
    """Implements events.Differ: one file that got or lost the text."""

    def __init__(self, needle: Needle, directory: str, path: str) -> None:
        self._needle, self._directory, self._path = needle, directory, read_path(path)

    def between(self, older: Snapshot, newer: Snapshot) -> Iterator[Event]:
        if older.manifest.directories[self._directory] != newer.manifest.directories[self._directory]:
            before, after = self._holds(older), self._holds(newer)
            if before != after:
                yield Event(snapshot=newer, what="file", change=APPEARED if after else WENT)

    def first(self, oldest: Snapshot) -> Iterator[Event]:
        if self._holds(oldest):
            yield Event(snapshot=oldest, what="file", change=THERE)

    def _holds(self, snapshot: Snapshot) -> bool:
        try:
            return self._needle.is_in(snapshot.file_blocks(snapshot.file(self._directory, self._path)))
        except NotThere:
            return False


def _label(item: EntryItem) -> str:
    identity = item.identity
    return f"{identity.desc} {identity.sub or '.'.join(identity.names)}"
