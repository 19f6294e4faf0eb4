"""Days of a database that tests write down, taken one after the other and looked at through one reader."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tests.fake_source import FakeDatabase, FakeDirectory
from tests.small_repository import new_repository, opened, take
from vault.repo.reader import Reader, Tally
from vault.repo.snapshot import Snapshot
from vault.store.memory import MemoryStore


@dataclass(frozen=True)
class Days:
    """`snapshots`: oldest first."""

    snapshots: Sequence[Snapshot]
    reader: Reader

    @property
    def read(self) -> Tally:
        return self.reader.tally

    @property
    def newest_first(self) -> Sequence[Snapshot]:
        return self.snapshots[::-1]


def days(
    *databases: FakeDatabase, directories: Sequence[Mapping[str, FakeDirectory]] = (), selections: Sequence[str] = ()
) -> Days:
    """One snapshot of each database, each with the day before as what has not changed."""
    store = MemoryStore()
    repo = new_repository(store)
    earlier: FakeDatabase | None = None
    for at, database in enumerate(databases):
        take(
            repo,
            replace(database, earlier=earlier),
            directories[at] if directories else None,
            selection=selections[at] if selections else "",
        )
        earlier = database
    again = opened(store)
    reader = again.indexed(None).reader()
    return Days([Snapshot(id, manifest, reader) for id, manifest in again.snapshots()], reader)


def table(*extents: bytes, name: str = "public.orders") -> FakeDatabase:
    return FakeDatabase(tables={name: extents})
