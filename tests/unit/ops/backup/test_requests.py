"""How many requests a backup makes where each is a round trip, and in which order. The order is that of 80-leases."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.fake_source import FakeDatabase, FakeDirectory
from tests.faults import RecordingStore
from tests.small_repository import new_repository, opened_far, rows, take
from vault.ports import StoredFile
from vault.store.memory import MemoryStore

TABLES = {f"public.t{n:03}": [rows(n, 20)] for n in range(120)}
FIRST = FakeDatabase(tables=TABLES)
SAME = FakeDatabase(tables=TABLES, earlier=FIRST)
UNCHANGED_DAY = [
    "list",
    "get snapshots",
    "put leases",
    "list sweeps",
    "list index",
    "list packs",
    "put leases",
    "list sweeps",
    "list packs",
    "put snapshots",
    "list leases",
    "delete leases",
]
"""The configuration, the slot, manifests, fragments and metadata are known; the newest snapshot's file is looked at all the same."""


@pytest.fixture
def store(tmp_path: Path) -> MemoryStore:
    """With a snapshot that this machine took."""
    store, directory = MemoryStore(), FakeDirectory({b"a": b"text"})
    new_repository(store)
    take(opened_far(store, tmp_path), FIRST, {"lib": directory}, cache_dir=tmp_path)
    return store


def day(store: MemoryStore, cache_dir: Path) -> Sequence[str]:
    recording = RecordingStore(store)
    take(opened_far(recording, cache_dir), SAME, {"lib": FakeDirectory({b"a": b"text"})}, cache_dir=cache_dir)
    return recording.requests()


@pytest.mark.spec("LEASE-10", "LEASE-2", "LEASE-13")
def test_an_unchanged_day_makes_twelve_requests_in_the_order_of_the_protocol(
    store: MemoryStore, tmp_path: Path
) -> None:
    day(store, tmp_path)
    assert day(store, tmp_path) == UNCHANGED_DAY


def test_a_machine_that_knows_nothing_reads_what_is_small_at_once(store: MemoryStore, tmp_path: Path) -> None:
    """Beside what the warm one asks: configuration, slot, the one fragment, and the packs of metadata, of which there is one. Findings
    are listed where a snapshot was not known: it may have come after the first look at them."""
    requests = day(store, tmp_path / "another")
    more = {"get config", "get keys", "get index", "get packs", "list findings"}
    assert sorted(requests) == sorted([*UNCHANGED_DAY, *more])


def test_a_lost_cache_is_made_anew(store: MemoryStore, tmp_path: Path) -> None:
    day(store, tmp_path / "another")
    assert day(store, tmp_path / "another") == UNCHANGED_DAY


class Crowded(MemoryStore):
    """Lists so many more packs that nobody needs."""

    def __init__(self, files: dict[str, bytes], more: int) -> None:
        super().__init__(files)
        self._more = more

    def list(self, prefix: str) -> Iterator[StoredFile]:
        names = (f"packs/{number:064x}" for number in range(self._more))
        many = [StoredFile(name=name, size=9, modified_ms=0) for name in names if name.startswith(prefix)]
        return iter(sorted([*super().list(prefix), *many], key=lambda file: file.name))


@pytest.mark.parametrize("thousands", [1, 3])
def test_a_page_more_for_each_thousand_packs_and_each_look(store: MemoryStore, tmp_path: Path, thousands: int) -> None:
    """They are listed at the beginning and before the commit (LEASE-2); the first page of all does not tell of snapshots then."""
    day(store, tmp_path)
    requests = day(Crowded(store.files, thousands * 1000), tmp_path)
    assert requests.count("list packs") == 2 * (thousands + 1)
    assert len(requests) == len(UNCHANGED_DAY) + 1 + 2 * thousands
