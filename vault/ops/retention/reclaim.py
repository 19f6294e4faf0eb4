"""Delete what sweeps name and nothing needs: publish, then look, then delete, then tidy.

Sweeps that are found are carried out like the own one, and trusted as little: before each deletion it is looked up what snapshots and
leases need. Whatever ends this half way, no snapshot lacks anything, and the next run goes on. Spec 80-leases.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from vault.errors import Interrupted, Locked, StoreError, Unavailable
from vault.format.pack import pack_name
from vault.ids import PackId
from vault.limits import SWEEP_AGE_S
from vault.model import Lease
from vault.ports import Clock, Entropy, Progress
from vault.repo import lease as leasing
from vault.repo.lineage import Known
from vault.repo.state import Indexed, Open
from vault.repo.sweep import (
    PRUNES,
    FoundLease,
    FoundSweep,
    found_leases,
    found_sweeps,
    pinned,
    publish,
    store_time_ms,
)


class Needed(Protocol):
    """What snapshots need, as `marking` finds it."""

    def snapshots(self, repo: Open) -> Sequence[Known]:
        """Every snapshot that is there. Raises  UnsafeError: one cannot be read, or is lost"""

    def stranded(self, repo: Indexed, snapshots: Sequence[Known]) -> AbstractSet[PackId]:
        """Packs among the swept ones of `repo.index` in which something lies, or a base of it, that one of these needs and that has
        no whole chain outside of them. Raises  UnsafeError: what is needed cannot be read or found
        """


_DELETED_AT_ONCE: Final = 1000
"""So many names an object store takes in one request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Denied:
    """A file that the store does not let go."""

    name: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reclaimed:
    """What became of the packs that sweeps name. Packs are each in one of the first five.

    leased     leases rely on them, or may: a lease that says nothing may rely on all
    needed     of a snapshot, and nowhere else; the next prune copies what is in them
    waiting    announced so lately that a network file system may still hide who needs them
    network    kind of that file system, or empty
    sweeps     how many are left, for the packs above or for `writers`
    writers    leases that were there before the packs went, and still are
    """

    deleted: int
    deleted_bytes: int
    leased: int
    needed: int
    waiting: int
    denied: tuple[Denied, ...]
    network: str
    sweeps: int
    writers: tuple[Lease, ...]


@contextmanager
def maintenance(
    repo: Open, lease: Lease, *, is_dead: Callable[[Lease], bool], entropy: Entropy, progress: Progress
) -> Iterator[str]:
    """Say that this one prunes, and give the lease's name. Leases of pruners that are dead or old go.

    lease     without packs; its purpose is set here
    is_dead   whether a lease's process is surely gone
    Raises    Locked: another one prunes; saves work, and nothing depends on it
    """
    own = leasing.Held(repo, _of_pruner(lease), entropy=entropy)
    try:
        _give_way(repo, own.name, is_dead=is_dead)
        yield own.name
    finally:
        try:
            own.withdraw()
        except (StoreError, Interrupted) as error:
            progress.event(
                "warning", f"{own.name} could not be removed ({error.message}); it holds nothing up but a prune"
            )


def _of_pruner(lease: Lease) -> Lease:
    return Lease(
        created_ms=lease.created_ms,
        host=lease.host,
        pid=lease.pid,
        purpose=PRUNES,
        source=lease.source,
        parent=None,
    )


def _give_way(repo: Open, own: str, *, is_dead: Callable[[Lease], bool]) -> None:
    """To the one that came first by the store's time; of two at once, to that of the smaller name."""
    pruners = {found.name: found for found in found_leases(repo) if found.lease and found.lease.purpose == PRUNES}
    mine = pruners.pop(own, None)
    if mine is None:
        return  # somebody has removed it; that is no reason to take the others for dead
    for found in pruners.values():
        assert found.lease is not None
        if found.is_old(mine.modified_ms) or is_dead(found.lease):
            _try_delete(repo, found.name)
        elif (found.modified_ms, found.name) < (mine.modified_ms, own):
            raise Locked(
                "another prune is at work",
                why=f"it runs on {found.lease.host or 'another machine'}, process {found.lease.pid}",
                hint=f"wait for it; if it is dead: pgvault unlock {found.name.partition('/')[2][:12]}",
            )


def run(
    repo: Open,
    packs: Collection[PackId],
    *,
    needed: Needed,
    lease: str,
    clock: Clock,
    entropy: Entropy,
    progress: Progress,
    cache_dir: Path | None = None,
) -> Reclaimed:
    """Announce `packs`, and delete what they and the sweeps that are found name, as far as nothing relies on it.

    packs    may go: what is needed of them was copied and is indexed; none to carry out found sweeps alone
    lease    name of the own lease, just written
    Raises   UnsafeError: what is needed cannot be told, nothing is deleted; StoreError: the store does not answer
    """
    names = publish(repo, packs, now_ms=max(0, clock.now_ms()), entropy=entropy)
    now_ms = max(store_time_ms(repo, name) for name in (*names, lease))
    look = _look(repo, needed, now_ms=now_ms, cache_dir=cache_dir)
    progress.stage("deleting packs", sum(look.sizes[pack] for pack in look.deletable))
    deleted, denied = _delete(repo, look, progress)
    left = [found for found in look.sweeps if not found.packs.isdisjoint(look.sizes.keys() - deleted)]
    over = [found for found in look.sweeps if found not in left]
    writers = _still_there(repo, look.leases) if over else ()
    if over and not writers:
        repo.store.barrier()  # a loss of power must not bring back a pack without the sweep that hides it (LEASE-4)
        denied += [one for found in over if (one := _try_delete(repo, found.name))]
    repo.store.barrier()
    return Reclaimed(
        deleted=len(deleted),
        deleted_bytes=sum(look.sizes[pack] for pack in deleted),
        leased=look.leased,
        needed=look.needed,
        waiting=look.waiting,
        denied=tuple(denied),
        network=repo.store.network,
        sweeps=len(left) + (len(over) if writers else 0),
        writers=writers,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """`sizes`: of the packs that are there and that a sweep names."""

    sweeps: tuple[FoundSweep, ...]
    leases: tuple[FoundLease, ...]
    sizes: dict[PackId, int]
    deletable: frozenset[PackId]
    leased: int
    needed: int
    waiting: int


def _look(repo: Open, needed: Needed, *, now_ms: int, cache_dir: Path | None) -> _Look:
    """Sweeps, leases, sweeps, snapshots, index, packs: in this order (LEASE-14), which the model in tests/properties/protocol takes apart.

    A sweep that came after the leases is not carried out; its packs count as gone all the same.
    """
    sweeps = found_sweeps(repo)
    leases = _leases(repo, now_ms)
    swept = {pack for found in (*sweeps, *found_sweeps(repo)) for pack in found.packs}
    snapshots = needed.snapshots(repo)
    indexed = repo.indexed(cache_dir)
    known = {pack for found in sweeps for pack in found.packs}
    sizes = {pack: size for pack, size in indexed.index.pack_sizes.items() if pack in known}
    indexed.index.sweep(swept)
    stranded = needed.stranded(indexed, snapshots) if sizes else frozenset()
    network = repo.store.network
    ripe = {pack for found in sweeps if not network or _is_ripe(found, now_ms) for pack in found.packs}
    there = frozenset(sizes)
    everything = any(found.pins_everything({snapshot for snapshot, _ in snapshots}) for found in leases)
    leased = there if everything else there & pinned(leases)
    kept = (there - leased) & stranded
    waiting = there - leased - kept - ripe
    return _Look(
        sweeps=tuple(sweeps),
        leases=tuple(leases),
        sizes=sizes,
        deletable=there - leased - kept - waiting,
        leased=len(leased),
        needed=len(kept),
        waiting=len(waiting),
    )


def _leases(repo: Open, now_ms: int) -> list[FoundLease]:
    """Those that count. One that has ended is removed first, so that a writer that lives nevertheless learns of it (LEASE-17)."""
    for found in found_leases(repo):
        if found.ends and found.is_old(now_ms):
            _try_delete(repo, found.name)
    return found_leases(repo)


def _is_ripe(found: FoundSweep, now_ms: int) -> bool:
    """Whether everybody sees it by now, and this one everybody who looked before it was there (LEASE-21)."""
    return now_ms - found.modified_ms >= SWEEP_AGE_S * 1000


def _delete(repo: Open, look: _Look, progress: Progress) -> tuple[set[PackId], list[Denied]]:
    deleted: set[PackId] = set()
    denied: list[Denied] = []
    packs = sorted(look.deletable)
    for start in range(0, len(packs), _DELETED_AT_ONCE):
        some = packs[start : start + _DELETED_AT_ONCE]
        alone = some if _try_delete(repo, *map(pack_name, some)) else []
        refused = [refusal for pack in alone if (refusal := _try_delete(repo, pack_name(pack)))]
        denied += refused
        deleted |= set(some) - {PackId(bytes.fromhex(one.name.rpartition("/")[2])) for one in refused}
        progress.advance(sum(look.sizes[pack] for pack in some))
    return deleted, denied


def _try_delete(repo: Open, *names: str) -> Denied | None:
    """Of several names some may be gone when one is refused: each is asked for again then.

    Raises  Unavailable: the store does not answer; nothing else: what may not be deleted stays, and is told
    """
    try:
        repo.store.delete(*names)
    except Unavailable:
        raise
    except StoreError as error:
        return Denied(name=names[0], why=error.why or error.message)
    return None


def _still_there(repo: Open, seen: Sequence[FoundLease]) -> tuple[Lease, ...]:
    """Writers that may have read the index before the sweep was there: it stays until their leases are gone (LEASE-6)."""
    there = {stored.name for stored in repo.store.list("leases/")}
    return tuple(
        found.lease or Lease(created_ms=0, host="", pid=0, purpose="", source="", parent=None)
        for found in seen
        if found.of_writer and found.name in there
    )
