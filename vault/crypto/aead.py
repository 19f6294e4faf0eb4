"""AES-256-GCM with a 16-byte tag at the end. Never draws a nonce: the caller proves that (key, nonce) is used once.

Spec 30-object (sealing), 20-keys (envelopes, slots).
"""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from vault.errors import AuthenticationFailed
from vault.limits import TAG_BYTES


def seal(key: bytes, *, nonce: bytes, plain: bytes | memoryview, aad: bytes) -> bytes:
    """Encrypt and authenticate. `key`: 32 bytes, `nonce`: 12 bytes. Returns ciphertext || tag."""
    return AESGCM(key).encrypt(nonce, plain, aad)


def unseal(key: bytes, *, nonce: bytes, sealed: bytes | memoryview, aad: bytes) -> bytes:
    """Inverse of `seal`.

    Raises  AuthenticationFailed: key, nonce, `aad` or bytes are not those that were sealed
    """
    if len(sealed) < TAG_BYTES:
        raise AuthenticationFailed("sealed bytes are shorter than their tag")
    try:
        return AESGCM(key).decrypt(nonce, sealed, aad)
    except InvalidTag as error:
        why = "they were changed, or damaged where they are stored"
        raise AuthenticationFailed("sealed bytes do not match their tag", why=why) from error
