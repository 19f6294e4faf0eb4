"""A patch of rows as a script for psql: text alone, run by whoever wants it. Pure.

One transaction. Rows come by COPY into temporary tables, so that no value is ever SQL; functions of the session (`pg_temp`) then find
out whether a table is as it was before the patch, or as it is after it, and change it, leave it, or refuse, in the order of foreign keys. Rows are told apart by the
text that the server itself prints of both, and looked up by the operators of the key's own index.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from vault.model import TableName
from vault.sql.names import literal, one_line, qualified, quote
from vault.sql.patch_procedures import PROCEDURES

_SETTINGS: Final = (
    ("search_path", ""),
    ("row_security", "off"),
    ("standard_conforming_strings", "on"),
    ("array_nulls", "on"),
    ("transform_null_equals", "off"),
    ("datestyle", "ISO, MDY"),
    ("intervalstyle", "postgres"),
    ("timezone", "UTC"),
    ("extra_float_digits", "3"),
    ("xmloption", "content"),
    ("statement_timeout", "0"),
    ("lock_timeout", "10s"),
)
"""What COPY text was printed under, and that nothing waits for ever for somebody's lock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchedTable:
    """`number` tells its temporary tables; `key` empty: rows as wholes. `changed`: columns that any update changes."""

    number: int
    name: TableName
    columns: tuple[str, ...]
    key: tuple[str, ...]
    changed: tuple[str, ...] = ()


def head(lines: Sequence[str], *, encoding: str) -> str:
    """`lines`: of a comment; `encoding`: of the rows. Begins the transaction and makes what the rest calls."""
    comment = "".join(f"-- {one_line(line)}\n" for line in lines)
    settings = "".join(
        f"set local {name} = {literal(value)};\n" for name, value in (("client_encoding", encoding), *_SETTINGS)
    )
    return f"{comment}\n\\set ON_ERROR_STOP on\nbegin;\n{settings}\n{PROCEDURES}\n"


def lock(tables: Sequence[PatchedTable]) -> str:
    """Of all, in one order, before anything is looked at or refused."""
    ordered = sorted(tables, key=lambda table: table.name)
    locks = "".join(f"lock table {qualified(table.name)} in share row exclusive mode;\n" for table in ordered)
    return locks + "".join(f"call pg_temp.pgvault_guard({_target(table)});\n" for table in ordered) + "\n"


def begin(table: PatchedTable) -> str:
    """Make the empty temporary table that the rows are copied into."""
    named = ", ".join(map(quote, table.columns))
    flags = ", ".join(f"add column {quote(name)} {kind}" for name, kind in _flags(table))
    return (
        f"-- {one_line(str(table.name))}\n"
        f"create temporary table {_rows(table)} on commit drop as select {named} from only {qualified(table.name)} with no data;\n"
        f"alter table {_rows(table)} {flags};\n"
        f"copy {_rows(table)} ({', '.join([named, *(quote(name) for name, _ in _flags(table))])}) from stdin;\n"
    )


NEW: Final = b"t"
OLD: Final = b"f"
"""What follows the columns of a copied row of a table with a key. Without one: how often it is there, before and after."""
END_OF_ROWS: Final = "\\.\n"


def look(table: PatchedTable) -> str:
    """Whether there is anything to do, and nothing against it. `table` as it was begun, with the columns that any update changes."""
    columns, named = _array(table.columns), ", ".join(map(quote, table.columns))
    if not table.key:
        (was, _), (will, _) = _flags(table)
        return (
            f"analyze {_rows(table)};\n"
            f"call pg_temp.pgvault_look_whole({table.number}, {_target(table)}, {literal(_rows(table))}, {columns}, {literal(was)}, {literal(will)});\n\n"
        )
    ((flag, _),) = _flags(table)
    stages = "".join(
        f"create temporary table {stage} on commit drop as select {named} from {_rows(table)} where {condition}{quote(flag)};\n"
        f"analyze {stage};\n"
        for stage, condition in zip(_stages(table), ("not ", ""), strict=True)
    )
    old, new = map(literal, _stages(table))
    return (
        f"{stages}call pg_temp.pgvault_look({table.number}, {_target(table)}, {old}, {new}, {columns}, {_array(table.changed)},"
        f" {_array(table.key)});\n\n"
    )


def check_keys(table: PatchedTable) -> str:
    """After all tables were changed."""
    old, new = _stages(table) if table.key else (_rows(table), _rows(table))
    return f"call pg_temp.pgvault_keys({_target(table)}, {literal(new)}, {literal(old)}, {_array(table.columns)});\n"


RUN: Final = "call pg_temp.pgvault_run();\n"
"""When all tables were looked at."""
END: Final = "commit;\n"


def _flags(table: PatchedTable) -> tuple[tuple[str, str], ...]:
    """Columns that a row has besides the table's, with their types; none is called as one of those."""
    prefix = "pgvault_"
    while any(column.startswith(prefix) for column in table.columns):
        prefix += "_"
    return ((f"{prefix}new", "boolean"),) if table.key else ((f"{prefix}was", "bigint"), (f"{prefix}will", "bigint"))


def _stages(table: PatchedTable) -> tuple[str, str]:
    return f"pgvault_old_{table.number}", f"pgvault_new_{table.number}"


def _rows(table: PatchedTable) -> str:
    return f"pgvault_rows_{table.number}"


def _target(table: PatchedTable) -> str:
    return f"{literal(qualified(table.name))}::regclass"


def _array(names: Sequence[str]) -> str:
    return f"array[{', '.join(map(literal, names))}]::text[]"
