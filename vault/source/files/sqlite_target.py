"""A new SQLite file: it has its name when it is whole. Implements `ops.datasets.sqlite.SqliteTarget`. Never overwrites anything."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from vault.errors import SourceError, UnsafeError, UsageError
from vault.ports import Entropy
from vault.source.files.paths import directory_error
from vault.source.files.staging import staged
from vault.sql.names import quote

_STRICT_SINCE: Final = (3, 37, 0)
_CACHE_KIB: Final = 16 * 1024


class SqliteFile:
    """Use as a context, and call `finish`; without it nothing is left. Used by one thread."""

    def __init__(self, path: Path, entropy: Entropy) -> None:
        self._path = path
        self._entropy = entropy
        self._ending = ExitStack()
        self._temporary = Path()
        self._connection: sqlite3.Connection

    def __enter__(self) -> Self:
        """Raises  UnsafeError: the file is there; UsageError: this Python's SQLite is too old; SourceError"""
        if sqlite3.sqlite_version_info < _STRICT_SINCE:
            raise UsageError(
                f"SQLite {sqlite3.sqlite_version} has no strict tables",
                why="Python brings SQLite, and 3.37 is the first that has them",
                hint="use a newer Python, or --format parquet",
            )
        _refuse_there(self._path)
        place = self._ending.enter_context(staged(self._path.parent, self._path.name, self._entropy))
        self._temporary = place / "new"
        os.close(os.open(self._temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        with self._translated():
            connection = sqlite3.connect(self._temporary, isolation_level=None)
            self._ending.callback(connection.close)
            for pragma in ("journal_mode = OFF", "synchronous = OFF", f"cache_size = -{_CACHE_KIB}"):
                connection.execute(f"PRAGMA {pragma}")
            connection.execute("BEGIN")
        self._connection = connection
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.close()

    def create(self, table: str, columns: Sequence[tuple[str, str]]) -> None:
        listed = ", ".join(f"{quote(name)} {kind}" for name, kind in columns)
        with self._translated():
            self._connection.execute(f"CREATE TABLE {quote(table)} ({listed}) STRICT")

    def insert(self, table: str, rows: Iterable[Sequence[int | float | str | bytes | None]], columns: int) -> None:
        marks = ", ".join("?" * columns)
        with self._translated():
            self._connection.executemany(f"INSERT INTO {quote(table)} VALUES ({marks})", rows)

    def finish(self) -> int:
        """Give it its name; returns its size. Raises  UnsafeError: another came meanwhile; SourceError"""
        with self._translated():
            self._connection.execute("COMMIT")
            self._connection.close()
            with open(self._temporary, "rb+") as file:
                os.fsync(file.fileno())
            size = self._temporary.stat().st_size
            try:
                os.link(self._temporary, self._path)
            except FileExistsError:
                _refuse_there(self._path)
                raise
            except OSError:
                _refuse_there(self._path)  # a file system without hard links
                self._temporary.rename(self._path)
            return size

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.DataError, OverflowError) as error:
            raise UsageError(
                f"a value does not fit into {self._path}",
                why=f"SQLite said: {error}",
                hint="--format parquet has values of any size",
            ) from error
        except sqlite3.Error as error:
            raise SourceError(f"cannot write {self._path}", why=str(error), hint="is the disk full?") from error
        except OSError as error:
            raise directory_error(error, f"cannot write {self._path}") from error


def _refuse_there(path: Path) -> None:
    if os.path.lexists(path):
        raise UnsafeError(f"{path} exists already", why="no file is overwritten", hint="name a new one")
