"""Create a repository, and list, add, change and remove its key slots; make recovery kits.

A passphrase is an argument and is never stored. Every slot file is opened again before it is put. Changing or removing a passphrase
revokes nothing that was copied before: whoever has an old slot and its passphrase has the keys. Spec 20-keys.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from vault.crypto import keyed
from vault.crypto.keys import Keys
from vault.errors import AlreadyExists, IntegrityError, NotFound, NotThere, StoreError, UnsafeError, UsageError
from vault.format import keyslot
from vault.format.config import CONFIG_NAME
from vault.format.kit import decode_kit, encode_kit
from vault.ids import RepositoryId, SlotId
from vault.limits import FORMAT_VERSION, KDF_MEMORY_KIB_MIN
from vault.model import Kdf, KeyBundle, KeySlot, RepositoryConfig, SlotInfo
from vault.ports import Clock, Entropy, ObjectStore
from vault.repo.keyring import (
    claimed_repository,
    default_kdf,
    draw_bundle,
    open_slot,
    seal_slot,
    signed_config,
    slots,
)
from vault.repo.lineage import recordable
from vault.repo.state import Open

_KIT_LABEL = "recovery kit"
_OTHER_BYTES = b"what no name is replaced by"
_LABEL_BYTES_MAX = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Created:
    repository: RepositoryId
    kit: str


def create_repository(
    store: ObjectStore, *, passphrase: str, label: str, clock: Clock, entropy: Entropy, like: Open | None = None
) -> Created:
    """Put the first key slot and then `config`, which makes it a repository.

    store   empty, or left behind by an init that did not finish
    like    a repository whose id key and cut seed are shared, so that chunks copied between the two keep their ids
    Raises  UnsafeError: there is a repository already, or other files; StoreError: the store replaces files (STORE-1)
    """
    refuse_foreign(store)
    repository = RepositoryId(entropy(16))
    bundle = draw_bundle(entropy)
    if like is not None:
        bundle = KeyBundle(id_key=like.bundle.id_key, cut_seed=like.bundle.cut_seed, root=bundle.root)
    now_ms = recordable(clock.now_ms())
    kit = _kit(bundle, repository, now_ms, entropy)
    slot = seal_slot(
        bundle, passphrase, repository=repository, kdf=default_kdf(entropy), label=_label(label), created_ms=now_ms
    )
    _require_create_only(store, keyslot.slot_name(_put_slot(store, slot)))
    config = RepositoryConfig(repository=repository, version=FORMAT_VERSION, features=(), created_ms=now_ms)
    try:
        store.put(CONFIG_NAME, signed_config(config, Keys.derive(bundle)))
    except AlreadyExists as error:
        raise UnsafeError("a repository was created here at the same moment", hint="use that one") from error
    store.barrier()
    return Created(repository=repository, kit=kit)


def _require_create_only(store: ObjectStore, name: str) -> None:
    """Try to replace a file, of a repository that is none yet. Raises  StoreError: it was replaced"""
    try:
        store.put(name, _OTHER_BYTES)
    except AlreadyExists:
        return
    with suppress(StoreError):
        store.delete(name)
    raise StoreError(
        f"no repository can be at {store.url}",
        why="a file that was there was replaced by another one of its name: two writers would destroy each other's",
        hint="choose storage that knows If-None-Match, or switch it on there: pgvault help buckets",
    )


def refuse_foreign(store: ObjectStore) -> None:
    """Raises  UnsafeError: a repository, or other files, are there already"""
    try:
        store.get(CONFIG_NAME)
    except NotFound:
        pass
    else:
        raise UnsafeError(
            f"a repository is there already: {store.url}",
            hint="pgvault backup; use it, by -r or [repository] of pgvault.toml, or choose another place",
        )
    for stored in store.list(""):
        if not stored.name.startswith("keys/"):
            raise UnsafeError(
                f"{store.url} is not empty", why=f"it holds {stored.name}", hint="choose an empty place for -r"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """Slots by creation time; those of another repository, which only an init that did not finish leaves; what is wrong with others."""

    slots: tuple[SlotInfo, ...]
    left_behind: tuple[SlotInfo, ...]
    damage: tuple[IntegrityError, ...]


def list_slots(store: ObjectStore) -> Listed:
    """Every slot. Needs no passphrase, so it believes what `config` and slots say of themselves."""
    decoded: list[tuple[SlotInfo, bool]] = []
    damage: list[IntegrityError] = []
    ours = claimed_repository(store)
    for slot_id, data in slots(store):
        try:
            if isinstance(data, IntegrityError):
                raise data
            slot = keyslot.decode_slot(data)
        except IntegrityError as error:
            error.file = error.file or keyslot.slot_name(slot_id)
            damage.append(error)
            continue
        info = SlotInfo(id=slot_id, label=slot.label, created_ms=slot.created_ms, kdf=slot.kdf)
        decoded.append((info, ours in (None, slot.repository)))
    decoded.sort(key=lambda pair: (pair[0].created_ms, pair[0].id))
    return Listed(
        slots=tuple(info for info, own in decoded if own),
        left_behind=tuple(info for info, own in decoded if not own),
        damage=tuple(damage),
    )


def add_slot(repo: Open, *, passphrase: str, label: str, clock: Clock, entropy: Entropy) -> SlotId:
    """One more passphrase for the repository."""
    slot = seal_slot(
        repo.bundle,
        passphrase,
        repository=repo.config.repository,
        kdf=default_kdf(entropy),
        label=_label(label),
        created_ms=recordable(clock.now_ms()),
    )
    return _put_slot(repo.store, slot)


def change_passphrase(repo: Open, *, old: str, new: str, clock: Clock, entropy: Entropy) -> SlotId:
    """Replace every slot of the repository that `old` opens; each new one is durable before the old one goes.

    Returns the first new slot. Raises  NotThere: `old` opens no slot
    """
    opened = [(slot_id, slot.label) for slot_id, slot, data in _own_slots(repo) if _opens(data, old)]
    if not opened:
        raise NotThere("the old passphrase opens no key slot", hint="list them with: pgvault key list")
    fresh = []
    for slot_id, label in opened:
        fresh.append(add_slot(repo, passphrase=new, label=label, clock=clock, entropy=entropy))
        repo.store.delete(keyslot.slot_name(slot_id))
        repo.store.barrier()
    return fresh[0]


def remove_slot(repo: Open, prefix: str) -> SlotId:
    """Remove the slot whose id starts with `prefix`; a damaged one too, or one that an init without end left behind.

    Raises  as `slot_named`; UnsafeError: it is the last one of this repository
    """
    try:
        slot = slot_named(repo, prefix)
    except NotThere:
        repo.store.barrier()  # a run that was killed may have removed it: who hears that it is gone relies on that
        raise
    if all(slot_id == slot for slot_id, _, _ in _own_slots(repo)):
        raise UnsafeError(
            "this is the last key slot",
            why="without it only a recovery kit opens the repository",
            hint="add another first: pgvault key add",
        )
    repo.store.delete(keyslot.slot_name(slot))
    repo.store.barrier()
    return slot


def slot_named(repo: Open, prefix: str) -> SlotId:
    """Raises  NotThere; UsageError: ambiguous"""
    matches = [slot_id for slot_id, _ in slots(repo.store) if slot_id.hex().startswith(prefix)]
    if not matches:
        raise NotThere(f"no key slot {prefix}", hint="list them with: pgvault key list")
    if len(matches) > 1:
        raise UsageError(f"{prefix} names {len(matches)} key slots", hint="use more digits of the id")
    return matches[0]


def is_opened_by(repo: Open, slot: SlotId, passphrase: str) -> bool:
    """Whether who removes the slot would have to use another passphrase from then on."""
    mine = [slot_id for slot_id, _, data in _own_slots(repo) if _opens(data, passphrase)]
    return mine == [slot]


def _own_slots(repo: Open) -> Iterator[tuple[SlotId, KeySlot, bytes]]:
    """The readable slots of this very repository: not those that an init which did not finish left behind."""
    for slot_id, data in slots(repo.store):
        if isinstance(data, IntegrityError):
            continue
        try:
            slot = keyslot.decode_slot(data)
        except IntegrityError:
            continue
        if slot.repository == repo.config.repository:
            yield slot_id, slot, data


def make_kit(repo: Open, *, clock: Clock, entropy: Entropy) -> str:
    """A fresh recovery kit's text; proven to open before it is returned."""
    return _kit(repo.bundle, repo.config.repository, recordable(clock.now_ms()), entropy)


def _kit(bundle: KeyBundle, repository: RepositoryId, now_ms: int, entropy: Entropy) -> str:
    secret = entropy(32)
    kdf = Kdf(passes=1, memory_kib=KDF_MEMORY_KIB_MIN, lanes=1, salt=entropy(32))
    slot = seal_slot(bundle, secret.hex(), repository=repository, kdf=kdf, label=_KIT_LABEL, created_ms=now_ms)
    text = encode_kit(repository, secret, slot=slot, comments=_KIT_COMMENTS)
    kit = decode_kit(text)
    if open_slot(kit.slot, kit.secret.hex()) != bundle:
        raise UnsafeError("the recovery kit just made does not open", hint="try again; the memory may be faulty")
    return text


_KIT_COMMENTS = (
    "pgvault recovery kit. Whoever holds this text can read every snapshot of the repository.",
    "Keep it apart from the repository: on paper, or in a password manager.",
    "Use it with: PGVAULT_RECOVERY_KIT_FILE=this-file pgvault -r REPOSITORY snapshots",
)


def _put_slot(store: ObjectStore, slot: bytes) -> SlotId:
    slot_id = SlotId(keyed.sha256(slot))
    store.put(keyslot.slot_name(slot_id), slot)
    store.barrier()
    return slot_id


def _opens(data: bytes, passphrase: str) -> bool:
    try:
        open_slot(data, passphrase)
    except IntegrityError:
        return False
    return True


def _label(text: str) -> str:
    if len(text.encode()) > _LABEL_BYTES_MAX:
        raise UsageError("the label is too long", why=f"at most {_LABEL_BYTES_MAX} bytes", hint="choose a shorter one")
    return text
