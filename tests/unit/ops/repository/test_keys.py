"""Key slots and recovery kits as commands use them."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.faults import Fault, FaultStore
from tests.small_repository import CLOCK, TestClock, new_repository, quick_keys
from vault.crypto import kdf
from vault.errors import AuthenticationFailed, NotThere, StoreError, StoreFull, UnsafeError, UsageError, WrongPassphrase
from vault.format.keyslot import decode_slot
from vault.limits import KDF_MEMORY_KIB_MIN, KDF_PASSES_MIN
from vault.model import Kdf
from vault.ops.repository import keys
from vault.repo import keyring
from vault.repo.state import Closed, Open
from vault.store.memory import MemoryStore


@pytest.fixture(autouse=True)
def quick() -> Iterator[None]:
    with quick_keys():
        yield


@pytest.fixture
def store() -> MemoryStore:
    store = MemoryStore()
    create(store, "one")
    return store


def create(store: MemoryStore | FaultStore, passphrase: str, like: Open | None = None) -> keys.Created:
    return keys.create_repository(
        store, passphrase=passphrase, label="first", clock=CLOCK, entropy=os.urandom, like=like
    )


def opens(store: MemoryStore, passphrase: str) -> bool:
    try:
        Closed(store).open(passphrase)
    except WrongPassphrase:
        return False
    return True


def test_repository_is_created_once(store: MemoryStore) -> None:
    before = dict(store.files)
    with pytest.raises(UnsafeError):
        create(store, "two")
    assert store.files == before


def test_place_with_other_files_is_refused() -> None:
    store = MemoryStore({"holiday.jpg": b""})
    with pytest.raises(UnsafeError, match="not empty"):
        create(store, "one")


@pytest.mark.parametrize("at", [1, 2])
def test_init_that_was_cut_off_can_be_done_again(at: int) -> None:
    store = MemoryStore()
    with pytest.raises(StoreFull):
        create(FaultStore(store, [Fault(kind="put", at=at, error=StoreFull("full"))]), "one")
    create(store, "one")
    assert opens(store, "one")


def test_like_shares_what_deduplication_needs_and_not_the_root(store: MemoryStore) -> None:
    repo = Closed(store).open("one")
    other = MemoryStore()
    create(other, "two", like=repo)
    found = Closed(other).open("two").bundle
    assert (found.id_key, found.cut_seed) == (repo.bundle.id_key, repo.bundle.cut_seed)
    assert found.root != repo.bundle.root
    assert Closed(other).open("two").config.repository != repo.config.repository


def test_slots_are_added_listed_and_removed(store: MemoryStore) -> None:
    repo = Closed(store).open("one")
    second = keys.add_slot(repo, passphrase="two", label="second", clock=CLOCK, entropy=os.urandom)
    listed = keys.list_slots(store)
    assert [info.label for info in listed.slots] == ["first", "second"]
    assert (listed.left_behind, listed.damage) == ((), ())
    assert opens(store, "two")
    assert keys.remove_slot(repo, second.hex()[:8]) == second
    assert not opens(store, "two")
    with pytest.raises(NotThere):
        keys.remove_slot(repo, second.hex())


def test_last_slot_cannot_be_removed_whatever_damaged_ones_there_are(store: MemoryStore) -> None:
    repo = Closed(store).open("one")
    store.put("keys/" + "0" * 64, b"damaged")
    listed = keys.list_slots(store)
    (info,) = listed.slots
    assert [error.file for error in listed.damage] == ["keys/" + "0" * 64]
    with pytest.raises(UnsafeError):
        keys.remove_slot(repo, info.id.hex())
    keys.remove_slot(repo, "0" * 64)
    assert opens(store, "one")


def test_prefix_of_several_slots_is_ambiguous(store: MemoryStore) -> None:
    repo = Closed(store).open("one")
    keys.add_slot(repo, passphrase="two", label="", clock=CLOCK, entropy=os.urandom)
    with pytest.raises(UsageError):
        keys.remove_slot(repo, "")


def test_passphrase_is_changed_and_the_label_kept(store: MemoryStore) -> None:
    repo = Closed(store).open("one")
    keys.change_passphrase(repo, old="one", new="new", clock=CLOCK, entropy=os.urandom)
    assert (opens(store, "one"), opens(store, "new")) == (False, True)
    assert [info.label for info in keys.list_slots(store).slots] == ["first"]
    with pytest.raises(NotThere):
        keys.change_passphrase(repo, old="one", new="x", clock=CLOCK, entropy=os.urandom)


def test_change_that_is_cut_off_leaves_a_way_in(store: MemoryStore) -> None:
    broken = FaultStore(store, [Fault(kind="delete", error=StoreFull("full"))])
    with pytest.raises(StoreFull):
        keys.change_passphrase(Closed(broken).open("one"), old="one", new="new", clock=CLOCK, entropy=os.urandom)
    assert opens(store, "one")
    assert opens(store, "new")


@pytest.fixture
def twice_begun() -> MemoryStore:
    """A repository beside the slot of an init that was cut off before it put `config`; both passphrases are "one"."""
    store = MemoryStore()
    with pytest.raises(StoreFull):
        create(FaultStore(store, [Fault(kind="put", at=2, error=StoreFull("full"))]), "one")
    create(store, "one")
    return store


def test_last_slot_of_the_repository_stays_whatever_foreign_ones_there_are(twice_begun: MemoryStore) -> None:
    repo = Closed(twice_begun).open("one")
    own, foreign = slots_of(repo, twice_begun)
    with pytest.raises(UnsafeError):
        keys.remove_slot(repo, own[0])
    keys.remove_slot(repo, foreign[0])
    assert opens(twice_begun, "one")


def test_change_takes_every_slot_of_the_repository_and_no_foreign_one(twice_begun: MemoryStore) -> None:
    repo = Closed(twice_begun).open("one")
    keys.add_slot(repo, passphrase="one", label="again", clock=CLOCK, entropy=os.urandom)
    _, foreign = slots_of(repo, twice_begun)
    keys.change_passphrase(repo, old="one", new="new", clock=CLOCK, entropy=os.urandom)
    assert (opens(twice_begun, "one"), opens(twice_begun, "new")) == (False, True)
    own, still = slots_of(repo, twice_begun)
    assert (len(own), still) == (2, foreign)


def test_list_tells_what_an_unfinished_init_left_apart(twice_begun: MemoryStore) -> None:
    own, foreign = slots_of(Closed(twice_begun).open("one"), twice_begun)
    listed = keys.list_slots(twice_begun)
    assert [info.id.hex() for info in listed.slots] == own
    assert [info.id.hex() for info in listed.left_behind] == foreign
    assert listed.damage == ()


def test_list_calls_no_slot_left_behind_when_the_configuration_is_damaged(store: MemoryStore) -> None:
    """It cannot know, and somebody might remove the last one."""
    store.files["config"] = b"damaged"
    listed = keys.list_slots(store)
    assert (len(listed.slots), listed.left_behind) == (1, ())


def slots_of(repo: Open, store: MemoryStore) -> tuple[list[str], list[str]]:
    """Ids of the slots of `repo`, and of the others."""
    slots = {name[5:]: decode_slot(data) for name, data in store.files.items() if name.startswith("keys/")}
    own = [id for id, slot in slots.items() if slot.repository == repo.config.repository]
    return own, [id for id in slots if id not in own]


def test_kit_of_another_repository_is_refused(store: MemoryStore) -> None:
    other = MemoryStore()
    kit = create(other, "one").kit
    with pytest.raises((AuthenticationFailed, WrongPassphrase)):
        Closed(store).open_with_kit(kit)


def test_fresh_kit_opens(store: MemoryStore) -> None:
    kit = keys.make_kit(Closed(store).open("one"), clock=CLOCK, entropy=os.urandom)
    assert Closed(store).open_with_kit(kit).bundle == Closed(store).open("one").bundle


def test_overlong_label_is_refused() -> None:
    with pytest.raises(UsageError):
        keys.add_slot(
            new_repository(MemoryStore()), passphrase="x", label="\u00fc" * 101, clock=CLOCK, entropy=os.urandom
        )


def test_no_key_is_made_by_a_clock_before_1970(store: MemoryStore) -> None:
    repo, clock, before = Closed(store).open("one"), TestClock(-9_000), dict(store.files)
    calls = (
        lambda: keys.create_repository(MemoryStore(), passphrase="x", label="", clock=clock, entropy=os.urandom),
        lambda: keys.add_slot(repo, passphrase="x", label="", clock=clock, entropy=os.urandom),
        lambda: keys.change_passphrase(repo, old="one", new="x", clock=clock, entropy=os.urandom),
        lambda: keys.make_kit(repo, clock=clock, entropy=os.urandom),
    )
    for call in calls:
        with pytest.raises(UsageError, match="clock stands before 1970"):
            call()
    assert store.files == before


class Replacing(MemoryStore):
    """As object storage that passes over the condition of a put."""

    def put(self, name: str, data: bytes) -> None:
        self.delete(name)
        super().put(name, data)


@pytest.mark.spec("STORE-1")
def test_no_repository_is_made_where_files_are_replaced() -> None:
    store = Replacing()
    with pytest.raises(StoreError, match="no repository can be") as refused:
        create(store, "one")
    assert "If-None-Match" in refused.value.hint
    assert store.files == {}


def test_a_wrong_passphrase_costs_the_same_however_near_it_is(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every slot is derived for, at its price, and what comes out is compared by its tag alone."""
    repo = Closed(store).open("one")
    keys.add_slot(repo, passphrase="another, longer one", label="second", clock=CLOCK, entropy=os.urandom)
    work: list[tuple[int, int]] = []
    real = kdf.derive_kek

    def derive(passphrase: str, cost: Kdf) -> bytes:
        work.append((cost.passes, cost.memory_kib))
        return real(passphrase, cost)

    monkeypatch.setattr(keyring, "derive_kek", derive)
    told = set()
    for wrong in ("on", "one ", "One", "another, longer on", "x" * 1_000, "\N{WAVE DASH}"):
        work.clear()
        with pytest.raises(WrongPassphrase) as refused:
            Closed(store).open(wrong)
        assert work == [(KDF_PASSES_MIN, KDF_MEMORY_KIB_MIN)] * 2
        told.add(str(refused.value))
    assert len(told) == 1
