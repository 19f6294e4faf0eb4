"""One table of a snapshot: found by a name as psql reads it, and its rows rendered. Streams; holds a few chunks."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from vault.errors import NotThere, UsageError
from vault.model import TableItem, TableName
from vault.ops.view_paths import one_line
from vault.pipeline import copytext
from vault.repo.snapshot import Snapshot
from vault.source.postgres.encoding import codec_of
from vault.source.postgres.names import quote


def find_table(snapshot: Snapshot, text: str) -> TableItem:
    """The table that `text` names: `SCHEMA.TABLE` or `TABLE`, folded to lower case except in double quotes.

    Without a schema it is looked for in `public`, then in every schema if only one has it.
    Raises  NotThere; UsageError: several schemas have it, or it is no name
    """
    parts = split_name(text)
    if len(parts) > 2:
        raise UsageError(f"not a table name: {one_line(text)}", hint="write SCHEMA.TABLE, with double quotes as in SQL")
    items = list(snapshot.tables())
    found = [
        item for item in items if item.name.name == parts[-1] and (len(parts) == 1 or item.name.schema == parts[0])
    ]
    if len(found) > 1:
        public = [item for item in found if item.name.schema == "public"]
        if not public:
            names = ", ".join(show_name(item.name) for item in found)
            raise UsageError(f"several tables are named {one_line(text)}", why=names, hint="name the schema too")
        found = public
    if not found:
        near = difflib.get_close_matches(".".join(parts), [f"{item.name.schema}.{item.name.name}" for item in items], 1)
        exact = [show_name(item.name) for item in items if f"{item.name.schema}.{item.name.name}" in near]
        hint = f"did you mean {exact[0]}?" if exact else "list the tables with: pgvault show SNAP"
        raise NotThere(f"no table {one_line(text)} in the snapshot", hint=hint)
    return found[0]


def table_rows(snapshot: Snapshot, item: TableItem, form: str) -> Iterator[bytes]:
    """Rows of a table in one of copytext.FORMATS: in UTF-8, except that `copy` is as captured, in the server's encoding.

    Raises  UsageError: no such format, or rows that are not valid in their encoding
    """
    blocks = snapshot.rows(item)
    if form != "copy" and snapshot.manifest.database is not None:
        codec = codec_of(snapshot.manifest.database.server.encoding)
        blocks = copytext.to_utf8(copytext.whole_rows(blocks), codec)
    return copytext.render(form, blocks, item.name, item.columns)


def table_sums(item: TableItem) -> tuple[int, int]:
    """Rows of a table, and bytes of their text."""
    if item.inline is not None:
        return item.inline.rows, item.inline.bytes
    return item.extents.sums.rows, item.extents.sums.bytes


def split_name(text: str) -> list[str]:
    """Parts of a dotted name by psql's rules.

    Raises  UsageError: an open quote or an empty part
    """
    parts, part, quoted, at = [], "", False, 0
    while at < len(text):
        letter = text[at]
        if letter == '"':
            if quoted and text[at : at + 2] == '""':
                part += '"'
                at += 1
            else:
                quoted = not quoted
        elif letter == "." and not quoted:
            parts.append(part)
            part = ""
        else:
            part += letter if quoted else letter.lower()
        at += 1
    parts.append(part)
    if quoted or not all(parts):
        raise UsageError(f"not a table name: {one_line(text)}", hint="write SCHEMA.TABLE, with double quotes as in SQL")
    return parts


def show_name(name: TableName) -> str:
    """A table's name as `find_table` reads it."""
    return ".".join(_shown(part) for part in (name.schema, name.name))


def _shown(part: str) -> str:
    simple = part.isascii() and part.replace("_", "a").isalnum() and part == part.lower()
    return part if simple else quote(part)
