"""Names of repository files: a directory and the lower-case hex of a 32-byte id. Spec 20 to 60, each chapter's title."""

from __future__ import annotations

import re
from typing import Final

_HEX_ID: Final = re.compile(r"[0-9a-f]{64}")


def hex_name(directory: str, identifier: bytes) -> str:
    """`identifier`: 32 bytes."""
    return f"{directory}/{identifier.hex()}"


def parse_hex_name(directory: str, name: str) -> bytes | None:
    """Inverse of `hex_name`; None for any other name."""
    head, slash, tail = name.partition("/")
    if head != directory or not slash or _HEX_ID.fullmatch(tail) is None:
        return None
    return bytes.fromhex(tail)
