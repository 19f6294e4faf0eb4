"""How statements are planned that compare staged rows with a table, or two tables with each other.

The statistics of a table may be of another time: one that was empty when it was last analyzed looks as if it had no rows, and a
nested loop over many takes hours. They are the owner's, so none are made anew; the stage is not analyzed either, since types
without a collation may not be comparable, and the server knows how long it is from its file.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import psycopg


@contextmanager
def by_hash_or_merge(cursor: psycopg.Cursor[tuple[Any, ...]]) -> Iterator[None]:
    """Inside a transaction: nested loops only where a type or a condition allows nothing else, whose high cost shall compile nothing.

    An error ends the transaction or its savepoint, and the settings with it.
    """
    cursor.execute(_BEGIN)
    yield
    cursor.execute(_END)


_BEGIN: Final = "SET LOCAL enable_nestloop = off; SET LOCAL enable_hashjoin = on; SET LOCAL enable_mergejoin = on; SET LOCAL jit = off"
_END: Final = "SET LOCAL enable_nestloop TO DEFAULT; SET LOCAL enable_hashjoin TO DEFAULT; SET LOCAL enable_mergejoin TO DEFAULT; SET LOCAL jit TO DEFAULT"
