"""Which extents of a table are taken over from the previous snapshot without reading them. Pure.

The rule and the reasons why it is sound: spec/85-reuse.md. Every condition that cannot be shown to hold means: read it. A reason is told
for what is read again, in words for the user.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from vault.limits import EXTENT_BLOCKS
from vault.model import Extent, Manifest, ServerFacts, State, TableItem
from vault.ports import ExtentState, SourceTable

HEAP = "heap"
_TID_RANGES_SINCE = 140_000
_XID_DISTANCE_MAX = 2**30
"""Ages are 32-bit and signed; the server may hand out many more ids between the snapshot and the statement that compares them."""
UNPLANNED = "planning a query on it would run functions that its owner wrote, or fail in them"
_OF_FILES = frozenset({"migrations", "edge_functions"})


def snapshot_reason(parent: Manifest | None, server: ServerFacts) -> str:
    """Why nothing of `parent` may be reused for a snapshot of `server`; empty if it may."""
    if parent is None or parent.database is None:
        return "there is no earlier snapshot of this database"
    old = parent.database.server
    if parent.suspect:
        return "the earlier snapshot is suspect"
    refusals = (
        (_incoherent(parent), "definitions changed while the earlier snapshot was taken"),
        (old.database_key != server.database_key, "it is another database"),
        (old.version_num != server.version_num, "the server's version changed"),
        (old.encoding != server.encoding, "the database's encoding changed"),
        (server.version_num < _TID_RANGES_SINCE, "the server is older than 14"),
        (old.in_recovery or server.in_recovery, "a standby is never a base and never reuses"),
        (old.timeline != server.timeline, "the server was promoted or recovered to a point in time"),
        (
            old.postmaster_start != server.postmaster_start,
            "the server was restarted, and its files may be older copies",
        ),
        (server.flush_lsn < old.flush_lsn or server.next_xid < old.next_xid, "the server's history went backwards"),
        (server.next_xid - old.horizon >= _XID_DISTANCE_MAX, "too many transactions since"),
        (old.insert_lsn > server.insert_lsn_before, "the earlier snapshot is not older than this one"),
        (old.flush_lsn < old.insert_lsn, "the earlier snapshot's transactions may have been lost in a crash"),
    )
    return next((reason for refused, reason in refusals if refused), "")


def _incoherent(parent: Manifest) -> bool:
    """Rows may be rendered by other definitions than their fingerprints tell."""
    return any(
        state is State.FAILED
        for name, (state, _) in parent.coverage.items()
        if name not in _OF_FILES and not name.startswith("dir:")
    )


def table_reason(old: TableItem | None, table: SourceTable) -> str:
    """Why all of a table is read again; empty if its extents may be compared."""
    if old is None:
        return "the table is new"
    refusals = (
        (bool(table.unplanned), UNPLANNED),
        (not table.ranges or table.access_method != HEAP, "its storage cannot be compared"),
        (bool(table.condition or old.condition), "only a part of it is captured"),
        (old.access_method != table.access_method, "its access method changed"),
        (old.oid != table.oid, "it was created again"),
        (old.filenode != table.filenode, "it was rewritten"),
        (not table.fingerprint, "its text depends on names or functions that may change"),
        (old.fingerprint != table.fingerprint, "its columns or their types changed"),
        (old.columns != table.columns or old.generated != table.generated, "its columns changed"),
    )
    return next((reason for refused, reason in refusals if refused), "")


def in_one_order(table: SourceTable) -> bool:
    """Whether two queries in one snapshot give its rows in the same order, so that values can be kept beside rows."""
    return table.access_method == HEAP and not table.condition


def lacks_values(table: SourceTable, old: Extent) -> bool:
    """Whether reading the extent again would give values of generated columns that were not kept."""
    return bool(table.generated) and in_one_order(table) and old.values is None and old.rows > 0


def unchanged(states: Sequence[ExtentState], old: Iterable[Extent], *, extents: int) -> bytearray:
    """1 for each of `extents` extents that may be reused, else 0.

    states  by start; old: the previous snapshot's extents, by start
    """
    reusable = bytearray(extents)
    before = {extent.start: extent.rows for extent in old if extent.blocks == EXTENT_BLOCKS}
    for state in states:
        position = state.start // EXTENT_BLOCKS
        if position < extents and state.changed == 0 and before.get(state.start) == state.rows:
            reusable[position] = 1
    return reusable


@dataclass(frozen=True, slots=True, kw_only=True)
class TablePlan:
    """What to do with a table: `reuse` has a 1 for each extent that is taken over, 2 for one that is read to compare."""

    table: SourceTable
    old: TableItem | None
    reuse: bytearray

    @property
    def share(self) -> int:
        """About: bytes of one extent."""
        return self.table.bytes_estimate // len(self.reuse) if self.reuse else 0

    @property
    def bytes_to_read(self) -> int:
        """About: that of the extents that are not taken over unread."""
        return self.share * (len(self.reuse) - self.reuse.count(1))

    @property
    def reused(self) -> int:
        return len(self.reuse) - self.reuse.count(0)
