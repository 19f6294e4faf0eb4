"""How the definitions of one object changed: all that stands in its file of the `schema/` folder."""

from __future__ import annotations

from collections.abc import Iterator

from vault.ids import ObjectId
from vault.model import OrderItem
from vault.ops.history.events import CHANGED, CREATED, DROPPED, THERE, Event, unified
from vault.ops.history.names import Thing
from vault.ops.view.definitions.paths import DefinitionFiles
from vault.ops.view.definitions.text import definition_sql
from vault.repo.snapshot import Snapshot

_KNOWN_MAX = 2


class DefinitionDiffer:
    """Implements events.Differ."""

    def __init__(self, thing: Thing) -> None:
        self._thing = thing
        self._known: dict[ObjectId, tuple[OrderItem, ...]] = {}

    def between(self, older: Snapshot, newer: Snapshot) -> Iterator[Event]:
        was, now = self._items(older), self._items(newer)
        if {(item.identity, item.entry) for item in was} == {(item.identity, item.entry) for item in now}:
            return
        change = CHANGED if was and now else CREATED if now else DROPPED
        patch = unified(_text(older, was), _text(newer, now))
        yield Event(snapshot=newer, what="definition", change=change, patch=patch)

    def first(self, oldest: Snapshot) -> Iterator[Event]:
        items = self._items(oldest)
        if items:
            patch = unified("", _text(oldest, items))
            yield Event(snapshot=oldest, what="definition", change=THERE, patch=patch)

    def _items(self, snapshot: Snapshot) -> tuple[OrderItem, ...]:
        """Those of the file that the object has, in pg_dump's order; none if it is not there."""
        database = snapshot.manifest.database
        assert database is not None, "a strand of databases"
        if database.order not in self._known:
            files = DefinitionFiles(snapshot.order()).files.values()
            address = self._thing.address
            found = next((items for items in files if any(item.identity.address == address for item in items)), [])
            while len(self._known) >= _KNOWN_MAX:
                self._known.pop(next(iter(self._known)))
            self._known[database.order] = tuple(found)
        return self._known[database.order]


def _text(snapshot: Snapshot, items: tuple[OrderItem, ...]) -> str:
    return b"".join(definition_sql(snapshot, items)).decode()
