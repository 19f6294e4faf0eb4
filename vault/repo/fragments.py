"""Index fragments as they lie in the store: listed, read, several at a time, and what is wrong with them. Spec 50-index."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from typing import Final

from vault.crypto import keyed
from vault.crypto.keys import Keys
from vault.errors import ContentMismatch, IntegrityError, NotFound
from vault.format.index import GENERATION_USUAL_MAX, Fragment, decode_fragment, parse_fragment_name
from vault.ids import FragmentId
from vault.model import FileKind
from vault.ports import ObjectStore, StoredFile
from vault.repo.keyring import unseal_file
from vault.repo.workers import ordered

_THREADS_MAX: Final = 4
"""A fragment has up to 12 MB, and is held until its turn."""


def named_fragments(files: Iterable[StoredFile]) -> tuple[dict[FragmentId, str], int]:
    """Names of fragments among the files of index/, and the highest generation that a writer may have given."""
    names = {}
    generation = 0
    for stored in files:
        parsed = parse_fragment_name(stored.name)
        if parsed is not None:
            generation = max(generation, parsed[0] if parsed[0] <= GENERATION_USUAL_MAX else 0)
            names[parsed[1]] = stored.name
    return names, generation


class FragmentReader:
    """Reads fragments, at most `threads` at a time."""

    def __init__(self, store: ObjectStore, keys: Keys, threads: int) -> None:
        self._store = store
        self._keys = keys
        self._threads = min(threads, _THREADS_MAX)

    def read(
        self, names: list[tuple[FragmentId, str]]
    ) -> Iterator[tuple[FragmentId, str, Fragment | NotFound | IntegrityError]]:
        """In order, with what was read of each, or why it was not."""
        threads = min(self._threads, len(names))
        told = ordered(self._one, names, threads=threads, ahead=threads) if threads > 1 else map(self._one, names)
        return ((fragment_id, name, result) for (fragment_id, name), result in zip(names, told, strict=True))

    def _one(self, wanted: tuple[FragmentId, str]) -> Fragment | NotFound | IntegrityError:
        try:
            return read_fragment(self._store, self._keys, wanted[1], wanted[0])
        except (NotFound, IntegrityError) as error:
            return error


def damaged_fragments(
    store: ObjectStore,
    keys: Keys,
    *,
    known: AbstractSet[FragmentId] = frozenset(),
    ended: AbstractSet[FragmentId] = frozenset(),
) -> Iterator[IntegrityError]:
    """What is wrong with fragments as they are in the store; `Index.damage` knows only of those that no cache held.

    known  those that were decoded once: of them it is enough that the bytes are those of the name
    ended  those that another one supersedes: they count no more
    """
    for stored in store.list("index/"):
        parsed = parse_fragment_name(stored.name)
        try:
            if parsed is not None and parsed[1] not in ended:
                data = _named_bytes(store, stored.name, parsed[1])
                if parsed[1] not in known:
                    decode_fragment(unseal_file(data, FileKind.INDEX, keys))
        except NotFound:
            continue
        except IntegrityError as error:
            error.file = stored.name
            yield error


def read_fragment(store: ObjectStore, keys: Keys, name: str, fragment_id: FragmentId) -> Fragment:
    """Raises  NotFound: merged away meanwhile; IntegrityError"""
    return decode_fragment(unseal_file(_named_bytes(store, name, fragment_id), FileKind.INDEX, keys))


def _named_bytes(store: ObjectStore, name: str, fragment_id: FragmentId) -> bytes:
    data = store.get(name)
    if keyed.sha256(data) != fragment_id:
        raise ContentMismatch("index fragment is damaged", why="its bytes do not match its name")
    return data
