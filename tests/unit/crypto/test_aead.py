"""AES-256-GCM: spec 30-object, 20-keys."""

from __future__ import annotations

import pytest

from vault.crypto import aead
from vault.errors import AuthenticationFailed

KEY, NONCE, AAD = bytes(32), bytes(12), b"header"


def test_seal_equals_published_vector() -> None:
    """Test case 14 of the GCM specification: key, nonce and one block of zeros."""
    sealed = aead.seal(KEY, nonce=NONCE, plain=bytes(16), aad=b"")
    assert sealed.hex() == "cea7403d4d606b6e074ec5d3baf39d18" + "d0d1c8a799996bf0265b98b5d48ab919"


def test_unseal_returns_what_was_sealed() -> None:
    for plain in (b"", b"x", bytes(1000)):
        sealed = aead.seal(KEY, nonce=NONCE, plain=plain, aad=AAD)
        assert len(sealed) == len(plain) + 16
        assert aead.unseal(KEY, nonce=NONCE, sealed=memoryview(sealed), aad=AAD) == plain


def test_unseal_refuses_any_flipped_bit_and_any_truncation() -> None:
    sealed = aead.seal(KEY, nonce=NONCE, plain=b"plain", aad=AAD)
    for bit in range(8 * len(sealed)):
        changed = bytearray(sealed)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(AuthenticationFailed):
            aead.unseal(KEY, nonce=NONCE, sealed=bytes(changed), aad=AAD)
    for end in range(len(sealed)):
        with pytest.raises(AuthenticationFailed):
            aead.unseal(KEY, nonce=NONCE, sealed=sealed[:end], aad=AAD)


def test_unseal_refuses_other_key_nonce_and_aad() -> None:
    sealed = aead.seal(KEY, nonce=NONCE, plain=b"plain", aad=AAD)
    for key, nonce, aad in (
        (b"\1" * 32, NONCE, AAD),
        (KEY, b"\1" * 12, AAD),
        (KEY, NONCE, b"headeR"),
    ):
        with pytest.raises(AuthenticationFailed) as refused:
            aead.unseal(key, nonce=nonce, sealed=sealed, aad=aad)
        assert refused.value.why == "they were changed, or damaged where they are stored"
