"""Sessions inside an exported snapshot, each checked against the leader before it reads anything [A10]."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from vault.errors import Incoherent, SourceError
from vault.source.postgres.connection.connect import Session, connect
from vault.source.postgres.connection.resolve import Server
from vault.source.postgres.connection.server_facts import SERVER_IDENTITY
from vault.sql.names import literal
from vault.sql.settings import BEGIN, fixed
from vault.sql.sqlstate import INVALID_PARAMETER_VALUE, UNDEFINED_OBJECT

SNAPSHOT_GONE: Final = frozenset({INVALID_PARAMETER_VALUE, UNDEFINED_OBJECT})
"""Of SET TRANSACTION SNAPSHOT when the exporter has ended, up to 15 and since 16."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """What a session needs to join the snapshot. `snapshot`: text of pg_current_snapshot() in the leader."""

    server: Server
    exported: str
    snapshot: str
    identity: str
    encoding: str
    known_settings: Collection[str]

    def statements(self) -> str:
        """Begin a transaction in the snapshot, with the fixed settings."""
        return f"{BEGIN}SET TRANSACTION SNAPSHOT {literal(self.exported)};{fixed(self.known_settings)}"

    def proof(self) -> str:
        """SQL expression: this session sees the leader's snapshot on the leader's server."""
        return (
            f"(pg_current_snapshot()::text = {literal(self.snapshot)} AND {SERVER_IDENTITY} = {literal(self.identity)})"
        )


def open_worker(imported: Import, spare: Session | None = None) -> Session:
    """A session in the snapshot, `spare` or a new one. Raises Incoherent if the snapshot or its server is gone, Unreachable"""
    session = spare or connect(imported.server)
    try:
        _begin(session, imported)
        if not session.row(f"SELECT {imported.proof()}", doing="joining the snapshot")[0]:
            raise Incoherent(
                "a reading session does not see the snapshot", why="it reached another server or another state"
            )
    except BaseException:
        session.abort()
        raise
    return session


def rejoin(session: Session, imported: Import) -> None:
    """Give back every lock that `session` holds, and begin again in the snapshot. Raises Incoherent if that is gone"""
    _begin(session, imported, first="COMMIT;")


def _begin(session: Session, imported: Import, *, first: str = "") -> None:
    try:
        session.run(first + imported.statements(), doing="joining the snapshot")
    except SourceError as error:
        if error.sqlstate not in SNAPSHOT_GONE:
            raise
        raise Incoherent(
            "the snapshot is gone", why="the session that held it has ended", hint="run the backup again"
        ) from error
