"""Foreign keys of a restored database, each looked at for rows that refer to nothing: that it is declared proves nothing."""

from __future__ import annotations

from collections.abc import Sequence

from vault.errors import SourceError
from vault.model import TableName
from vault.ops.drill.verdict import DrillVerdict, Point, differs, unchecked
from vault.ports import TargetSession
from vault.sql.names import show_name


def check_references(session: TargetSession, tables: Sequence[TableName]) -> DrillVerdict:
    """Of and to `tables`. One that was declared NOT VALID promises nothing, and is not looked at. Raises  Unreachable"""
    try:
        broken = session.broken_references(tables)
    except SourceError as error:
        why = f"not checked: {error.why or error.message}"
        return unchecked(Point(kind="foreign key", name="all", why=why))
    verdict = DrillVerdict()
    for reference in broken:
        name = f"{reference.name} of {show_name(reference.table)}"
        if reference.rows > 0:
            why = f"{reference.rows} rows refer to rows that are not there"
            verdict += differs(Point(kind="foreign key", name=name, why=why))
        else:
            verdict += unchecked(Point(kind="foreign key", name=name, why=reference.unverified))
    return verdict
