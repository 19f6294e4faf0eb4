"""What snapshots need: every node, object and chunk of them, each looked at once however many snapshots share it.

Never deletes, never guesses: what cannot be read or found ends it with the command that mends it (LEASE-5). Spec 80-leases.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple

from vault.errors import IntegrityError, MissingObject, NotFound, UnsafeError, Unsupported
from vault.format import tree
from vault.format.lists import CHUNKS, ENTRIES, EXTENTS, FILES, LARGE_OBJECTS, SEQUENCES, TABLES, ListFormat
from vault.format.pack import pack_name
from vault.ids import ObjectId, PackId, SnapshotId
from vault.model import (
    ChunkList,
    ChunkRef,
    EntryItem,
    Extent,
    FileItem,
    LargeObjectItem,
    ListRef,
    Manifest,
    TableItem,
)
from vault.pipeline.lists import open_node
from vault.repo.census import Census
from vault.repo.index import Index
from vault.repo.lineage import Known
from vault.repo.reader import Reader
from vault.repo.records import forgotten
from vault.repo.state import Indexed, Open
from vault.repo.workers import ordered

_AHEAD: Final = 8
"""Nodes that are fetched while one is looked at: on object storage each is a request."""
_ALONE_MAX: Final = 3
"""Fewer nodes are not worth threads: most snapshots share all but a path with those before them."""


def remaining(repo: Open) -> list[Known]:
    """Every snapshot that is there, in no useful order.

    Raises  UnsafeError: one cannot be read, or a snapshot that another names as its parent is neither there nor forgotten
    """
    snapshots: list[Known] = []
    damaged: dict[SnapshotId, IntegrityError] = {}
    for snapshot_id, manifest in repo.scan(read=True):
        if isinstance(manifest, IntegrityError):
            damaged[snapshot_id] = manifest
        else:
            snapshots.append((snapshot_id, manifest))
    gone = _forgotten(repo)
    for snapshot_id, error in damaged.items():
        if snapshot_id not in gone:  # a repair records what it gives up before the file goes
            raise UnsafeError(
                f"nothing is pruned: snapshot {snapshot_id.hex()[:12]} cannot be read",
                why=f"what it needs cannot be told ({error.message})",
                hint=_way_out(error),
            ) from error
    there = {snapshot_id for snapshot_id, _ in snapshots}
    for snapshot_id, manifest in snapshots:
        parent = manifest.parent
        if parent is not None and parent not in there and parent not in gone:
            raise UnsafeError(
                f"nothing is pruned: snapshot {parent.hex()[:12]} is lost",
                why=f"it is the parent of {snapshot_id.hex()[:12]}, and no record tells that it was forgotten",
                hint="pgvault repair snapshots",
            )
    return snapshots


def _forgotten(repo: Open) -> frozenset[SnapshotId]:
    """Raises  UnsafeError: a record cannot be read"""
    records = forgotten(repo)
    if records.damaged:
        error = records.damaged[0]
        raise UnsafeError(
            f"nothing is pruned: {error.file} cannot be read",
            why=f"which snapshots were forgotten cannot be told ({error.message})",
            hint=_way_out(error),
        ) from error
    return frozenset(item.id for _, record in records.found for item in record.snapshots)


def _way_out(error: IntegrityError) -> str:
    """What a newer program wrote is no damage, and must not be given up."""
    return "update pgvault here" if isinstance(error, Unsupported) else "pgvault repair snapshots"


def require_whole(index: Index) -> None:
    """Raises  UnsafeError: a fragment cannot be read, or a pack has another size than its fragment says and no sweep announces it"""
    if index.damage:
        error = index.damage[0]
        is_gone = isinstance(error, MissingObject)  # merged by another prune again and again
        raise UnsafeError(
            "nothing is pruned: the index is damaged" if not is_gone else "nothing is pruned: the index changes",
            why=f"{error.file}: {error.message}",
            hint="pgvault repair index" if not is_gone else "pgvault prune",
        )
    for pack, size in index.missing_packs():
        there = index.pack_sizes.get(pack)
        if there is not None and pack not in index.swept:
            raise UnsafeError(
                f"nothing is pruned: {pack_name(pack)} has another size than the index says",
                why=f"{there} bytes instead of {size}",
                hint="pgvault repair packs",
            )


class _NoPlace(Exception):
    """Nothing that the index knows holds an object. `refusal`: what is raised if that stays so."""

    def __init__(self, refusal: UnsafeError) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


def mark(repo: Indexed, snapshots: Sequence[Known], *, known: Census | None = None, threads: int = 2) -> Census:
    """A place for everything that these snapshots need, outside of swept packs where there is such a one.

    known   of an earlier index; all that is needed by it is needed here too
    Raises  UnsafeError: something needed has no place, or a node cannot be read
    """
    seen, before = repo.index.loads, -1
    while len(repo.index.failures()) != before:
        # A place that failed counts no more, and may have been taken before it was read.
        before = len(repo.index.failures())
        try:
            census = _marked(repo, snapshots, known, threads)
        except _NoPlace as error:
            # Another prune may have moved it after fragments were listed, and before packs were.
            if not repo.index.reload(seen, gone=None):
                raise error.refusal from None
            seen, before = repo.index.loads, -1
            continue
        _refuse_damage(repo.index)
        census.settle()
        _try_announced(repo, census)
    return census


def _marked(repo: Indexed, snapshots: Sequence[Known], known: Census | None, threads: int) -> Census:
    census = Census(repo.index)
    walker = _Walker(census, repo.reader(threads=1), repo.index, threads=threads)
    for object_id in known.needed() if known is not None else ():
        walker.need(object_id)
    for snapshot_id, manifest in snapshots:
        walker.walk(snapshot_id, manifest)
    return census


def _try_announced(repo: Indexed, census: Census) -> None:
    """Open what is to be kept of packs that were announced to go. A repair announces damaged ones, and a backup may have healed since
    what it could not save: where that does not open counts no more, and does not hold up that they go."""
    reader = repo.reader(threads=1)
    for number in census.kept() if any(census.swept) else ():
        if census.swept[census.entry(number).pack]:
            with suppress(IntegrityError, NotFound):
                reader.open_places([census.location(number)])


def _refuse_damage(index: Index) -> None:
    """What is damaged in a pack that was announced to go was salvaged, or healed since; another place of it is whole.

    Raises  UnsafeError: another pack is damaged, or one went away
    """
    for place, error in index.failures():
        if isinstance(error, MissingObject):
            raise UnsafeError(
                f"nothing is pruned: {error.file} went away while it was read",
                why="another prune deleted it meanwhile, or somebody by hand",
                hint="pgvault prune",
            ) from error
        if place.pack not in index.swept:
            # Another place of it could be read; but which of the two is kept must not be left to chance.
            raise UnsafeError(
                f"nothing is pruned: {error.file} is damaged", why=error.message, hint="pgvault repair packs"
            ) from error


class Needs:
    """What `reclaim` asks before it deletes. `marked`: snapshots that were walked already, with their census, so that only those
    that came since have to be."""

    def __init__(self, marked: Sequence[Known] = (), census: Census | None = None) -> None:
        self._marked = {snapshot_id for snapshot_id, _ in marked}
        self._census = census

    def snapshots(self, repo: Open) -> Sequence[Known]:
        """Every snapshot that is there. Raises  as `remaining`; UnsafeError: none of those that were marked, nor any other one"""
        found = remaining(repo)
        if self._marked and not found:
            raise UnsafeError(
                "nothing is pruned: no snapshot is listed any more",
                why=f"when the prune began there were {len(self._marked)}",
                hint="look what became of them: pgvault snapshots",
            )
        return found

    def stranded(self, repo: Indexed, snapshots: Sequence[Known]) -> set[PackId]:
        """Swept packs in which something lies that one of these needs, and nowhere else as good. Raises as `mark`"""
        require_whole(repo.index)
        known = self._census if self._marked <= {snapshot_id for snapshot_id, _ in snapshots} else None
        new = snapshots if known is None else [pair for pair in snapshots if pair[0] not in self._marked]
        return stranded(mark(repo, new, known=known))


def stranded(census: Census) -> set[PackId]:
    """Swept packs in which something lies that is needed and, as good, nowhere else: they cannot go."""
    packs: set[int] = set()
    if any(census.swept):
        packs = {pack for pack in (census.entry(number).pack for number in census.kept()) if census.swept[pack]}
    return {census.packs[pack] for pack in packs}


class _Node(NamedTuple):
    place: tree.Child
    level: int | None
    form: ListFormat[Any]


class _Walker:
    """Goes through snapshots one after the other; nodes that an earlier one led to are not opened again."""

    def __init__(self, census: Census, reader: Reader, index: Index, *, threads: int) -> None:
        self._census = census
        self._reader = reader
        self._index = index
        self._threads = threads
        self._todo: list[_Node] = []
        self._at = ""

    def walk(self, snapshot_id: SnapshotId, manifest: Manifest) -> None:
        self._at = snapshot_id.hex()[:12]
        self.need(manifest.ledger)
        if manifest.database is not None:
            part = manifest.database
            for object_id in (part.order, part.roles, part.catalog):
                self.need(object_id)
            self._list(part.tables, TABLES)
            self._list(part.entries, ENTRIES)
            self._list(part.sequences, SEQUENCES)
            self._list(part.large_objects, LARGE_OBJECTS)
        for ref in manifest.directories.values():
            self._list(ref, FILES)
        while self._todo:
            if len(self._todo) < _ALONE_MAX:
                self._members(*self._open(self._todo.pop()))
                continue
            for opened in ordered(self._open, self._taken(), threads=self._threads, ahead=_AHEAD * self._threads):
                self._members(*opened)

    def _taken(self) -> Iterator[_Node]:
        while self._todo:
            yield self._todo.pop()  # the last first: what waits stays as small as one path is

    def _open(self, node: _Node) -> tuple[int, Sequence[object], ListFormat[Any]]:
        try:
            plain = self._reader.get(node.place.id, node.form.node_type)
            level, members = open_node(plain, node.place, node.level, node.form)
        except IntegrityError as error:
            raise self._refusal("cannot be read", f"{error.file or 'its list'}: {error.message}") from error
        return level, members, node.form

    def _members(self, level: int, members: Sequence[object], form: ListFormat[Any]) -> None:
        for member in members:
            if isinstance(member, tree.Child):
                self._node(_Node(member, level - 1, form))
            else:
                self._item(member)

    def _item(self, item: object) -> None:
        match item:
            case ChunkRef():
                self.need(item.id)
            case Extent():
                for chunks in item.chunk_lists:
                    self._chunks(chunks)
            case FileItem() | LargeObjectItem():
                self._chunks(item.chunks)
            case TableItem():
                if item.inline is not None:
                    self._item(item.inline)
                self._list(item.extents, EXTENTS)
            case EntryItem():
                self.need(item.entry)

    def _chunks(self, chunks: ChunkList) -> None:
        if chunks.more is not None:
            self._list(chunks.more, CHUNKS)
        for ref in chunks.inline:
            self.need(ref.id)

    def _list(self, ref: ListRef, form: ListFormat[Any]) -> None:
        if ref.root is not None:
            self._node(_Node(tree.Child(last_key=b"", id=ref.root, sums=ref.sums), None, form))

    def _node(self, node: _Node) -> None:
        if self.need(node.place.id):
            self._todo.append(node)

    def need(self, object_id: ObjectId) -> bool:
        """Whether it is needed for the first time."""
        new = self._census.need(object_id)
        if new is None:
            gone = self._index.gone_from(object_id)
            where = "no pack that is there holds it" if gone is None else f"{pack_name(gone)} is gone or damaged"
            raise _NoPlace(self._refusal("lacks an object", f"{object_id.hex()[:12]}: {where}"))
        return new

    def _refusal(self, what: str, why: str) -> UnsafeError:
        return UnsafeError(
            f"nothing is pruned: {'snapshot ' + self._at if self._at else 'a snapshot'} {what}",
            why=why,
            hint=f"pgvault repair snapshots, or give it up: pgvault forget {self._at or 'SNAP'}",
        )
