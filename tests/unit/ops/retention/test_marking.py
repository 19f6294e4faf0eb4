"""What a pruner must not guess about: each refusal says why, and the command that ends it."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from tests import packs
from tests.fake_source import FakeDatabase
from tests.packs import Made
from tests.small_repository import Quiet, contents, new_repository, opened, put_manifest, rows, take
from tests.worlds import forget, put_record, put_snapshot, put_sweep
from vault.errors import UnsafeError
from vault.format.snapshot import snapshot_name
from vault.format.upkeep import encode_forgotten
from vault.ids import SnapshotId
from vault.model import FileKind, Forgotten, ForgottenSnapshot, PackClass
from vault.ops.retention import index_fragments, marking, prune
from vault.ops.retention.prune_plan import PruneOptions, PrunePlan
from vault.store.memory import MemoryStore


@pytest.fixture
def store() -> MemoryStore:
    store = MemoryStore()
    repo = new_repository(store)
    for day in range(3):
        take(repo, FakeDatabase(tables={"public.t": [rows(day, 40), rows(7, 40)]}))
    return store


def foresee(store: MemoryStore, *, min_age_ms: int = 0) -> PrunePlan:
    options = PruneOptions(min_age_ms=min_age_ms)
    return prune.foresee(opened(store), options=options, now_ms=2**60, progress=Quiet())


def newest(store: MemoryStore) -> SnapshotId:
    return opened(store).snapshots()[-1][0]


def spoil(store: MemoryStore, name: str) -> None:
    data = bytearray(store.files[name])
    data[len(data) // 2] ^= 1
    store.files[name] = bytes(data)


def damage_a_manifest(store: MemoryStore) -> None:
    spoil(store, snapshot_name(newest(store)))


def lose_a_snapshot(store: MemoryStore) -> None:
    store.delete(snapshot_name(opened(store).snapshots()[1][0]))


def damage_a_forgotten_record(store: MemoryStore) -> None:
    forget(opened(store), opened(store).snapshots()[0][0])
    spoil(store, next(name for name in store.files if name.startswith("forgotten/")))


def damage_a_fragment(store: MemoryStore) -> None:
    spoil(store, next(name for name in store.files if name.startswith("index/")))


def cut_a_pack(store: MemoryStore) -> None:
    name = next(name for name in store.files if name.startswith("packs/"))
    store.files[name] = store.files[name][:-1]


def lose_a_pack(store: MemoryStore) -> None:
    store.delete(next(name for name in store.files if name.startswith("packs/")))


def damage_every_pack(store: MemoryStore) -> None:
    for name in list(store.files):
        if name.startswith("packs/"):
            data = store.files[name]
            store.files[name] = data[:68] + bytes(byte ^ 1 for byte in data[68:])


@pytest.mark.spec("LEASE-5")
@pytest.mark.parametrize(
    ("harm", "message", "ends_it"),
    [
        (damage_a_manifest, "cannot be read", "pgvault repair snapshots"),
        (lose_a_snapshot, "is lost", "pgvault repair snapshots"),
        (damage_a_forgotten_record, "cannot be read", "pgvault repair snapshots"),
        (damage_a_fragment, "the index is damaged", "pgvault repair index"),
        (cut_a_pack, "has another size", "pgvault repair packs"),
        (lose_a_pack, "lacks an object", "pgvault repair snapshots, or give it up: pgvault forget "),
        (damage_every_pack, "cannot be read", "pgvault repair snapshots, or give it up: pgvault forget "),
    ],
)
def test_what_cannot_be_told_is_refused_with_the_command_that_ends_it(
    store: MemoryStore, harm: Callable[[MemoryStore], None], message: str, ends_it: str
) -> None:
    harm(store)
    before = dict(store.files)
    with pytest.raises(UnsafeError) as refusal:
        foresee(store)
    assert message in refusal.value.message
    assert refusal.value.why
    assert refusal.value.hint.startswith(ends_it)
    assert store.files == before


def test_a_place_that_does_not_open_is_refused_though_another_one_does(store: MemoryStore) -> None:
    """Else the prune might keep the damaged one of the two."""
    repo = opened(store)
    indexed = repo.indexed(None)
    manifest = repo.snapshots()[-1][1]
    assert manifest.database is not None
    root = manifest.database.tables.root
    assert root is not None
    [place] = indexed.index.locations(root)
    plain = indexed.reader().get(root, place.record.type)
    again = Made(plain=plain, type=place.record.type)
    packs.put_fragment(repo, [packs.put_pack(repo, [again], pack_class=PackClass.META)])
    place = opened(store).indexed(None).index.locations(root)[0]
    start, name = place.record.offset, f"packs/{place.pack.hex()}"
    data = bytearray(store.files[name])
    data[start] ^= 1
    store.files[name] = bytes(data)
    for snapshot, _ in repo.snapshots():
        contents(opened(store), snapshot)
    with pytest.raises(UnsafeError, match="is damaged") as refusal:
        foresee(store)
    assert refusal.value.hint == "pgvault repair packs"


def test_a_parent_that_was_forgotten_is_no_lost_one(store: MemoryStore) -> None:
    forget(opened(store), opened(store).snapshots()[1][0])
    assert foresee(store).delete or foresee(store).repack


def test_nodes_that_snapshots_share_are_opened_once(store: MemoryStore) -> None:
    repo = opened(store)
    indexed = repo.indexed(None)
    known = repo.snapshots()[-1:]
    other = put_manifest(repo, known[0][1], sequence=9)
    census = marking.mark(indexed, known)
    again = marking.mark(indexed, [*known, (other, repo.manifest(other))])
    assert again.marks == census.marks


def test_what_lies_only_in_a_swept_pack_strands_it(store: MemoryStore) -> None:
    repo = opened(store)
    text = b"1\tone\n"
    kept = packs.put_pack(repo, [Made(plain=text)])
    packs.put_fragment(repo, [kept])
    put_snapshot(repo, repo.snapshots()[-1][1], [text], sequence=9)
    indexed = opened(store).indexed(None)
    indexed.index.sweep([kept.pack])
    assert marking.stranded(marking.mark(indexed, repo.snapshots())) == {kept.pack}
    packs.put_fragment(repo, [packs.put_pack(repo, [Made(plain=text)])])
    indexed = opened(store).indexed(None)
    indexed.index.sweep([kept.pack])
    assert marking.stranded(marking.mark(indexed, repo.snapshots())) == set()


def test_what_a_sweep_names_and_a_snapshot_needs_is_copied(store: MemoryStore) -> None:
    repo = opened(store)
    some = sorted(repo.indexed(None).index.pack_sizes)
    put_sweep(repo, some)
    foreseen = foresee(store)
    assert foreseen.swept == tuple(some)
    assert foreseen.copied_bytes > 0
    assert not foreseen.sweep


def test_what_a_repair_gave_up_and_announced_is_no_reason_to_refuse(store: MemoryStore) -> None:
    """It records and sweeps before anything goes: the command that a refusal names ends it."""
    damaged = newest(store)
    spoil(store, snapshot_name(damaged))
    given_up = ForgottenSnapshot(id=damaged, source="project", sequence=3, created_ms=1)
    record = encode_forgotten(Forgotten(created_ms=1, snapshots=(given_up,)))
    put_record(opened(store), FileKind.FORGOTTEN, record)
    dead = packs.put_pack(opened(store), [Made(plain=rows(90, 1))])
    packs.put_fragment(opened(store), [dead])
    store.files[f"packs/{dead.pack.hex()}"] += b"x"
    with pytest.raises(UnsafeError, match="has another size"):
        foresee(store)
    put_sweep(opened(store), [dead.pack])
    assert foresee(store).delete
    assert foresee(store).swept == (dead.pack,)
    assert index_fragments.merge(opened(store), dead_max=1.0, entropy=os.urandom).left == 0
