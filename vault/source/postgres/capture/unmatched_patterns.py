"""Patterns of a selection that match nothing: refused where something was asked for, told where something was to stay out.

What was to be included would be missing from the snapshot. What was to be excluded is in it: nothing is lost, and a nightly backup
that is refused because a cache's table is not there today would be a missing backup. Takes no lock.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from vault.errors import UsageError
from vault.source.postgres.connection.connect import Session
from vault.source.postgres.connection.exported_snapshot import Exported, Relation
from vault.sql import pattern
from vault.sql.pattern import Selection

_DOING: Final = "looking for what the patterns match"
_HINT: Final = "patterns are psql's: names are folded to lower case unless in double quotes"
_SHOWN_MAX: Final = 10
_CLASSES: Final = "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
_TABLES: Final = (
    f"SELECT n.nspname || '.' || c.relname {_CLASSES} WHERE c.relkind IN ('r', 'p')"
    f" AND n.nspname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1 LIMIT {_SHOWN_MAX}"
)
_SCHEMAS: Final = (
    f"SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema$)' ORDER BY 1 LIMIT {_SHOWN_MAX}"
)


def refuse_empty(
    session: Session, relations: Sequence[Relation], selection: Selection, search_path: Sequence[str]
) -> None:
    """Raises  UsageError: a pattern of -t or -n matches nothing, or nothing is left of all of them"""
    for asked in selection.tables:
        if not _is_relation(session, asked, search_path=search_path):
            raise UsageError(f"-t {asked} matches nothing", why=_there(session, _TABLES), hint=_HINT)
    for asked in () if selection.tables else selection.schemas:
        if not _is_schema(session, asked):
            raise UsageError(f"-n {asked} matches nothing", why=_there(session, _SCHEMAS), hint=_HINT)
    if (selection.tables or selection.schemas) and not relations:
        raise UsageError("no table matches the selection", hint=_HINT)


def unused(session: Session, taken: Exported, selection: Selection, search_path: Sequence[str]) -> list[str]:
    """What to say of patterns that leave nothing out, with what there is. `taken`: with the tables that the selection leaves"""
    return [
        f"{flag} leaves nothing out; {there}. {_HINT.capitalize()}"
        for flag, there in _unused(session, taken, selection, search_path)
    ]


def _unused(
    session: Session, taken: Exported, selection: Selection, search_path: Sequence[str]
) -> Iterator[tuple[str, str]]:
    for asked in () if selection.tables else selection.exclude_schemas:  # beside -t, -N means nothing
        if not _is_schema(session, asked):
            yield f"-N {asked}", _there(session, _SCHEMAS)
    for asked in selection.exclude_tables:
        if not _is_relation(session, asked, search_path=search_path):
            yield f"-T {asked}", _there(session, _TABLES)
    selected = [relation for relation in taken.relations if relation.holds_rows]
    oids = ",".join(str(relation.oid) for relation in selected) or "NULL"
    for asked in selection.exclude_table_data:
        if not _is_relation(session, asked, search_path=search_path, among=f"c.oid IN ({oids})"):
            names = [f"{relation.name.schema}.{relation.name.name}" for relation in selected[:_SHOWN_MAX]]
            there = f"tables of the selection that hold rows: {', '.join(names) or 'none'}"
            yield f"--exclude-table-data {asked}", there


def _is_relation(session: Session, asked: str, *, search_path: Sequence[str], among: str = "true") -> bool:
    matching = f"{_CLASSES} WHERE {pattern.table_condition(asked, search_path)} AND {among}"
    return bool(session.rows(f"SELECT 1 {matching} LIMIT 1", doing=_DOING))


def _is_schema(session: Session, asked: str) -> bool:
    matching = f"FROM pg_namespace n WHERE {pattern.schema_condition(asked)}"
    return bool(session.rows(f"SELECT 1 {matching} LIMIT 1", doing=_DOING))


def _there(session: Session, query: str) -> str:
    return f"there are: {', '.join(str(name) for (name,) in session.rows(query, doing=_DOING)) or 'none'}"
