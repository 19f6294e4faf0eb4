"""A page of Markdown on a terminal: prose and tables as wide as it, what is to be typed or written as it stands. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final

from vault.cli.layout import Columns, table, wrapped

_FENCE: Final = "```"
_ITEM: Final = re.compile(r"\s*(?:[-*]|\d+\.)\s+|\s*")


def lines(text: str, width: int | None) -> Iterator[str]:
    """Of a page. Without a width as it is."""
    if width is None:
        yield from text.splitlines()
        return
    is_code = False
    for is_table, group in groupby(text.splitlines(), lambda line: line.startswith("|")):
        if is_table and not is_code:
            yield from _table(list(group), width)
            continue
        for line in group:
            is_fence = line.lstrip().startswith(_FENCE)
            is_code ^= is_fence
            if is_code or is_fence:
                yield line
            else:
                yield from _prose(line, width)


def _prose(line: str, width: int) -> Iterator[str]:
    """A paragraph, or an item of a list, which goes on below its first word."""
    found = _ITEM.match(line)
    head = found[0] if found else ""
    yield from wrapped(line[len(head) :], width, first=head, rest=" " * len(head))


def _table(rows: Sequence[str], width: int) -> Iterator[str]:
    """The line below the titles is not needed here."""
    cells = [[cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows]
    titles, body = cells[0], [row for row in cells[2:] if len(row) == len(cells[0])]
    unnamed = [title or " " for title in titles]
    yield from table(unnamed, body, Columns(wrapped="|".join(unnamed)), width=width)
