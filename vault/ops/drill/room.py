"""How much of a disk a drill takes: an estimate from what the snapshot says of itself. Pure."""

from __future__ import annotations

from typing import Final

from vault.model import Manifest

_SERVER_BYTES: Final = 320 * 1024 * 1024
"""A new cluster, 40 MB, and the WAL that a server keeps around."""
_ROW_BYTES: Final = 60
"""Header and pointer of a row, and its entries in two indexes."""
_TEXT_PERCENT: Final = 150
"""Of the rows' text: values are rarely longer than their text; the rest is for what indexes hold of them, and for sorting them."""


def room_needed(manifest: Manifest, *, server: bool) -> int:
    """Bytes for its directories, and with `server` for a server of its own with its rows and large objects."""
    needed = sum(listed.sums.bytes for listed in manifest.directories.values())
    if server and (database := manifest.database) is not None:
        needed += _SERVER_BYTES + database.large_objects.sums.bytes * 11 // 10
        needed += database.tables.sums.bytes * _TEXT_PERCENT // 100 + database.tables.sums.rows * _ROW_BYTES
    return needed
