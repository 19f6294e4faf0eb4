"""Patterns of paths that a backup of a directory leaves out, in gitignore's syntax.

A pattern is relative to the directory that is backed up. As with git, a directory that is left out is not entered, so what
is below it cannot be taken back by a later `!pattern`. Pure.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from pathspec import GitIgnoreSpec

from vault.errors import UsageError


class Exclude:
    """Of several patterns that match, the last decides."""

    def __init__(self, patterns: Sequence[str]) -> None:
        """Raises  UsageError: one that is no pattern, or that can match nothing (empty, a comment, `/`)"""
        for pattern in patterns:
            try:
                read = [parsed for parsed in GitIgnoreSpec.from_lines([pattern]).patterns if parsed.include is not None]
            except ValueError:
                read = []
            if not read or "\n" in pattern:
                raise UsageError(
                    f"--exclude {pattern}: not a pattern",
                    why="it is empty, a comment, or not in gitignore's syntax",
                    hint="--exclude node_modules, --exclude '*.log', --exclude /build/",
                )
        self._patterns = tuple(patterns)
        self._spec = GitIgnoreSpec.from_lines(patterns)

    def pattern_for(self, path: bytes, *, directory: bool) -> str | None:
        """The pattern that leaves `path` out; None if it is taken. A directory above it was asked about before."""
        match = self._spec.check_file(os.fsdecode(path) + ("/" if directory else ""))
        return self._patterns[match.index] if match.include and match.index is not None else None
