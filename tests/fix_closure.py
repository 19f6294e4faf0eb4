"""Every backup that a test takes in this process: are the packs that its writer named enough to read the whole snapshot?

Spec 80-leases: a pruner leaves alone what a writer has named, so what is relied on and not named may be deleted under it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from vault.errors import IntegrityError
from vault.ids import PackId
from vault.model import Manifest
from vault.ops.check.closure import Closure
from vault.ports import ObjectStore
from vault.repo import lease
from vault.repo.state import Indexed, Open
from vault.repo.writer import Committed, Writer


def bare(store: ObjectStore) -> ObjectStore:
    """The store below wrappers that count calls or fail."""
    while (inner := getattr(store, "_next", None)) is not None:
        store = inner
    return store


def unnamed(repo: Open, done: Committed, named: Iterable[PackId]) -> list[str]:
    """What of a snapshot cannot be read from the named packs alone, and could be from all that are there."""
    lacking = _unreadable(repo, done, set(named))
    damaged = _unreadable(repo, done, None) if lacking else []
    return [line for line in lacking if line not in damaged]


def _unreadable(repo: Open, done: Committed, packs: set[PackId] | None) -> list[str]:
    """With these packs alone; None: with all."""
    indexed = Open(bare(repo.store), repo.config, repo.keys, repo.bundle).indexed(None)
    if packs is not None:
        sizes = {pack: size for pack, size in indexed.index.pack_sizes.items() if pack in packs}
        for run in indexed.index._runs:
            run.restrict(sizes)
    found: list[str] = []

    def report(error: IntegrityError, label: str) -> None:
        found.append(f"{label}: {error.message}")

    Closure(indexed, {}, report).check(done.id, done.manifest)
    return found


@pytest.fixture(autouse=True)
def _closure_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the last look at the packs and the return of the commit the writer's set is compared with the closure."""
    of_thread = threading.local()
    look, commit = lease.refuse_lost, Writer.commit

    def refuse_lost(repo: Indexed, packs: Iterable[PackId]) -> None:
        named = list(packs)
        look(repo, named)
        of_thread.looked = (repo, named)

    def committed(writer: Writer, manifest_at: Callable[[int], Manifest], **options: Any) -> Committed:
        of_thread.looked = None
        done = commit(writer, manifest_at, **options)
        looked: tuple[Indexed, list[PackId]] | None = of_thread.looked
        if looked is not None:
            repo, named = looked
            assert unnamed(repo.open, done, named) == [], "the snapshot relies on packs that its writer did not name"
        return done

    monkeypatch.setattr(lease, "refuse_lost", refuse_lost)
    monkeypatch.setattr(Writer, "commit", committed)
