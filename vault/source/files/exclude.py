"""Patterns of paths that a backup of a directory leaves out, in gitignore's syntax.

A pattern is relative to the directory that is backed up. As with git, a directory that is left out is not entered, so what
is below it cannot be taken back by a later `!pattern`. Pure.

The reader is our own, because a scan asks about every directory before what is in it, and a pattern must match the path
itself. pathspec's also match what lies below a match: `*`, `!*/`, `!*.log` then leaves out `dir/b.log`, and `dir/**`
leaves out `dir`. Bytes, as git: `?` is one byte.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import Final

from vault.errors import UsageError

_CLASSES: Final = {
    b"alnum": rb"0-9A-Za-z",
    b"alpha": rb"A-Za-z",
    b"blank": rb" \t",
    b"cntrl": rb"\x00-\x1f\x7f",
    b"digit": rb"0-9",
    b"graph": rb"!-~",
    b"lower": rb"a-z",
    b"print": rb" -~",
    b"punct": rb"!-/:-@\[-`{-~",
    b"space": rb" \t-\r",
    b"upper": rb"A-Z",
    b"xdigit": rb"0-9A-Fa-f",
}
_STARS: Final = re.compile(rb"\*+")
_CLASS: Final = re.compile(rb"\[:([^\]:]*):\]")
_ONE: Final = re.compile(rb"\\(.)|([^\\])", re.DOTALL)
_NOT_SPACED: Final = re.compile(rb"((?:\\.|[^\\])*?) *", re.DOTALL)


class Exclude:
    """Of several patterns that match, the last decides."""

    def __init__(self, patterns: Sequence[str]) -> None:
        """Raises  UsageError: one that is no pattern, or that can match nothing (empty, a comment, `/`)"""
        self._rules = tuple(_Rule(pattern) for pattern in patterns)

    def pattern_for(self, path: bytes, *, directory: bool) -> str | None:
        """The pattern that leaves `path` out; None if it is taken. A directory above it was asked about before."""
        for rule in reversed(self._rules):
            if rule.matches(path, directory=directory):
                return rule.pattern if rule.leaves_out else None
        return None


class _Rule:
    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        text = os.fsencode(pattern)
        spaced = _NOT_SPACED.fullmatch(text)
        if spaced is None or text.startswith(b"#") or b"\n" in text:
            raise _no_pattern(pattern)
        text = spaced[1]
        self.leaves_out = not text.startswith(b"!")
        text = text.removeprefix(b"!")
        self._directories = text.endswith(b"/")
        text = text.removesuffix(b"/")
        self._whole = b"/" in text
        text = text.removeprefix(b"/")
        if not text:
            raise _no_pattern(pattern)
        try:
            self._match = re.compile(_expression(text), re.DOTALL).fullmatch
        except ValueError as error:
            raise _no_pattern(pattern) from error

    def matches(self, path: bytes, *, directory: bool) -> bool:
        if self._directories and not directory:
            return False
        return self._match(path if self._whole else path.rpartition(b"/")[2]) is not None


def _no_pattern(pattern: str) -> UsageError:
    return UsageError(
        f"--exclude {pattern}: not a pattern",
        why="it is empty, a comment, or not in gitignore's syntax",
        hint="--exclude node_modules, --exclude '*.log', --exclude /build/",
    )


def _expression(text: bytes) -> bytes:
    """Regular expression for whole paths. Raises  ValueError: an open bracket, an unknown class, a backslash at the end"""
    found: list[bytes] = []
    at = 0
    while at < len(text):
        sign = text[at : at + 1]
        if stars := _STARS.match(text, at):
            at = stars.end()
            alone = len(stars[0]) > 1 and text[: stars.start()][-1:] in {b"", b"/"} and text[at : at + 1] in {b"", b"/"}
            if alone and text[at : at + 1]:
                at += 1
                found.append(rb"(?:.*/)?")
            else:
                found.append(rb".*" if alone else rb"[^/]*")
        elif sign == b"?":
            at += 1
            found.append(rb"[^/]")
        elif sign == b"[":
            one, at = _bracket(text, at + 1)
            found.append(one)
        else:
            one, at = _literal(text, at)
            found.append(re.escape(one))
    return b"".join(found)


def _literal(text: bytes, at: int) -> tuple[bytes, int]:
    found = _ONE.match(text, at)
    if found is None:
        raise ValueError("ends too early")
    return found[1] or found[2], found.end()


def _bracket(text: bytes, at: int) -> tuple[bytes, int]:
    """`at`: behind the opening bracket. A slash is never matched, whatever the bracket says."""
    negated = text[at : at + 1] in {b"!", b"^"}
    at += negated
    members: list[bytes] = []
    first = at
    while at == first or text[at : at + 1] != b"]":
        if named := _CLASS.match(text, at):
            if named[1] not in _CLASSES:
                raise ValueError("unknown class")
            members.append(_CLASSES[named[1]])
            at = named.end()
            continue
        low, at = _literal(text, at)
        high = low
        if text[at : at + 1] == b"-" and text[at + 1 : at + 2] not in {b"", b"]"}:
            high, at = _literal(text, at + 1)
        members.append(
            re.escape(low) + b"-" + re.escape(max(low, high))
        )  # git takes the first of a range that descends
    return rb"(?!/)[" + (b"^" if negated else b"") + b"".join(members) + b"]", at + 1
