"""What a look at a server told of a backup that nobody has begun."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from vault.errors import VaultError
from vault.model.address import TableName
from vault.model.database import ServerFacts
from vault.model.snapshot import Missing


class Route(StrEnum):
    """What a connection goes through."""

    DIRECT = "direct"
    SESSION_POOLER = "session pooler"
    TRANSACTION_POOLER = "transaction pooler"


class LookedAt(StrEnum):
    """What is looked at, in the order in which a backup meets it."""

    CONNECTION = "connection"
    ROUTE = "route"
    SERVER = "server"
    ALL_ROWS = "all rows"
    TEXTS = "texts"
    PG_DUMP = "pg_dump"
    OBJECTS = "objects"


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundProgram:
    """`outdated`: of an older minor than the server's, of the same major."""

    path: str
    version: str
    outdated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """Nothing was locked, exported or written for it.

    refusals        what a backup would end with, each once, in the order of the steps
    place           host and port, or the socket's directory
    clock_ahead_ms  how far the server's clock is ahead of this machine's, at least; 0 if the question took longer
    denied          objects that the reader may not read, each with the grant that mends it
    missing         what else the snapshot would not hold
    rows            of the tables that were asked for and are there, with at most `rows_max` counted
    """

    refusals: tuple[tuple[LookedAt, VaultError], ...] = ()
    place: str = ""
    route: Route | None = None
    encrypted: bool = False
    user: str = ""
    superuser: bool = False
    server: ServerFacts | None = None
    pg_dump: FoundProgram | None = None
    clock_ahead_ms: int = 0
    tables: int | None = None
    size_bytes: int | None = None
    denied: tuple[Missing, ...] = ()
    missing: tuple[Missing, ...] = ()
    rows: Mapping[TableName, int] = field(default_factory=dict)

    def refusal(self, step: LookedAt) -> VaultError | None:
        return next((error for at, error in self.refusals if at is step), None)
