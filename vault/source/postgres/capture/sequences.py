"""Values of sequences, read from the relations after the export [A11]. Not MVCC: a value may be later, never earlier."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from vault.errors import Incoherent
from vault.model import Missing, SequenceItem, State, TableName
from vault.source.postgres.capture.tables import IN_SCOPE
from vault.source.postgres.connection.connect import Session
from vault.sql.names import literal, qualified, quote

BATCH: Final = 100

_LIST: Final = """
SELECT n.nspname::text, c.relname::text,
       CASE WHEN c.relpersistence = 'u' AND pg_is_in_recovery() THEN 'not_exportable'
            WHEN has_schema_privilege(n.oid, 'USAGE') AND has_sequence_privilege(c.oid, 'SELECT') THEN 'captured'
            ELSE 'not_permitted' END
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'S' AND c.relpersistence <> 't' AND {scope} AND (({selected}) OR EXISTS (
       SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('a', 'i')
          AND d.refclassid = 'pg_class'::regclass AND d.refobjid = ANY(%s::oid[])))
 ORDER BY n.nspname COLLATE "C", c.relname COLLATE "C"
"""


_EXCHANGED: Final = """
SELECT x.name FROM unnest(%s::text[], %s::text[]) AS x(schema, name)
 WHERE to_regclass(format('%%I.%%I', x.schema, x.name))::oid IS DISTINCT FROM (
       SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = x.schema AND c.relname = x.name AND c.relkind = 'S')
"""


def names(session: Session, selected: str, tables: Sequence[int]) -> list[tuple[TableName, State]]:
    """Sequences that `selected` includes or that belong to one of `tables` (oids), and what will become of each one's value."""
    query = _LIST.format(scope=IN_SCOPE, selected=selected.replace("%", "%%"))
    rows = session.rows(query, [list(tables)], doing="listing sequences")
    return [(TableName(schema=schema, name=name), State(state)) for schema, name, state in rows]


def missing(listed: Sequence[tuple[TableName, State]], user: str) -> list[Missing]:
    """Those that `user` cannot read, or that have no value on a standby."""
    return [_gap(qualified(name), state, user) for name, state in listed if state is not State.CAPTURED]


def _gap(name: str, state: State, user: str) -> Missing:
    why, fix = "an unlogged sequence has no value on a standby", "back up the primary"
    if state is State.NOT_PERMITTED:
        why = f"role {user} may not read its value; a restore lets it start anew"
        fix = f"GRANT SELECT ON SEQUENCE {name} TO {quote(user)}"
    return Missing(item=f"sequence {name}", state=state, why=why, fix=fix)


def read(
    session: Session, listed: Sequence[tuple[TableName, State]], *, give_back: Callable[[], None]
) -> Iterator[SequenceItem]:
    """Values of the readable ones, by name. Each stays locked until `give_back`, which is called after a batch."""
    ours = [name for name, state in listed if state is State.CAPTURED]
    for start in range(0, len(ours), BATCH):
        batch = ours[start : start + BATCH]
        _require_same(session, batch)
        query = " UNION ALL ".join(
            f"SELECT {place}, last_value, is_called FROM {qualified(name)}" for place, name in enumerate(batch)
        )
        rows = session.rows(query, doing=f"reading sequences from {literal(batch[0].name)} on")
        for place, last_value, is_called in sorted(rows):
            yield SequenceItem(name=batch[place], last_value=last_value, is_called=is_called)
        give_back()


def _require_same(session: Session, names: Sequence[TableName]) -> None:
    """Nothing else, which might run code, has come in a sequence's place. Raises Incoherent"""
    listed = [[name.schema for name in names], [name.name for name in names]]
    for (name,) in session.rows(_EXCHANGED, listed, doing="checking sequences"):
        raise Incoherent(f"sequence {quote(name)} was replaced during the backup", hint="run the backup again")
