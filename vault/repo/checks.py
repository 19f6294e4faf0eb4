"""What checks left behind: the result of each, and when which pack was last read and found whole. Spec 60-snapshot.

A record carries on what those before it say; a few are kept, for two checks may end at the same time, and are read as one.
Invariant: the damage of a pack that was read is told until a check reads that pack and finds it whole, or until it is gone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final

from vault.errors import StoreError
from vault.format.notes import decode_check, encode_check
from vault.format.pack import pack_name
from vault.format.snapshot import parse_snapshot_name
from vault.format.upkeep import DIRECTORIES
from vault.ids import PackId, SnapshotId
from vault.model import CheckedPack, CheckRecord, FileKind, WholeClosure
from vault.ports import Entropy, StoredFile
from vault.repo.records import load, save
from vault.repo.state import Indexed, Open

KEPT: Final = 3
"""Records of each kind that a tidying leaves."""
CHECK: Final = "check"
VERIFY: Final = "verify"
PART: Final = "part"
"""Of a check that was broken off: what it read and found counts, and it is no check."""
_LINES_MAX: Final = 100
"""Damages that are told in a record, beside one for each damaged pack; the check itself told them all."""

_Sized = tuple[PackId, int]
_Carried = Mapping[_Sized, tuple[int | None, str]]
"""When a pack was last read and found whole, and the line of the damage that was found in it since; empty: none was."""


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
    kind: str = CHECK,
) -> CheckRecord:
    """Write down what a check found, durably; older ones go.

    whole    packs of which every byte was read and found right; damaged: those of which it was not
    kind     CHECK, or PART if it was broken off
    Raises   StoreError: it cannot be written
    """
    before = _of(_all(repo.open), CHECK, PART)
    carried = _carried(one for _, one in before)
    lines = [*damage][:_LINES_MAX]
    told = _by_file(lines)
    if len(damage) > _LINES_MAX:
        lines.append(f"and {len(damage) - _LINES_MAX} more")
    packs = []
    for name, size in sorted(repo.index.pack_sizes.items()):
        read_ms, line = carried.get((name, size), (None, ""))
        if name in whole:
            read_ms, line = now_ms, ""
        elif name in damaged:
            read_ms, line = None, line or f"{pack_name(name)}: it was read, and is damaged"
        if line and pack_name(name) not in told:
            lines.append(line)
        packs.append(CheckedPack(id=name, size=size, read_ms=read_ms))
    made = CheckRecord(
        created_ms=now_ms,
        kind=kind,
        host=host,
        objects=objects,
        read_bytes=read_bytes,
        damage=tuple(lines),
        packs=tuple(packs),
    )
    own = save(repo.open, FileKind.CHECK, encode_check(made), entropy=entropy)
    _follow(repo.open, own, {name for name, one in before if kind in (CHECK, one.kind)})
    tidy(repo.open)
    return made


def newest(repo: Open) -> CheckRecord | None:
    """The last check's, with what those that are kept, and parts of checks, say of the packs; of kind PART if none came to its end.

    What cannot be read is passed over. Raises  StoreError
    """
    return _newest(_of(_all(repo), CHECK, PART))


def newest_of_each(repo: Open) -> tuple[CheckRecord | None, CheckRecord | None]:
    """The last check's as `newest`, and the last verify's as `newest_verified`. Raises  StoreError"""
    found = _all(repo, repo.glanced(f"{DIRECTORIES[FileKind.CHECK]}/"))
    return _newest(_of(found, CHECK, PART)), _newest_verified(repo, _of(found, VERIFY))


def _newest(found: Sequence[tuple[str, CheckRecord]]) -> CheckRecord | None:
    if not found:
        return None
    records = [one for _, one in found]
    whole = [position for position, one in enumerate(records) if one.kind == CHECK]
    first = whole[-1] if whole else 0  # parts that came after it tell on: nobody has looked at all again
    last = records[first] if whole else records[-1]
    carried = _carried(records)
    packs = [(pack, *carried[pack.id, pack.size]) for pack in records[-1].packs]
    lines = dict.fromkeys((*_untaken(records[first:]), *(line for _, _, line in packs if line)))
    return replace(last, damage=tuple(lines), packs=tuple(replace(pack, read_ms=read_ms) for pack, read_ms, _ in packs))


def record_verified(
    repo: Indexed,
    *,
    host: str,
    now_ms: int,
    objects: int,
    read_bytes: int,
    damage: Collection[str],
    verified: Mapping[SnapshotId, frozenset[PackId] | None],
    asked: Collection[SnapshotId],
    entropy: Entropy,
) -> CheckRecord:
    """Write down what a verify found, durably; older ones go, what they say of other snapshots that are there is carried on.

    verified   snapshots whose content equals their manifest, with the packs that it is in, None for every pack
    asked      snapshots that this verify looked at: what was said of them before no longer counts
    Raises     StoreError: it cannot be written
    """
    before = [one for _, one in _of(_all(repo.open), VERIFY)]
    names = (parse_snapshot_name(stored.name) for stored in repo.open.store.list("snapshots/"))
    others = {name for name in names if name is not None} - set(asked)
    packs = sorted(repo.index.pack_sizes.items())
    place = {name: position for position, (name, _) in enumerate(packs)}
    held = {name: one for name, one in _verified(before, dict(packs)).items() if name in others}
    held |= {name: (now_ms, frozenset(place) if needed is None else needed) for name, needed in verified.items()}
    lines = [*damage, *_told(before, others)]
    if len(lines) > _LINES_MAX:
        lines[_LINES_MAX:] = [f"and {len(lines) - _LINES_MAX} more"]
    made = CheckRecord(
        created_ms=now_ms,
        kind=VERIFY,
        host=host,
        objects=objects,
        read_bytes=read_bytes,
        damage=tuple(lines),
        packs=tuple(CheckedPack(id=name, size=size, read_ms=None) for name, size in packs),
        closures=tuple(
            WholeClosure(snapshot=name, checked_ms=when_ms, packs=tuple(sorted(place[pack] for pack in needed)))
            for name, (when_ms, needed) in sorted(held.items())
            if needed <= place.keys()  # else a prune moved what it needs while it was verified
        ),
    )
    save(repo.open, FileKind.CHECK, encode_check(made), entropy=entropy)
    tidy(repo.open)
    return made


def newest_verified(repo: Open) -> CheckRecord | None:
    """The last verify's, with what those that are kept say of other snapshots. Raises  StoreError"""
    return _newest_verified(repo, _of(_all(repo), VERIFY))


def _newest_verified(repo: Open, named: Sequence[tuple[str, CheckRecord]]) -> CheckRecord | None:
    found = [one for _, one in named]
    if not found:
        return None
    closures = {closure.snapshot: closure for one in found for closure in one.closures}
    names = (parse_snapshot_name(stored.name) for stored in repo.store.list("snapshots/"))
    there = {name for name in names if name is not None}
    return replace(
        found[-1],
        damage=tuple(_told(found, there)),
        packs=(),
        closures=tuple(replace(closures[name], packs=()) for name in sorted(closures.keys() & there)),
    )


def _verified(
    records: Iterable[CheckRecord], sizes: Mapping[PackId, int]
) -> dict[SnapshotId, tuple[int, frozenset[PackId]]]:
    """When each snapshot was last verified, and in which packs: those that are all listed with their size still."""
    held: dict[SnapshotId, tuple[int, frozenset[PackId]]] = {}
    for one in records:
        for closure in one.closures:
            needed = [one.packs[position] for position in closure.packs]
            if all(sizes.get(pack.id) == pack.size for pack in needed):
                held[closure.snapshot] = closure.checked_ms, frozenset(pack.id for pack in needed)
    return held


def _told(records: Sequence[CheckRecord], snapshots: Collection[SnapshotId]) -> list[str]:
    """Lines about snapshots of which no later record says that they were verified, each once."""
    verified = {one.snapshot: one.checked_ms for record in records for one in record.closures}
    since = {name.hex()[:12]: verified.get(name, -1) for name in snapshots}
    lines = ((one.created_ms, line) for one in records for line in one.damage)
    return list(
        dict.fromkeys(
            line for told_ms, line in lines if (name := line.partition(":")[0]) in since and since[name] < told_ms
        )
    )


def tidy(repo: Open) -> None:
    """Remove all but the newest few; where nothing can be deleted, they stay."""
    found = _all(repo)
    for kind in (CHECK, PART, VERIFY):
        for name, _ in _of(found, kind)[:-KEPT]:
            with suppress(StoreError):
                repo.store.delete(name)


def _follow(repo: Open, own: str, before: Collection[str]) -> None:
    """Remove what the own record carries on and would seem to come after it: the store's clock was ahead then."""
    names = [name for name, _ in _of(_all(repo), CHECK)]
    for name in names[names.index(own) + 1 :] if own in names else ():
        if name in before:
            with suppress(StoreError):
                repo.store.delete(name)


def _carried(records: Iterable[CheckRecord]) -> _Carried:
    """What they say of packs together, the oldest first. Only a check that read a pack itself takes its damage back."""
    carried: dict[_Sized, tuple[int | None, str]] = {}
    for record in records:
        told = _by_file(record.damage)
        for pack in record.packs:
            read_ms, damage = carried.get((pack.id, pack.size), (None, ""))
            line = told.get(pack_name(pack.id), "")
            if line and pack.read_ms is None:
                read_ms, damage = None, line
            elif pack.read_ms == record.created_ms:
                read_ms, damage = pack.read_ms, ""
            elif not damage and pack.read_ms is not None:
                read_ms = max(read_ms or 0, pack.read_ms)
            carried[pack.id, pack.size] = read_ms, damage
    return carried


def _untaken(records: Iterable[CheckRecord]) -> list[str]:
    """Their lines, without those about packs that a later one of them read and found whole."""
    lines: list[str] = []
    for record in records:
        whole = {pack_name(pack.id) for pack in record.packs if pack.read_ms == record.created_ms}
        lines = [line for line in lines if line.partition(": ")[0] not in whole]
        lines += record.damage
    return lines


def _by_file(lines: Iterable[str]) -> dict[str, str]:
    """The first line about each file."""
    named: dict[str, str] = {}
    for line in lines:
        named.setdefault(line.partition(": ")[0], line)
    return named


def _of(found: Iterable[tuple[str, CheckRecord]], *kinds: str) -> list[tuple[str, CheckRecord]]:
    return [pair for pair in found if pair[1].kind in kinds]


def _all(repo: Open, files: Sequence[StoredFile] | None = None) -> list[tuple[str, CheckRecord]]:
    """Name and record of those that open, oldest first by the store's time: a clock may have been ahead. `files`: if they were listed"""
    listed = tuple(repo.store.list(f"{DIRECTORIES[FileKind.CHECK]}/")) if files is None else files
    modified = {stored.name: stored.modified_ms for stored in listed}
    found = load(repo, FileKind.CHECK, decode_check, files=listed).found
    return sorted(found, key=lambda pair: (modified.get(pair[0], 0), pair[1].created_ms, pair[0]))
