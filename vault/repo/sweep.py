"""Sweeps and leases as they lie in the store, with the ages that the store gives them. What one pins is said here, and nowhere else.

Never deletes a pack. Invariant: a sweep that was published is neither changed nor taken back. Spec 80-leases.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from collections.abc import Set as AbstractSet
from contextlib import closing
from dataclasses import dataclass
from typing import Final

from vault.errors import IntegrityError, NotFound
from vault.format import upkeep
from vault.ids import PackId, SnapshotId
from vault.limits import FILE_BYTES_MAX, LEASE_AGE_S
from vault.model import FileKind, Lease, Sweep
from vault.ports import Entropy, StoredFile
from vault.repo import records
from vault.repo.keyring import unseal_file
from vault.repo.state import Open
from vault.repo.workers import fetched

NAMES_PACKS: Final = frozenset({"backup", "copy", "repair"})
"""Purposes of writers: each names what it relies on before it relies on it."""
READS: Final = "restore"
PRUNES: Final = "maintenance"
_PACKS_MAX: Final = 1 << 20
"""Of one sweep: 36 MB, which FILE_BYTES_MAX lets a reader take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundSweep:
    """`modified_ms` by the store's clock."""

    name: str
    modified_ms: int
    packs: frozenset[PackId]


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundLease:
    """`lease` is None if it is authentic and cannot be decoded: a newer program's."""

    name: str
    modified_ms: int
    lease: Lease | None

    @property
    def of_writer(self) -> bool:
        """Whether a sweep that was seen with it has to stay: its writer may have read the index before that."""
        return self.lease is None or self.lease.purpose not in {READS, PRUNES}

    @property
    def ends(self) -> bool:
        """Whether it has an end (LEASE-17): who names packs commits soon after, and a reader loses only time."""
        return self.lease is not None and (
            self.lease.purpose in {READS, PRUNES} or (self.lease.purpose in NAMES_PACKS and bool(self.lease.packs))
        )

    def is_old(self, now_ms: int) -> bool:
        return now_ms - self.modified_ms >= LEASE_AGE_S * 1000

    def pins_everything(self, snapshots: AbstractSet[SnapshotId]) -> bool:
        """Because nobody can tell what its owner relies on. `snapshots`: those that were listed after it."""
        if self.lease is None:
            return True
        if self.lease.purpose == READS:
            return self.lease.parent not in snapshots
        return self.lease.purpose not in NAMES_PACKS | {PRUNES}


def publish(repo: Open, packs: Iterable[PackId], *, now_ms: int, entropy: Entropy) -> tuple[str, ...]:
    """Announce, durably, that these packs will go; names of the sweeps, none without packs."""
    ascending = sorted(set(packs))
    parts = (tuple(ascending[start : start + _PACKS_MAX]) for start in range(0, len(ascending), _PACKS_MAX))
    sweeps = (upkeep.encode_sweep(Sweep(created_ms=now_ms, packs=part)) for part in parts)
    return records.save_all(repo, FileKind.SWEEP, sweeps, entropy=entropy)


def found_sweeps(repo: Open) -> list[FoundSweep]:
    """Every authentic sweep. What is none (anybody who can write to the store can put it there) stops nobody; `check` names it.

    Raises  IntegrityError: somebody with the keys wrote one that cannot be read, so nobody knows what it names
    """
    found = []
    with closing(_plains(repo, FileKind.SWEEP)) as plains:
        for stored, plain in plains:
            try:
                packs = frozenset(upkeep.decode_sweep(plain).packs)
            except IntegrityError as error:
                error.file = stored.name
                raise
            found.append(FoundSweep(name=stored.name, modified_ms=stored.modified_ms, packs=packs))
    return found


def found_leases(repo: Open, files: Iterable[StoredFile] | None = None) -> list[FoundLease]:
    """Every authentic lease. `files`: of leases/, if they were listed already, by somebody who only shows them. One that goes away meanwhile is left out: what its writer put before it went is listed later."""
    found = []
    with closing(_plains(repo, FileKind.LEASE, files)) as plains:
        for stored, plain in plains:
            try:
                lease = upkeep.decode_lease(plain)
            except IntegrityError:
                lease = None
            found.append(FoundLease(name=stored.name, modified_ms=stored.modified_ms, lease=lease))
    return found


def _plains(
    repo: Open, kind: FileKind, files: Iterable[StoredFile] | None = None
) -> Generator[tuple[StoredFile, bytes], None, None]:
    def plain(stored: StoredFile) -> tuple[StoredFile, bytes] | None:
        try:
            return stored, unseal_file(repo.store.get(stored.name), kind, repo.keys)
        except (NotFound, IntegrityError):
            return None

    named = [
        stored
        for stored in (repo.store.list(f"{upkeep.DIRECTORIES[kind]}/") if files is None else files)
        if upkeep.parse_upkeep_name(stored.name) is not None and stored.size <= FILE_BYTES_MAX
    ]
    with fetched(plain, named, threads=repo.fetch_threads) as told:
        yield from (one for one in told if one is not None)


def pinned(leases: Sequence[FoundLease]) -> frozenset[PackId]:
    """Packs that they name."""
    return frozenset(pack for found in leases if found.lease is not None for pack in found.lease.packs)


def store_time_ms(repo: Open, name: str) -> int:
    """The store's time when `name` was put; 0 if it is gone, so that nothing looks old."""
    return max((stored.modified_ms for stored in repo.store.list(name) if stored.name == name), default=0)
