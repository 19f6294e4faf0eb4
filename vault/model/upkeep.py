"""Files about the life of a repository: leases, sweeps, forgotten snapshots. Spec 80-leases."""

from __future__ import annotations

from dataclasses import dataclass

from vault.ids import PackId, SnapshotId


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A running writer: pins its parent and the packs it names. `packs` ascending, each once."""

    created_ms: int
    host: str
    pid: int
    purpose: str
    source: str
    parent: SnapshotId | None
    packs: tuple[PackId, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """Packs that prune is about to delete, ascending, each once."""

    created_ms: int
    packs: tuple[PackId, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgottenSnapshot:
    id: SnapshotId
    source: str
    sequence: int
    created_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """Snapshots that were removed on purpose."""

    created_ms: int
    snapshots: tuple[ForgottenSnapshot, ...]
