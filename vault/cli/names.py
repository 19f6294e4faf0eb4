"""How users name a place in a snapshot: `SNAP`, `SNAP:PATH`. Pure."""

from __future__ import annotations

import re
from typing import Final

from vault.errors import UsageError

_MOMENT: Final = re.compile(r"(\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(?::\d{2})?Z?)(?::(.*))?", re.DOTALL)


def split_path(text: str) -> tuple[str, str]:
    """Snapshot and path; the path is empty when none is named. A moment keeps its colons."""
    if match := _MOMENT.fullmatch(text):
        return match[1], match[2] or ""
    snapshot, _, path = text.partition(":")
    if not snapshot:
        raise UsageError(f"{text!r} names no snapshot", hint="latest:PATH")
    return snapshot, path
