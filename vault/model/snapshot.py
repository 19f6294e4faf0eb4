"""One snapshot: its manifest, its counts and its coverage ledger. Spec 60-snapshot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from vault.ids import ObjectId, RepositoryId, SnapshotId
from vault.model.database import ServerFacts
from vault.model.objects import ListRef


class State(str, Enum):
    """Of an item in the coverage ledger, best first."""

    CAPTURED = "captured"
    EMPTY = "empty"
    NOT_SELECTED = "not_selected"
    NOT_EXPORTABLE = "not_exportable"
    NOT_PERMITTED = "not_permitted"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    item: str
    state: State
    why: str
    fix: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """One component of the ledger. `count` = captured items; `missing` = all others."""

    state: State
    count: int
    missing: tuple[Missing, ...] = ()


Ledger = Mapping[str, Coverage]
"""Component name of contract.md -> coverage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabasePart:
    server: ServerFacts
    tables: ListRef
    entries: ListRef
    order: ObjectId
    roles: ObjectId
    catalog: ObjectId
    sequences: ListRef
    large_objects: ListRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """The nine lines of the summary."""

    tables: int = 0
    records: int = 0
    users: int = 0
    user_roles: int = 0
    rls_policies: int = 0
    rpc_functions: int = 0
    migrations: int = 0
    edge_functions: int = 0
    encryption_functions: int = 0


SUMMARY_COMPONENTS: Final = (
    "schema",
    "data",
    "users",
    "user_roles",
    "rls_policies",
    "rpc_functions",
    "migrations",
    "edge_functions",
    "encryption",
)
"""The component that each of the nine counts is about, in their order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """What the backup did."""

    read_bytes: int = 0
    new_bytes: int = 0
    extents: int = 0
    extents_reused: int = 0
    duration_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What a snapshot was made of: of another repository if it was copied, of its own if it was repaired."""

    repository: RepositoryId
    snapshot: SnapshotId


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """One snapshot. `host`: the machine that took it. `sequence` counts a source's snapshots from 1; equal numbers are legal forks."""

    source: str
    created_ms: int
    sequence: int
    parent: SnapshotId | None
    selection: str
    tags: Mapping[str, str]
    program: str
    database: DatabasePart | None
    directories: Mapping[str, ListRef]
    ledger: ObjectId
    coverage: Mapping[str, tuple[State, int]]
    counts: Counts
    effort: Effort
    suspect: str = ""
    host: str = ""
    origin: Origin | None = None
