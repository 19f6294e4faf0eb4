"""Names of repository files: a directory and the lower-case hex of a 32-byte id. Spec 20 to 60, each chapter's title."""

from __future__ import annotations


def hex_name(directory: str, identifier: bytes) -> str:
    """`identifier`: 32 bytes."""
    return f"{directory}/{identifier.hex()}"


def parse_hex_name(directory: str, name: str) -> bytes | None:
    """Inverse of `hex_name`; None for any other name."""
    if len(name) != len(directory) + 65 or not name.startswith(directory) or name[-65] != "/":
        return None
    try:
        identifier = bytes.fromhex(name[-64:])
    except ValueError:
        return None
    return identifier if identifier.hex() == name[-64:] else None
