"""What a reader's rights, the kind of a table or a standby keep out of a snapshot: found before anything is locked, and named with its mend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from vault.errors import PermissionMissing
from vault.model import Missing, State, TableName
from vault.source.postgres.capture import large_objects, sequences
from vault.source.postgres.connection import server_facts
from vault.source.postgres.connection.connect import Session
from vault.source.postgres.connection.exported_snapshot import Relation
from vault.sql.names import qualified, quote

NAMED_IN_MESSAGES: Final = 10

_PROTECTED: Final = """
SELECT c.oid::int8 FROM pg_class c WHERE c.oid = ANY(%s::oid[])
   AND (c.relrowsecurity OR EXISTS (SELECT FROM pg_policy WHERE polrelid = c.oid)) ORDER BY 1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Readable:
    """`values`: the sequences, each with what will become of its value; `denied`: what the reader may not read, with the mend of each."""

    values: Sequence[tuple[TableName, State]]
    denied: Sequence[Missing]
    kinds: Sequence[str]
    user: str

    def require(self) -> None:
        """Raises  PermissionMissing: something may not be read"""
        if not self.denied:
            return
        items = [missing.item for missing in self.denied]
        shown = ", ".join(items[:NAMED_IN_MESSAGES])
        more = f" and {len(items) - NAMED_IN_MESSAGES} more" if len(items) > NAMED_IN_MESSAGES else ""
        raise PermissionMissing(
            f"{len(items)} {' or '.join(self.kinds)} cannot be read: {shown}{more}",
            hint=f'GRANT pg_read_all_data TO "{self.user}", or SELECT on them and USAGE on their schemas;'
            " or leave them out knowingly with --allow-gaps",
        )


def readable(session: Session, relations: Sequence[Relation], *, selected: str, whole: bool, user: str) -> Readable:
    """`selected`: SQL of `tables.relations`; `whole`: large objects as well."""
    values = sequences.names(session, selected, [relation.oid for relation in relations])
    found = {
        "tables": [
            _denied(relation, user) for relation in relations if relation.must_be_read and not relation.readable
        ],
        "sequences": sequences.missing([pair for pair in values if pair[1] is State.NOT_PERMITTED], user),
        "large objects": list(large_objects.missing(session)) if whole else [],
    }
    return Readable(
        values=values,
        denied=[missing for several in found.values() for missing in several],
        kinds=[kind for kind, several in found.items() if several],
        user=user,
    )


def of_relations(relations: Sequence[Relation], known: server_facts.Basics) -> list[Missing]:
    """Tables whose rows a snapshot will not hold."""
    gaps = []
    for relation in relations:
        name = qualified(relation.name)
        if relation.kind == "f":
            why = "a foreign table: its rows are on another server"
            gaps.append(Missing(item=name, state=State.NOT_EXPORTABLE, why=why, fix="back up the other server"))
        elif not relation.readable:
            gaps.append(_denied(relation, known.user))
        elif relation.rows_excluded and relation.holds_rows:
            flag = f"--exclude-table-data {relation.rows_excluded}"
            why = f"{flag}: its definition is captured, its rows are not"
            gaps.append(Missing(item=name, state=State.NOT_SELECTED, why=why, fix=f"back up without {flag}"))
        elif relation.persistence == "u" and known.in_recovery and relation.kind == "r":
            why = "an unlogged table has no rows on a standby"
            gaps.append(Missing(item=name, state=State.NOT_EXPORTABLE, why=why, fix="back up the primary"))
    return gaps


def _denied(relation: Relation, user: str) -> Missing:
    name = qualified(relation.name)
    fix = f"GRANT USAGE ON SCHEMA {quote(relation.name.schema)} TO {quote(user)};"
    fix += f" GRANT SELECT ON {name} TO {quote(user)}"
    return Missing(item=name, state=State.NOT_PERMITTED, why=f"role {user} may not read it", fix=fix)


def undefined(session: Session, relations: Sequence[Relation]) -> list[Missing]:
    """What goes with tables that cannot be read: pg_dump locks what it describes, and a lock needs SELECT."""
    gone = {relation.oid: relation for relation in relations if relation.must_be_read and not relation.readable}
    protected = session.rows(_PROTECTED, [list(gone)], doing="looking for policies") if gone else []
    items = [f"definition of {qualified(relation.name)}" for relation in gone.values()]
    items += [f"policies of {qualified(gone[oid].name)}" for (oid,) in protected]
    return [
        Missing(
            item=item, state=State.NOT_PERMITTED, why="the table may not be read", fix="make it readable, see there"
        )
        for item in items
    ]
