"""Repositories that no backup would make and a pruner has to survive: objects in several packs, deltas in every shape, dead ones
between them, fragments of any size. Made from a number, so that a failure can be made again."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from tests import packs
from tests.fake_source import FakeDatabase
from tests.packs import Made
from tests.small_repository import CLOCK, put_manifest, rows, take
from vault.crypto import keyed
from vault.format import upkeep
from vault.format.lists import TABLES
from vault.format.snapshot import snapshot_name
from vault.ids import ObjectId, PackId, SnapshotId
from vault.model import ChunkRef, Extent, FileKind, Forgotten, ForgottenSnapshot, ListRef, Manifest, Sweep
from vault.ops.backup.stored_lists import ListWriter
from vault.pipeline.lists import walk
from vault.repo.keyring import seal_file
from vault.repo.state import Open


def put_record(repo: Open, kind: FileKind, plain: bytes) -> str:
    """A lease, sweep or forgotten record."""
    data = seal_file(plain, kind, repo.keys, salt=os.urandom(24), squeeze=False)
    name = upkeep.upkeep_name(kind, keyed.sha256(data))
    repo.store.put(name, data)
    return name


def put_sweep(repo: Open, swept: Sequence[PackId]) -> str:
    sweep = Sweep(created_ms=CLOCK.now_ms(), packs=tuple(sorted(swept)))
    return put_record(repo, FileKind.SWEEP, upkeep.encode_sweep(sweep))


def forget(repo: Open, *snapshots: SnapshotId) -> None:
    """As the command does: a record, then the files."""
    gone = tuple(
        ForgottenSnapshot(
            id=snapshot, source=manifest.source, sequence=manifest.sequence, created_ms=manifest.created_ms
        )
        for snapshot, manifest in repo.snapshots()
        if snapshot in snapshots
    )
    record = Forgotten(created_ms=CLOCK.now_ms(), snapshots=gone)
    put_record(repo, FileKind.FORGOTTEN, upkeep.encode_forgotten(record))
    for snapshot in snapshots:
        repo.store.delete(snapshot_name(snapshot))


def put_snapshot(repo: Open, template: Manifest, texts: Sequence[bytes], **changes: object) -> SnapshotId:
    """A snapshot whose one table holds these chunks, which the repository has already."""
    assert template.database is not None
    indexed = repo.indexed(None)
    item = next(walk(template.database.tables, TABLES, indexed.reader().get_many))
    refs = [ChunkRef(id=packs.object_id(repo, text), length=len(text)) for text in texts]
    with indexed.writer(entropy=os.urandom) as writer:
        lists = ListWriter(writer, repo.keys)
        extent = Extent(
            start=0,
            blocks=0,
            rows=sum(text.count(b"\n") for text in texts),
            bytes=sum(map(len, texts)),
            chunks=lists.chunk_list(iter(refs)),
        )
        tables = lists.build([replace(item, extents=ListRef(), inline=extent)], TABLES)
        writer.publish()
    return put_manifest(repo, template, database=replace(template.database, tables=tables), **changes)


@dataclass
class World:
    """`texts`: chunks by number. `places`: depths at which each was stored."""

    repo: Open
    random: random.Random
    texts: list[bytes] = field(default_factory=list)
    places: dict[int, list[int]] = field(default_factory=dict)
    snapshots: list[SnapshotId] = field(default_factory=list)

    def live(self, days: int) -> None:
        first = take(self.repo, FakeDatabase(tables={"public.t": [rows(1, 3)]}))
        for day in range(2, days + 2):
            self._store()
            needed = self.random.sample(range(len(self.texts)), self.random.randint(1, min(20, len(self.texts))))
            self.snapshots.append(
                put_snapshot(self.repo, first.manifest, [self.texts[n] for n in needed], sequence=day, parent=first.id)
            )
        self.snapshots.append(first.id)

    def _store(self) -> None:
        """Some packs, in one fragment: new chunks and known ones again, whole or against any that is there."""
        made = []
        for _ in range(self.random.randint(1, 4)):
            objects: dict[int, Made] = {}
            for _ in range(self.random.randint(1, 6)):
                number, one = self._made()
                objects.setdefault(number, one)
            made.append(packs.put_pack(self.repo, list(objects.values())))
            for number, one in objects.items():
                self.places.setdefault(number, []).append(one.depth)
        packs.put_fragment(self.repo, made, generation=self.random.randint(1, 9))

    def _made(self) -> tuple[int, Made]:
        base = self._one_of_those_stored()
        if self.texts and self.random.random() < 0.25:
            number = self.random.randrange(len(self.texts))
        else:
            number = len(self.texts)
            before = b"" if base is None else self.texts[base]
            self.texts.append(before + b"%d\t%s\n" % (number, self.random.randbytes(60).hex().encode()))
        if base is None or base == number or self.random.random() < 0.3:
            return number, Made(plain=self.texts[number])
        depth = min(self.places[base]) + self.random.randint(1, 2)
        if any(known <= min(self.places[base]) for known in self.places.get(number, [])):
            return number, Made(
                plain=self.texts[number]
            )  # a writer finds it, and stores no delta that could close a ring
        return number, Made(plain=self.texts[number], base=self.texts[base], depth=depth)

    def _one_of_those_stored(self) -> int | None:
        deep_enough = [number for number, depths in self.places.items() if min(depths) < 8]
        return self.random.choice(deep_enough) if deep_enough else None


def needed_ids(repo: Open, texts: Sequence[bytes]) -> list[ObjectId]:
    return [packs.object_id(repo, text) for text in texts]
