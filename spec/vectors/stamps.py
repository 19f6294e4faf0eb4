"""Vectors of chapter 60, stamps: what a bucket said of an object that became a file."""

from __future__ import annotations

from typing import Any

from spec.vectors.trees import DIRECTORY, FILE, LINK
from spec.vectors.vector import Collection, Vector
from spec.vectors.write import FILES, encode

STAMP: dict[str, Any] = {
    "attributes": {"content-type": "image/png", "meta-owner": "ä"},
    "etag": '"d41d8cd98f00b204e9800998ecf8427e"',
    "version": "",
}


def vectors() -> list[Vector]:
    """Files, each in a leaf alone."""
    c = Collection("node")
    t16 = "TREE-16 ENC-12"
    longest = {**STAMP, "version": "v" * (2**14 - len(_texts(STAMP)))}
    for name, spec, layer, comment, item in (
        ("fields_12", t16, "malformed", "one field after the stamp", [*FILE, STAMP, 0]),
        ("whole", "TREE-16", "ok", "of an object of a bucket", [*FILE, STAMP]),
        ("empty", "TREE-16", "ok", "a bucket that says nothing", [*FILE, {"attributes": {}, "etag": "", "version": ""}]),
        ("ancillary", "TREE-16 ENC-10", "ok", "with an ancillary key", [*FILE, {**STAMP, "_class": "STANDARD"}]),
        ("longest", "TREE-16", "ok", "16 KiB", [*FILE, longest]),
        ("too_long", "TREE-16", "limit", "16 KiB + 1", [*FILE, {**longest, "etag": STAMP["etag"] + "x"}]),
        ("key_other", "TREE-16 ENC-10", "unsupported", "an unknown key", [*FILE, {**STAMP, "acl": ""}]),
        ("key_lacking", "TREE-16 ENC-11", "malformed", "no version", [*FILE, {"attributes": {}, "etag": ""}]),
        ("nil", t16, "malformed", "nil for none", [*FILE, None]),
        ("etag_bytes", t16, "malformed", "an etag as bytes", [*FILE, {**STAMP, "etag": b"x"}]),
        ("attribute_integer", t16, "malformed", "a number", [*FILE, {**STAMP, "attributes": {"expires": 1}}]),
        ("of_a_link", "TREE-16", "malformed", "a link out of a bucket", [*LINK, STAMP]),
        ("of_a_directory", "TREE-16", "malformed", "a directory out of a bucket", [*DIRECTORY, STAMP]),
    ):  # fmt: skip
        c.refuse(f"item_stamp_{name}", spec, layer, comment, data=encode([0, [item]]), node_type=FILES)
    return c.vectors


def _texts(stamp: dict[str, Any]) -> bytes:
    """All texts of a stamp that count, one after the other."""
    attributes = stamp["attributes"]
    return "".join([stamp["etag"], stamp["version"], *attributes, *attributes.values()]).encode()
