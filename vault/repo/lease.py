"""A writer's lease: published before it reads, looked for before it commits.

Writers never wait. A lease pins the parent and the packs a writer relies on; a pruner that lists leases after it published its sweep
leaves them alone. Spec 80-leases.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress

from vault.crypto import keyed
from vault.errors import IntegrityError, Locked, MissingObject, NotFound, StoreError
from vault.format import upkeep
from vault.format.pack import pack_name
from vault.ids import PackId
from vault.model import FileKind, Lease, Sweep
from vault.ports import Entropy
from vault.repo.keyring import seal_file, unseal_file
from vault.repo.state import Indexed, Open


def publish(repo: Open, lease: Lease, *, entropy: Entropy) -> str:
    """Write the lease and return its name."""
    data = seal_file(upkeep.encode_lease(lease), FileKind.LEASE, repo.keys, salt=entropy(24), squeeze=False)
    name = upkeep.upkeep_name(FileKind.LEASE, keyed.sha256(data))
    try:
        repo.store.put(name, data)
        repo.store.barrier()
    except BaseException:
        with suppress(StoreError):
            withdraw(repo, name)
        raise
    return name


def withdraw(repo: Open, name: str) -> None:
    repo.store.delete(name)


def is_there(repo: Open, name: str) -> bool:
    return any(stored.name == name for stored in repo.store.list("leases/"))


def sweeps(repo: Open) -> Iterator[Sweep]:
    """Every readable sweep. Raises  IntegrityError: one cannot be read, so nobody knows what it names"""
    for stored in repo.store.list("sweeps/"):
        try:
            data = repo.store.get(stored.name)
        except NotFound:
            continue
        try:
            yield upkeep.decode_sweep(unseal_file(data, FileKind.SWEEP, repo.keys))
        except IntegrityError as error:
            error.file = stored.name
            raise


def refuse_lost(repo: Indexed, packs: Iterable[PackId]) -> None:
    """Look again, just before the commit, at every pack that the writer relies on.

    Raises  Locked: one is about to be deleted; MissingObject: one is gone, or of another size than the index says
    """
    used = set(packs)
    for sweep in sweeps(repo.open):
        if used.intersection(sweep.packs):
            raise Locked(
                "a prune is deleting packs that this backup relies on",
                why="it published its list before this backup committed",
                hint="run the backup again; it then stores what it needs anew",
            )
    sizes = {stored.name: stored.size for stored in repo.open.store.list("packs/")}
    for pack in used:
        if sizes.get(pack_name(pack)) != repo.index.pack_sizes.get(pack):
            raise MissingObject(
                "a pack that this backup relies on went away while it ran",
                hint="run the backup again; it then stores what it needs anew",
                file=pack_name(pack),
            )
