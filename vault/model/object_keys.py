"""Keys of a bucket's objects as paths of a directory, and back. Pure. Spec 88-files, "From keys to paths".

Invariant: `key_of(path_of(key, folder=...)) == key` for any bytes; every path is relative and plain, its parts at most
`PART_BYTES_MAX` long; and if `folder` says of each key whether others lie below it, no path is below another one.
"""

from __future__ import annotations

import re
from typing import Final

PART_BYTES_MAX: Final = 255
"""What file systems take as a name."""

_MORE: Final = b"%~"
_ESCAPED: Final = re.compile(rb"%([0-9A-F]{2})")
_UNIT: Final = re.compile(
    rb"%[0-9A-F]{2}|[\x00-\x7f]|[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}|.", re.DOTALL
)
_DOTS: Final = frozenset({b".", b".."})


def path_of(key: bytes, *, folder: bool = False) -> bytes:
    """The path for `key`. `folder`: there are keys that start with `key` and a slash."""
    *above, last = [_escaped(part) for part in key.split(b"/")]
    if folder:
        last += b"%"
    return b"/".join(piece for part in (*above, last) for piece in _pieces(part))


def key_of(path: bytes) -> bytes:
    """The key whose path `path` is; of what is no key's path, itself."""
    parts = _joined(path.split(b"/"))
    last = parts[-1]
    if last.endswith(b"%") and last != b"%":
        parts[-1] = last[:-1]
    key = b"/".join(_unescaped(part) for part in parts)
    return key if path in (path_of(key), path_of(key, folder=True)) else path


def _escaped(part: bytes) -> bytes:
    if not part:
        return b"%"
    if part in _DOTS:
        return part.replace(b".", b"%2E")
    return part.replace(b"%", b"%25").replace(b"\0", b"%00")


def _unescaped(part: bytes) -> bytes:
    return b"" if part == b"%" else _ESCAPED.sub(lambda found: bytes([int(found[1], 16)]), part)


def _pieces(part: bytes) -> list[bytes]:
    if len(part) <= PART_BYTES_MAX:
        return [part]
    pieces: list[bytes] = []
    piece = b""
    for unit in _UNIT.findall(part):
        if len(piece) + len(unit) > PART_BYTES_MAX - len(_MORE):
            pieces.append(piece + _MORE)
            piece = b""
        piece += unit
    return [*pieces, piece]


def _joined(parts: list[bytes]) -> list[bytes]:
    joined: list[bytes] = []
    begun = b""
    for part in parts:
        if part.endswith(_MORE):
            begun += part[: -len(_MORE)]
        else:
            joined.append(begun + part)
            begun = b""
    return joined or [begun]
