"""What a client keeps of a repository outside of it: in its state directory, or in its cache. Spec 20-keys, local records.

Authentic and private: sealed under a key from the root, so nobody without the repository's keys can make or read one. It proves nothing
else: it may be gone, or an older one may have been put back. Files are 0600, replaced as a whole, and owned by this program alone.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from vault.crypto import aead, keyed
from vault.crypto.keys import Keys
from vault.errors import AuthenticationFailed
from vault.ids import RepositoryId
from vault.model import LocalKind

_NONCE_BYTES: Final = 12


class Sealer:
    """Seals and opens local records of one kind. Thread-safe.

    The nonce is drawn from what is sealed: equal nonces then mean equal bytes, also after a fork or on a machine that was put back.
    """

    def __init__(self, keys: Keys, kind: LocalKind, repository: RepositoryId) -> None:
        self._key, self._nonce_key = keys.local_key(kind)
        self._bound = bytes((kind,)) + repository

    def seal(self, plain: bytes, *, name: bytes = b"") -> bytes:
        """nonce || sealed bytes; they open under the same `name` alone."""
        aad = self._bound + name
        nonce = keyed.mac(self._nonce_key, len(aad).to_bytes(8, "big") + aad + plain)[:_NONCE_BYTES]
        return nonce + aead.seal(self._key, nonce=nonce, plain=plain, aad=aad)

    def unseal(self, data: bytes | memoryview, *, name: bytes = b"") -> bytes:
        """Raises  AuthenticationFailed"""
        if len(data) < _NONCE_BYTES:
            raise AuthenticationFailed("sealed bytes are shorter than their nonce")
        nonce, sealed = bytes(data[:_NONCE_BYTES]), data[_NONCE_BYTES:]
        return aead.unseal(self._key, nonce=nonce, sealed=sealed, aad=self._bound + name)

    def file_name(self, word: str) -> str:
        """A file's name that tells nobody what it is about."""
        return keyed.mac(self._nonce_key, b"name\0" + word.encode())[:16].hex()


def load(path: Path) -> bytes | None:
    """The file's bytes; None if there is none. Raises  OSError"""
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None


def save(path: Path, data: bytes) -> None:
    """Replace the file as a whole; a reader sees the old one or the new one. Raises  OSError"""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
