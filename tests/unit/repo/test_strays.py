"""What nobody authenticated (a name, a generation, a listing, junk) never feeds a limit, never stops a writer, and is named by check."""

from __future__ import annotations

import hashlib
import os

import pytest

from tests.fake_source import FakeDatabase, FakeDirectory
from tests.small_repository import (
    CLOCK,
    PASSPHRASE,
    contents,
    damage,
    new_repository,
    opened,
    quick_keys,
    rows,
    take,
)  # fmt: skip
from vault.crypto.kdf import derive_kek
from vault.errors import Malformed, WrongPassphrase
from vault.format import keyslot, upkeep
from vault.limits import KDF_MEMORY_KIB_MAX, KDF_PASSES_MAX
from vault.model import FileKind, Kdf, KeySlot
from vault.ops.repository import keys
from vault.repo import keyring
from vault.repo.keyring import seal_file
from vault.repo.state import Closed, Open
from vault.store.memory import MemoryStore

FIRST = FakeDatabase(tables={"public.t": [rows(n, 50) for n in range(4)]})
JUNK = {
    "no envelope": b"junk",
    "empty": b"",
    "of another key": bytes.fromhex("50475641554c5446010400000011223344556677") + bytes(60),
    "of a later version": b"PGVAULTF\x02\x04" + bytes(60),
}
DIRECTORIES = ("keys", "packs", "snapshots", *upkeep.DIRECTORIES.values())


@pytest.fixture
def store() -> MemoryStore:
    store = MemoryStore()
    take(new_repository(store), FIRST)
    return store


def named(data: bytes, *, honest: bool) -> str:
    return hashlib.sha256(data if honest else data + b"x").hexdigest()


@pytest.mark.spec("STORE-9")
@pytest.mark.parametrize("honest", [True, False], ids=["named by its bytes", "under any name"])
@pytest.mark.parametrize("junk", list(JUNK))
@pytest.mark.parametrize("directory", DIRECTORIES)
def test_junk_in_any_directory_stops_no_backup_and_no_reader_and_is_named(
    store: MemoryStore, directory: str, junk: str, honest: bool
) -> None:
    name = f"{directory}/{named(JUNK[junk], honest=honest)}"
    store.put(name, JUNK[junk])
    report = take(Closed(store).open(PASSPHRASE), FakeDatabase(tables=FIRST.tables, earlier=FIRST))
    assert report.manifest.sequence == 2
    assert contents(opened(store), report.id)["table public.t"] == b"".join(FIRST.tables["public.t"])
    assert directory == "packs" or name in {one.file for one in damage(opened(store), read_data=None)}


@pytest.mark.spec("IDX-10")
@pytest.mark.parametrize("generation", ["ffffffff", "fffffffe"])
def test_a_fragment_that_was_renamed_ends_no_writing(store: MemoryStore, generation: str) -> None:
    (fragment,) = [name for name in store.files if name.startswith("index/")]
    store.files[f"index/{generation}-{fragment[-64:]}"] = store.files.pop(fragment)
    for seed in (7, 8, 9):
        take(opened(store), FakeDatabase(tables={"public.t": [rows(seed, 50)]}))
    assert all(
        name.startswith("index/0000000") for name in store.files if name.startswith("index/") and generation not in name
    )
    told = [one.why for one in damage(opened(store)) if "no writer counts" in one.why]
    assert told
    assert len(opened(store).snapshots()) == 4


def test_a_sweep_with_the_keys_that_cannot_be_decoded_stops_and_is_named(store: MemoryStore) -> None:
    """Somebody who has the keys will delete packs, and nobody knows which."""
    repo = opened(store)
    data = seal_file(b"\x80", FileKind.SWEEP, repo.keys, salt=os.urandom(24), squeeze=False)
    name = f"sweeps/{hashlib.sha256(data).hexdigest()}"
    store.put(name, data)
    with pytest.raises(Malformed) as stopped:
        take(opened(store), FIRST)
    assert stopped.value.file == name


def forged(repo: Open, number: int) -> bytes:
    """A slot of this repository at the ceiling of the derivation, as anybody can write it."""
    kdf = Kdf(passes=KDF_PASSES_MAX, memory_kib=KDF_MEMORY_KIB_MAX, lanes=1, salt=number.to_bytes(32, "big"))
    slot = KeySlot(repository=repo.config.repository, kdf=kdf, label="", created_ms=0, wrapped=bytes(200))
    return keyslot.encode_slot(slot)


@pytest.mark.spec("KEY-11")
def test_forged_slots_at_the_ceiling_are_tried_last(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many: a number of names is nothing that anybody vouches for."""
    for number in range(300):
        data = forged(opened(store), number)
        store.put(f"keys/{hashlib.sha256(data).hexdigest()}", data)
    derived: list[int] = []

    def derive(passphrase: str, kdf: Kdf) -> bytes:
        derived.append(kdf.memory_kib)
        assert kdf.memory_kib < KDF_MEMORY_KIB_MAX, "a forged slot was tried before ours"
        return derive_kek(passphrase, kdf)

    monkeypatch.setattr(keyring, "derive_kek", derive)
    assert Closed(store).open(PASSPHRASE).resolve("latest")
    assert len(derived) == 1


class PassphraseChanges(MemoryStore):
    """Right after the first listing of keys/ another client changes the passphrase to itself: another slot, and the old one is gone."""

    changed = False

    def list(self, prefix: str):  # type: ignore[no-untyped-def]
        found = list(super().list(prefix))
        if prefix == "keys/" and not self.changed:
            self.changed = True
            with quick_keys():
                repo = opened(MemoryStore(self.files))
                old = [name for name in self.files if name.startswith("keys/")]
                keys.add_slot(
                    Open(self, repo.config, repo.keys, repo.bundle),
                    passphrase=PASSPHRASE,
                    label="",
                    clock=CLOCK,
                    entropy=os.urandom,
                )
                for name in old:
                    self.delete(name)
        return iter(found)


def test_slot_that_went_away_between_listing_and_reading_is_looked_for_again(store: MemoryStore) -> None:
    assert Closed(PassphraseChanges(store.files)).open(PASSPHRASE).resolve("latest")
    with pytest.raises(WrongPassphrase):
        Closed(MemoryStore(store.files)).open("another")


def test_directory_of_files_that_change_is_no_reason_to_stop(store: MemoryStore) -> None:
    for name in ("sweeps/x", "sweeps/README", "index/ffffffff", "keys/.DS_Store", "leases/a/b"):
        store.files[name] = b"not ours"
    assert take(opened(store), None, {"lib": FakeDirectory({b"f": b"x"})}).manifest.sequence == 2
