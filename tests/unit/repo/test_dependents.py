"""The index asked backwards: which deltas stand on an object, as far as they are noted."""

from __future__ import annotations

import os

import pytest

from tests.packs import Made, object_id, put_fragment, put_pack
from tests.small_repository import new_repository
from vault.format.pack import pack_name
from vault.ids import ObjectId, PackId
from vault.model import PackEntry
from vault.repo import dependents
from vault.repo.dependents import Dependents
from vault.repo.state import Open
from vault.store.memory import MemoryStore

BASE = ObjectId(b"\x01" + bytes(4) + b"a" * 27)
ALIKE = ObjectId(BASE[:5] + b"b" * 27)
NEXT = ObjectId(b"\x01" + bytes(3) + b"\x01" + b"a" * 27)
LAST = ObjectId(b"\x01" + b"\xff" * 4 + b"a" * 27)
ELSEWHERE = ObjectId(b"\x02" + BASE[1:])


@pytest.fixture
def repo() -> Open:
    return new_repository(MemoryStore())


def put_deltas(repo: Open, *bases: ObjectId) -> PackEntry:
    """A pack with one whole object, and one delta against each of `bases`, under random ids."""
    made = [Made(plain=b"text", base=bytes(64), names=base, depth=1, id=ObjectId(os.urandom(32))) for base in bases]
    return put_pack(repo, [Made(plain=os.urandom(9)), *made])


def known(repo: Open) -> Dependents:
    return Dependents(repo.indexed(None).index.runs)


def found(repo: Open, base: ObjectId) -> list[PackId]:
    places = known(repo).of(base)
    assert {place.record.base for place in places} <= {base}
    return sorted(place.pack for place in places)


def test_deltas_of_an_object_are_found_in_every_run_and_no_others(repo: Open) -> None:
    """Also where another base begins as it does, or sorts right before or behind it."""
    first = put_deltas(repo, BASE, ALIKE, BASE, NEXT, ELSEWHERE)
    second = put_deltas(repo, LAST, ALIKE, BASE)
    for generation, pack in enumerate((first, second), start=1):
        put_fragment(repo, [pack], generation=generation)
    assert found(repo, BASE) == sorted([first.pack, first.pack, second.pack])
    assert found(repo, ALIKE) == sorted([first.pack, second.pack])
    assert found(repo, NEXT) == found(repo, ELSEWHERE) == [first.pack]
    assert found(repo, LAST) == [second.pack]
    assert found(repo, object_id(repo, b"nobody's base")) == []


def test_deltas_of_a_pack_that_is_gone_are_not_found(repo: Open) -> None:
    stays, goes = put_deltas(repo, BASE), put_deltas(repo, BASE)
    put_fragment(repo, [stays, goes])
    repo.store.delete(pack_name(goes.pack))
    assert found(repo, BASE) == [stays.pack]


def test_deltas_of_each_pack_are_counted(repo: Open) -> None:
    many, none = put_deltas(repo, BASE, NEXT, NEXT), put_deltas(repo)
    put_fragment(repo, [many, none])
    noted = known(repo)
    assert (noted.in_pack(many.pack), noted.in_pack(none.pack), noted.in_pack(PackId(bytes(32)))) == (3, 0, 0)


def test_a_pack_that_two_fragments_describe_counts_for_each(repo: Open) -> None:
    pack = put_deltas(repo, BASE)
    put_fragment(repo, [pack], generation=1)
    put_fragment(repo, [pack, put_deltas(repo)], generation=2)
    assert known(repo).in_pack(pack.pack) == 2


def test_of_more_than_memory_allows_as_many_are_noted_of_each_run_as_its_share(
    repo: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eight entries, a quarter of them in the first run: of four noted ones one is there."""
    small, large = put_deltas(repo, BASE), put_deltas(repo, *[BASE] * 5)
    put_fragment(repo, [small], generation=1)
    put_fragment(repo, [large], generation=2)
    monkeypatch.setattr(dependents, "_KNOWN_MAX", 4)
    noted = known(repo)
    assert (noted.in_pack(small.pack), noted.in_pack(large.pack)) == (1, 3)
    assert len(noted.of(BASE)) == 4


def test_an_empty_index_has_none() -> None:
    assert Dependents([]).of(BASE) == []
