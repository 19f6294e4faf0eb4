"""What each actor of a stress run does once: backs up, reads, prunes, forgets, copies, unlocks. Raises  Lost: a snapshot is not whole."""

from __future__ import annotations

import hashlib
import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.fake_source import FakeDatabase, FakeOpener
from tests.small_repository import CLOCK, PASSPHRASE, Quiet, contents, quick_keys, rows
from vault.app.processes import is_dead
from vault.app.wiring import SystemClock
from vault.errors import IntegrityError, Locked, MissingObject, NotFound, NotThere
from vault.ids import SnapshotId
from vault.model import Lease
from vault.ops.backup import run as backup
from vault.ops.copy import run as copying
from vault.ops.repository import keys
from vault.ops.retention import forget, prune
from vault.ops.retention.prune_plan import PruneOptions
from vault.ops.retention.unlock import asking, unlock
from vault.ports import ObjectStore
from vault.repo.state import Closed, Open
from vault.store.local import LocalStore, create_local

HOURS_MAX = 12
SNAPSHOTS_KEPT = 12
TABLES = 3
EXTENTS = 4
ROWS = 120


class Lost(Exception):
    """A snapshot is there and not whole."""


class JumpingClock(SystemClock):
    """This machine's, off by some hours."""

    def __init__(self, choice: random.Random) -> None:
        self._off_ms = choice.randint(-HOURS_MAX, HOURS_MAX) * 3_600_000

    def now_ms(self) -> int:
        return super().now_ms() + self._off_ms


FIRST, SECOND = "repository", "copies"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Two repositories, FIRST and SECOND, which is of copies. `committed`: name of a snapshot -> digest of its rows, as a file
    each, written when its backup had succeeded. `store_of` makes a store, in every process anew."""

    root: Path
    store_of: Callable[[str], ObjectStore]

    @property
    def committed(self) -> Path:
        return self.root / "committed"

    def open(self, repository: str) -> Open:
        return Closed(self.store_of(repository)).open(PASSPHRASE)

    def either(self, choice: random.Random) -> Open:
        return self.open(FIRST if choice.random() < 0.7 else SECOND)

    def commit(self, snapshot: SnapshotId, digest: str) -> None:
        written = self.root / f"written-{os.getpid()}"
        written.write_text(digest)
        written.rename(self.committed / snapshot.hex())

    def told(self, snapshot: SnapshotId) -> str | None:
        file = self.committed / snapshot.hex()
        return file.read_text() if file.exists() else None


def on_disk(root: Path) -> Place:
    return Place(root=root, store_of=lambda repository: LocalStore(root / repository, os.urandom))


def prepare(place: Place) -> None:
    place.committed.mkdir()
    for repository in (FIRST, SECOND):
        store = place.store_of(repository)
        if isinstance(store, LocalStore):
            create_local(place.root / repository)
        with quick_keys():
            keys.create_repository(store, passphrase=PASSPHRASE, label="", clock=CLOCK, entropy=os.urandom)


def write(place: Place, choice: random.Random, name: str) -> str:
    """Tables come and go between a few versions, so that content that was forgotten is wanted again."""
    tables = {
        f"public.t{table}": [
            rows(100 * table + 10 * extent + choice.randint(0, 2), ROWS + choice.randint(0, 3))
            for extent in range(EXTENTS)
        ]
        for table in range(TABLES)
    }
    request = backup.BackupRequest(
        source=name, selection="", program="stress", host=os.uname().nodename, pid=os.getpid()
    )
    try:
        report = backup.run(
            place.open(FIRST),
            request=request,
            open_capture=FakeOpener(FakeDatabase(tables=tables)),
            directories={},
            clock=JumpingClock(choice),
            entropy=os.urandom,
            progress=Quiet(),
            cache_dir=place.root / f"cache-{name}" if choice.random() < 0.7 else None,
        )
    except (Locked, MissingObject):
        return "backup refused"
    place.commit(report.id, digest_of(tables))
    return "backup"


def digest_of(tables: dict[str, list[bytes]]) -> str:
    digest = hashlib.sha256()
    for name, extents in sorted(tables.items()):
        digest.update(name.encode())
        digest.update(b"".join(extents))
    return digest.hexdigest()


def read(place: Place, choice: random.Random, name: str) -> str:
    repo = place.either(choice)
    known = repo.snapshots()
    if not known:
        return "nothing to read"
    snapshot, _ = choice.choice(known)
    return "read" if is_whole(place, repo, snapshot) else "read of what was forgotten"


def is_whole(place: Place, repo: Open, snapshot: SnapshotId) -> bool:
    """False if it was forgotten meanwhile; a prune alone is nothing that a reader notices (LEASE-24). Raises  Lost"""
    try:
        origin = repo.manifest(snapshot).origin
        stored = contents(repo, snapshot)
    except (IntegrityError, NotFound) as error:
        if not is_there(repo, snapshot):
            return False
        raise Lost(f"{snapshot.hex()}: {error!r} {error}") from error
    tables = {name[6:]: [text] for name, text in stored.items() if name.startswith("table ")}
    told = place.told(snapshot if origin is None else origin.snapshot)
    if told is not None and told != digest_of(tables):
        raise Lost(f"{snapshot.hex()}: other rows than were backed up")
    return True


def is_there(repo: Open, snapshot: SnapshotId) -> bool:
    try:
        repo.manifest(snapshot)
    except NotFound:
        return False
    return True


def copy(place: Place, choice: random.Random, name: str) -> str:
    """A few snapshots, or all of them, into the second repository, where they are read."""
    here, there = place.open(FIRST), place.open(SECOND)
    known = here.snapshots()
    wanted = len(known) if choice.random() < 0.2 else min(len(known), choice.randint(1, 3))
    chosen = [known[position] for position in sorted(choice.sample(range(len(known)), wanted))]
    caches = [place.root / f"cache-{name}" if choice.random() < 0.7 else None for _ in range(2)]
    ends = copying.Ends(
        here=here.indexed(caches[0]), there=there, cache_dir=caches[1], host=os.uname().nodename, pid=os.getpid()
    )
    try:
        report = copying.run(ends, chosen, clock=JumpingClock(choice), entropy=os.urandom, progress=Quiet())
    except NotThere:
        return "copy of what was forgotten"
    except (Locked, IntegrityError) as error:
        for snapshot, _ in chosen:
            is_whole(place, place.open(FIRST), snapshot)
        return "copy refused" if isinstance(error, Locked | MissingObject) else f"copy: {error!r}"
    for copied in report.copied:
        is_whole(place, place.open(SECOND), copied.id)
    return "copy" if report.copied else "nothing to copy"


def reclaim(place: Place, choice: random.Random, name: str) -> str:
    clock = JumpingClock(choice)
    options = PruneOptions(
        min_age_ms=0 if choice.random() < 0.8 else 2_000,
        max_unused=choice.choice([0.0, 0.05, 0.5]),
        copied_bytes_max=choice.choice([None, None, 0, 100_000]),
        remove_all=True,  # of a copy nothing may have arrived yet
    )
    try:
        report = prune.run(
            place.either(choice),
            options=options,
            lease=own_lease(clock),
            is_dead=choice.choice([is_dead, lambda _: True]),  # giving way is a courtesy: nothing may depend on it
            tell=lambda _: None,
            clock=clock,
            entropy=os.urandom,
            progress=Quiet(),
        )
    except Locked:
        return "prune gave way"
    return "prune that deleted" if report.reclaimed.deleted else "prune"


def own_lease(clock: SystemClock) -> Lease:
    return Lease(
        created_ms=clock.now_ms(),
        host=os.uname().nodename,
        pid=os.getpid(),
        purpose="maintenance",
        source="",
        parent=None,
    )


def remove(place: Place, choice: random.Random, name: str) -> str:
    time.sleep(choice.random())
    repo = place.either(choice)
    inventory = forget.take_stock(repo)
    known = [snapshot for snapshot, _ in inventory.known]
    if len(known) <= SNAPSHOTS_KEPT // 2:
        return "nothing to forget"
    going = choice.sample(known, max(1, len(known) - SNAPSHOTS_KEPT))
    plan = forget.plan_named(inventory, going, remove_all=True)
    forget.run(repo, plan, clock=JumpingClock(choice), entropy=os.urandom)
    return "forget"


def release(place: Place, choice: random.Random, name: str) -> str:
    """Remove the leases of the dead, never one by name: that may break a living writer, which `unlock` says."""
    time.sleep(2 * choice.random())
    host, pid = os.uname().nodename, os.getpid()
    probe = asking(JumpingClock(choice).now_ms(), host=host, pid=pid)
    done = unlock(place.either(choice), probe=probe, is_dead=is_dead, entropy=os.urandom)
    return "unlock that removed" if done.removed else "unlock"


WORK: dict[str, Callable[[Place, random.Random, str], str]] = {
    "writer": write,
    "reader": read,
    "copy": copy,
    "pruner": reclaim,
    "forget": remove,
    "unlock": release,
}
