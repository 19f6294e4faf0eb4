"""Changes of a msgpack value that leave its encoding canonical: a decoder that is strict about bytes is reached through them alone."""

from __future__ import annotations

import random
from typing import Any, Final

import msgpack  # type: ignore[import-untyped]

SCALARS: Final[tuple[Any, ...]] = (
    None, True, False, 0, 1, -1, 2, 127, 128, 255, 256, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**63 - 1, 2**63, 2**64 - 1,
    -(2**63), b"", b"\0", bytes(16), bytes(32), b"\xff" * 32, b"../x", b"/x", b"a//b", "", "a", "é", "é", "full", "f", "d", "l",
    "captured", "failed", "_x", "argon2id", [], {},
)  # fmt: skip


def changed(data: bytes, choice: random.Random) -> bytes | None:
    """Another value's encoding; None if `data` is no msgpack."""
    try:
        value = msgpack.unpackb(data, raw=False, strict_map_key=False)
        for _ in range(choice.randint(1, 3)):
            value = _change(value, choice)
        packed: bytes = msgpack.packb(_in_order(value), use_bin_type=True)
    except (ValueError, TypeError, OverflowError, RecursionError, msgpack.UnpackException):
        return None
    return packed


def _in_order(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _in_order(value[key]) for key in sorted(value)}
    return [_in_order(one) for one in value] if isinstance(value, list) else value


def _change(value: Any, choice: random.Random) -> Any:
    """Go down by chance, and change what is there."""
    if isinstance(value, list | dict) and value and choice.random() < 0.85:
        if isinstance(value, dict):
            key = choice.choice(list(value))
            return {**value, key: _change(value[key], choice)}
        at = choice.randrange(len(value))
        return [*value[:at], _change(value[at], choice), *value[at + 1 :]]
    if isinstance(value, list) and choice.random() < 0.8:
        return _changed_list(value, choice)
    if isinstance(value, dict) and choice.random() < 0.8:
        return _changed_map(value, choice)
    if isinstance(value, int) and not isinstance(value, bool) and choice.random() < 0.5:
        return value + choice.choice((-256, -1, 1, 256))
    if isinstance(value, bytes) and choice.random() < 0.6:
        return _changed_bytes(value, choice)
    if isinstance(value, str) and choice.random() < 0.5:
        return value + choice.choice(("a", "\x1b[2J", "\0", "é", "/", "..")) if choice.random() < 0.7 else value[:-1]
    return choice.choice(SCALARS)


def _changed_list(value: list[Any], choice: random.Random) -> list[Any]:
    at = choice.randint(0, len(value))
    what = choice.randrange(5)
    if what == 0:
        return [*value[:at], choice.choice(SCALARS), *value[at:]]
    if what == 1:
        return value[:at] + value[at + 1 :]
    if what == 2 and value:
        return value * choice.choice((2, 2, 8))
    if what == 3:
        return sorted(value, key=repr)
    return value[::-1]


def _changed_map(value: dict[Any, Any], choice: random.Random) -> dict[Any, Any]:
    key = choice.choice(["_a", "a", "é", "zz", *value])
    if key in value and choice.random() < 0.5:
        return {name: one for name, one in value.items() if name != key}
    return {**value, key: choice.choice(SCALARS)}


def _changed_bytes(value: bytes, choice: random.Random) -> bytes:
    if not value:
        return bytes(choice.choice((1, 16, 32, 84, 88)))
    at = choice.randrange(len(value))
    what = choice.randrange(4)
    if what == 0:
        return value[:at] + bytes([value[at] ^ 1 << choice.randrange(8)]) + value[at + 1 :]
    if what == 1:
        return value[:at]
    return value + value[:at] if what == 2 else value[:at] + bytes([choice.randrange(256)]) + value[at + 1 :]
