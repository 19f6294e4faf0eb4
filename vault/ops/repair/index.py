"""Tell again where objects are, from the trailers of packs that no readable fragment names. Spec 50-index, IDX-9.

Never deletes: a fragment that cannot be read is superseded by the new one and goes with the next prune. Memory: one fragment.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from vault.crypto import keyed
from vault.errors import IntegrityError, Malformed, NotFound, Unsupported
from vault.format import pack as pack_format
from vault.format.index import (
    GENERATION_MAX,
    GENERATION_USUAL_MAX,
    build_fragment,
    encode_fragment,
    fragment_name,
    parse_fragment_name,
)
from vault.ids import FragmentId, PackId
from vault.limits import FRAGMENT_ENTRIES_MAX, PACK_BYTES_MAX
from vault.model import FileKind, PackEntry
from vault.model.words import counted
from vault.pipeline.seal import open_trailer
from vault.ports import Entropy, Progress
from vault.repo.fragments import damaged_fragments
from vault.repo.index import Index
from vault.repo.keyring import seal_file
from vault.repo.reader import pack_key
from vault.repo.state import Open


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexPlan:
    """`unreadable`: fragments; `packs`: those that no readable one names, with their sizes; `silent`: packs whose trailer does not open."""

    unreadable: tuple[IntegrityError, ...]
    packs: tuple[tuple[PackId, int], ...]
    objects: int
    silent: tuple[IntegrityError, ...]

    @property
    def is_empty(self) -> bool:
        return not (self.unreadable or self.packs)


def plan(repo: Open, *, progress: Progress) -> IndexPlan:
    """What would be told anew. Nothing is written. Raises  StoreError; Unsupported: a fragment is of a newer program"""
    index = Index.open(repo.store, repo.keys, cache_dir=None, threads=repo.fetch_threads)
    live = index.fragments()
    unreadable = list(damaged_fragments(repo.store, repo.keys, known=live, ended=index.superseded()))
    for error in unreadable:
        if isinstance(error, Unsupported):
            raise error
    named = {pack for pack, size in index.packs() if index.pack_sizes.get(pack) == size}
    packs: list[tuple[PackId, int]] = []
    silent: list[IntegrityError] = []
    objects = 0
    unknown = sorted((pack, size) for pack, size in index.pack_sizes.items() if pack not in named)
    progress.stage(f"reading trailers of {counted(len(unknown), 'pack')}")
    for pack, size in unknown:
        try:
            objects += len(read_entry(repo, pack, size).records)
            packs.append((pack, size))
        except NotFound:
            continue
        except IntegrityError as error:
            error.file = pack_format.pack_name(pack)
            silent.append(error)
    return IndexPlan(unreadable=tuple(unreadable), packs=tuple(packs), objects=objects, silent=tuple(silent))


def run(repo: Open, planned: IndexPlan, *, entropy: Entropy) -> int:
    """Publish fragments about the planned packs, the last of which supersedes the unreadable ones; how many. Raises  StoreError, IntegrityError"""
    store = repo.store
    numbers = (parsed[0] for parsed in map(parse_fragment_name, _names(repo)) if parsed)
    generation = max((number for number in numbers if number <= GENERATION_USUAL_MAX), default=0)
    ended = sorted(parsed[1] for error in planned.unreadable if (parsed := parse_fragment_name(error.file)))
    store.barrier()  # packs that a writer put before it died may not be durable yet
    written = 0
    for entries, is_last in _with_last(_groups(repo, planned)):
        fragment = build_fragment(entries, ended if is_last else ())
        data = seal_file(encode_fragment(fragment), FileKind.INDEX, repo.keys, salt=entropy(24), squeeze=False)
        generation = min(generation + 1, GENERATION_MAX)
        store.put(fragment_name(generation, FragmentId(keyed.sha256(data))), data)
        store.barrier()
        written += 1
    return written


def _with_last(groups: Iterator[list[PackEntry]]) -> Iterator[tuple[list[PackEntry], bool]]:
    waiting = next(groups, None)
    while waiting is not None:
        following = next(groups, None)
        yield waiting, following is None
        waiting = following


def read_entry(repo: Open, pack: PackId, size: int) -> PackEntry:
    """What a pack says of itself, from its two ends. Raises  NotFound; IntegrityError"""
    name = pack_format.pack_name(pack)
    if not pack_format.HEADER_BYTES + pack_format.FOOTER_BYTES <= size <= PACK_BYTES_MAX:
        raise Malformed("pack has no possible size", why=f"{size} bytes")
    header_bytes = repo.store.get_range(name, 0, pack_format.HEADER_BYTES)
    header = pack_format.decode_header(header_bytes)
    _, key = pack_key(header_bytes, repo.keys, repo.config.repository)
    footer = repo.store.get_range(name, size - pack_format.FOOTER_BYTES, pack_format.FOOTER_BYTES)
    length = pack_format.decode_footer(footer, pack_bytes=size) + pack_format.FOOTER_BYTES
    tail = repo.store.get_range(name, size - length, length)
    return PackEntry(
        pack=pack, size=size, header=header_bytes, records=open_trailer(tail, pack_bytes=size, header=header, key=key)
    )


def _names(repo: Open) -> Iterator[str]:
    return (stored.name for stored in repo.store.list("index/"))


def _groups(repo: Open, planned: IndexPlan) -> Iterator[list[PackEntry]]:
    """Entries of as many packs as one fragment takes; one group without any if only superseding is left to do."""
    group: list[PackEntry] = []
    count = 0
    for pack, size in planned.packs:
        entry = read_entry(repo, pack, size)
        if group and count + len(entry.records) > FRAGMENT_ENTRIES_MAX:
            yield group
            group, count = [], 0
        group.append(entry)
        count += len(entry.records)
    if group or planned.unreadable:
        yield group
