"""A repository of a few packs, and ways to spoil it."""

from __future__ import annotations

import os
from dataclasses import replace

from tests.fake_source import FakeDatabase
from tests.small_repository import new_repository, opened, rows, take
from vault.format.pack import pack_name
from vault.ids import PackId
from vault.model import Lease, Location, ObjectType
from vault.repo.state import Open
from vault.store.memory import MemoryStore

TABLES = {"public.big": [rows(1, 9_000), rows(2, 9_000)], "public.small": [rows(3, 30)]}
DATABASE = FakeDatabase(tables=TABLES, large_objects={5: os.urandom(300_000)}, sequences={"public.s": 7})
EDITED = replace(
    DATABASE,
    tables=TABLES | {"public.big": [rows(1, 9_000).replace(b"\n70", b"\n71"), rows(2, 9_000)]},
    earlier=DATABASE,
)
LEASE = Lease(created_ms=1, host="host", pid=1, purpose="maintenance", source="", parent=None)


def two_days() -> tuple[MemoryStore, Open]:
    store = MemoryStore()
    repo = new_repository(store)
    take(repo, DATABASE)
    take(repo, EDITED)
    return store, repo


def fresh(store: MemoryStore) -> Open:
    return opened(store)


def spoil(store: MemoryStore, name: str, at: int) -> None:
    """Turn one bit of a file."""
    data = bytearray(store.files[name])
    data[at] ^= 1
    store.delete(name)
    store.put(name, bytes(data))


def chunks(repo: Open, object_type: ObjectType = ObjectType.ROW_CHUNK) -> list[Location]:
    """Places of a type, by pack and offset."""
    index = repo.indexed(None).index
    places = [place for pack, _ in index.packs() for place in index.in_pack(pack) if place.record.type is object_type]
    return sorted(places, key=lambda place: (place.pack, place.record.offset))


def spoil_object(store: MemoryStore, place: Location) -> PackId:
    spoil(store, pack_name(place.pack), place.record.offset + place.record.length // 2)
    return place.pack
