"""Patterns of psql and pg_dump (-n -N -t -T --exclude-table-data) as SQL conditions. Pure; the server's regular expressions do the matching.

Rules of psql: outside double quotes `*` is any text, `?` any character, letters are folded to lower case, the first `.`
separates schema and name, and other characters keep their meaning in regular expressions; inside quotes all are literal.
A pattern is anchored at both ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from vault.errors import UsageError
from vault.sql.names import literal

SPECIAL: Final = frozenset("|*+?()[]{}.^$\\")

SYSTEM_SCHEMAS: Final = ("pg_catalog", "information_schema", "pg_toast*", "pg_temp*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What to capture; everything when all are empty. `-n` and `-N` mean nothing beside `-t`, as in pg_dump.

    `exclude_table_data`: tables whose definition is captured, and no row.
    """

    schemas: Sequence[str] = ()
    exclude_schemas: Sequence[str] = ()
    tables: Sequence[str] = ()
    exclude_tables: Sequence[str] = ()
    exclude_table_data: Sequence[str] = ()

    @property
    def whole(self) -> bool:
        """Nothing is named to be included: objects outside of schemas (large objects) belong to it."""
        return not (self.schemas or self.tables)

    def options(self) -> list[str]:
        """The same selection as options of pg_dump, which would take a `*` for the system's schemas as well.

        Of rows they say nothing: no row comes through pg_dump.
        """
        own_schemas = SYSTEM_SCHEMAS if self.schemas else ()
        own_tables = tuple(f"{schema}.*" for schema in SYSTEM_SCHEMAS) if self.tables else ()
        pairs = (
            ("--schema", self.schemas),
            ("--exclude-schema", (*self.exclude_schemas, *own_schemas)),
            ("--table", self.tables),
            ("--exclude-table", (*self.exclude_tables, *own_tables)),
        )
        return [f"{option}={pattern}" for option, patterns in pairs for pattern in patterns]


def split(pattern: str) -> tuple[str | None, str]:
    """Regular expressions (unanchored) for schema, None if not given, and name. Raises UsageError"""
    parts: list[list[str]] = [[]]
    quoted, at = False, 0
    while at < len(pattern):
        char = pattern[at]
        at += 1
        if char == '"':
            if quoted and pattern[at : at + 1] == '"':
                parts[-1].append('"')
                at += 1
            else:
                quoted = not quoted
        elif quoted:
            parts[-1].append("\\" + char if char in SPECIAL else char)
        elif char == ".":
            parts.append([])
        else:
            parts[-1].append({"*": ".*", "?": ".", "$": "\\$"}.get(char, char.lower()))
    if quoted or len(parts) > 2:
        raise UsageError(
            f"the pattern {pattern} is not understood",
            why="a quote is not closed" if quoted else "more than one dot outside of quotes",
            hint="write SCHEMA.TABLE, with double quotes around names that hold dots or capitals",
        )
    texts = ["".join(part) for part in parts]
    return (texts[0], texts[1]) if len(texts) == 2 else (None, texts[0])


def _matches(column: str, expression: str) -> str:
    return f'{column} OPERATOR(pg_catalog.~) {literal(f"^({expression})$")} COLLATE pg_catalog."default"'


def schema_condition(pattern: str) -> str:
    """True for schemas n that match. Raises UsageError"""
    schema, name = split(pattern)
    if schema is not None:
        raise UsageError(f"the schema pattern {pattern} has a dot", hint="put double quotes around the name")
    return _matches("n.nspname", name)


def table_condition(pattern: str, search_path: Sequence[str]) -> str:
    """True for relations c in schemas n that match; without a schema only those visible in `search_path`."""
    schema, name = split(pattern)
    if schema is not None:
        return f"({_matches('n.nspname', schema)} AND {_matches('c.relname', name)})"
    path = "ARRAY[" + ",".join(literal(part) for part in search_path) + "]::text[]"
    hidden = (
        "SELECT FROM pg_class c2 JOIN pg_namespace n2 ON n2.oid = c2.relnamespace WHERE c2.relname = c.relname"
        f" AND array_position({path}, n2.nspname::text) < array_position({path}, n.nspname::text)"
    )
    return f"({_matches('c.relname', name)} AND n.nspname::text = ANY({path}) AND NOT EXISTS ({hidden}))"


def condition(selection: Selection, search_path: Sequence[str]) -> str:
    """True for relations c in schemas n that `selection` includes. Raises UsageError"""
    terms = []
    if selection.tables:
        terms.append(_any_of(table_condition(pattern, search_path) for pattern in selection.tables))
    else:
        if selection.schemas:
            terms.append(_any_of(schema_condition(pattern) for pattern in selection.schemas))
        terms.extend(f"NOT {schema_condition(pattern)}" for pattern in selection.exclude_schemas)
    terms.extend(f"NOT {table_condition(pattern, search_path)}" for pattern in selection.exclude_tables)
    return " AND ".join(terms) or "true"


def without_rows(selection: Selection, search_path: Sequence[str]) -> str:
    """The first pattern, as text, by which the rows of relation c in schema n stay out; empty text for none. Raises UsageError"""
    cases = (
        f"WHEN {table_condition(pattern, search_path)} THEN {literal(pattern)}"
        for pattern in selection.exclude_table_data
    )
    return f"CASE {' '.join(cases)} ELSE '' END" if selection.exclude_table_data else "''"


def _any_of(conditions: Iterable[str]) -> str:
    return "(" + " OR ".join(conditions) + ")"
