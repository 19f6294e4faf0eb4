"""SQL of one table that gets rows back: its temporary tables, and how rows of one are matched with those of another. Text only.

    "pgvault rows N"      staged: n (its number), kind (d deleted, u overwritten), meant (false: left out by a condition), wanted
                          (a bit a column; NULL: not asked for), s1.. (the snapshot's values), e1.. (the evidence's)
    "pgvault decided N"   n, fate, put and other (a bit a column: put back, or has a third value), where the live row is and who
                          wrote it, l1.. (its values under lock), n1.. (the row as it will be)

Values are compared by their text, byte by byte, as COPY prints it; keys by the operators of the key's own index.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import psycopg

from vault.errors import SourceError
from vault.model import TableName
from vault.model.put_back import StagedTable, StandingReference
from vault.source.postgres.connection.connect import Connection
from vault.source.postgres.connection.sql_text import text
from vault.source.postgres.target.unique_keys import UniqueKey, key_of
from vault.sql.names import qualified, quote

Cursor = psycopg.Cursor[tuple[Any, ...]]

PAGES_A_LOOKUP: Final = 2
"""A row that is looked up by an index costs about as much as half a page that is read in order: measured with 2,000,000 rows."""

_FEW: Final = {
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "seq_page_cost": "1000",
    "max_parallel_workers_per_gather": "0",
}
_MANY: Final = {"enable_nestloop": "off"}


def encoding_of(connection: Connection) -> str:
    """In which rows come and go: UTF8, but for a database whose text is any bytes, which nobody converts or checks."""
    ascii_ = connection.info.parameter_status("server_encoding") == "SQL_ASCII"
    return "SQL_ASCII" if ascii_ else "UTF8"


def text_of(*values: str) -> str:
    """A row of values as text, compared byte by byte."""
    return f'(ROW({", ".join(values)})::pg_catalog.text COLLATE pg_catalog."C")'


_EXACT: Final = frozenset(
    {
        *("smallint", "integer", "bigint", "boolean", "uuid", "date", "oid", "bytea"),
        *("timestamp without time zone", "timestamp with time zone", "time without time zone"),
    }
)
_EXACT_TEXT: Final = ("text", "character varying")
"""Types of which two values are equal exactly if they print alike; others (numeric 1.0 and 1.00, jsonb, -0) are not."""


def same_value(left: str, right: str, base: str) -> str:
    """SQL: both print the same, or both are NULL. `base`: their type in words."""
    kind = re.sub(r"\([0-9,]*\)", "", base)
    if kind in _EXACT:
        return f"({left} IS NOT DISTINCT FROM {right})"
    if kind in _EXACT_TEXT:
        c = ' COLLATE pg_catalog."C"'
        return f"({left}{c} IS NOT DISTINCT FROM {right}{c})"
    return f"({text_of(left)} = {text_of(right)})"


def bits(conditions: Iterable[str]) -> str:
    """One bit each; a condition that is NULL is not met."""
    return " || ".join(f"CASE WHEN {condition} THEN B'1' ELSE B'0' END" for condition in conditions)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSql:
    """`unique`: the unique keys of the table; `by`: the one by which its rows are told."""

    staged: StagedTable
    unique: tuple[UniqueKey, ...]
    by: UniqueKey

    @property
    def name(self) -> str:
        return qualified(self.staged.name)

    @property
    def source(self) -> str:
        return self.name if self.staged.standing.partitioned else f"ONLY {self.name}"

    @property
    def rows(self) -> str:
        return f'pg_temp."pgvault rows {self.staged.number}"'

    @property
    def extra_rows(self) -> str:
        return f'pg_temp."pgvault extra {self.staged.number}"'

    @property
    def decided(self) -> str:
        return f'pg_temp."pgvault decided {self.staged.number}"'

    @property
    def moved(self) -> str:
        return f'pg_temp."pgvault moved {self.staged.number}"'

    @property
    def columns(self) -> tuple[str, ...]:
        return self.staged.all_columns

    @property
    def count(self) -> int:
        return len(self.columns)

    @property
    def ones(self) -> str:
        return f"B'{'1' * self.count}'"

    @property
    def zeros(self) -> str:
        return f"B'{'0' * self.count}'"

    def place(self, column: str) -> int:
        """Of a column among the staged ones, from 1."""
        return self.columns.index(column) + 1

    def each(self, letter: str, *, alias: str = "", of: Iterable[str] | None = None) -> list[str]:
        """The columns of a temporary table that hold values of `letter` (s, e, l, n)."""
        dot = f"{alias}." if alias else ""
        return [f"{dot}{letter}{self.place(column)}" for column in (self.columns if of is None else of)]

    def mask(self, columns: Iterable[str]) -> str:
        wanted = set(columns)
        return "B'" + "".join("1" if column in wanted else "0" for column in self.columns) + "'"

    def typed(self, letter: str) -> str:
        """Columns for values of `letter`, as a part of a query over the table itself, `t`."""
        return ", ".join(
            f"CAST(t.{quote(column)} AS {self.staged.standing.by_name[column].base}) AS {letter}{at}"
            for at, column in enumerate(self.columns, 1)
        )

    def live(self, alias: str = "t") -> list[str]:
        return [f"{alias}.{quote(column)}" for column in self.columns]

    def same_key(self, alias: str, letter: str, other: str) -> str:
        """SQL: row `alias` of the table is the one whose values of `letter` are in `other`, a temporary table."""
        return self._equal(
            [f"{alias}.{quote(column)}" for column in self.key], self.each(letter, alias=other, of=self.key)
        )

    def same_keys(self, one: str, other: str, *, letters: tuple[str, str]) -> str:
        """SQL: the same of two temporary tables, with what their values are called."""
        left, right = letters
        return self._equal(self.each(left, alias=one, of=self.key), self.each(right, alias=other, of=self.key))

    @property
    def key(self) -> list[str]:
        """Columns of `by` in its order."""
        return [column for column in self.by.columns if column is not None]

    def _equal(self, left: Sequence[str], right: Sequence[str]) -> str:
        sides = zip(left, self.by.operators, right, self.by.collations, strict=True)
        return " AND ".join(
            f"({one}{collation} {operator} {other}{collation})" for one, operator, other, collation in sides
        )

    def as_rows(self, letter: str, own: str, *, where: str) -> str:
        """A query of decided rows under the names of the table's columns, beside columns of its `own`."""
        values = zip(self.each(letter), self.columns, strict=True)
        named = ", ".join(f"{value} AS {quote(column)}" for value, column in values)
        return f"(SELECT {own}, {named} FROM {self.decided} WHERE {where})"

    def own(self, word: str) -> str:
        """A name for a column of ours beside the table's, which may have any name."""
        name = f"pgvault {word}"
        while name in self.columns:
            name += "_"
        return quote(name)


def match(reference: StandingReference, *, parent: Sequence[str], child: Sequence[str]) -> str:
    """SQL: the parent's values are those that the child's refer to."""
    pairs = zip(parent, reference.operators, child, strict=True)
    return " AND ".join(f"({left} {operator} {right})" for left, operator, right in pairs)


def given(values: Iterable[str]) -> str:
    return " AND ".join(f"{value} IS NOT NULL" for value in values)


def table_of(name: TableName, *, partitioned: bool) -> str:
    return qualified(name) if partitioned else f"ONLY {qualified(name)}"


def first(cursor: Cursor, query: str) -> Any:
    return cursor.execute(text(query)).fetchall()[0][0]


@contextmanager
def looked_up(cursor: Cursor, *, rows: int, pages: int) -> Iterator[None]:
    """Inside a transaction: few rows are looked up by the key's index, many by one reading of the table, whatever its statistics say.

    Reading a table in order is made dear instead of being switched off: next to what that adds, no other cost counts any more, and
    the server may read the whole table by its index. An error ends the transaction or its savepoint, and the settings with it.
    """
    settings = _FEW if rows < PAGES_A_LOOKUP * pages else _MANY
    cursor.execute("; ".join(f"SET LOCAL {name} = {value}" for name, value in settings.items()).encode())
    yield
    cursor.execute("; ".join(f"SET LOCAL {name} TO DEFAULT" for name in settings).encode())


def key_or_refuse(staged: StagedTable, unique: Sequence[UniqueKey]) -> UniqueKey:
    """The key by which rows are told. Raises  SourceError: it is gone"""
    by = key_of(unique, staged.key)
    if by is None:
        raise SourceError(f"rows of {staged.name}", why=f"its key ({', '.join(staged.key)}) is not there any more")
    return by
