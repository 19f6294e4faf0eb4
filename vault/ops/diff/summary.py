"""Two snapshots compared as a whole: what is found comes as it is found, and at the end what was not compared.

Nothing is decided here: which of the two is the older, and how it is shown, is the caller's.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from itertools import chain

from vault.model import TableName
from vault.ops.diff import definitions, files, uncompared
from vault.ops.diff.as_sql import as_patch
from vault.ops.diff.found import FoundChange, Live
from vault.ops.diff.parts import TableParts
from vault.ops.diff.roles import roles
from vault.ops.diff.rows import ChangeCounts, TableChanges, changed_tables
from vault.ops.diff.scratch import Scratch
from vault.ops.diff.uncompared import Selected, Uncompared
from vault.repo.snapshot import Snapshot


class Comparison:
    """Ask `not_compared` when the others are used up.

    tables       only these, their definitions and rows; None: everything
    live         `after` is what a live database holds now, with the directories of which it is known where they are
    """

    def __init__(
        self,
        before: Snapshot,
        after: Snapshot,
        *,
        tables: Collection[TableName] | None,
        live: Live | None = None,
        scratch: Scratch,
        key: bytes,
    ) -> None:
        self.before, self.after = before, after
        self._live = live
        self._only = tables
        self._scratch, self._key = scratch, key
        self._parts: TableParts | None = None
        self._selected: Selected | None = None
        self._uncompared: list[Uncompared] = []

    @property
    def has_databases(self) -> bool:
        return None not in (self.before.manifest.database, self.after.manifest.database)

    def found(self) -> Iterator[FoundChange]:
        """All but rows: of the database first, then files. Raises  IntegrityError"""
        before, after = self.before, self.after
        if self.has_databases:
            self._selected = Selected(before, after)
            told = chain(definitions.definitions(before, after), definitions.catalog(before, after))
            yield from (one for one in told if self._is_wanted(one) and self._selected.passes(one))
        if self._only is not None:
            return
        if self._selected is not None:
            yield from self._cluster()
            values = chain(files.sequences(before, after), files.large_objects(before, after))
            yield from filter(self._selected.passes, values)
        both = before.manifest.directories.keys() & after.manifest.directories.keys()
        for name in sorted(both):
            yield from files.files(before, after, name)

    def _cluster(self) -> Iterator[FoundChange]:
        was, now = self.before.manifest.database, self.after.manifest.database
        assert was is not None, "both have one"
        assert now is not None, "both have one"
        if not (self.after.can_read(self.before) and was.roles == now.roles):
            before, after = self.before.roles(), self.after.roles()
            if before.verifiers_read != after.verifiers_read:
                self._uncompared.append(
                    Uncompared(what="passwords of roles", why="one of the snapshots could not read them")
                )
            yield from roles(before, after)

    def rows(self) -> Iterator[TableChanges]:
        """Tables of whose rows any may differ; each is used up before the next is asked for. Raises  as `changed_tables`"""
        for changes in self._changed():
            with changes:
                yield changes

    def patch(self, count: Callable[[TableChanges], ChangeCounts]) -> Iterator[bytes]:
        """A script for psql that turns the rows as they were into what they are. Raises  as `rows`

        count  of each table
        """

        def counted() -> Iterator[tuple[TableChanges, ChangeCounts]]:
            for changes in self._changed():
                yield changes, count(changes)

        leave = self._uncompared.append
        return as_patch(self.before, self.after, counted(), scratch=self._scratch, key=self._key, leave=leave)

    def _changed(self) -> Iterator[TableChanges]:
        if not self.has_databases:
            return
        found = changed_tables(
            self.before,
            self.after,
            chosen=lambda name: self._only is None or name in self._only,
            scratch=self._scratch,
            key=self._key,
        )
        for changes in found:
            self._uncompared += uncompared.of_table(changes)
            yield changes

    def not_compared(self) -> list[Uncompared]:
        """Each thing once. Raises  IntegrityError"""
        told = [*uncompared.database(self.before, self.after), *uncompared.gaps(self.before, self.after, of=self._only)]
        told += uncompared.directories(self.before, self.after, live=self._live) if self._only is None else ()
        told += self._selected.told() if self._selected is not None else ()
        unique: dict[str, Uncompared] = {}
        for one in (*told, *self._uncompared):
            unique.setdefault(one.what, one)
        return [*unique.values()]

    def _is_wanted(self, found: FoundChange) -> bool:
        if self._only is None:
            return True
        self._parts = self._parts or TableParts(self.before.catalog(), self.after.catalog())
        return found.about is not None and not self._parts.tables_of(found.about).isdisjoint(self._only)
