"""One table of a snapshot: found by a name as psql reads it, and its rows rendered. Streams; holds a few chunks."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from typing import Final

from vault.errors import NotThere, UsageError
from vault.model import TableItem
from vault.model.words import nearest
from vault.pipeline import copytext
from vault.repo.leaves import leaves, uncaptured
from vault.repo.snapshot import Snapshot
from vault.sql.encoding import codec_of
from vault.sql.names import one_line, show_name, split_name

SHOWING: Final = frozenset({"csv", "jsonl"})
"""Formats that nobody loads back into the table."""
_COMPUTED: Final = ("view", "materialized view")
_RELATIONS: Final = ("table", "foreign table", *_COMPUTED)
_LISTED_MAX: Final = 6


def find_table(snapshot: Snapshot, text: str) -> TableItem:
    """The table that `text` names: `SCHEMA.TABLE` or `TABLE`, folded to lower case except in double quotes.

    Without a schema it is looked for in `public`, then in every schema if only one has it.
    Raises  NotThere; UsageError: several schemas have it, or it is no name
    """
    parts = split_name(text)
    if len(parts) > 2:
        raise UsageError(f"not a table name: {one_line(text)}", hint="write SCHEMA.TABLE, with double quotes as in SQL")
    items = list(snapshot.tables())
    named = [
        item for item in items if item.name.name == parts[-1] and (len(parts) == 1 or item.name.schema == parts[0])
    ]
    if len(named) > 1:
        public = [item for item in named if item.name.schema == "public"]
        if not public:
            names = ", ".join(show_name(item.name) for item in named)
            raise UsageError(f"several tables are named {one_line(text)}", why=names, hint="name the schema too")
        named = public
    if not named:
        beside = [item for item in items if len(parts) == 1 or item.name.schema == parts[0]] or items
        near = nearest(parts[-1], [item.name.name for item in beside])  # the schema that all have makes nothing alike
        exact = [show_name(item.name) for item in beside if item.name.name == near]
        hint = f"did you mean {exact[0]}?" if exact else f"list the tables with: pgvault show {snapshot.id.hex()[:12]}"
        raise _without_rows(snapshot, parts) or NotThere(f"no table {one_line(text)} in the snapshot", hint=hint)
    return named[0]


def _without_rows(snapshot: Snapshot, parts: Sequence[str]) -> NotThere | None:
    """What to say of something that the snapshot defines, and that has no rows of its own there."""
    defined = {
        item.identity.relation: item.identity.kind
        for item in snapshot.entry_items()
        if item.identity.kind in _RELATIONS and item.identity.names[-1] == parts[-1]
    }
    named = [name for name in defined if len(parts) == 1 or name.schema == parts[0]]
    if not named:
        return None
    name = next((one for one in named if one.schema == "public"), named[0])
    asked = shlex.quote(f"SELECT * FROM {show_name(name)}")
    together = f"pgvault sql {snapshot.id.hex()[:12]} {asked}"
    kind = defined[name]
    partitions = leaves(snapshot, name)
    if partitions or (kind == "table" and not uncaptured(snapshot, name)):
        shown = [show_name(leaf.name) for leaf in partitions[:_LISTED_MAX]] + ["..."] * bool(partitions[_LISTED_MAX:])
        why = f"its rows are in its partitions: {', '.join(shown) or 'it has none'}"
        return NotThere(f"{show_name(name)} is partitioned", why=why, hint=f"name one of them; or all: {together}")
    if kind in _COMPUTED:
        why = "a snapshot has its definition, and the rows of the tables that it reads"
        return NotThere(f"{show_name(name)} is a {kind}", why=why, hint=together)
    return NotThere(
        f"the rows of {show_name(name)} are not in the snapshot",
        why="it has the table's definition alone",
        hint=f"see why: pgvault show {snapshot.id.hex()[:12]}; another snapshot may have them",
    )


def table_rows(snapshot: Snapshot, item: TableItem, form: str, *, no_formulas: bool = False) -> Iterator[bytes]:
    """Rows of a table in one of copytext.FORMATS: in UTF-8, except that `copy` is as captured, in the server's encoding.

    What is to be read has generated columns at their places, if all their values were captured; what is to be loaded has none.

    no_formulas  as `copytext.render`
    Raises       UsageError: no such format, or rows that are not valid in their encoding
    """
    blocks = snapshot.rows(item)
    columns = item.columns
    if form in SHOWING and snapshot.has_values(item):
        columns = tuple(sorted((*item.columns, *item.generated), key=lambda column: column.attnum))
        blocks = copytext.beside(blocks, snapshot.values(item), [column in item.generated for column in columns])
    if form != "copy" and snapshot.manifest.database is not None:
        codec = codec_of(snapshot.manifest.database.server.encoding)
        blocks = copytext.to_utf8(copytext.whole_rows(blocks), codec)
    return copytext.render(form, blocks, item.name, columns, no_formulas=no_formulas)


def left_out(snapshot: Snapshot, item: TableItem, form: str) -> str:
    """What to say of generated columns that a form leaves out; empty if it has them, or there are none."""
    if not item.generated:
        return ""
    names = ", ".join(one_line(column.name) for column in item.generated)
    if form not in SHOWING:
        return f"without the generated columns {names}: a database computes them; csv and jsonl have what they were"
    if snapshot.has_values(item):
        return ""
    return f"without the generated columns {names}: {show_name(item.name)} is captured without their values"
