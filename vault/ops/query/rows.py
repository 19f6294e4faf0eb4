"""Rows of one table of a snapshot: those that meet a condition, some of their columns, no more than asked for. Streams.

What a condition needs a server for is a port: `RowMatcher`. Invariant: no more of the table is read than it takes to have enough rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Protocol

from vault.errors import NotThere, UsageError
from vault.model import Column, TableItem
from vault.model.words import nearest
from vault.ops.datasets.exported import user_types
from vault.ops.datasets.rows import DatasetRows
from vault.ops.query.equalities import equal_rows, read_equalities
from vault.pipeline import copytext
from vault.repo.snapshot import Snapshot
from vault.sql.names import one_line, show_name, unquoted

_NAME: Final = re.compile(r'\s*("(?:[^"]|"")+"|[^",\s][^",]*?)\s*(?:,|$)')


class RowMatcher(Protocol):
    def check(self) -> None:
        """Raises  UsageError: it is no condition on a row of this table"""

    def matching(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """The rows, as they came, that meet it; blocks of whole rows in UTF-8. Raises  as `check`"""


class EqualityMatcher:
    """Implements RowMatcher without a server."""

    def __init__(self, equalities: Sequence[tuple[int, bytes]]) -> None:
        self._equalities = equalities

    def check(self) -> None:
        return

    def matching(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        return equal_rows(blocks, self._equalities)


class RowQuery:
    """`columns`: all that rows have, generated ones with captured values among them, in the table's order."""

    def __init__(self, snapshot: Snapshot, item: TableItem) -> None:
        self._snapshot = snapshot
        self._rows = DatasetRows(snapshot, item)
        self.item = item
        values = item.generated if self._rows.has_values else ()
        self.columns = tuple(sorted((*item.columns, *values), key=lambda column: column.attnum))

    def without_server(self, condition: str) -> EqualityMatcher | None:
        """None: PostgreSQL has to say which rows meet it."""
        known = user_types(self._snapshot)
        found = read_equalities(condition, self.columns, known, plain_text=not self._has_collations())
        return None if found is None else EqualityMatcher(found)

    def _has_collations(self) -> bool:
        """Whether a text may be equal to another one in this database."""
        return any(item.identity.desc == "COLLATION" for item in self._snapshot.entry_items())

    def chosen(self, names: Sequence[str]) -> list[int]:
        """Places of columns, as named in words of SQL, commas between them; none named means all. Raises  NotThere, UsageError"""
        wanted = [name for word in names for name in read_names(word)]
        places = {column.name: at for at, column in enumerate(self.columns)}
        for name in wanted:
            if name not in places:
                near = nearest(name, list(places))
                hint = f"did you mean {one_line(near)}?" if near else f"it has: {', '.join(map(one_line, places))}"
                raise NotThere(f"{show_name(self.item.name)} has no column {one_line(name)}", hint=hint)
        return [places[name] for name in wanted] if wanted else list(range(len(self.columns)))

    def blocks(self, matcher: RowMatcher | None, *, places: Sequence[int], limit: int | None) -> Iterator[bytes]:
        """COPY text of `places` in UTF-8. Raises  IntegrityError; UsageError: not valid in its encoding; as `RowMatcher`"""
        blocks = self._rows.blocks()
        if matcher is not None:
            blocks = matcher.matching(blocks)
        if limit is not None:
            blocks = first_rows(blocks, limit)
        if list(places) == list(range(len(self.columns))):
            return blocks
        return copytext.of_columns(blocks, places, len(self.columns))

    def shown(self, places: Sequence[int]) -> list[Column]:
        return [self.columns[at] for at in places]


def read_names(word: str) -> list[str]:
    """Names with commas between them, folded to lower case except in double quotes. Raises  UsageError"""
    names, at = [], 0
    while at < len(word):
        match = _NAME.match(word, at)
        if match is None:
            raise UsageError(f"--columns {one_line(word)}: not names of columns", hint='write: --columns id,"Odd Name"')
        name = match[1]
        names.append(unquoted(name) if name.startswith('"') else name.lower())
        at = match.end()
    return names


def first_rows(blocks: Iterable[bytes], limit: int) -> Iterator[bytes]:
    """As many rows, at most; nothing more is asked for than that."""
    left = limit
    if left <= 0:
        return
    for block in blocks:
        rows = block.count(b"\n")
        if rows >= left:
            rest = block.split(b"\n", left)[left]
            yield block[: len(block) - len(rest)]
            return
        left -= rows
        yield block


def check_duplicates(columns: Sequence[Column]) -> None:
    """Raises  UsageError: two columns of one name, which an object cannot have"""
    names = [column.name for column in columns]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UsageError(
            f"two columns are named {one_line(twice)}", hint="give one another name with AS, or --format csv"
        )
