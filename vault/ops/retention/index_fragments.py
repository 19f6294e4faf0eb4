"""Merge index fragments: many small ones, and those that tell of packs that are gone. Spec 50-index, 80-leases "Fragments".

Whole fragments are merged into one as long as it holds them, and it names exactly those as superseded: whichever of several is put
before a crash, what counts is complete. A merged one is durable before one that it supersedes is deleted (LEASE-22).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Final

from vault.crypto import keyed
from vault.errors import IntegrityError, NotFound, StoreError, UnsafeError
from vault.format.index import (
    ENTRY_BYTES,
    GENERATION_MAX,
    GENERATION_USUAL_MAX,
    Fragment,
    PackRow,
    decode_entry,
    encode_fragment,
    fragment_name,
    parse_fragment_name,
)
from vault.ids import FragmentId, PackId
from vault.limits import FRAGMENT_ENTRIES_MAX
from vault.model import FileKind
from vault.ops.retention.marking import require_whole
from vault.ports import Entropy, StoredFile
from vault.repo.fragments import read_fragment
from vault.repo.index import Index
from vault.repo.keyring import seal_file
from vault.repo.lease import index_after_sweeps
from vault.repo.state import Open

MANY_FRAGMENTS: Final = 16
_SMALL_BYTES: Final = FRAGMENT_ENTRIES_MAX // 2 * ENTRY_BYTES
_POSITION: Final = struct.Struct(">I")


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """`removed` fragments are gone, `left` could not be removed: they hold up nothing."""

    removed: int = 0
    left: int = 0
    written_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    id: FragmentId
    name: str
    size: int

    @property
    def is_misnamed(self) -> bool:
        """Whether no writer gave it that name."""
        parsed = parse_fragment_name(self.name)
        return parsed is not None and parsed[0] > GENERATION_USUAL_MAX


def merge(repo: Open, *, dead_max: float, entropy: Entropy, cache_dir: Path | None = None) -> Merged:
    """Merge what is to be merged, and remove what is superseded. The caller holds a maintenance lease.

    dead_max  share of entries about packs that are gone that may stay
    Raises    UnsafeError: a fragment cannot be read; StoreError: the merged one cannot be written
    """
    listed = list(
        repo.store.list("index/")
    )  # before the packs: one that a fragment names and that is not there then is gone
    index = index_after_sweeps(repo, cache_dir).index
    require_whole(index)
    sources, twins = _without_twins(repo, _sources(listed))
    live = {cover for run in index.runs for cover in run.covers}
    merging = _Merging(repo, index, {source.id: source for source in sources}, entropy=entropy)
    merging.remove_superseded([source for source in sources if source.id not in live])
    for group in _groups(_chosen(index, [source for source in sources if source.id in live], dead_max)):
        merging.merge(group)
    merging.remove_twins(twins)
    return Merged(removed=merging.removed, left=merging.left, written_bytes=merging.written_bytes)


def _sources(listed: Sequence[StoredFile]) -> list[_Source]:
    parsed = ((parse_fragment_name(stored.name), stored) for stored in listed)
    return [_Source(id=found[1], name=stored.name, size=stored.size) for found, stored in parsed if found is not None]


def _without_twins(repo: Open, sources: Sequence[_Source]) -> tuple[list[_Source], list[_Source]]:
    """One of each fragment, of several the first that is whole; and the others, that somebody copied."""
    by_id: dict[FragmentId, list[_Source]] = {}
    for source in sources:
        by_id.setdefault(source.id, []).append(source)
    kept = [
        next(filter(partial(_is_whole, repo), several), several[0]) if several[1:] else several[0]
        for several in by_id.values()
    ]
    return kept, [source for source in sources if source not in kept]


def _is_whole(repo: Open, source: _Source) -> bool:
    try:
        return keyed.sha256(repo.store.get(source.name)) == source.id
    except (NotFound, IntegrityError):
        return False


def _chosen(index: Index, live: Sequence[_Source], dead_max: float) -> list[_Source]:
    """All small ones if they are many or dead entries are; and large ones that may have many dead entries."""
    dead_of: dict[FragmentId, float] = {}
    dead = total = 0
    for run in index.runs:
        gone = sum(not run.is_usable(pack) for *_, pack in run.sealed()) if any(run.unusable()) else 0
        dead, total = dead + gone, total + len(run)
        if len(run.covers) == 1:
            dead_of[run.covers[0]] = gone / max(1, len(run))
    small = [source for source in live if source.size < _SMALL_BYTES]
    much_dead = dead > dead_max * total
    chosen = small if len(small) >= MANY_FRAGMENTS or much_dead else []
    if much_dead:
        chosen += [source for source in live if source not in small and dead_of.get(source.id, 1.0) > dead_max]
    return chosen + [source for source in live if source.is_misnamed and source not in chosen]


def _groups(sources: Sequence[_Source]) -> Iterator[list[_Source]]:
    """As many as fit into one fragment, whatever of them is dead."""
    group: list[_Source] = []
    entries = 0
    for source in sources:
        count = source.size // ENTRY_BYTES  # its packs' rows make it some more than it has
        if group and entries + count > FRAGMENT_ENTRIES_MAX:
            yield group
            group, entries = [], 0
        group.append(source)
        entries += count
    if group:
        yield group


class _Merging:
    def __init__(self, repo: Open, index: Index, sources: dict[FragmentId, _Source], *, entropy: Entropy) -> None:
        self._repo = repo
        self._index = index
        self._sources = sources
        self._entropy = entropy
        self.removed = self.left = self.written_bytes = 0

    def remove_superseded(self, superseded: Sequence[_Source]) -> None:
        """What an earlier prune merged and could not remove; only after the fragment that says so was read from the store itself."""
        wanted = {source.id for source in superseded}
        for source in list(self._sources.values()) if wanted else ():
            if source.id not in wanted:
                for old in wanted.intersection(self._read(source).supersedes):
                    self._remove(self._sources.pop(old))

    def remove_twins(self, twins: Sequence[_Source]) -> None:
        """Of what is there, or was merged, under another name."""
        for twin in twins:
            self._remove(twin)

    def merge(self, group: Sequence[_Source]) -> None:
        """Put one fragment in the place of these, unless it would say the same as a single one."""
        fragments = [self._read(source) for source in group]
        merged = combine(fragments, self._is_there)
        if len(group) == 1 and len(merged.entries) == len(fragments[0].entries) and not group[0].is_misnamed:
            return
        old = {source.id for source in group}.union(*(fragment.supersedes for fragment in fragments))
        if merged.entries:
            self._put(
                Fragment(
                    packs=merged.packs,
                    entries=merged.entries,
                    supersedes=tuple(sorted(old.intersection(self._sources))),
                )
            )
        for source in group:
            self._remove(source)

    def _is_there(self, row: PackRow) -> bool:
        """Entries of other packs mean nothing. One of a delta whose base is gone stays: since this index was read a writer may have
        stored that base anew and taken the delta over (LEASE-22)."""
        return self._index.pack_sizes.get(row.id) == row.size

    def _read(self, source: _Source) -> Fragment:
        try:
            return read_fragment(self._repo.store, self._repo.keys, source.name, source.id)
        except NotFound as error:
            raise UnsafeError(
                f"the index is not merged: {source.name} went away while it was read",
                why="another prune merged it meanwhile",
                hint="pgvault prune",
            ) from error
        except IntegrityError as error:
            raise UnsafeError(
                f"the index is not merged: {source.name} cannot be read",
                why=error.message,
                hint="pgvault repair index",
            ) from error

    def _put(self, fragment: Fragment) -> None:
        keys = self._repo.keys
        data = seal_file(encode_fragment(fragment), FileKind.INDEX, keys, salt=self._entropy(24), squeeze=False)
        self._index.generation = min(self._index.generation + 1, GENERATION_MAX)
        self._repo.store.put(fragment_name(self._index.generation, FragmentId(keyed.sha256(data))), data)
        self._repo.store.barrier()
        self.written_bytes += len(data)

    def _remove(self, source: _Source) -> None:
        try:
            self._repo.store.delete(source.name)
        except StoreError:
            self.left += 1  # superseded all the same; the next prune tries again (LEASE-20)
        else:
            self.removed += 1


def combine(fragments: Sequence[Fragment], is_there: Callable[[PackRow], bool]) -> Fragment:
    """Entries of all packs that are there, once for each pack, however many fragments tell of it. Supersedes nothing yet."""
    there = {row.id: row for fragment in fragments for row in fragment.packs if is_there(row)}
    rows = sorted(there.values(), key=lambda row: row.id)
    used: dict[PackId, list[bytes]] = {}
    for fragment in fragments:
        told = {row.id for row in fragment.packs if row.id in used}
        for start in range(0, len(fragment.entries), ENTRY_BYTES):
            entry = fragment.entries[start : start + ENTRY_BYTES]
            _, position = decode_entry(entry)
            row = fragment.packs[position]
            if row.id not in told and is_there(row):
                used.setdefault(row.id, []).append(entry[: -_POSITION.size])
    packs = tuple(row for row in rows if row.id in used)
    placed = ([entry + _POSITION.pack(position) for entry in used[row.id]] for position, row in enumerate(packs))
    return Fragment(packs=packs, entries=b"".join(sorted(chain.from_iterable(placed))), supersedes=())
