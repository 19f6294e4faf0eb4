"""What the server says of every extent of a table without sending a row: how many rows, how many may be new since a horizon.

One query for the whole table, one TID range scan an extent. Both ages are taken in the same statement [A6]; ages wrap, so a row older
than 2^31 transactions has a negative age and is old [D3], as frozen ids are. Why this is enough: spec/85-reuse.md.
"""

from __future__ import annotations

from collections.abc import Sequence

from vault.limits import EXTENT_BLOCKS
from vault.ports import ExtentState, SourceTable
from vault.source.postgres.connect import Session
from vault.source.postgres.jobs import proof, swapped
from vault.source.postgres.names import qualified

_STATES = """
SELECT extent.start::int8, found.rows, found.changed
  FROM generate_series(0, {last}, {step}) AS extent(start), LATERAL (
       SELECT count(*) AS rows,
              count(*) FILTER (WHERE age(xmin) BETWEEN 0 AND age('{horizon}'::xid)) AS changed
         FROM ONLY {table}
        WHERE ctid >= format('(%s,0)', extent.start)::tid AND ctid < format('(%s,0)', extent.start + {step})::tid
       ) AS found ORDER BY 1
"""

_XID_BITS = 32


def states(session: Session, table: SourceTable, horizon: int) -> Sequence[ExtentState]:
    """One state an extent, by start. `horizon`: 64-bit xmin of an earlier snapshot, less than 2^31 transactions ago.

    Raises  Incoherent: the table is not the snapshot's; SourceError
    """
    query = _STATES.format(
        last=max(0, table.blocks - 1),
        step=EXTENT_BLOCKS,
        horizon=horizon % (1 << _XID_BITS),
        table=qualified(table.name),
    )
    found = session.rows(query, doing=f"looking for changes in {qualified(table.name)}")
    if not session.row(f"SELECT {proof(table)}", doing="checking a table")[0]:
        raise swapped(table)
    return [ExtentState(start=start, rows=rows, changed=changed) for start, rows, changed in found]
