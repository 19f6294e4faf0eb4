"""Header of enveloped files, against bytes written by hand: spec 20-keys."""

from __future__ import annotations

import pytest

from vault.errors import AuthenticationFailed, IntegrityError, Malformed, Unsupported
from vault.format import envelope
from vault.format.envelope import EnvelopeHeader
from vault.ids import KeyId
from vault.model import Codec, FileKind

KEY_ID = KeyId(b"\x11" * 8)
HEADER = EnvelopeHeader(kind=FileKind.SNAPSHOT, codec=Codec.ZSTD, key_id=KEY_ID, salt=b"\x22" * 24)
ENCODED = b"PGVAULTF" + b"\x01\x02\x01\x00" + b"\x11" * 8 + b"\x22" * 24


def patched(offset: int, byte: int) -> bytes:
    return ENCODED[:offset] + bytes((byte,)) + ENCODED[offset + 1 :]


def test_header_has_the_layout_of_the_spec() -> None:
    assert envelope.encode_header(HEADER) == ENCODED
    assert len(ENCODED) == envelope.HEADER_BYTES == 44
    assert envelope.decode_header(ENCODED + b"body", kind=FileKind.SNAPSHOT, key_id=KEY_ID) == HEADER


@pytest.mark.parametrize(
    ("fault", "data", "error"),
    [
        ("short", ENCODED[:-1], Malformed),
        ("magic", patched(7, 0), Malformed),
        ("version 0", patched(8, 0), Malformed),
        ("version 2", patched(8, 2), Unsupported),
        ("another kind", patched(9, 1), Malformed),
        ("unknown kind", patched(9, 7), Malformed),
        ("delta codec", patched(10, 2), Unsupported),
        ("unknown codec", patched(10, 3), Unsupported),
        ("reserved byte", patched(11, 1), Malformed),
        ("another key", patched(12, 0), AuthenticationFailed),
    ],
)
def test_damaged_header_is_refused(fault: str, data: bytes, error: type[IntegrityError]) -> None:
    with pytest.raises(error):
        envelope.decode_header(data, kind=FileKind.SNAPSHOT, key_id=KEY_ID)
