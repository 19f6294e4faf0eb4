"""What a reader keeps of what it opened: nodes of lists, and chunks that deltas stand on; of each no more than there is room for."""

from __future__ import annotations

import pytest

from tests.packs import Made, object_id, put_fragment, put_pack
from vault.ids import ObjectId
from vault.model import ObjectType, PackClass
from vault.repo import reader as reader_module
from vault.repo.reader import Reader
from vault.repo.state import Open

PLAINS = [bytes([number]) * 60 for number in range(3)]


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Room for two objects, and for three where deltas follow."""
    monkeypatch.setattr(reader_module, "_CACHE_BYTES_MAX", 120)
    monkeypatch.setattr(reader_module, "_KEPT_BYTES_MAX", 180)


def stored(repo: Open, object_type: ObjectType, pack_class: PackClass) -> tuple[Reader, list[ObjectId]]:
    put_fragment(repo, [put_pack(repo, [Made(plain=one, type=object_type) for one in PLAINS], pack_class=pack_class)])
    return repo.indexed(None).reader(), [object_id(repo, one, object_type) for one in PLAINS]


@pytest.mark.parametrize(
    ("order", "opened"), [("0101", 2), ("01200", 4), ("01202", 4), ("010121", 3), ("01020", 3), ("012012", 6)]
)
def test_nodes_are_kept_until_they_are_the_longest_unused(repo: Open, order: str, opened: int) -> None:
    reader, ids = stored(repo, ObjectType.TABLE_NODE, PackClass.META)
    for number in map(int, order):
        assert reader.get(ids[number], ObjectType.TABLE_NODE) == PLAINS[number]
    assert reader.tally.objects == opened
    assert reader.tally.bytes == opened * 60


def test_chunks_are_kept_where_deltas_against_them_follow_and_more_of_them(repo: Open) -> None:
    reader, ids = stored(repo, ObjectType.ROW_CHUNK, PackClass.DATA)
    for _ in range(2):
        assert list(reader.get_each(ids, ObjectType.ROW_CHUNK)) == PLAINS
    assert reader.tally.objects == 6, "nobody said that deltas follow"
    for _ in range(2):
        assert [reader.get(one, ObjectType.ROW_CHUNK, keep=True) for one in ids] == PLAINS
    assert reader.tally.objects == 9


def test_many_are_kept_as_one_is(repo: Open) -> None:
    for count in (1, 3):
        reader, ids = stored(repo, ObjectType.ROW_CHUNK, PackClass.DATA)
        for _ in range(2):
            assert list(reader.get_many(ids[:count], ObjectType.ROW_CHUNK, keep=True)) == PLAINS[:count]
        assert reader.tally.objects == count
        reader, _ = stored(repo, ObjectType.ROW_CHUNK, PackClass.DATA)
        for _ in range(2):
            assert list(reader.get_many(ids[:count], ObjectType.ROW_CHUNK)) == PLAINS[:count]
        assert reader.tally.objects == 2 * count, "nobody said so"


def test_what_is_longer_than_any_chunk_is_not_kept(repo: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    reader, ids = stored(repo, ObjectType.TABLE_NODE, PackClass.META)
    for bytes_max, opened in ((59, 2), (60, 3)):
        monkeypatch.setattr(reader_module, "CHUNK_BYTES_MAX", bytes_max)
        for _ in range(2):
            reader.get(ids[0], ObjectType.TABLE_NODE)
        assert reader.tally.objects == opened


def test_who_asks_hears_of_the_bytes_of_each_object(repo: Open) -> None:
    reader, ids = stored(repo, ObjectType.ROW_CHUNK, PackClass.DATA)
    heard: list[int] = []
    reader.tally.heard = heard.append
    list(reader.get_each(ids, ObjectType.ROW_CHUNK))
    assert heard == [60, 60, 60]
