"""Rows that answer a question: as CSV, JSON Lines or COPY text for programs, as a table for people."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from vault.cli import output, progress
from vault.errors import UsageError
from vault.sql.names import one_line

if TYPE_CHECKING:
    from vault.cli.render import Renderer
    from vault.model import Column
    from vault.ports import Progress

FORMATS: Final = ("csv", "jsonl", "table", "copy")
TABLE_ROWS_MAX: Final = 1_000
"""Of a table all is held, to know how wide its columns are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Printed:
    rows: int
    bytes: int


def told(out: Renderer) -> AbstractContextManager[Progress]:
    """Where the answer itself is on stdout, JSON of how far it is would be between its rows."""
    return nullcontext(progress.Silent()) if out.json else progress.shown(out)


def told_between(out: Renderer) -> AbstractContextManager[Progress]:
    """As `told`, where lines of the answer come between: a pager that they are piped into has the terminal for itself."""
    try:
        is_piped = stat.S_ISFIFO(os.fstat(sys.stdout.fileno()).st_mode)
    except (OSError, ValueError):
        is_piped = False
    return nullcontext(progress.Silent()) if is_piped else told(out)


def refuse(form: str, path: str | None) -> None:
    """Before anything is opened. Raises  UsageError"""
    if form == "table" and path not in {None, "-"}:
        raise UsageError("--format table is for a terminal", hint="-o FILE with --format csv, jsonl or copy")


def show(out: Renderer, blocks: Iterable[bytes], columns: Sequence[Column], *, form: str, path: str | None) -> Printed:
    """`blocks`: COPY text of whole rows in UTF-8. Raises  UsageError: two columns of one name in JSON; as `output.write`"""
    from vault.model import TableName
    from vault.ops.query.rows import check_duplicates
    from vault.pipeline.copytext import render

    if form == "table":
        return _table(out, blocks, columns)
    if form == "jsonl":
        check_duplicates(columns)
    counted = _Counted(blocks)
    written = output.write(render(form, counted, TableName(schema="", name=""), columns), path)
    return Printed(rows=counted.rows, bytes=written)


class _Counted:
    def __init__(self, blocks: Iterable[bytes]) -> None:
        self.rows = 0
        self._blocks = blocks

    def __iter__(self) -> Iterator[bytes]:
        for block in self._blocks:
            self.rows += block.count(b"\n")
            yield block


def _table(out: Renderer, blocks: Iterable[bytes], columns: Sequence[Column]) -> Printed:
    from vault.ops.query.rows import first_rows
    from vault.pipeline.copytext import by_columns, unescape

    shown: list[list[str]] = []
    for block in first_rows(blocks, TABLE_ROWS_MAX + 1):
        fields = by_columns(block, len(columns)) if columns else [[]]
        shown += [
            ["" if field == b"\\N" else unescape(field).decode(errors="replace") for field in row]
            for row in zip(*fields, strict=True)
        ]
    more = len(shown) > TABLE_ROWS_MAX
    shown = shown[:TABLE_ROWS_MAX]
    out.table([one_line(column.name) for column in columns], shown)
    if more:
        out.insist(
            f"note: only the first {TABLE_ROWS_MAX} rows are shown; --limit N asks for fewer, --format csv shows all"
        )
    return Printed(rows=len(shown), bytes=0)
