"""What the server says of extents without sending a row: how many rows, how many may be new since a horizon.

One query for many ranges of blocks, also of many tables, one TID range scan an extent. Both ages are taken in the same statement [A6];
ages wrap, so a row older than 2^31 transactions has a negative age and is old [D3], as frozen ids are. If the database's own row may be
new, every row may be: CREATE DATABASE ... OID copies files with rows of any age under an oid that its caller chooses. Why this is enough:
spec/85-reuse.md.
"""

from __future__ import annotations

from collections.abc import Sequence

from vault.limits import EXTENT_BLOCKS
from vault.ports import ExtentJob, ExtentState
from vault.source.postgres.connection.connect import Session
from vault.source.postgres.rows.same_tables import require_same
from vault.sql.names import qualified

_WHOLE_DATABASE = """
WITH database AS MATERIALIZED (
     SELECT coalesce(bool_and(age(xmin) BETWEEN 0 AND age('{horizon}'::xid)), true) AS may_be_new FROM pg_database WHERE datname = current_database())
"""
_STATES = """
SELECT {place}, extent.start::int8, found.rows, found.changed
  FROM generate_series({first}, {last}, {step}) AS extent(start), LATERAL (
       SELECT count(*) AS rows,
              count(*) FILTER (WHERE (SELECT may_be_new FROM database) OR age(xmin) BETWEEN 0 AND age('{horizon}'::xid)) AS changed
         FROM ONLY {table}
        WHERE ctid >= format('(%s,0)', extent.start)::tid AND ctid < format('(%s,0)', extent.start + {step})::tid
       ) AS found
"""

_XID_BITS = 32


def states(session: Session, ranges: Sequence[ExtentJob], horizon: int) -> Sequence[Sequence[ExtentState]]:
    """For each range the states of its extents, by start. `session` holds the lock of every table.

    horizon  64-bit xmin of an earlier snapshot, less than 2^31 transactions ago
    Raises   Incoherent: a table is not the snapshot's; SourceError
    """
    if not ranges:
        return []
    since = horizon % (1 << _XID_BITS)
    scans = [
        _STATES.format(
            place=place,
            first=job.start,
            last=job.start + job.blocks - 1,
            step=EXTENT_BLOCKS,
            horizon=since,
            table=qualified(job.table.name),
        )
        for place, job in enumerate(ranges)
    ]
    by_range: list[list[ExtentState]] = [[] for _ in ranges]
    query = _WHOLE_DATABASE.format(horizon=since) + " UNION ALL ".join(scans)
    for place, start, rows, changed in session.rows(query, doing="looking for changes"):
        by_range[place].append(ExtentState(start=start, rows=rows, changed=changed))
    require_same(session, (job.table for job in ranges))
    return [sorted(extents, key=lambda extent: extent.start) for extents in by_range]
