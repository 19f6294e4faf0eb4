"""Slots and the configuration: which is tried first, what is passed over, and what is said when none opens (spec 20-keys)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from tests.faults import Fault, FaultStore, RecordingStore
from tests.small_repository import CLOCK, PASSPHRASE, new_repository, quick_keys
from vault.crypto import aead, keyed
from vault.crypto.kdf import derive_kek
from vault.errors import (
    AuthenticationFailed,
    ContentMismatch,
    IntegrityError,
    LimitExceeded,
    NoRepository,
    NotFound,
    Unsupported,
    WrongPassphrase,
)
from vault.format import codec, envelope, keyslot
from vault.format import config as config_format
from vault.ids import RepositoryId
from vault.limits import (
    CONFIG_BYTES_MAX,
    CUT_SEED_MAX,
    FILE_BYTES_MAX,
    FORMAT_VERSION,
    KDF_LANES,
    KDF_MEMORY_KIB,
    KDF_MEMORY_KIB_MIN,
    KDF_PASSES,
    SLOT_BYTES_MAX,
)
from vault.model import FileKind, Kdf, KeyBundle, KeySlot, RepositoryConfig
from vault.ops.repository import keys
from vault.ports import StoredFile
from vault.repo import keyring
from vault.repo.keyring import claimed_repository, seal_file, signed_config, slots, unlock, unlock_with_kit, unseal_file
from vault.repo.state import Open
from vault.store.memory import MemoryStore

OTHER = RepositoryId(b"another one 1234")


def put_slot(repo: Open, passphrase: str, *, passes: int = 1, repository: RepositoryId | None = None) -> str:
    kdf = Kdf(passes=passes, memory_kib=KDF_MEMORY_KIB_MIN, lanes=1, salt=os.urandom(32))
    data = keyring.seal_slot(
        repo.bundle,
        passphrase,
        repository=repository or repo.config.repository,
        kdf=kdf,
        label="",
        created_ms=1,
    )
    return put_named(repo.store, data)


def put_named(store: object, data: bytes) -> str:
    assert isinstance(store, MemoryStore)
    name = f"keys/{keyed.sha256(data).hex()}"
    store.files[name] = data
    return name


def slot_name(store: MemoryStore) -> str:
    (name,) = [name for name in store.files if name.startswith("keys/")]
    return name


# --- what is drawn ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("drawn", "seed"),
    [(0, 1), (1, 2), (CUT_SEED_MAX - 1, CUT_SEED_MAX), (CUT_SEED_MAX, 1), (2**128 - 1, 4)],
)
def test_keys_are_drawn_whole_and_the_seed_of_the_cut_from_all_that_there_are(drawn: int, seed: int) -> None:
    parts = {16: [drawn.to_bytes(16, "big")], 32: [b"2" * 32, b"1" * 32]}
    bundle = keyring.draw_bundle(lambda count: parts[count].pop())
    assert bundle == KeyBundle(id_key=b"1" * 32, root=b"2" * 32, cut_seed=seed)
    kdf = keyring.default_kdf(lambda count: bytes(count))
    assert kdf == Kdf(passes=KDF_PASSES, memory_kib=KDF_MEMORY_KIB, lanes=KDF_LANES, salt=bytes(32))


def test_a_slot_says_whose_it_is_and_holds_the_keys(repo: Open) -> None:
    kdf = Kdf(passes=1, memory_kib=KDF_MEMORY_KIB_MIN, lanes=1, salt=b"s" * 32)
    data = keyring.seal_slot(repo.bundle, "p", repository=OTHER, kdf=kdf, label="desk", created_ms=7)
    slot = keyslot.decode_slot(data)
    assert (slot.repository, slot.kdf, slot.label, slot.created_ms) == (OTHER, kdf, "desk", 7)
    assert keyring.open_slot(data, "p") == repo.bundle
    with pytest.raises(AuthenticationFailed):
        keyring.open_slot(data, "q")


# --- what lies under keys/ --------------------------------------------------------------------------


def test_every_slot_is_given_with_its_bytes_or_with_what_is_wrong_with_it(repo: Open, store: MemoryStore) -> None:
    own = slot_name(store)
    longest, longer = put_named(store, bytes(SLOT_BYTES_MAX)), put_named(store, bytes(SLOT_BYTES_MAX + 1))
    changed = put_named(store, b"as it was")
    store.files[changed] = b"as it is"
    store.files["keys/.listed-first"] = store.files["keys/readme"] = b"x"
    found = {keyslot.slot_name(slot_id): told for slot_id, told in slots(store)}
    assert found.keys() == {own, longest, longer, changed}
    assert (found[own], found[longest]) == (store.files[own], bytes(SLOT_BYTES_MAX))
    for name, kind in ((longer, LimitExceeded), (changed, ContentMismatch)):
        told = found[name]
        assert type(told) is kind
        assert isinstance(told, IntegrityError)
        assert told.file == name


def test_a_slot_that_goes_away_is_left_out_and_one_that_cannot_be_read_is_told(repo: Open, store: MemoryStore) -> None:
    unreadable = IntegrityError("cannot be read")
    for passphrase in ("two", "three"):
        put_slot(repo, passphrase)
    faulty = FaultStore(store, [Fault(kind="get", error=NotFound("gone")), Fault(kind="get", at=2, error=unreadable)])
    last = max(name for name in store.files if name.startswith("keys/"))
    assert [told for _, told in slots(faulty)] == [unreadable, store.files[last]]
    listed = list(store.list("keys/"))[:1]
    assert [told for _, told in slots(store, listed)] == [store.files[listed[0].name]]


# --- opening ----------------------------------------------------------------------------------------


def test_the_cheapest_slot_is_tried_first(repo: Open, store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody knows whether a slot is authentic before it opens: a forged one may ask for the dearest derivation."""
    for passes in (3, 2, 4):
        put_slot(repo, "other", passes=passes)
    asked: list[int] = []

    def noted(passphrase: str, kdf: Kdf) -> bytes:
        asked.append(kdf.passes)
        return derive_kek(passphrase, kdf)

    monkeypatch.setattr(keyring, "derive_kek", noted)
    own = next(keyslot.decode_slot(data).kdf.passes for _, data in slots(store) if isinstance(data, bytes))
    assert unlock(store, "other")[2] == repo.bundle
    assert asked == sorted(asked)
    asked.clear()
    with pytest.raises(WrongPassphrase):
        unlock(store, "neither")
    assert asked == sorted(asked)
    assert len(asked) == 4
    assert own in asked


def test_damaged_slots_are_passed_over_and_named_where_none_opens(repo: Open, store: MemoryStore) -> None:
    changed = put_named(store, b"as it was")
    store.files[changed] = b"as it is"
    junk = put_named(store, b"no slot at all")
    config, _, bundle = unlock(store, PASSPHRASE)
    assert (config, bundle) == (repo.config, repo.bundle)
    with pytest.raises(WrongPassphrase) as caught:
        unlock(store, "neither")
    assert caught.value.why.startswith(f"no key slot of {store.url} opens with it; damaged and skipped: ")
    assert caught.value.why.endswith(": " + ", ".join(sorted((changed, junk))))
    del store.files[changed], store.files[junk]
    with pytest.raises(WrongPassphrase) as caught:
        unlock(store, "neither")
    assert caught.value.why == f"no key slot of {store.url} opens with it"


def test_slots_of_another_repository_alone_are_told_as_that(repo: Open, store: MemoryStore) -> None:
    own = store.files.pop(slot_name(store))
    put_slot(repo, "other", repository=OTHER)
    with pytest.raises(AuthenticationFailed, match="belong to different repositories") as caught:
        unlock(store, PASSPHRASE)
    assert caught.value.file == "config"
    assert "recovery kit" in caught.value.hint
    put_named(store, own)
    with pytest.raises(WrongPassphrase):
        unlock(store, "other")
    assert unlock(store, PASSPHRASE)[0] == repo.config


class Exchanged(MemoryStore):
    """The passphrase is changed after the slots were listed for the first time."""

    listings = 0
    after: dict[str, bytes] | None = None

    def list(self, prefix):  # type: ignore[no-untyped-def]
        found = super().list(prefix)
        if prefix == "keys/":
            self.listings += 1
            if self.after is not None:
                for name in [name for name in self.files if name.startswith("keys/")]:
                    del self.files[name]
                self.files.update(self.after)
                self.after = None
        return found


def test_a_slot_that_is_exchanged_meanwhile_is_looked_for_once_more() -> None:
    store = Exchanged()
    repo = new_repository(store)
    put_slot(repo, "next")
    store.after = {name: data for name, data in store.files.items() if name.startswith("keys/")}
    for name in [*store.after]:
        del store.files[name]
    put_slot(repo, "before")
    assert unlock(store, "next")[2] == repo.bundle
    assert store.listings == 2
    store.listings = 0
    with pytest.raises(WrongPassphrase):
        unlock(store, "before")
    assert store.listings == 2, "listed again, and found the same"


class Restless(MemoryStore):
    """At each listing somebody has put one more slot."""

    listings = 0

    def list(self, prefix: str) -> Iterator[StoredFile]:
        self.listings += prefix == "keys/"
        put_named(self, b"no slot: %d" % self.listings)
        return super().list(prefix)


def test_slots_that_change_at_every_look_are_looked_for_three_times_more() -> None:
    store = Restless()
    new_repository(store)
    with pytest.raises(WrongPassphrase):
        unlock(store, "neither")
    assert store.listings == 4


def test_a_dear_or_damaged_slot_before_the_own_one_hides_it_not(repo: Open, store: MemoryStore) -> None:
    """Of one that opens, but not as a slot does, the file is named where none opens."""
    for number in range(3):
        put_slot(repo, f"other {number}")
        put_named(store, b"junk %d" % number)
        store.files[put_named(store, b"was %d" % number)] = b"is"
        put_slot(repo, "own", repository=OTHER)
        put_named(store, bytes(SLOT_BYTES_MAX + 1 + number))
    put_slot(repo, "own")
    assert unlock(store, "own")[2] == repo.bundle
    newer = replace(repo.bundle, kind="one of tomorrow")
    kdf = Kdf(passes=1, memory_kib=KDF_MEMORY_KIB_MIN, lanes=1, salt=bytes(32))
    slot = KeySlot(repository=repo.config.repository, kdf=kdf, label="", created_ms=1, wrapped=b"")
    plain = codec.encode({"cut": newer.cut_seed, "id": newer.id_key, "kind": newer.kind, "root": newer.root})
    wrapped = aead.seal(derive_kek("later", kdf), nonce=envelope.NONCE, plain=plain, aad=keyslot.slot_aad(slot))
    name = put_named(store, keyslot.encode_slot(replace(slot, wrapped=wrapped)))
    with pytest.raises(WrongPassphrase) as caught:
        unlock(store, "later")
    assert name in caught.value.why


# --- the configuration ------------------------------------------------------------------------------


def spoilt(change: Callable[[bytes], bytes], store: MemoryStore) -> None:
    store.files["config"] = change(store.files["config"])


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda data: data + bytes(CONFIG_BYTES_MAX + 1 - len(data)), LimitExceeded),
        (lambda data: data[:10], IntegrityError),
        (lambda data: data[:-1] + bytes([data[-1] ^ 1]), AuthenticationFailed),
    ],
    ids=["too long", "cut", "changed"],
)
def test_a_configuration_that_is_not_what_was_written_is_told_with_a_way_out(
    repo: Open, store: MemoryStore, change: Callable[[bytes], bytes], kind: type[IntegrityError]
) -> None:
    spoilt(change, store)
    with pytest.raises(kind) as caught:
        unlock(store, PASSPHRASE)
    assert caught.value.file == "config"
    assert "restore the file 'config' from a copy" in caught.value.hint


def test_a_configuration_under_the_keys_of_another_is_refused(repo: Open, store: MemoryStore) -> None:
    other = RepositoryConfig(repository=repo.config.repository, version=repo.config.version, features=(), created_ms=7)
    store.files["config"] = signed_config(other, repo.keys)
    assert unlock(store, PASSPHRASE)[0] == other
    assert keyring.verified_config(store, repo.keys) == other
    assert claimed_repository(store) == other.repository
    spoilt(lambda data: data[:-1] + bytes([data[-1] ^ 1]), store)
    with pytest.raises(AuthenticationFailed) as caught:
        keyring.verified_config(store, repo.keys)
    assert caught.value.message == "the repository's configuration was changed"
    assert "configuration" in caught.value.why
    assert caught.value.file == "config"
    assert "restore the file 'config' from a copy" in caught.value.hint
    assert claimed_repository(store) == other.repository, "without a key nobody can say more"
    spoilt(lambda data: data[:10], store)
    assert claimed_repository(store) is None
    del store.files["config"]
    assert claimed_repository(store) is None
    with pytest.raises(NoRepository) as none:
        unlock(store, PASSPHRASE)
    assert (none.value.message, none.value.why) == (f"no repository at {store.url}", "it has no file 'config'")


def test_a_configuration_of_a_newer_program_says_to_update(store: MemoryStore, kit: str) -> None:
    fields: dict[str, codec.Value] = {
        "created": 1,
        "features": (),
        "repository": bytes(16),
        "version": FORMAT_VERSION + 1,
    }
    store.files["config"] = config_format._MAGIC + codec.encode(fields) + bytes(32)
    openings: list[Callable[[], object]] = [lambda: unlock(store, "p"), lambda: unlock_with_kit(store, kit)]
    for opening in openings:
        with pytest.raises(Unsupported) as caught:
            opening()
        assert caught.value.hint == "a newer pgvault made it: update this one"


def test_a_configuration_and_a_listing_that_were_just_read_are_not_read_again(repo: Open, store: MemoryStore) -> None:
    recording = RecordingStore(store)
    unlock(recording, PASSPHRASE, config_file=store.files["config"])
    assert recording.requests() == ["list keys", "get keys"]


# --- the kit ----------------------------------------------------------------------------------------


@pytest.fixture
def kit(store: MemoryStore) -> str:
    """Of the repository in `store`."""
    with quick_keys():
        return keys.create_repository(store, passphrase="p", label="", clock=CLOCK, entropy=os.urandom).kit


@pytest.mark.parametrize("harm", ["gone", "cut", "changed"])
def test_a_kit_opens_without_slots_and_without_a_whole_configuration(store: MemoryStore, kit: str, harm: str) -> None:
    config, _, bundle = unlock_with_kit(store, kit)
    assert unlock(store, "p")[::2] == (config, bundle)
    assert config.created_ms > 0
    for name in [name for name in store.files if name.startswith("keys/")]:
        del store.files[name]
    if harm == "gone":
        del store.files["config"]
    else:
        spoilt(lambda data: data[:10] if harm == "cut" else data[:-1] + bytes([data[-1] ^ 1]), store)
    own, _, again = unlock_with_kit(store, kit)
    assert own == replace(config, created_ms=0)
    assert again == bundle


def test_a_kit_opens_no_other_repository(kit: str) -> None:
    other = MemoryStore()
    new_repository(other)
    with pytest.raises(WrongPassphrase, match="belongs to another repository"):
        unlock_with_kit(other, kit)


# --- sealed files -----------------------------------------------------------------------------------


@pytest.mark.parametrize("squeeze", [False, True])
def test_a_sealed_file_opens_as_its_kind_alone(repo: Open, squeeze: bool) -> None:
    plain = b"much the same " * 100
    data = seal_file(plain, FileKind.CHECK, repo.keys, salt=os.urandom(24), squeeze=squeeze)
    assert (len(data) < len(plain)) == squeeze
    assert unseal_file(data, FileKind.CHECK, repo.keys) == plain
    with pytest.raises(IntegrityError):
        unseal_file(data, FileKind.SNAPSHOT, repo.keys)
    with pytest.raises(AuthenticationFailed):
        unseal_file(data[:-1] + bytes([data[-1] ^ 1]), FileKind.CHECK, repo.keys)
    for size, error in ((FILE_BYTES_MAX, AuthenticationFailed), (FILE_BYTES_MAX + 1, LimitExceeded)):
        with pytest.raises(error):
            unseal_file(data + bytes(size - len(data)), FileKind.CHECK, repo.keys)


def test_what_was_sealed_by_a_machine_that_errs_is_not_given_away(repo: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(keyring, "unseal_file", lambda *_: b"something else")
        with pytest.raises(AuthenticationFailed, match="just sealed"):
            seal_file(b"plain", FileKind.CHECK, repo.keys, salt=os.urandom(24), squeeze=False)
    monkeypatch.setattr(keyring, "open_slot", lambda *_: None)
    with pytest.raises(AuthenticationFailed, match="just made"):
        put_slot(repo, "p")
