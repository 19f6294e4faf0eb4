"""A prune beside another one, which moves and merges at any listing of the first: what it says never sends anybody to repair or to forget."""

from __future__ import annotations

import os

from tests.fake_source import FakeDatabase
from tests.faults import Meanwhile, RecordingStore
from tests.small_repository import CLOCK, Quiet, contents, damage, new_repository, opened, rows, take
from tests.unit.ops.repair.support import LEASE
from vault.errors import Locked, UnsafeError
from vault.ops.retention import forget, prune
from vault.ops.retention.prune_plan import PruneOptions
from vault.ports import ObjectStore
from vault.store.memory import MemoryStore

OPTIONS = PruneOptions(min_age_ms=0, max_unused=0.2)


def pruned(store: ObjectStore) -> None:
    prune.run(
        opened(store),
        options=OPTIONS,
        lease=LEASE,
        is_dead=lambda _: True,
        tell=lambda _: None,
        clock=CLOCK,
        entropy=os.urandom,
        progress=Quiet(),
    )


def half_forgotten() -> MemoryStore:
    """Packs of which a prune copies a part, and fragments that it leaves as they are: most bytes are dead, and few entries."""
    store = MemoryStore()
    repo = new_repository(store)
    shared = {f"public.shared{number}": [rows(number, 20)] for number in range(12)}
    first = take(repo, FakeDatabase(tables=shared | {"public.old": [rows(99, 3_000)]}))
    take(repo, FakeDatabase(tables=shared | {"public.new": [rows(98, 20)]}))
    take(
        repo,
        FakeDatabase(tables={f"public.t{number}": [rows(200 + number, 5)] for number in range(150)}),
        source="live",
    )
    plan = forget.plan_named(forget.take_stock(repo), [first.id], remove_all=True)
    forget.run(repo, plan, clock=CLOCK, entropy=os.urandom)
    return store


def copy_of(store: MemoryStore) -> MemoryStore:
    made = MemoryStore()
    made.files.update(store.files)
    return made


def test_what_another_prune_moves_is_no_damage() -> None:
    start = half_forgotten()
    recording = RecordingStore(copy_of(start))
    pruned(recording)
    hints = set()
    for at in (at for at, call in enumerate(recording.calls) if call.kind == "list"):
        store = copy_of(start)
        try:
            pruned(Meanwhile(store, at, lambda store=store: pruned(store)))  # type: ignore[misc]
        except (UnsafeError, Locked) as error:
            hints.add(error.hint)
        assert damage(opened(store)) == (), at
        for snapshot, _ in opened(store).snapshots():
            contents(opened(store), snapshot)
    assert hints <= {"pgvault prune"}, hints
