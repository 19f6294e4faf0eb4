"""Turn a passphrase or a recovery kit into the repository's keys, and make key slots.

Never stores a passphrase. Entropy and clock values are arguments. Spec 20-keys.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from vault.crypto import aead, keyed
from vault.crypto.kdf import derive_kek
from vault.crypto.keys import Keys
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
from vault.format import config as config_format
from vault.format import envelope, keyslot
from vault.format.kit import decode_kit
from vault.ids import RepositoryId, SlotId
from vault.limits import (
    CUT_SEED_MAX,
    FILE_BYTES_MAX,
    FORMAT_VERSION,
    KDF_LANES,
    KDF_MEMORY_KIB,
    KDF_PASSES,
    SLOT_BYTES_MAX,
)
from vault.model import Codec, FileKind, Kdf, KeyBundle, KeySlot, RepositoryConfig
from vault.pipeline.compress import compress, decompress, frame_length
from vault.ports import Entropy, ObjectStore, StoredFile
from vault.repo.glance import Glance, listed


def draw_bundle(entropy: Entropy) -> KeyBundle:
    seed = 1 + int.from_bytes(entropy(16), "big") % CUT_SEED_MAX
    return KeyBundle(id_key=entropy(32), root=entropy(32), cut_seed=seed)


def default_kdf(entropy: Entropy) -> Kdf:
    return Kdf(passes=KDF_PASSES, memory_kib=KDF_MEMORY_KIB, lanes=KDF_LANES, salt=entropy(32))


def seal_slot(
    bundle: KeyBundle, passphrase: str, *, repository: RepositoryId, kdf: Kdf, label: str, created_ms: int
) -> bytes:
    """A key slot file. It is opened again before it is returned."""
    slot = KeySlot(repository=repository, kdf=kdf, label=label, created_ms=created_ms, wrapped=b"")
    wrapped = aead.seal(
        derive_kek(passphrase, kdf),
        nonce=envelope.NONCE,
        plain=keyslot.encode_bundle(bundle),
        aad=keyslot.slot_aad(slot),
    )
    data = keyslot.encode_slot(
        KeySlot(repository=repository, kdf=kdf, label=label, created_ms=created_ms, wrapped=wrapped)
    )
    if open_slot(data, passphrase) != bundle:
        raise AuthenticationFailed("the key slot just made does not open", hint="try again; the memory may be faulty")
    return data


def open_slot(data: bytes, passphrase: str) -> KeyBundle:
    """Raises  Malformed, LimitExceeded, Unsupported; AuthenticationFailed: wrong passphrase or changed bytes"""
    slot = keyslot.decode_slot(data)
    plain = aead.unseal(
        derive_kek(passphrase, slot.kdf), nonce=envelope.NONCE, sealed=slot.wrapped, aad=keyslot.slot_aad(slot)
    )
    return keyslot.decode_bundle(plain)


def slots(
    store: ObjectStore, files: Iterable[StoredFile] | None = None
) -> Iterator[tuple[SlotId, bytes | IntegrityError]]:
    """Every file under keys/, with what is wrong with it instead of its bytes if it is damaged. `files`: if they were listed already"""
    for stored in store.list("keys/") if files is None else files:
        slot_id = keyslot.parse_slot_name(stored.name)
        if slot_id is None:
            continue
        if stored.size > SLOT_BYTES_MAX:
            yield slot_id, LimitExceeded("key slot is too long", file=stored.name)
            continue
        try:
            data = store.get(stored.name)
        except NotFound:
            continue  # removed between the listing and the reading
        except IntegrityError as error:
            yield slot_id, error
            continue
        if keyed.sha256(data) != slot_id:
            yield (
                slot_id,
                ContentMismatch("key slot is damaged", why="its bytes do not match its name", file=stored.name),
            )
        else:
            yield slot_id, data


_LISTINGS_MAX: Final = 3
_MEND_CONFIG: Final = "restore the file 'config' from a copy; the recovery kit opens the repository without it"


_MEND_SLOTS: Final = (
    "restore the files of keys/ from a copy; the recovery kit opens the repository without them, and makes a new one: "
    "PGVAULT_RECOVERY_KIT_FILE=kit.txt pgvault key add"
)


def unlock(
    store: ObjectStore, passphrase: str, *, config_file: bytes | None = None, glance: Glance | None = None
) -> tuple[RepositoryConfig, Keys, KeyBundle]:
    """Open the first slot that the passphrase fits, the cheapest first, and check the configuration with it.

    Slots are not authentic before they open: a forged one may ask for the dearest derivation, so it is tried last.

    config_file, glance  the configuration and a listing, if they were just read

    Raises  NoRepository; WrongPassphrase: no slot opens; IntegrityError: configuration or every slot damaged, or no slot there
    """
    try:
        signed, mac = _config_parts(store, config_file)
        config = config_format.decode_config(signed)
    except IntegrityError as error:
        error.file, error.hint = config_format.CONFIG_NAME, error.hint or _MEND_CONFIG
        raise
    files = listed(glance, store, "keys/")
    for _ in range(_LISTINGS_MAX):
        candidates, foreign, damaged = _candidates(store, config.repository, files)
        for _, slot_id, data in sorted(candidates):
            try:
                bundle = open_slot(data, passphrase)
            except AuthenticationFailed:
                continue
            except IntegrityError as error:
                error.file = keyslot.slot_name(slot_id)
                damaged.append(error)
                continue
            keys = Keys.derive(bundle)
            _check_config(keys, signed, mac)
            return config, keys, bundle
        tried, files = files, tuple(store.list("keys/"))
        if [stored.name for stored in tried] == [stored.name for stored in files]:
            break  # else somebody put another slot, and perhaps removed the one that the passphrase fitted
    if foreign and not candidates:
        raise AuthenticationFailed(
            "the configuration and the key slots belong to different repositories",
            why="the file 'config' was changed, or keys/ was",
            hint=_MEND_CONFIG,
            file=config_format.CONFIG_NAME,
        )
    if not candidates:
        raise _without_slots(store.url, damaged)
    names = ", ".join(error.file for error in damaged)
    raise WrongPassphrase(
        "wrong passphrase",
        why=f"no key slot of {store.url} opens with it" + (f"; damaged and skipped: {names}" if names else ""),
        hint="check where it comes from (PGVAULT_PASSWORD and its kin, else [repository] of pgvault.toml, else what was typed), "
        "or use the recovery kit (PGVAULT_RECOVERY_KIT_FILE)",
    )


def _without_slots(url: str, damaged: Sequence[IntegrityError]) -> IntegrityError:
    """No passphrase was tried, so none was found wrong. `damaged`: what is wrong with each slot that is there"""
    if newer := [error for error in damaged if isinstance(error, Unsupported)]:
        return newer[0]
    if damaged:
        names = ", ".join(error.file for error in damaged)
        return AuthenticationFailed("every key slot is damaged", why=names, hint=_MEND_SLOTS, file="keys/")
    return AuthenticationFailed(
        "no key slot is there", why=f"keys/ of {url} holds none", hint=_MEND_SLOTS, file="keys/"
    )


def _candidates(
    store: ObjectStore, repository: RepositoryId, files: Iterable[StoredFile]
) -> tuple[list[tuple[int, SlotId, bytes]], int, list[IntegrityError]]:
    """(cost of the derivation, id, bytes) of each slot of the repository; how many are of another; what is wrong with the rest."""
    candidates: list[tuple[int, SlotId, bytes]] = []
    damaged: list[IntegrityError] = []
    foreign = 0
    for slot_id, data in slots(store, files):
        try:
            if isinstance(data, IntegrityError):
                raise data
            slot = keyslot.decode_slot(data)
        except IntegrityError as error:
            error.file = keyslot.slot_name(slot_id)
            damaged.append(error)
            continue
        if slot.repository == repository:
            candidates.append((slot.kdf.passes * slot.kdf.memory_kib, slot_id, data))
        else:
            foreign += 1
    return candidates, foreign, damaged


def unlock_with_kit(store: ObjectStore, text: str) -> tuple[RepositoryConfig, Keys, KeyBundle]:
    """Open with a recovery kit alone; works without keys/ and with config missing or damaged (`check` names it).

    Raises  Malformed: no intact kit; WrongPassphrase: the kit of another repository; Unsupported: a newer repository
    """
    kit = decode_kit(text)
    bundle = open_slot(kit.slot, kit.secret.hex())
    keys = Keys.derive(bundle)
    own = RepositoryConfig(repository=kit.repository, version=FORMAT_VERSION, features=(), created_ms=0)
    try:
        config = config_format.decode_config(_config_parts(store)[0])
    except Unsupported:
        raise
    except (NoRepository, IntegrityError):
        return own, keys, bundle
    if config.repository != kit.repository:
        raise WrongPassphrase(
            "the recovery kit belongs to another repository",
            hint="look for the kit of this one; if the file 'config' is damaged, move it away",
        )
    try:
        return verified_config(store, keys), keys, bundle
    except AuthenticationFailed:
        return own, keys, bundle


def verified_config(store: ObjectStore, keys: Keys) -> RepositoryConfig:
    """The configuration as stored. Raises  NoRepository: there is none; IntegrityError: it was changed"""
    signed, mac = _config_parts(store)
    config = config_format.decode_config(signed)
    _check_config(keys, signed, mac)
    return config


def claimed_repository(store: ObjectStore) -> RepositoryId | None:
    """What `config` says without a key to prove it; None if it cannot be read."""
    try:
        return config_format.decode_config(_config_parts(store)[0]).repository
    except (NoRepository, IntegrityError):
        return None


def signed_config(config: RepositoryConfig, keys: Keys) -> bytes:
    signed = config_format.encode_config(config)
    return signed + keyed.mac(keys.config_mac_key, signed)


def _config_parts(store: ObjectStore, data: bytes | None = None) -> tuple[bytes, bytes]:
    """`data`: the file, if it was read already."""
    try:
        data = store.get(config_format.CONFIG_NAME) if data is None else data
    except NotFound as error:
        raise NoRepository(
            f"no repository at {store.url}",
            why="it has no file 'config'",
            hint="create one with: pgvault init, or check -r / PGVAULT_REPOSITORY",
        ) from error
    return config_format.split_config(data)


def _check_config(keys: Keys, signed: bytes, mac: bytes) -> None:
    try:
        keyed.verify_mac(keys.config_mac_key, signed, expected=mac, what="configuration")
    except AuthenticationFailed as error:
        raise AuthenticationFailed(
            "the repository's configuration was changed",
            why=error.message,
            hint=_MEND_CONFIG,
            file=config_format.CONFIG_NAME,
        ) from error


def seal_file(plain: bytes, kind: FileKind, keys: Keys, *, salt: bytes, squeeze: bool) -> bytes:
    """An enveloped file; opened again before it is returned. `squeeze` compresses if that helps."""
    codec, stored = compress(plain) if squeeze else (Codec.RAW, plain)
    header = envelope.encode_header(envelope.EnvelopeHeader(kind=kind, codec=codec, key_id=keys.key_id, salt=salt))
    key = keys.file_key(kind, header, salt)
    data = header + aead.seal(key, nonce=envelope.NONCE, plain=stored, aad=header)
    if unseal_file(data, kind, keys) != plain:
        raise AuthenticationFailed("the file just sealed does not open", hint="try again; the memory may be faulty")
    return data


def unseal_file(data: bytes, kind: FileKind, keys: Keys) -> bytes:
    """Plaintext of an enveloped file. Raises  IntegrityError as spec 20-keys says."""
    if len(data) > FILE_BYTES_MAX:
        raise LimitExceeded("file is too long")
    header_bytes, body = data[: envelope.HEADER_BYTES], data[envelope.HEADER_BYTES :]
    header = envelope.decode_header(header_bytes, kind=kind, key_id=keys.key_id)
    stored = aead.unseal(
        keys.file_key(kind, header_bytes, header.salt), nonce=envelope.NONCE, sealed=body, aad=header_bytes
    )
    if header.codec is Codec.RAW:
        return stored
    return decompress(stored, header.codec, plain_length=frame_length(stored))
