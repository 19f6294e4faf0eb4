"""Passphrase to key-encryption key by Argon2id. Never runs with parameters outside the limits. Spec 20-keys."""

from __future__ import annotations

import unicodedata

from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from vault import limits
from vault.errors import KeyUnavailable, LimitExceeded, Malformed, UsageError
from vault.model import Kdf
from vault.model.words import MORE_THREADS, counted, size

_SALT_BYTES = 32
_KEK_BYTES = 32


def without_line_end(text: str) -> str:
    """A passphrase as a file, a command or a variable gives it: less one LF or CR LF at its very end, and nothing else."""
    return text.removesuffix("\r\n") if text.endswith("\r\n") else text.removesuffix("\n")


def password_bytes(passphrase: str) -> bytes:
    """What goes into Argon2id. Raises  UsageError: the passphrase is not Unicode text"""
    try:
        return unicodedata.normalize("NFC", passphrase).encode("utf-8")
    except UnicodeEncodeError:
        raise UsageError("the passphrase is not valid UTF-8 text") from None


def derive_kek(passphrase: str, kdf: Kdf) -> bytes:
    """Derive 32 bytes from the NFC form of `passphrase`. Takes `kdf.memory_kib` of memory.

    Raises  LimitExceeded: a parameter is below its floor or above its ceiling; Malformed: the salt is not 32 bytes;
            UsageError: the passphrase is not Unicode text; KeyUnavailable: not enough memory, or no thread for a lane
    """
    _check(kdf)
    secret = password_bytes(passphrase)
    derivation = Argon2id(
        salt=kdf.salt, length=_KEK_BYTES, iterations=kdf.passes, lanes=kdf.lanes, memory_cost=kdf.memory_kib
    )
    try:
        return derivation.derive(secret)
    except MemoryError as error:
        raise KeyUnavailable(
            "the key cannot be derived: there is not enough memory, or there are too many threads",
            why=f"it takes {size(kdf.memory_kib * 1024)} and {counted(kdf.lanes, 'thread')}",
            hint=MORE_THREADS,
        ) from error


def _check(kdf: Kdf) -> None:
    bounds = (
        ("passes", kdf.passes, limits.KDF_PASSES_MIN, limits.KDF_PASSES_MAX),
        ("memory", kdf.memory_kib, limits.KDF_MEMORY_KIB_MIN, limits.KDF_MEMORY_KIB_MAX),
        ("lanes", kdf.lanes, 1, limits.KDF_LANES_MAX),
    )
    for name, value, low, high in bounds:
        if not low <= value <= high:
            raise LimitExceeded(f"key derivation: {name} is {value}, allowed are {low} to {high}")
    if len(kdf.salt) != _SALT_BYTES:
        raise Malformed(f"key derivation: the salt has {len(kdf.salt)} bytes instead of {_SALT_BYTES}")
