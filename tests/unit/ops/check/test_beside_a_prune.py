"""A check beside a forget and a prune calls nothing damaged that somebody removed on purpose."""

from __future__ import annotations

import pytest

from tests.fake_source import FakeDatabase
from tests.faults import Fault, FaultStore
from tests.small_repository import contents, damage, new_repository, opened, rows, take
from tests.worlds import forget
from vault.store.memory import MemoryStore

GOES = FakeDatabase(tables={"public.goes": [rows(n, 200) for n in range(3)]})
STAYS = FakeDatabase(tables={"public.stays": [rows(n + 9, 200) for n in range(3)]})


class Pruned(FaultStore):
    """All packs that `keeps` does not name go when the first object of one is read, and a snapshot with them if it is named."""

    def __init__(self, memory: MemoryStore, *, keeps: set[str], forgets: bytes | None) -> None:
        super().__init__(memory)
        self._memory, self._keeps, self._forgets = memory, keeps, forgets

    def _due(self, kind: str, name: str) -> Fault | None:
        if kind == "get_range" and name.startswith("packs/") and name not in self._keeps:
            for pack in [one for one in self._memory.files if one.startswith("packs/") and one not in self._keeps]:
                del self._memory.files[pack]
            known = [snapshot for snapshot, _ in opened(self._memory).snapshots()]
            forget(opened(self._memory), *(snapshot for snapshot in known if snapshot == self._forgets))
        return super()._due(kind, name)


@pytest.mark.parametrize("forgotten", [True, False])
def test_a_snapshot_that_goes_while_it_is_looked_at_is_not_damaged(forgotten: bool) -> None:
    memory = MemoryStore()
    stays = take(new_repository(memory), STAYS, source="stays")
    keeps = {name for name in memory.files if name.startswith("packs/")}
    goes = take(opened(memory), GOES, source="goes")
    store = Pruned(memory, keeps=keeps, forgets=goes.id if forgotten else None)
    found = damage(opened(store), read_data=None)
    assert (found == ()) is forgotten
    assert contents(opened(memory), stays.id)["table public.stays"] == b"".join(STAYS.tables["public.stays"])
