"""Which names a store accepts, the same in every store. Pure; never touches a file system.

Invariant: an accepted name is one relative path in every file system and object store, and equal names are equal bytes
(no case folding, no normalisation, no traversal). Spec 70-store.
"""

from __future__ import annotations

import re
from typing import Final

from vault.errors import StoreError

NAME_CHARACTERS_MAX: Final = 255
"""The longest name of the format, an index fragment's, has about 90; every file system takes 255 in one segment."""

TEMPORARY: Final = "tmp"
"""Directory below a local root for files that are being written; no file's name starts with it."""

_ALLOWED: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789._-")
_SEGMENT: Final = re.compile(r"[a-z0-9_-][a-z0-9._-]*")
"""The same at once: a listing asks it of a hundred thousand names."""


def validate_name(name: str) -> None:
    """Accept `name`: segments of [a-z0-9._-]+, joined by `/`, none with a leading dot.

    Raises  StoreError: anything else; `why` is the reason
    """
    reason = _name_fault(name)
    if reason:
        raise StoreError(f"not a name for a stored file: {name!r}", why=reason)


def validate_prefix(prefix: str) -> None:
    """Accept `prefix` of a listing: empty, or the beginning of a valid name.

    Raises  StoreError: no valid name starts with it
    """
    reason = "" if prefix == "" else _name_fault(prefix + "x" if prefix.endswith("/") else prefix)
    if reason:
        raise StoreError(f"not a prefix of stored files: {prefix!r}", why=reason)


def is_segment(text: str) -> bool:
    """Tell whether `text` may stand between two slashes of a name."""
    return _SEGMENT.fullmatch(text) is not None


def is_name(text: str) -> bool:
    """Tell whether `text`, which something in the storage is called, is one: what a listing gives can be asked for."""
    return not _name_fault(text)


def _name_fault(name: str) -> str:
    if name == "":
        return "it is empty"
    if len(name) > NAME_CHARACTERS_MAX:
        return f"it has {len(name)} characters, {NAME_CHARACTERS_MAX} are allowed"
    if name.startswith("/"):
        return "it is absolute"
    segments = name.split("/")
    if len(segments) > 1 and segments[0] == TEMPORARY:
        return f"{TEMPORARY}/ is for files that are being written"
    return next((fault for fault in map(_segment_fault, segments) if fault), "")


def _segment_fault(segment: str) -> str:
    if segment == "":
        return "a segment between slashes is empty"
    if segment.startswith("."):
        return "a segment starts with a dot"
    foreign = sorted(set(segment) - _ALLOWED)
    return f"the character {foreign[0]!r} is not in a-z 0-9 . _ -" if foreign else ""
