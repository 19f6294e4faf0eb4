"""Vectors of chapter 60, generated columns: digests of their values, and values beside an extent's rows."""

from __future__ import annotations

from spec.vectors.trees import BIG, CHUNK, DIGESTED, EXTENT, changed
from spec.vectors.vector import Collection, Vector
from spec.vectors.write import EXTENTS, ID_KEY, ZEROS, digest, encode, fixed

VALUED = changed(DIGESTED, _6=[[CHUNK], None])


def vectors() -> list[Vector]:
    return [*_digests(), *_values()]


def _digests() -> list[Vector]:
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
        data = b"".join(field + b"\n" for field in fields)
        c.ok(name, "SNAP-20", comment, {"value": {"digest": digest(fields)}}, data=data)
    return c.vectors


def _values() -> list[Vector]:
    """Extents, each in a leaf alone."""
    c = Collection("node")
    for name, spec, layer, comment, item in (
        ("digests", "TREE-14", "ok", "of two generated columns", changed(EXTENT, _5=[fixed("one"), fixed("two")])),
        ("digest_short", "ENC-12", "malformed", "31 bytes", changed(EXTENT, _5=[ZEROS[:31]])),
        ("fields_6", "ENC-12", "malformed", "no values", EXTENT[:6]),
        ("values", "TREE-15", "ok", "of a generated column", VALUED),
        ("values_empty", "TREE-15", "ok", "of no row", [0, 1, 0, 0, [[], None], [ZEROS], [[], None]]),
        ("values_in_list", "TREE-15", "ok", "in nine chunks", changed(VALUED, _6=[[], BIG])),
        ("values_alone", "TREE-15", "malformed", "values without digests", changed(VALUED, _5=[])),
        (
            "values_continue",
            "TREE-11 TREE-15",
            "malformed",
            "their last chunk continues",
            changed(VALUED, _6=[[changed(CHUNK, _2=True)], None]),
        ),
        ("values_integer", "ENC-12", "malformed", "0 for nil", changed(VALUED, _6=0)),
        ("values_both", "TREE-7 TREE-15", "malformed", "inline and in a list", changed(VALUED, _6=[[CHUNK], BIG])),
    ):
        c.refuse(f"item_extent_{name}", spec, layer, comment, data=encode([0, [item]]), node_type=EXTENTS)
    return c.vectors
