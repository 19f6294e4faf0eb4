"""Derivation of every key from the root: spec 20-keys, against HKDF written out with hmac."""

from __future__ import annotations

import hashlib
import hmac

from vault.crypto.keys import Keys
from vault.model import FileKind, KeyBundle, LocalKind, PackClass

BUNDLE = KeyBundle(id_key=b"i" * 32, root=b"r" * 32, cut_seed=987654321987)
KEYS = Keys.derive(BUNDLE)


def hkdf(key: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    """RFC 5869 for at most one block."""
    extracted = hmac.digest(salt or bytes(32), key, hashlib.sha256)
    return hmac.digest(extracted, info + b"\x01", hashlib.sha256)[:length]


def test_bundle_fields_are_taken_as_they_are() -> None:
    assert (KEYS.id_key, KEYS.cut_seed) == (BUNDLE.id_key, BUNDLE.cut_seed)


def test_keys_follow_the_derivation_table() -> None:
    root = BUNDLE.root
    assert KEYS.key_id == hkdf(root, b"", b"pgvault/1/key-id", 8)
    assert KEYS.config_mac_key == hkdf(root, b"", b"pgvault/1/config", 32)
    purpose = hkdf(root, b"", b"pgvault/1/file\x00\x02", 32)
    file_key = hkdf(purpose, b"salt", b"pgvault/1/file-key\x00HEADER", 32)
    assert KEYS.file_key(FileKind.SNAPSHOT, b"HEADER", b"salt") == file_key
    class_key = hkdf(root, b"", b"pgvault/1/pack\x00\x01", 32)
    pack_key = hkdf(class_key, b"salt", b"pgvault/1/pack-key\x00HEADER", 32)
    assert KEYS.pack_key(PackClass.DATA, b"HEADER", b"salt") == pack_key
    first, second = KEYS.local_key(LocalKind.MANIFESTS)
    assert first == hkdf(root, b"", b"pgvault/1/local\x00\x02", 32)
    assert len(second) == 32


def test_no_two_purposes_share_a_key() -> None:
    derived = [KEYS.file_key(kind, b"h", b"s") for kind in FileKind]
    derived += [KEYS.pack_key(pack_class, b"h", b"s") for pack_class in PackClass]
    derived += [KEYS.file_key(FileKind.INDEX, b"H", b"s"), KEYS.file_key(FileKind.INDEX, b"h", b"S")]
    derived += [key for kind in LocalKind for key in KEYS.local_key(kind)]
    derived += [KEYS.config_mac_key, KEYS.id_key]
    assert len(set(derived)) == len(derived)


def test_no_secret_shows_in_a_repr() -> None:
    for shown in (repr(KEYS), repr(BUNDLE)):
        assert not any(secret in shown for secret in ("iiii", "rrrr", "987654321987", repr(KEYS.config_mac_key)))
