"""Sealed records beside the snapshots: leases, sweeps, forgotten, pins, findings, acknowledgements, drills, checks. Put, listed, taken back.

Never decides what a record means. Invariant: what is returned was authentic and decoded; what was not is told beside it. Spec 60-snapshot.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from vault.crypto import keyed
from vault.errors import IntegrityError, Interrupted, LimitExceeded, NotFound, StoreDenied, StoreError, Unreadable
from vault.format.upkeep import DIRECTORIES, decode_forgotten, parse_upkeep_name, upkeep_name
from vault.limits import FILE_BYTES_MAX
from vault.model import FileKind, Forgotten
from vault.ports import Entropy, StoredFile
from vault.repo.keyring import seal_file, unseal_file
from vault.repo.state import Open
from vault.repo.workers import fetched

R = TypeVar("R")

_TOLD_ALONE: Final = frozenset({FileKind.FINDINGS, FileKind.ACK, FileKind.DRILL, FileKind.CHECK})
"""Kinds without which a backup is as good: one that this user may not read is told with the damaged ones, and stops nobody. A sweep, a lease,
a pin or a forgotten record that cannot be read must stop whoever relies on there being none."""
_LISTINGS_MAX: Final = 3
"""A prune merges records at its end, once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Records(Generic[R]):
    """`found`: (file name, record), by name. `damaged`: what is wrong with the others, each with its file."""

    found: tuple[tuple[str, R], ...]
    damaged: tuple[IntegrityError, ...]


def save(repo: Open, kind: FileKind, plain: bytes, *, entropy: Entropy) -> str:
    """Write a record, durably, and return its name. What may have been put is taken back where it was not made durable."""
    name, data = _sealed(repo, kind, plain, entropy)
    try:
        repo.store.put(name, data)
        repo.store.barrier()
    except BaseException:
        with suppress(StoreError, Interrupted):  # of how the put ended, not of this, somebody wants to hear
            repo.store.delete(name)
        raise
    return name


def save_all(repo: Open, kind: FileKind, plains: Iterable[bytes], *, entropy: Entropy) -> tuple[str, ...]:
    """Write many, make them durable at once, and return their names. None is taken back. Raises  StoreError: those before may stay"""
    names = []
    for plain in plains:
        name, data = _sealed(repo, kind, plain, entropy)
        repo.store.put(name, data)
        names.append(name)
    repo.store.barrier()
    return tuple(names)


def _sealed(repo: Open, kind: FileKind, plain: bytes, entropy: Entropy) -> tuple[str, bytes]:
    data = seal_file(plain, kind, repo.keys, salt=entropy(24), squeeze=kind is FileKind.CHECK)
    return upkeep_name(kind, keyed.sha256(data)), data


def load(
    repo: Open, kind: FileKind, decode: Callable[[bytes], R], *, files: Sequence[StoredFile] | None = None
) -> Records[R]:
    """Every record of a kind. Raises  StoreError; StoreDenied: one of a kind on which more depends than what is told may not be read

    One that goes away meanwhile is not there; but a prune may have merged it into one that the listing did not have: it is listed again.

    files  of the kind's directory, if they were listed already
    """

    def one(stored: StoredFile) -> R | NotFound | IntegrityError:
        try:
            if stored.size > FILE_BYTES_MAX:
                raise LimitExceeded("a sealed record is too long")
            return decode(unseal_file(repo.store.get(stored.name), kind, repo.keys))
        except (NotFound, IntegrityError) as error:
            return error
        except StoreDenied as denied:
            if kind not in _TOLD_ALONE:
                raise
            return Unreadable(denied.message, why=denied.why, hint=denied.hint)

    for _ in range(_LISTINGS_MAX):
        found: list[tuple[str, R]] = []
        damaged: list[IntegrityError] = []
        gone = False
        there = repo.store.list(f"{DIRECTORIES[kind]}/") if files is None else files
        named = [stored for stored in there if parse_upkeep_name(stored.name) is not None]
        with fetched(one, named, threads=repo.fetch_threads) as results:
            for stored, told in zip(named, results, strict=True):
                if isinstance(told, NotFound):
                    gone = True
                elif isinstance(told, IntegrityError):
                    told.file = stored.name
                    damaged.append(told)
                else:
                    found.append((stored.name, told))
        if not gone:
            break
        files = None
    return Records(found=tuple(found), damaged=tuple(damaged))


def forgotten(repo: Open) -> Records[Forgotten]:
    return load(repo, FileKind.FORGOTTEN, decode_forgotten)
