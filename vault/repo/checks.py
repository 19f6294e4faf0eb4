"""What checks left behind: the result of each, and when which pack was last read and found whole. Spec 60-snapshot.

A record carries on what those before it say, so the newest is enough; a few are kept, for two checks may end at the same time.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from typing import Final

from vault.errors import StoreError
from vault.format.notes import decode_check, encode_check
from vault.format.upkeep import DIRECTORIES
from vault.ids import PackId
from vault.model import CheckedPack, CheckRecord, FileKind
from vault.ports import Entropy
from vault.repo.records import load, save
from vault.repo.state import Indexed, Open

KEPT: Final = 3
"""Records that a tidying leaves."""
_LINES_MAX: Final = 100
"""Damages that are told in a record; the check itself told them all."""


def record(
    repo: Indexed,
    *,
    host: str,
    now_ms: int,
    objects: int,
    read_bytes: int,
    damage: Collection[str],
    whole: Collection[PackId],
    damaged: Collection[PackId],
    entropy: Entropy,
) -> CheckRecord:
    """Write down what a check found, durably; older ones go.

    whole    packs of which every byte was read and found right; damaged: those of which it was not
    Raises   StoreError: it cannot be written
    """
    earlier: dict[tuple[PackId, int], int] = {}
    for pack in (pack for _, one in _found(repo.open) for pack in one.packs):
        if pack.read_ms is not None:
            earlier[pack.id, pack.size] = max(pack.read_ms, earlier.get((pack.id, pack.size), 0))
    lines = [*damage][:_LINES_MAX]
    if len(damage) > _LINES_MAX:
        lines.append(f"and {len(damage) - _LINES_MAX} more")
    packs = []
    for name, size in sorted(repo.index.pack_sizes.items()):
        read_ms = now_ms if name in whole else None if name in damaged else earlier.get((name, size))
        packs.append(CheckedPack(id=name, size=size, read_ms=read_ms))
    made = CheckRecord(
        created_ms=now_ms,
        kind="check",
        host=host,
        objects=objects,
        read_bytes=read_bytes,
        damage=tuple(lines),
        packs=tuple(packs),
    )
    save(repo.open, FileKind.CHECK, encode_check(made), entropy=entropy)
    tidy(repo.open)
    return made


def newest(repo: Open) -> CheckRecord | None:
    """The last check's; what cannot be read is passed over, `check` names it. Raises  StoreError"""
    found = _found(repo)
    return found[-1][1] if found else None


def tidy(repo: Open) -> None:
    """Remove all but the newest few; where nothing can be deleted, they stay."""
    for name, _ in _found(repo)[:-KEPT]:
        with suppress(StoreError):
            repo.store.delete(name)


def _found(repo: Open) -> list[tuple[str, CheckRecord]]:
    """Name and record of those that open, oldest first by the store's time: a clock may have been ahead."""
    modified = {stored.name: stored.modified_ms for stored in repo.store.list(f"{DIRECTORIES[FileKind.CHECK]}/")}
    found = load(repo, FileKind.CHECK, decode_check).found
    return sorted(found, key=lambda pair: (modified.get(pair[0], 0), pair[1].created_ms, pair[0]))
