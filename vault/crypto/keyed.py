"""Hashes: the keyed id of an object, the keyed split value of a list key, MACs, and the two unkeyed ones.

Never compares secrets in variable time. Invariant: an id depends on id key, type and plaintext, on nothing else.
Spec 30-object, 60-snapshot (splitting), 20-keys (configuration).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from typing import Final

from blake3 import blake3

from vault.errors import AuthenticationFailed
from vault.ids import ObjectId

DIGEST_MODULUS: Final = 1 << 256
TagHash = hashlib.blake2b
_FIELD: Final = b"\xff"
"""No object has this type, and no node this level: a digest says nothing about an id."""


def object_id(id_key: bytes, object_type: int, plain: bytes | memoryview) -> ObjectId:
    """Name `plain` of the given type. `id_key`: 32 bytes."""
    return ObjectId(blake3(bytes((object_type,)), key=id_key).update(plain).digest())


def split_value(id_key: bytes, level: int, key: bytes) -> int:
    """Draw the number, 0 .. 2^32-1, that decides whether a node of `level` ends after the member with `key`."""
    return int.from_bytes(blake3(bytes((0, level)) + key, key=id_key).digest(length=4), "big")


def fields_digest(id_key: bytes, fields: Iterable[bytes]) -> int:
    """Sum modulo 2^256 over `fields`, in any order. What parts give adds up, modulo 2^256, to what the whole gives."""
    total = sum(int.from_bytes(blake3(_FIELD + field, key=id_key).digest(), "big") for field in fields)
    return total % DIGEST_MODULUS


def row_hash(key: bytes) -> blake3:
    """An unfinished hash, to be copied for each row that is compared. `key`: 32 bytes, drawn for one comparison, never an id key."""
    return blake3(key=key)


def tag_hash(key: bytes) -> TagHash:
    """An unfinished hash of 16 bytes, to be copied as `row_hash`: keyed BLAKE2b, which is quicker for rows one at a time."""
    return hashlib.blake2b(key=key, digest_size=16)


def mac(key: bytes, data: bytes) -> bytes:
    """32 bytes that only a holder of `key` can make."""
    return blake3(data, key=key).digest()


def verify_mac(key: bytes, data: bytes, *, expected: bytes, what: str) -> None:
    """Raises  AuthenticationFailed: `expected` is not the MAC of `data`"""
    if not hmac.compare_digest(mac(key, data), expected):
        raise AuthenticationFailed(f"{what}: its authentication code does not match")


def digest(data: bytes | memoryview) -> bytes:
    """Unkeyed BLAKE3, 32 bytes; only for the header in the AAD and for files of the local cache."""
    return blake3(data).digest()


def sha256(data: bytes | memoryview) -> bytes:
    """Names of files that anybody may check without a key."""
    return hashlib.sha256(data).digest()
