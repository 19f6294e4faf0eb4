"""Vectors of kind `cut`: where a writer cuts fixed data. Chapter 65, written out without any package for it."""

from __future__ import annotations

import hashlib
from typing import Any

from spec.vectors.vector import Collection, Vector

KIB = 1 << 10
MIB = 1 << 20
MIN, AVERAGE, MAX, CHUNK_MAX = 128 * KIB, 512 * KIB, 768 * KIB, MIB
MASK_BEFORE_AVERAGE = 0x0000D91747537000
MASK_AFTER_AVERAGE = 0x0000D90707537000
WORD = (1 << 64) - 1
GEAR = [int.from_bytes(hashlib.md5(bytes([byte]) * 64, usedforsecurity=False).digest()[:8]) for byte in range(256)]


def first_cut(data: bytes, start: int, gear: list[int]) -> int:
    """Length of the first piece of data[start:]; at most MAX."""
    left = min(len(data) - start, MAX)
    if left <= MIN:
        return left
    value = 0
    for length in range(MIN, left - left % 2):
        value = ((value << 1) + gear[data[start + length]]) & WORD
        if not value & (MASK_BEFORE_AVERAGE if length < AVERAGE else MASK_AFTER_AVERAGE):
            return length
    return left


def cut_bytes(data: bytes, seed: int) -> list[int]:
    gear = [word ^ seed for word in GEAR]
    lengths: list[int] = []
    while (start := sum(lengths)) < len(data):
        lengths.append(first_cut(data, start, gear))
    return lengths


def cut_rows(data: bytes, seed: int) -> list[int]:
    gear = [word ^ seed for word in GEAR]
    lengths: list[int] = []
    while (start := sum(lengths)) < len(data):
        cut = start + first_cut(data, start, gear)
        bound = min(start + CHUNK_MAX, len(data))
        after = data.find(b"\n", cut - 1, bound) + 1
        before = data.rfind(b"\n", start, cut) + 1
        lengths.append((after or before or bound) - start)
    return lengths


def shaken(name: str, count: int, line: int = 0) -> tuple[dict[str, Any], bytes]:
    """A recipe, and the bytes that it stands for."""
    data = bytearray(hashlib.shake_256(name.encode()).digest(count))
    if line:
        data = bytearray(bytes(data).replace(b"\n", b" "))
        data[line - 1 :: line] = b"\n" * len(data[line - 1 :: line])
    return {"shake256": name.encode(), "count": count, "line": line}, bytes(data)


def vectors() -> list[Vector]:
    c = Collection("cut")
    seed, other = 0x0123_4567_89AB_CDEF, (1 << 63) - 1

    def bytes_case(name: str, comment: str, made: tuple[dict[str, Any], bytes], key: int = seed) -> None:
        lengths = cut_bytes(made[1], key)
        c.ok(name, "CUT-1 CUT-5", comment, {"value": {"lengths": lengths}}, data=made[0], seed=key, rows=False)

    def rows_case(name: str, comment: str, made: tuple[dict[str, Any], bytes]) -> None:
        lengths = cut_rows(made[1], seed)
        c.ok(name, "CUT-2 CUT-5", comment, {"value": {"lengths": lengths}}, data=made[0], seed=seed, rows=True)

    bytes_case("bytes", "content-defined cuts", shaken("bytes", 3 * MIB))
    bytes_case("bytes_other_seed", "the largest seed cuts elsewhere", shaken("bytes", 2 * MIB), other)
    bytes_case("bytes_seed_1", "the smallest seed", shaken("bytes", MIB), 1)
    bytes_case("bytes_minimum", "as long as the shortest cut", shaken("bytes", MIN))
    bytes_case("bytes_odd_end", "an odd number of bytes", shaken("odd", MIN + 1))
    bytes_case("bytes_none", "nothing", shaken("bytes", 0))
    rows_case("rows", "cuts move forward to the end of a row", shaken("rows", 3 * MIB, line=100))
    rows_case("rows_of_600_kib", "some move back to the end of a row", shaken("rows", 4 * MIB, line=600 * KIB))
    rows_case("rows_longer_than_a_chunk", "cut raw", shaken("rows", 3 * MIB, line=1_500_000))
    return c.vectors
