"""What `tests/crash_rig.py` stops at every call: each thing that changes a repository, on small data, and what must hold after it.

A `Work` begins with files, is run, perhaps not to its end, and is run again. `whole` is what holds at every moment: what was there
before reads byte for byte, and a check of all data is content. `done` is what holds when it came to its end.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Final

from tests.crash_world import (
    NEW_PASSPHRASE,
    Place,
    Refused,
    Work,
    begun,
    database,
    directory,
    finished,
    own_lease,
    prune_all,
    reads_whole,
    remove,
    small_limits,
    whole,
    with_a_ruin,
)
from tests.small_repository import (
    CLOCK,
    PASSPHRASE,
    Quiet,
    contents,
    opened,
    take,
)
from vault.app.wiring import SystemClock
from vault.errors import NotThere, UnsafeError, WrongPassphrase
from vault.ids import SnapshotId
from vault.ops.check import run as check
from vault.ops.check.amount import ALL
from vault.ops.copy import run as copying
from vault.ops.guard.ack import acknowledge, waiting
from vault.ops.repository import keys
from vault.ops.retention import forget, pins
from vault.ops.retention.unlock import asking, unlock
from vault.ports import ObjectStore
from vault.repo import lease
from vault.repo.freshness import Heads
from vault.repo.state import Closed, Open
from vault.store.memory import MemoryStore

# --- works ---------------------------------------------------------------------------------------


def _of_begun(
    run: Callable[[Place], None],
    done: Callable[[Place], None] = lambda place: None,
    *,
    whole: Callable[[Place], None] = whole,
    files: Callable[[], Mapping[str, bytes]] = lambda: begun().files,
) -> Work:
    def settled(place: Place) -> None:
        done(place)
        finished(opened(place.store))
        whole(place)

    return Work(files=files, run=run, whole=whole, done=settled)


def back_up(place: Place) -> None:
    repo = opened(place.store, place.cache)
    heads = Heads(repo, place.state, lambda text: None)
    done = take(repo, database(4), {"lib": directory(4)}, cache_dir=place.cache, heads=heads)
    assert done.rollback is None, "a crash is no rollback"


def is_backed_up(place: Place) -> None:
    repo = opened(place.store)
    newest, _ = [pair for pair in repo.snapshots() if pair[1].source == "project"][-1]
    found = contents(repo, newest)
    assert found["table public.edited"] == b"".join(database(4).tables["public.edited"])
    assert found["lib/changed"] == directory(4).contents[b"changed"]


def forget_oldest(place: Place) -> None:
    remove(opened(place.store, place.cache), begun().oldest)


def is_forgotten(place: Place) -> None:
    assert begun().oldest not in {snapshot for snapshot, _ in opened(place.store).snapshots()}


def reclaim(place: Place) -> None:
    prune_all(opened(place.store, place.cache), place.cache)


def add_key(place: Place) -> None:
    keys.add_slot(opened(place.store), passphrase="third", label="third", clock=CLOCK, entropy=os.urandom)


def change_key(place: Place) -> None:
    if not opens(place.store, NEW_PASSPHRASE):
        raise Refused
    keys.change_passphrase(opened(place.store), old=NEW_PASSPHRASE, new="changed", clock=CLOCK, entropy=os.urandom)


@cache
def _second() -> str:
    slots = keys.list_slots(MemoryStore(dict(begun().files))).slots
    return next(info.id.hex() for info in slots if info.label == "second")


def remove_key(place: Place) -> None:
    repo = opened(place.store)
    with suppress(NotThere):
        keys.remove_slot(repo, _second())


def opens(store: ObjectStore, *passphrases: str) -> bool:
    for passphrase in passphrases:
        try:
            Closed(store).open(passphrase)
        except WrongPassphrase:
            continue
        return True
    return False


def whole_and_opens(place: Place, *other: str) -> None:
    whole(place)
    assert opens(place.store, PASSPHRASE), "a passphrase that nobody changed"
    assert not other or opens(place.store, *other)


def opened_by(passphrase: str, *, not_by: str = "") -> Callable[[Place], None]:
    def done(place: Place) -> None:
        assert opens(place.store, passphrase)
        assert not not_by or not opens(place.store, not_by)

    return done


def pin_oldest(place: Place) -> None:
    repo = opened(place.store)
    pins.pin(repo, begun().oldest, reason="why not", host="h", clock=CLOCK, entropy=os.urandom)


def unpin_newest(place: Place) -> None:
    pins.unpin(opened(place.store), begun().newest)


def has_pins(*snapshots: str) -> Callable[[Place], None]:
    def done(place: Place) -> None:
        wanted = {getattr(begun(), name) for name in snapshots}
        assert set(forget.take_stock(opened(place.store)).notes.pins) == wanted

    return done


def answer(place: Place) -> None:
    repo = opened(place.store)
    acknowledge(repo, waiting(repo, None), reason="meant", host="h", clock=CLOCK, entropy=os.urandom)


def is_answered(place: Place) -> None:
    assert waiting(opened(place.store), None) == ()


def record_check(place: Place) -> None:
    indexed = opened(place.store, place.cache).indexed(place.cache)
    report = check.run(indexed, read_data=ALL, entropy=os.urandom, progress=Quiet())
    check.record(indexed, report, host="h", now_ms=max(0, CLOCK.now_ms()), entropy=os.urandom)


def with_leases() -> Mapping[str, bytes]:
    store = MemoryStore(dict(begun().files))
    for purpose in ("backup", "restore"):
        lease.publish(opened(store), own_lease(purpose), entropy=os.urandom)
    return store.files


def release(place: Place) -> None:
    probe = asking(SystemClock().now_ms(), host="", pid=0)
    unlock(opened(place.store), probe=probe, is_dead=lambda _: True, entropy=os.urandom)


def no_leases(place: Place) -> None:
    assert [*place.store.list("leases/")] == []


# --- a repository that is made, and one of copies -------------------------------------------------


def initialise(place: Place) -> None:
    place.make()
    try:
        keys.create_repository(place.store, passphrase=PASSPHRASE, label="", clock=CLOCK, entropy=os.urandom)
    except UnsafeError:
        assert any(stored.name == "config" for stored in place.store.list("")), "it refuses only what is there"
        raise Refused from None


def is_new(place: Place) -> None:
    repo = Closed(place.store).open(PASSPHRASE)
    done = take(repo, database(1))
    reads_whole(repo, place, {done.id: contents(repo, done.id)})


@cache
def _copies() -> tuple[Mapping[str, bytes], Open]:
    """Another repository, with the first of the snapshots of `begun` copied into it."""
    store = MemoryStore()
    with small_limits():
        keys.create_repository(store, passphrase=PASSPHRASE, label="", clock=CLOCK, entropy=os.urandom)
        there = Closed(store).open(PASSPHRASE)
        _copy(there, None, only=begun().oldest)
    return dict(store.files), there


def _opened_copies(place: Place) -> Open:
    template = _copies()[1]
    return Open(place.store, template.config, template.keys, template.bundle, cache_dir=place.cache)


def _copy(there: Open, cache_dir: Path | None, *, only: SnapshotId | None = None) -> None:
    here = opened(MemoryStore(dict(begun().files))).indexed(None)
    ends = copying.Ends(here=here, there=there, cache_dir=cache_dir, host="h", pid=1)
    chosen = [pair for pair in here.open.snapshots() if only in (None, pair[0])]
    copying.run(ends, chosen, clock=CLOCK, entropy=os.urandom, progress=Quiet())


def copy(place: Place) -> None:
    _copy(_opened_copies(place), place.cache)


def copies_whole(place: Place) -> None:
    repo = _opened_copies(place)
    copies = {snapshot: known.origin.snapshot for snapshot, known in repo.snapshots() if known.origin is not None}
    assert begun().oldest in copies.values()
    reads_whole(repo, place, {snapshot: begun().expected[origin] for snapshot, origin in copies.items()})


def all_copied(place: Place) -> None:
    repo = _opened_copies(place)
    origins = {known.origin.snapshot for _, known in repo.snapshots() if known.origin is not None}
    assert origins == set(begun().expected)
    finished(repo)
    copies_whole(place)


WORK: Final[Mapping[str, Work]] = {
    "init": Work(files=lambda: None, run=initialise, whole=lambda place: None, done=is_new),
    "backup": _of_begun(back_up, is_backed_up),
    "forget": _of_begun(forget_oldest, is_forgotten, whole=lambda place: whole(place, may_go=begun().oldest)),
    "prune": _of_begun(reclaim),
    "copy": Work(files=lambda: _copies()[0], run=copy, whole=copies_whole, done=all_copied),
    "key add": _of_begun(add_key, opened_by("third"), whole=whole_and_opens),
    "key passwd": _of_begun(
        change_key,
        opened_by("changed", not_by=NEW_PASSPHRASE),
        whole=lambda place: whole_and_opens(place, NEW_PASSPHRASE, "changed"),
    ),
    "key remove": _of_begun(remove_key, opened_by(PASSPHRASE, not_by=NEW_PASSPHRASE), whole=whole_and_opens),
    "pin": _of_begun(pin_oldest, has_pins("oldest", "newest")),
    "unpin": _of_begun(unpin_newest, has_pins()),
    "ack": _of_begun(answer, is_answered, files=cache(with_a_ruin)),
    "check": _of_begun(record_check),
    "unlock": _of_begun(release, no_leases, files=cache(with_leases)),
}
