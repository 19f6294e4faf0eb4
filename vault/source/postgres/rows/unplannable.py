"""Tables on which no statement of ours may be planned, because the server would run somebody else's code with our rights.

To plan `count(*)` or `COPY (SELECT ...)` the server evaluates what is constant in the expressions and predicates of a table's indexes and in
its statistics' expressions: operators, casts, checks of domains and whatever functions these call. A READ ONLY transaction
stops none of it. Plain `COPY table (columns)` is not planned. Spec 86-foreign-code [CODE-2].
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import psycopg

from vault.errors import Incoherent
from vault.model import TableName
from vault.ports import SourceTable
from vault.source.postgres.connection.connect import Session, translate
from vault.sql.names import qualified, quote
from vault.sql.planning import reached

LISTED: Final = "ANY(%(tables)s::oid[])"

_CONDITIONS: Final = """
SELECT c.oid::int8, e.extname::text, pg_get_userbyid(e.extowner)::text
  FROM pg_extension e, LATERAL unnest(e.extconfig, e.extcondition) AS k(oid, condition) JOIN pg_class c ON c.oid = k.oid
 WHERE k.condition <> '' AND c.oid = ANY(%(tables)s::oid[])
   AND NOT EXISTS (SELECT FROM pg_roles WHERE oid = e.extowner AND (rolsuper OR rolname = session_user))
"""
"""Conditions that a role who is not trusted may have written: extensions need not come from the server's directory (pg_tle)."""

_PLAN: Final = "SAVEPOINT pgvault; EXPLAIN SELECT count(*) FROM ONLY {table}"
_BACK: Final = "ROLLBACK TO pgvault; RELEASE pgvault"


def unplanned(session: Session, tables: Sequence[int]) -> dict[int, str]:
    """Table oid -> why it must not be planned, in words; of those oids for which it must not.

    `session` is in a transaction in the snapshot. Runs code of superusers and of the reading role only.
    Raises   SourceError
    """
    reasons: dict[int, str] = {}
    doing = "looking for code that planning would run"
    for oid, schema, name, function, owner, table_owner, trusted in session.rows(
        reached(LISTED), {"tables": list(tables)}, doing=doing
    ):
        if not trusted:
            reasons[oid] = (
                f"its indexes or statistics call {function} of {quote(owner)}, on a table of {quote(table_owner)}"
            )
        elif why := _refusal(session, TableName(schema=schema, name=name)):
            reasons[oid] = f"the server cannot plan a query on it, because of {function}: {why}"
    for oid, extension, owner in session.rows(_CONDITIONS, {"tables": list(tables)}, doing=doing):
        reasons.setdefault(oid, f"extension {quote(extension)} of {quote(owner)} has a condition on its rows")
    return reasons


def foreign(session: Session, tables: Sequence[int], *, values: bool = False) -> dict[int, str]:
    """Table oid -> function of a role that is neither superuser nor the session's own, which planning would run; of those that have one.

    values   also what is run where values of its columns are read from text, and where its keys are compared
    """
    query = reached(LISTED, values=values)
    rows = session.rows(query, {"tables": list(tables)}, doing="looking for code that planning would run")
    return {oid: function for oid, _, _, function, _, _, trusted in rows if not trusted}


def require_harmless(observer: Session, tables: Iterable[SourceTable]) -> None:
    """That what planning runs is still what it was when the tables were listed; to be asked right before it.

    `observer` sees the newest catalog, as the planner does. Not closed: what is committed between this and the planning.
    Raises   Incoherent
    """
    oids = [table.oid for table in tables if not table.unplanned]
    doing = "looking for code that planning would run"
    with observer.apart(doing=doing):
        rows = observer.rows(reached(LISTED), {"tables": oids}, doing=doing) if oids else []
    for _, schema, name, function, owner, _, trusted in rows:
        if not trusted:
            raise Incoherent(
                f"table {qualified(TableName(schema=schema, name=name))} came to call {function} of {quote(owner)} during the backup",
                why="its indexes or statistics do, and planning a query on it would run that function",
                hint="run the backup again: it then reads this table without planning",
            )


def _refusal(session: Session, table: TableName) -> str:
    """What a trusted table's own code fails with when it is planned, empty if it does not; no lock is kept."""
    with session.lock:
        connection = session.connection
        try:
            connection.execute(_PLAN.format(table=qualified(table)))
            why = ""
        except psycopg.Error as error:
            if connection.closed or not error.sqlstate:
                raise translate(error, "planning a query") from error
            why = f"{type(error).__name__} ({error.sqlstate})"
    session.run(_BACK, doing="planning a query")
    return why
