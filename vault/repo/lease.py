"""A writer's lease: published before it reads, looked for before it commits.

Writers never wait. A lease pins the parent and the packs a writer relies on; a pruner that lists leases after it published its sweep
leaves them alone. Spec 80-leases.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from vault.errors import Interrupted, Locked, MissingObject, StoreDenied, StoreError
from vault.format import upkeep
from vault.format.pack import pack_name
from vault.format.snapshot import snapshot_name
from vault.ids import PackId
from vault.model import FileKind, Forgotten, ForgottenSnapshot, Lease
from vault.ports import Entropy
from vault.repo import records
from vault.repo.state import Indexed, Open
from vault.repo.sweep import found_sweeps


def publish(repo: Open, lease: Lease, *, entropy: Entropy) -> str:
    """Write the lease and return its name."""
    return records.save(repo, FileKind.LEASE, upkeep.encode_lease(lease), entropy=entropy)


def withdraw(repo: Open, name: str) -> None:
    repo.store.delete(name)


class Held:
    """A writer's lease, from the first one, which names no packs, to its end."""

    def __init__(self, repo: Open, lease: Lease, *, entropy: Entropy) -> None:
        self._repo = repo
        self._lease = lease
        self._entropy = entropy
        self._lock = threading.Lock()
        self._naming = threading.Lock()
        self._packs: set[PackId] = set()
        self._earlier: list[str] = []
        self.name = publish(repo, lease, entropy=entropy)

    @contextmanager
    def named(self, packs: Iterable[PackId]) -> Iterator[None]:
        """Publish it anew with these packs and all that it named before; the body reads the sweeps, and then the earlier one goes.

        A sweep is there only as long as a lease that its pruner saw (LEASE-13). So one thread after the other does this: none
        removes a lease while another one has still to look. A body that fails leaves the earlier one to `withdraw`.
        """
        with self._naming:
            self.name_packs(packs)
            yield
            self.settle()

    def name_packs(self, packs: Iterable[PackId]) -> None:
        """As `named`, of whom no other thread names packs; the earlier one stays."""
        with self._lock:
            self._packs.update(packs)
            named = replace(self._lease, packs=tuple(sorted(self._packs)))
            name = publish(self._repo, named, entropy=self._entropy)
            self._earlier.append(self.name)
            self.name = name

    def settle(self) -> None:
        """Remove what `name_packs` superseded; what cannot be removed yet goes with the last one: it holds up nothing but a prune."""
        with self._lock, suppress(StoreError, Interrupted):
            self._repo.store.delete(*self._earlier)
            self._earlier = []

    @property
    def purpose(self) -> str:
        return self._lease.purpose

    def is_there(self) -> bool:
        return any(stored.name == self.name for stored in self._repo.store.list("leases/"))

    def withdraw(self) -> None:
        """With those before it, in one call. Raises  StoreError: one of them stays"""
        self._repo.store.delete(self.name, *self._earlier)


@contextmanager
def reading(repo: Open, terms: Lease, *, entropy: Entropy) -> Iterator[None]:
    """Hold a lease by which what its parent needs stays, should somebody forget it meanwhile and prune.

    Who may only read has none, and reads all the same: it would find out, and its packs are safe as long as nobody forgets it.
    """
    try:
        name = publish(repo, terms, entropy=entropy)
    except StoreError:
        name = ""
    try:
        yield
    finally:
        with suppress(StoreError, Interrupted):
            if name:
                withdraw(repo, name)


def take_back(repo: Open, snapshot: ForgottenSnapshot, *, now_ms: int, entropy: Entropy) -> bool:
    """Remove a snapshot that may rely on packs that are gone; a record says that this was on purpose.

    Whether it is gone: a writer's rights may not include it. Raises  StoreError: nobody knows
    """
    record = upkeep.encode_forgotten(Forgotten(created_ms=now_ms, snapshots=(snapshot,)))
    with suppress(
        StoreError
    ):  # a check then names a lost snapshot; with the snapshot it would be taken for a whole one
        records.save(repo, FileKind.FORGOTTEN, record, entropy=entropy)
    try:
        repo.store.delete(snapshot_name(snapshot.id))
    except StoreDenied:
        return False
    repo.store.barrier()
    return True


def index_after_sweeps(repo: Open, cache_dir: Path | None) -> Indexed:
    """The index as a writer may use it: the sweeps are listed first, and what they name it does not rely on.

    Raises  as `sweep.found_sweeps`
    """
    sweeps = found_sweeps(repo)
    indexed = repo.indexed(cache_dir)
    indexed.index.sweep(pack for found in sweeps for pack in found.packs)
    return indexed


def refuse_swept(repo: Indexed, packs: AbstractSet[PackId]) -> None:
    """Read the sweeps again; what they name is not relied on from here on, though a sweep be gone by the next look.

    Raises  Locked: one names, or named, a pack of these; as `found_sweeps`
    """
    repo.index.sweep(pack for found in found_sweeps(repo.open) for pack in found.packs)
    if not repo.index.swept.isdisjoint(packs):
        raise Locked(
            "a prune is deleting packs that this command relies on",
            why="it published its list before this command committed",
            hint="run it again; it then stores what it needs anew",
        )


def refuse_lost(repo: Indexed, packs: Iterable[PackId]) -> None:
    """Look again, just before the commit, at every pack that the writer relies on.

    Raises  Locked: one is about to be deleted; MissingObject: one is gone, or of another size than the index says
    """
    used = set(packs)
    refuse_swept(repo, used)
    sizes = {stored.name: stored.size for stored in repo.open.store.list("packs/")}
    for pack in used:
        size = repo.index.pack_sizes.get(pack)
        if size is None or sizes.get(pack_name(pack)) != size:
            raise MissingObject(
                "a pack that this command relies on went away while it ran",
                hint="run it again; it then stores what it needs anew",
                file=pack_name(pack),
            )
