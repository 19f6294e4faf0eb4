"""Whose leases are there, and which of them are of the dead. Removes no other unless it is named. Spec 80-leases.

A lease that stays behind pins packs, keeps sweeps, and stops another prune; it never stops a backup.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from vault.errors import NotThere, StoreError, UsageError
from vault.model import Lease
from vault.ports import Entropy
from vault.repo.lease import publish, withdraw
from vault.repo.state import Open
from vault.repo.sweep import FoundLease, found_leases, store_time_ms

_PREFIX_DIGITS_MIN = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseRow:
    """`id`: of its file; `age_s` by the store's time; `dead`: why nobody holds it any more, or empty.

    `lease` is None for one that this program cannot decode: a newer one wrote it.
    """

    id: str
    age_s: float
    lease: Lease | None
    dead: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unlocked:
    """`young`: among those removed is one whose writer may live."""

    removed: tuple[LeaseRow, ...]
    left: tuple[LeaseRow, ...]
    young: bool = False


def unlock(
    repo: Open,
    prefix: str | None = None,
    *,
    probe: Lease,
    is_dead: Callable[[Lease], bool],
    entropy: Entropy,
) -> Unlocked:
    """Remove the leases of the dead, or the one that `prefix` names, whatever its age.

    probe    a lease that is written to learn the store's time, and pins nothing: it says who asks, for whoever kills it meanwhile
    is_dead  whether a lease's process is surely gone
    Raises   NotThere, UsageError: no lease, or several, of that prefix; StoreError: one cannot be removed
    """
    rows = sorted(_rows(repo, probe, is_dead=is_dead, entropy=entropy), key=lambda row: (-row.age_s, row.id))
    going = [row for row in rows if row.dead] if prefix is None else [_named(rows, prefix)]
    for row in going:
        withdraw(repo, f"leases/{row.id}")
    repo.store.barrier()  # for what a killed run removed, too
    left = tuple(row for row in rows if row not in going)
    return Unlocked(removed=tuple(going), left=left, young=any(not row.dead for row in going))


def asking(now_ms: int, *, host: str, pid: int) -> Lease:
    """For `unlock`, of who asks."""
    return Lease(created_ms=max(0, now_ms), host=host, pid=pid, purpose="backup", source="", parent=None)


def _rows(repo: Open, probe: Lease, *, is_dead: Callable[[Lease], bool], entropy: Entropy) -> list[LeaseRow]:
    """The store's time is that of a lease that is written for it, which pins nothing; where nothing can be written, this machine's
    stands for it."""
    now_ms = probe.created_ms
    try:
        own = publish(repo, probe, entropy=entropy)
    except StoreError:
        own = ""
    try:
        now_ms = store_time_ms(repo, own) if own else now_ms
        return [_row(found, now_ms, is_dead) for found in found_leases(repo) if found.name != own]
    finally:
        if own:
            with suppress(
                StoreError
            ):  # without the right to delete it stays for a day, and holds up nothing but a prune
                withdraw(repo, own)


def look(repo: Open, *, now_ms: int, is_dead: Callable[[Lease], bool]) -> list[LeaseRow]:
    """The leases that are there, with ages by this machine's time; writes nothing."""
    return [_row(found, now_ms, is_dead) for found in found_leases(repo)]


def _row(found: FoundLease, now_ms: int, is_dead: Callable[[Lease], bool]) -> LeaseRow:
    dead = ""
    if found.lease is not None and is_dead(found.lease):
        dead = "its process is gone"
    elif found.is_old(now_ms):
        dead = "older than a day"
    return LeaseRow(
        id=found.name.partition("/")[2],
        age_s=max(0, now_ms - found.modified_ms) / 1000,
        lease=found.lease,
        dead=dead,
    )


def _named(rows: Sequence[LeaseRow], prefix: str) -> LeaseRow:
    matching = [row for row in rows if row.id.startswith(prefix.lower())]
    if len(prefix) < _PREFIX_DIGITS_MIN:
        raise UsageError(
            f"{prefix!r} is too short to name a lease",
            why=f"at least {_PREFIX_DIGITS_MIN} digits of its id are needed",
            hint="list them with: pgvault unlock",
        )
    if not matching:
        raise NotThere(
            f"no lease {prefix}",
            why=f"the repository has {len(rows)}; one goes when its writer ends",
            hint="list them with: pgvault unlock",
        )
    if len(matching) > 1:
        raise UsageError(
            f"{prefix} names {len(matching)} leases",
            why=", ".join(row.id[:12] for row in matching[:5]),
            hint="use more digits of the id",
        )
    return matching[0]
