"""A snapshot of which nobody knows whether it is there keeps its lease; one that is refused does not (spec 80-leases)."""

from __future__ import annotations

import pytest

from tests.faults import Fault, FaultStore
from tests.unit.repo.test_writing import begun, below, commit
from vault.errors import AlreadyExists, Unavailable
from vault.model import Manifest
from vault.store.memory import MemoryStore


def test_a_name_that_is_taken_is_an_answer_so_that_no_lease_stays(
    store: MemoryStore, manifest: Manifest, warned: list[str]
) -> None:
    with pytest.raises(AlreadyExists), begun(store, warned) as under:
        commit(under, manifest)
    assert (below(store, "leases"), warned) == (set(), [])


def test_a_lease_stays_where_a_snapshot_was_put_and_its_lease_not_looked_for(
    store: MemoryStore, manifest: Manifest, warned: list[str]
) -> None:
    faulty = FaultStore(store, [Fault(kind="list", prefix="leases/", error=Unavailable("busy"))])
    with pytest.raises(Unavailable), begun(faulty, warned) as under:
        commit(under, manifest, sequence=7)
    assert len(below(store, "leases")) == len(warned) == 1
