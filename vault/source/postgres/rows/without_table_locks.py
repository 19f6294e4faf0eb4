"""Reading where nobody holds locks on all tables, because they are too many for the server's lock table [C3].

A reader locks a few tables at a time, and gives the locks back by beginning again in the same snapshot. Under its own lock it proves
that name and file are those of the snapshot (`same_tables`), and afterwards that no column was altered between the snapshot and
the lock. The digest of a column holds the id of the transaction that wrote its row of the catalog, so that a change that was
taken back shows as well; it may be compared at any time after the lock was taken.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import psycopg

from vault.errors import Incoherent
from vault.ports import SourceTable
from vault.source.postgres.connection.connect import Session, translate
from vault.source.postgres.definitions import definitions_fingerprint as definition_fingerprints
from vault.source.postgres.rows import extent_sql
from vault.source.postgres.rows.snapshot_sessions import Import, rejoin
from vault.sql.names import literal, qualified
from vault.sql.settings import fixed
from vault.sql.sqlstate import LOCK_NOT_AVAILABLE

TABLES_HELD_MAX: Final = 100
SLOTS_OF_A_TABLE: Final = 64
"""A table is locked with its indexes, its TOAST table and that one's index; readers together take a small part of the lock table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sparing:
    """`tables_max`: tables that a reader holds at a time. `start`: columns in the snapshot, of all tables. `observer` sees the newest ones."""

    imported: Import
    start: definition_fingerprints.Definitions
    observer: Session
    tables_max: int
    patience_s: float

    def give_back(self, session: Session) -> None:
        """Release all that `session` holds. Raises Incoherent if the snapshot is gone"""
        rejoin(session, self.imported)

    def wait_for(self, session: Session, table: SourceTable) -> None:
        """Lock `table` alone: who waits and holds nothing cannot be in a deadlock. Raises Incoherent after `patience_s`"""
        self.give_back(session)
        timeout = literal(f"{int(self.patience_s * 1000)}ms")
        statement = f"LOCK TABLE ONLY {qualified(table.name)} IN ACCESS SHARE MODE"
        try:
            with session.lock:
                session.connection.execute(
                    f"SET LOCAL lock_timeout = {timeout}; {statement}; SET LOCAL lock_timeout = 0"
                )
        except psycopg.errors.LockNotAvailable as busy:
            raise Incoherent(
                f"table {qualified(table.name)} could not be locked within {self.patience_s:g} s",
                why="somebody holds or waits for an exclusive lock on it",
                hint="run the backup again when the migration is done",
                sqlstate=LOCK_NOT_AVAILABLE,
            ) from busy
        except psycopg.Error as error:
            raise translate(error, "locking a table") from error

    def require_unaltered(self, tables: Iterable[SourceTable]) -> None:
        """Columns are those of the snapshot. Raises Incoherent"""
        wanted = {table.oid: table for table in tables}
        with self.observer.lock:
            self.observer.run(f"BEGIN READ ONLY;{fixed(self.imported.known_settings)}", doing="comparing columns")
            columns = definition_fingerprints.columns(self.observer, wanted.keys())
            self.observer.run("COMMIT", doing="comparing columns")
        for oid, table in wanted.items():
            key = ("pg_attribute", oid)
            if columns.get(key) != self.start.get(key):
                raise extent_sql.swapped(table)


def tables_max(lock_slots: int) -> int:
    """Tables that one reader may hold at a time on a server that promises `lock_slots` locks."""
    return max(1, min(TABLES_HELD_MAX, lock_slots // SLOTS_OF_A_TABLE))
