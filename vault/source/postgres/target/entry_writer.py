"""Definitions on one connection of a target: an entry with its owner, exact privileges, and the meaning that it had.

Follows pg_backup_archiver.c (_printTocEntry), except where its way leaves a database open or lets an expression call another
operator than it did: spec 75-restore. Invariant: each method is one transaction; what it raises for left nothing behind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

import psycopg

from vault.errors import MeaningLost, SourceError, Unreachable
from vault.model import Address, Identity, SchemaEntry, TableName
from vault.model.meaning import Calls, Meanings, search_paths
from vault.source.postgres.connection.connect import Connection, Session
from vault.source.postgres.connection.sql_text import text
from vault.source.postgres.definitions import beyond_pg_dump, expressions
from vault.source.postgres.target.attempts import Attempts, translate
from vault.source.postgres.target.name_taken import INDEXED, create_beside
from vault.sql import privileges, sqlstate, statements
from vault.sql.names import qualified, quote

_ALREADY_THERE: Final = frozenset(
    {sqlstate.DUPLICATE_OBJECT, sqlstate.DUPLICATE_TABLE, sqlstate.INVALID_TABLE_DEFINITION}
)
_KEEPS_OUT: Final = {
    ("FK CONSTRAINT", sqlstate.FOREIGN_KEY_VIOLATION),
    ("CHECK CONSTRAINT", sqlstate.CHECK_VIOLATION),
}
_NO_KEY: Final = (sqlstate.UNIQUE_VIOLATION, sqlstate.NOT_NULL_VIOLATION)
SET_PATH: Final = "select pg_catalog.set_config('search_path', %s, true)"
_OF_ATTACH: Final = frozenset({"INDEX", "CONSTRAINT"})
_ATTACHED: Final = """
select pg_catalog.pg_get_indexdef(i.indexrelid), pg_catalog.format(E'ALTER TABLE ONLY %%s\\n    ADD CONSTRAINT %%s %%s;\\n',
       i.indrelid::pg_catalog.regclass, pg_catalog.quote_ident(f.conname), pg_catalog.pg_get_constraintdef(f.oid))
  from pg_catalog.pg_index i join pg_catalog.pg_class c on c.oid = i.indrelid and c.relispartition
  left join pg_catalog.pg_constraint f on f.conindid = i.indexrelid and f.conrelid = i.indrelid
 where i.indexrelid = pg_catalog.to_regclass(%(index)s)
"""
_HOLD_ROWS: Final = frozenset({"TABLE", "FOREIGN TABLE", "DOMAIN", "TYPE"})
"""Made even where an expression of theirs calls something else: rows depend on them."""
_WITH_EXPRESSIONS: Final = _HOLD_ROWS | {
    *("VIEW", "MATERIALIZED VIEW", "RULE", "TRIGGER", "POLICY", "INDEX", "CONSTRAINT", "CHECK CONSTRAINT", "DEFAULT"),
    *("FUNCTION", "PROCEDURE", "STATISTICS", "PUBLICATION TABLE"),
}


_NO_QUERY: Final = " AS\nSELECT\n    NULL::"
"""What pg_dump writes for a view that needs something which comes later; its entry RULE brings the query."""


def _is_without_query(entry: SchemaEntry) -> bool:
    return entry.identity.desc == "VIEW" and _NO_QUERY in entry.definition


class EntryWriter(Attempts):
    """`search_paths`: owner -> the one that it had; `meanings`: what expressions called in the source."""

    def __init__(self, connection: Connection, *, search_paths: Mapping[str, str], meanings: Meanings) -> None:
        super().__init__(connection)
        self._search_paths = search_paths
        self._meanings = meanings
        self._placed = {"default_tablespace": "", "default_table_access_method": "heap"}
        self._on_members: dict[Identity, str] | None = None
        self._grouped = False
        self._on_a_path = False
        self._reset = frozenset(str(row[0]) for row in connection.execute(privileges.OWN_DEFAULTS))

    def create(self, entry: SchemaEntry, *, then: Sequence[str] = ()) -> Sequence[str]:
        notes = self._place(entry)
        owner = statements.set_owner(entry)
        try:
            self._alike(entry, lambda: self._create(entry, owner, then))
        except MeaningLost as error:
            if entry.identity.desc not in _HOLD_ROWS:
                raise
            self._attempt(error.message, lambda: self._create(entry, owner, then, alike=False))
            notes.append(f"made, but {error.why}")
        except SourceError as error:
            if error.sqlstate in _ALREADY_THERE and (self._adopt(entry) or self._is_of_attach(entry)):
                return notes
            if error.sqlstate == sqlstate.DUPLICATE_TABLE and entry.identity.desc in INDEXED:
                if note := self._beside(entry, then):
                    return [*notes, note]
                raise
            if owner is None:
                raise
            try:
                self._alike(entry, lambda: self._create(entry, None, then))
            except SourceError:
                raise error from error.__cause__
            notes.append(f"owner {entry.owner} not set: {error.why}")
        return notes

    def create_together(self, entries: Sequence[SchemaEntry]) -> bool:
        if not all(map(self._is_plain, entries)):
            return False
        definitions = "\n".join(f"{entry.definition}\n{statements.set_owner(entry) or ''}" for entry in entries)
        try:
            self._connection.execute(text(definitions))
        except psycopg.Error as error:
            translated = translate(error, "definitions")
            if isinstance(translated, Unreachable):
                raise translated from error
            return False
        return True

    def _is_plain(self, entry: SchemaEntry) -> bool:
        """Whether `create` would execute it and nothing else, as long as it does not fail."""
        placed = {
            "default_tablespace": entry.tablespace,
            "default_table_access_method": entry.table_access_method or "heap",
        }
        return (
            placed == self._placed
            and privileges.KINDS.get(entry.identity.desc) not in self._reset
            and not self._is_looked_at(entry)
        )

    def _beside(self, entry: SchemaEntry, then: Sequence[str]) -> str:
        """Under another name, if an index of another table has the entry's. Raises SourceError; Unreachable"""
        return self._attempt(
            entry.label,
            lambda: create_beside(self._connection, entry.identity, lambda: self._create(entry, None, then)),
        )

    def create_weaker(self, entry: SchemaEntry, why: SourceError) -> str | None:
        desc = entry.identity.desc
        statement, done = None, ""
        if (desc, why.sqlstate) in _KEEPS_OUT:
            statement, done = statements.append_not_valid(entry.definition), "created NOT VALID: rows violate it"
        elif desc in ("CONSTRAINT", "INDEX") and why.sqlstate in _NO_KEY:
            statement, done = statements.plain_index(entry), "created as a plain index: rows violate it"
        elif desc == "POLICY":
            statement = statements.closed_policy(entry)
            done = f"restrictive, so made `false`, and admits nothing until you create it: {why.why or why.message}"
        if statement is None:
            return None
        self._attempt(entry.label, lambda: self._run([statement]))
        key = statements.read_key(entry) if desc == "CONSTRAINT" else None
        return done if key is None else f"{done} ({self._count_violations(key)})"

    @contextmanager
    def together(self) -> Iterator[None]:
        try:
            self._grouped = True
            with self._connection.transaction():
                yield
        except psycopg.Error as error:
            raise translate(error, "the exchange could not be ended") from error
        finally:
            self._grouped = False
            self._placed = {"default_tablespace": "?", "default_table_access_method": "?"}

    def replace(self, entry: SchemaEntry, present: SchemaEntry, *, again: Sequence[str] = ()) -> Sequence[str]:
        owner = statements.set_owner(entry)
        if entry.definition == present.definition:
            self._attempt(entry.label, lambda: self._run([] if owner is None else [owner]))
            return []
        changed = statements.create_or_replace(entry)
        if entry.identity.desc == "PUBLICATION TABLE":
            anew = f"{statements.leave_publication(entry.identity)}\n{entry.definition}"
            self._alike(entry, lambda: self._replace(entry, anew))
            return []
        if changed is None:
            return self.create(entry)
        try:
            self._alike(entry, lambda: self._replace(entry, f"{changed}\n{owner or ''}"))
        except SourceError:  # another result type or other columns: only dropping it helps
            self._alike(entry, lambda: self._drop_and_create(entry, present, owner=owner, again=again))
        return []

    def _replace(self, entry: SchemaEntry, statement: str) -> None:
        with self._connection.transaction():
            self._run_inside([statement])
            self._refuse_otherwise(entry)

    def _drop_and_create(
        self, entry: SchemaEntry, present: SchemaEntry, *, owner: str | None, again: Sequence[str]
    ) -> None:
        with self._connection.transaction():
            self._run_inside([present.drop])
            self._create(entry, owner, ())
            self._run_inside(again)

    def reset_privileges(self, kind: str, names: Sequence[str], args: Sequence[str] = ()) -> None:
        doing, address = f"privileges of {kind} {'.'.join(names)}", (kind, list(names), list(args))

        def reset() -> None:
            with self._connection.transaction():
                self._run_inside(self._first(self._connection.execute(privileges.RESET_COLUMNS, address)))
                self._run_inside(self._resetting(kind, names, args))
                if left := ", ".join(self._first(self._connection.execute(privileges.BEYOND, address))):
                    raise SourceError(doing, why=f"the restoring role may not take back what {left} granted")

        self._attempt(doing, reset)

    def _alike(self, entry: SchemaEntry, action: Callable[[], None]) -> None:
        """Run `action` under the empty search path, else under one that finds what the entry called. Raises  the first error"""
        name = entry.label
        try:
            self._attempt(name, action, script=entry.identity.desc == "EXTENSION")
            return
        except SourceError as error:
            if not isinstance(error, MeaningLost) and error.sqlstate not in sqlstate.NOT_FOUND:
                raise
            first = error
        for path in self._paths(entry, first):
            try:
                self._attempt(name, partial(self._on_path, path, action))
                return
            except SourceError:
                continue
        raise first from first.__cause__

    def _paths(self, entry: SchemaEntry, why: SourceError) -> Iterator[str]:
        """Where a name that was not found may be: in the path of the entry's owner, or where its operators are."""
        if isinstance(why, MeaningLost):
            yield from why.paths
            return
        if entry.owner in self._search_paths:
            yield self._search_paths[entry.owner]
        yield from search_paths(self._meanings.about(entry.identity.address).values())

    def _on_path(self, path: str, function: Callable[[], None]) -> None:
        self._on_a_path = True
        try:
            with self._connection.transaction():
                self._connection.execute(SET_PATH, (path,))
                function()
        finally:
            self._on_a_path = False

    def _create(self, entry: SchemaEntry, owner: str | None, then: Sequence[str], *, alike: bool = True) -> None:
        definition = f"{entry.definition}\n{owner or ''}"
        desc = entry.identity.desc
        reset = privileges.KINDS.get(desc) in self._reset or (desc == "EXTENSION" and bool(self._reset))
        refresh = desc == "MATERIALIZED VIEW DATA"
        looked_at = alike and self._is_looked_at(entry)
        if not (reset or refresh or then or looked_at or self._grouped):
            self._connection.execute(text(definition))
            return
        with self._connection.transaction():
            if refresh:
                self._connection.execute("SET LOCAL row_security TO on")
            self._connection.execute(text(definition))
            if looked_at:
                self._refuse_otherwise(entry)
            if reset:
                self._run_inside(self._resetting_entry(entry))
            self._run_inside(then)

    def _is_looked_at(self, entry: SchemaEntry) -> bool:
        """Under the empty path an expression finds nothing outside of pg_catalog that it does not name."""
        if entry.identity.desc not in _WITH_EXPRESSIONS or _is_without_query(entry):
            return False
        return self._on_a_path or bool(self._meanings.about(entry.identity.address))

    def _refuse_otherwise(self, entry: SchemaEntry) -> None:
        """Raises  MeaningLost"""
        if self._is_looked_at(entry):
            changed = self._meanings.changed(expressions.calls_of(self._connection, entry.identity))
            if changed:
                raise MeaningLost(entry.label, why=_otherwise(changed), paths=tuple(search_paths(changed.values())))

    def _adopt(self, entry: SchemaEntry) -> bool:
        """Whether what is there belongs to an extension's table; where it differs, the recorded one takes its place.

        Nothing in a catalog says which of them an extension's script made, so that a snapshot can hold one too many.
        """
        if self._on_members is None:
            self._on_members = beyond_pg_dump.on_members(Session(self._connection))
        definition = self._on_members.get(entry.identity)
        if definition is not None and definition != entry.definition and entry.drop:
            self._attempt(entry.label, lambda: self._run([entry.drop, entry.definition]))
        return definition == entry.definition or (definition is not None and bool(entry.drop))

    def _is_of_attach(self, entry: SchemaEntry) -> bool:
        """Whether ATTACH made the same index or key for a partition, which its root has: rows that find it through the root want
        it attached before it has its own."""
        names = entry.identity.names
        if entry.identity.desc not in _OF_ATTACH or len(names) < 2:
            return False
        schema, name = names[0], names[-1]
        found = self._query(entry.label, _ATTACHED, {"index": qualified(TableName(schema=schema, name=name))})
        return any(entry.definition in (f"{index};\n", key) for index, key in found)

    def _resetting_entry(self, entry: SchemaEntry) -> list[str]:
        if entry.identity.desc == "EXTENSION":
            return self._first(self._connection.execute(privileges.RESET_MEMBERS, (entry.tag,)))
        return self._resetting(entry.identity.kind, entry.identity.names, entry.identity.args)

    def _resetting(self, kind: str, names: Sequence[str], args: Sequence[str]) -> list[str]:
        return self._first(self._connection.execute(privileges.RESET, (kind, list(names), list(args))))

    @staticmethod
    def _first(cursor: psycopg.Cursor[tuple[Any, ...]]) -> list[str]:
        return [str(row[0]) for row in cursor.fetchall()]

    def _place(self, entry: SchemaEntry) -> list[str]:
        """Set the defaults that decide where an entry's storage goes; a place that is not there is noted and left out."""
        notes: list[str] = []
        wanted = {
            "default_tablespace": entry.tablespace,
            "default_table_access_method": entry.table_access_method or "heap",
        }
        for setting, value in wanted.items():
            if self._placed[setting] == value:
                continue
            try:
                with self._connection.transaction():
                    self._connection.execute("select pg_catalog.set_config(%s, %s, false)", (setting, value))
                self._placed[setting] = value
            except psycopg.Error as error:
                notes.append(f"{setting.removeprefix('default_').replace('_', ' ')} {value} is not there: default used")
                translated = translate(error, setting)
                if isinstance(translated, Unreachable):
                    raise translated from error
                self._placed[setting] = ""
                self._connection.execute(text(f"RESET {setting}"))
        return notes

    def _count_violations(self, key: statements.Key) -> str:
        columns = ", ".join(quote(column) for column in key.columns)
        query = (
            f"select count(*) from (select from only {qualified(key.table)}"
            f" group by {columns} having count(*) > 1) duplicate"
        )
        duplicates = int(self._query("keys", query)[0][0])
        return f"columns {', '.join(key.columns)}; {duplicates} keys more than once"


def _otherwise(lost: Mapping[Address, Calls]) -> str:
    """`lost`: what is to be called, by what calls something else now."""
    called = sorted({str(call) for calls in lost.values() for call in calls}) or ["nothing of a user's"]
    callers = ", ".join(sorted(map(str, lost)))
    return f"{callers} would no longer call {', '.join(called)} as it did, but something else"
