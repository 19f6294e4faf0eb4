"""Vectors of chapter 60, digests of generated columns."""

from __future__ import annotations

from blake3 import blake3

from spec.vectors.vector import Collection, Vector
from spec.vectors.write import ID_KEY


def vectors() -> list[Vector]:
    """Of a generated column: BLAKE3 of each field, added."""
    c = Collection("digest", id_key=ID_KEY)
    for name, comment, fields in (
        ("none", "no row", []),
        ("one", "a value", [b"42"]),
        ("null", "NULL as COPY prints it", [b"\\N"]),
        ("empty", "an empty text", [b""]),
        ("two", "the sum", [b"42", b"\\N"]),
        ("two_reversed", "in another order", [b"\\N", b"42"]),
        ("twice", "occurrences count", [b"42", b"42"]),
        ("many", "the sum passes 2^256", [b"%d" % number for number in range(50)]),
    ):
        total = sum(int.from_bytes(blake3(b"\xff" + field, key=ID_KEY).digest()) for field in fields)
        made = {"value": {"digest": (total % 2**256).to_bytes(32)}}
        c.ok(name, "SNAP-20", comment, made, data=b"".join(field + b"\n" for field in fields))
    return c.vectors
