"""A bucket's listing by path, held outside of memory. Spec 88-files, "From keys to paths".

The store's order is that of keys at best, and which keys others lie below is known at its end alone. So it is kept in a database
without a name (SQLite's, removed with its connection). Used by one thread.
"""

from __future__ import annotations

import heapq
import sqlite3
from collections.abc import Iterable, Iterator
from operator import itemgetter
from typing import Final
from weakref import finalize

from vault.bucket.listing import ListedObject
from vault.model.object_keys import path_of

_TABLES: Final = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
CREATE TABLE listed (key BLOB PRIMARY KEY, size INTEGER, modified_ns INTEGER, etag TEXT) WITHOUT ROWID;
CREATE TABLE folder (key BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE other (path BLOB PRIMARY KEY, key BLOB NOT NULL) WITHOUT ROWID;
"""
_COLUMNS: Final = "key, size, modified_ns, etag"


class SortedListing:
    """Of a key that is listed twice, the last one counts. `close` it, or let go of it."""

    def __init__(self, objects: Iterable[ListedObject]) -> None:
        """Reads all of `objects`. Raises  what their iterator raises"""
        self._database = sqlite3.connect("", isolation_level=None)
        self.close = finalize(self, self._database.close)
        try:
            self._database.executescript(_TABLES)
            self._database.execute("BEGIN")
            self._fill(objects)
        except BaseException:
            self.close()
            raise

    def find(self, key: bytes) -> ListedObject | None:
        row = self._database.execute(f"SELECT {_COLUMNS} FROM listed WHERE key = ?", (key,)).fetchone()
        return None if row is None else _object(row)

    def by_path(self) -> Iterator[tuple[bytes, ListedObject]]:
        """Every object with its path, which ascend bytewise and are those of one tree."""
        plain = self._database.execute(
            f"SELECT key, {_COLUMNS} FROM listed WHERE key NOT IN (SELECT key FROM other) ORDER BY key"
        )
        other = self._database.execute(f"SELECT path, {_COLUMNS} FROM other JOIN listed USING (key) ORDER BY path")
        # Not the cursors themselves: whoever leaves half way may close the database first, and a cursor is not closed after that.
        for row in heapq.merge(map(tuple, plain), map(tuple, other), key=itemgetter(0)):
            yield row[0], _object(row[1:])

    def _fill(self, objects: Iterable[ListedObject]) -> None:
        run = self._database.executemany
        rows = ((item.key, item.size, item.modified_ns, item.etag) for item in objects)
        run("INSERT OR REPLACE INTO listed VALUES (?, ?, ?, ?)", rows)
        run("INSERT OR IGNORE INTO folder VALUES (?)", ((key,) for key in _folders(self._keys())))
        run("INSERT INTO other VALUES (?, ?)", self._others())

    def _keys(self) -> Iterator[bytes]:
        return (key for (key,) in self._database.execute("SELECT key FROM listed ORDER BY key"))

    def _others(self) -> Iterator[tuple[bytes, bytes]]:
        """Path and key of those that are not their own paths."""
        query = "SELECT key, key IN (SELECT key FROM folder) FROM listed ORDER BY key"
        for key, folder in self._database.execute(query):
            path = path_of(key, folder=bool(folder))
            if path != key:
                yield path, key


def _folders(keys: Iterator[bytes]) -> Iterator[bytes]:
    """Of ascending keys those that others lie below, some more than once."""
    above: list[bytes] = []  # each the beginning of the next
    for key in keys:
        while above and not key.startswith(above[-1]):
            above.pop()
        yield from (one for one in above if key.startswith(one + b"/"))
        above.append(key)


def _object(row: tuple[bytes, int, int, str]) -> ListedObject:
    key, size, modified_ns, etag = row
    return ListedObject(key=key, size=size, modified_ns=modified_ns, etag=etag)
