"""An index that is loaded again, and the pack that it names for an object that is lost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from tests.faults import RecordingStore
from tests.packs import Made, object_id, put_fragment, put_pack
from tests.small_repository import opened, rows
from vault.errors import MissingObject
from vault.format.pack import pack_name
from vault.model import ObjectType, PackEntry
from vault.ports import StoredFile
from vault.repo.state import Open
from vault.store.memory import MemoryStore

ONE, TWO = rows(1, 50), rows(1, 50) + rows(2, 1)


def put(repo: Open, *packs: Sequence[Made]) -> list[PackEntry]:
    """Each in a fragment of its own, one generation after the other."""
    made = [put_pack(repo, objects) for objects in packs]
    for generation, pack in enumerate(made, 1):
        put_fragment(repo, [pack], generation=generation)
    return made


def test_what_another_thread_has_loaded_meanwhile_is_not_loaded_once_more(repo: Open, store: MemoryStore) -> None:
    (gone, _) = put(repo, [Made(plain=ONE)], [Made(plain=TWO)])
    recording = RecordingStore(store)
    index = opened(recording).indexed(None).index
    seen = index.loads
    store.delete(pack_name(gone.pack))
    assert index.reload(seen, gone=gone.pack)
    asked = len(recording.calls)
    assert index.reload(seen, gone=gone.pack), "to be looked at again: it is another one than was seen"
    assert (len(recording.calls), index.loads) == (asked, seen + 1)


def test_the_generation_never_falls_whatever_another_load_finds(repo: Open, store: MemoryStore) -> None:
    """A fragment of a generation that was given already would have two of them count as one."""
    (gone,) = put(repo, [Made(plain=ONE)])
    index = repo.indexed(None).index
    for mine, highest in ((4, 4), (1, 6)):
        index.generation = mine
        if highest == 6:
            put_fragment(repo, [put_pack(repo, [Made(plain=TWO)])], generation=6)
        assert index.reload(index.loads, gone=gone.pack)
        assert index.generation == highest


@pytest.mark.parametrize("whole_first", [True, False])
def test_of_a_lost_object_the_pack_of_a_base_is_named(repo: Open, whole_first: bool) -> None:
    """Also where another place of it, which was found damaged, needs none."""
    delta, whole = [Made(plain=TWO, base=ONE, depth=1)], [Made(plain=TWO)]
    base, *_ = put(repo, [Made(plain=ONE)], *([whole, delta] if whole_first else [delta, whole]))
    wanted = object_id(repo, TWO)
    assert repo.indexed(None).index.gone_from(wanted) is None
    repo.store.delete(pack_name(base.pack))
    assert repo.indexed(None).index.gone_from(wanted) == base.pack


def test_a_base_at_no_smaller_depth_is_not_asked_for_what_is_gone(repo: Open) -> None:
    three = TWO + rows(3, 1)
    chain = [Made(plain=TWO, base=ONE, depth=1)], [Made(plain=three, base=TWO, depth=1)]
    base, *_ = put(repo, [Made(plain=ONE)], *chain)
    repo.store.delete(pack_name(base.pack))
    index = repo.indexed(None).index
    assert index.gone_from(object_id(repo, TWO)) == base.pack
    assert index.gone_from(object_id(repo, three)) is None, "nobody would read it from there"


@pytest.mark.spec("LEASE-24")
def test_packs_that_a_listing_names_for_ever_are_each_looked_for_once(repo: Open, store: MemoryStore) -> None:
    """Two places of an object, both gone: no reader goes from the one to the other and back without end."""
    packs = put(repo, [Made(plain=ONE)], [Made(plain=ONE)])
    listed = list(store.list("packs/"))

    class Lying(RecordingStore):
        def list(self, prefix: str) -> Iterator[StoredFile]:
            return iter(listed) if prefix == "packs/" else super().list(prefix)

    lying = Lying(store)
    reader = opened(lying).indexed(None).reader()
    store.delete(*(pack_name(pack.pack) for pack in packs))
    with pytest.raises(MissingObject) as caught:
        reader.get(object_id(repo, ONE), ObjectType.ROW_CHUNK)
    assert caught.value.file in {pack_name(pack.pack) for pack in packs}
    assert sorted(call.name for call in lying.calls if call.kind == "get_range") == sorted(
        pack_name(pack.pack) for pack in packs
    )
