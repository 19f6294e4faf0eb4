"""What a client keeps of a repository outside of it: in its state directory, or in its cache. Spec 20-keys, local records.

Authentic and private: sealed under a key from the root, so nobody without the repository's keys can make or read one. It proves nothing
else: it may be gone, or an older one may have been put back. `vault.repo.private` keeps the bytes.
"""

from __future__ import annotations

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
