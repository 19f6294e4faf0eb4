"""Keyed ids, split values, MACs: spec 30-object, 60-snapshot, 20-keys."""

from __future__ import annotations

import hashlib

import pytest
from blake3 import blake3

from vault.crypto import keyed
from vault.errors import AuthenticationFailed

KEY = bytes(range(32))


@pytest.mark.spec("OBJ-1")
def test_object_id_is_keyed_hash_of_type_byte_and_plaintext() -> None:
    assert keyed.object_id(KEY, 1, b"row\n") == blake3(b"\x01row\n", key=KEY).digest()
    assert keyed.object_id(KEY, 1, memoryview(b"row\n")) == keyed.object_id(KEY, 1, b"row\n")


@pytest.mark.spec("OBJ-1")
def test_object_id_depends_on_type_and_key() -> None:
    ids = {keyed.object_id(KEY, 1, b"x"), keyed.object_id(KEY, 2, b"x"), keyed.object_id(bytes(32), 1, b"x")}
    assert len(ids) == 3


@pytest.mark.spec("TREE-4")
def test_split_value_is_first_four_bytes_of_keyed_hash() -> None:
    expected = blake3(b"\x00\x03key", key=KEY).digest()[:4]
    assert keyed.split_value(KEY, 3, b"key") == int.from_bytes(expected, "big")


def test_unkeyed_hashes_equal_published_vectors() -> None:
    assert keyed.digest(b"").hex() == "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"
    assert keyed.sha256(b"abc").hex() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_hashes_of_rows_are_keyed_and_of_a_fixed_length() -> None:
    """Without the key, rows that somebody chose could be told from their tags."""
    for fresh, expected in (
        (keyed.row_hash(KEY), blake3(b"row\n", key=KEY).digest()),
        (keyed.tag_hash(KEY), hashlib.blake2b(b"row\n", key=KEY, digest_size=16).digest()),
    ):
        fresh.update(b"row\n")
        assert fresh.digest() == expected


@pytest.mark.spec("KEY-8")
def test_mac_is_refused_for_any_other_byte() -> None:
    code = keyed.mac(KEY, b"data")
    keyed.verify_mac(KEY, b"data", expected=code, what="config")
    for data, expected in ((b"datA", code), (b"data", code[:-1] + b"\x00"), (b"data", b"")):
        with pytest.raises(AuthenticationFailed):
            keyed.verify_mac(KEY, data, expected=expected, what="config")
