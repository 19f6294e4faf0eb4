"""Delimiters that nothing in a snapshot can contain, so that no definition ends its quotes or a script's fence early. Pure."""

from __future__ import annotations

import hashlib
from typing import Final

from vault.repo.snapshot import Snapshot

_QUOTE_DIGITS: Final = 16


def dollar_quoted(body: str, snapshot: Snapshot, word: str) -> str:
    """`body` as a string constant whose delimiter nothing in the snapshot can contain; `word` tells nested ones apart."""
    delimiter = f"${word}_{fence_key(snapshot)[:_QUOTE_DIGITS]}$"
    return f"{delimiter}{body}{delimiter}"


def fence_key(snapshot: Snapshot) -> str:
    """The snapshot's id is a keyed hash over all that the snapshot holds, so no content can contain it."""
    return hashlib.sha256(b"pgvault restrict " + snapshot.id).hexdigest()
