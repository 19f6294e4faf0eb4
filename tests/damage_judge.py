"""What holds of a damaged repository, whatever was damaged: what is told, what reads, and what goes on.

Nothing is read that is not what was stored; a full check names what cannot be read, and a verify passes no such snapshot; the next
backup is taken and whole; a prune refuses, or takes nothing that could be read.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence

import pytest

from tests.damage_support import label, still_there
from tests.damage_world import AT_ONCE, PRUNER, SOURCE, world
from tests.small_repository import CLOCK, PASSPHRASE, Quiet, contents, damage, opened, take
from vault.errors import IntegrityError, Locked, NoRepository, UnsafeError
from vault.ids import SnapshotId
from vault.ops.check import run as check
from vault.ops.check.amount import ALL, Amount
from vault.ops.project.components import Selectors
from vault.ops.retention import prune
from vault.ops.verify import run as verify
from vault.ports import ObjectStore
from vault.repo.state import Closed

Readable = Mapping[SnapshotId, Mapping[str, bytes | None]]
"""Snapshot -> its items, None for those that cannot be read."""


def expect(
    outcome: str, store: ObjectStore, name: str, *, fresh: Callable[[], ObjectStore], quick: bool = False
) -> None:
    """What the table says, and what holds for every cell.

    fresh  the store once more, to be written to
    quick  without what costs most and was shown of the same bytes elsewhere: reading, verifying, pruning
    """
    if outcome == "refused":
        with pytest.raises((IntegrityError, NoRepository)) as refused:
            Closed(store).open(PASSPHRASE)
        assert name in f"{getattr(refused.value, 'file', '')} {refused.value.why}"
        return
    expect_told(outcome, store, name, amounts=(None,) if quick else (None, ALL))
    if not quick:
        readable = expect_right_bytes_or_none(store)
        if any(not items or None in items.values() for items in readable.values()):
            expect_verify_agrees(store, readable)
        expect_prune(fresh(), readable)
    expect_backup(fresh(), hidden=outcome == "read")


def expect_told(outcome: str, store: ObjectStore, name: str, *, amounts: Sequence[Amount | None]) -> None:
    repo = opened(store).indexed(None)
    reports = [check.run(repo, read_data=amount, entropy=os.urandom, progress=Quiet()) for amount in amounts]
    structure, full = {item.file for item in reports[0].damage}, {item.file for item in reports[-1].damage}
    if outcome == "named":
        assert name in structure
    if outcome in ("named", "read", "moved"):
        assert name in full
    if outcome in ("missed", "moved", "undone"):
        assert {item.kind for item in reports[0].damage} == {"MISSING_OBJECT"}
    if outcome == "undone":
        assert any(name.partition("/")[2][:12] in note and "forgotten" in note for note in reports[0].notes)
    if outcome in ("noted", "silent"):
        assert not structure | full
        assert outcome == "silent" or any(name in note or "no index names" in note for note in reports[0].notes)


def expect_right_bytes_or_none(store: ObjectStore) -> Readable:
    """What of each snapshot reads; a full check tells of every item that does not."""
    told = {text for item in damage(opened(store)) for text in item.affects}
    found: dict[SnapshotId, Mapping[str, bytes | None]] = {}
    for snapshot, expected in world().expected.items():
        start = snapshot.hex()[:12] + ":"
        about = {text.removeprefix(start).strip() for text in told if text.startswith(start)}
        now = still_there(opened(store).indexed(None), snapshot)
        for key, value in now.items():
            assert value in (None, expected[key]), f"{key} reads, and is not what it was"
            assert value is not None or label(key) in about or "the whole snapshot" in about, (key, about)
        lost = {key for key in expected if key.partition(" ")[0] in ("table", "large") or key.startswith("lib/")}
        is_known = snapshot.hex() in {name[10:] for name in (one.name for one in store.list("snapshots/"))}
        assert not lost - now.keys() or about or not is_known, "whole lists are gone, and nothing is told"
        found[snapshot] = now
    return found


def expect_verify_agrees(store: ObjectStore, readable: Readable) -> None:
    report = verify.run(opened(store).indexed(None), None, selectors=lambda _: Selectors(), progress=Quiet())
    for snapshot, items in readable.items():
        if snapshot in report.verified:
            assert items
            assert None not in items.values()


def expect_backup(store: ObjectStore, *, hidden: bool) -> None:
    """No damage holds it up, and it is whole. What nothing but reading shows is `hidden` from it too: what it relies on there is refused, and told by a check."""
    database = world().database
    report = take(opened(store), database, {"lib": world().directory}, source=SOURCE)
    stored: Mapping[str, bytes | None]
    if hidden:
        told = [text for item in damage(opened(store)) for text in item.affects]
        stored = still_there(opened(store).indexed(None), report.id)
        assert None not in stored.values() or any(text.startswith(report.id.hex()[:12]) for text in told)
    else:
        stored = contents(opened(store), report.id)
    expected = {f"table {table}": b"".join(extents) for table, extents in database.tables.items()}
    expected |= {f"large object {oid}": data for oid, data in database.large_objects.items()}
    expected |= {f"lib/{os.fsdecode(path)}": data for path, data in world().directory.contents.items()}
    for key, data in expected.items():
        assert stored.get(key) == data or (hidden and stored.get(key) is None), key


def expect_prune(store: ObjectStore, readable: Readable) -> None:
    try:
        prune.run(
            opened(store), options=AT_ONCE, lease=PRUNER, is_dead=lambda _: True, tell=lambda _: None, clock=CLOCK,
            entropy=os.urandom, progress=Quiet(),
        )  # fmt: skip
    except (UnsafeError, IntegrityError, Locked):
        pass
    for snapshot, before in readable.items():
        after = still_there(opened(store).indexed(None), snapshot)
        assert {key: value for key, value in before.items() if value is not None}.items() <= after.items()
