"""Writers, readers, pruners and forgets on one local repository, each a process, killed at random; no snapshot may ever lack an object.

    python -m tests.stress --seconds 3600 --seed 7 [DIRECTORY]

Each actor repeats its work until it is killed, and is started again. Clocks jump by hours at each start. What a writer committed is
kept outside of the repository, and compared with what is read. Prints one line of numbers, and exits 1 on the first loss; the
repository is left there then.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.fake_source import FakeDatabase, FakeOpener
from tests.small_repository import CLOCK, PASSPHRASE, Quiet, contents, damage, quick_keys, rows
from vault.app.processes import is_dead
from vault.app.wiring import SystemClock
from vault.errors import IntegrityError, Locked, MissingObject, NotFound, StoreError, UnsafeError, VaultError
from vault.ids import SnapshotId
from vault.model import Lease
from vault.ops.backup import run as backup
from vault.ops.repository import keys
from vault.ops.retention import forget, prune
from vault.ops.retention.prune_plan import PruneOptions
from vault.ops.retention.unlock import unlock
from vault.repo.state import Closed, Open
from vault.store.local import LocalStore, create_local

ROLES = ("writer", "writer", "writer", "writer", "reader", "reader", "pruner", "pruner", "forget")
HOURS_MAX = 12
SNAPSHOTS_KEPT = 12
TABLES = 3
EXTENTS = 4
ROWS = 120


class JumpingClock(SystemClock):
    """This machine's, off by some hours."""

    def __init__(self, choice: random.Random) -> None:
        self._off_ms = choice.randint(-HOURS_MAX, HOURS_MAX) * 3_600_000

    def now_ms(self) -> int:
        return super().now_ms() + self._off_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """`committed`: name of a snapshot -> digest of its rows, as a file each, written when its backup had succeeded."""

    root: Path

    @property
    def repository(self) -> Path:
        return self.root / "repository"

    @property
    def committed(self) -> Path:
        return self.root / "committed"

    def open(self) -> Open:
        return Closed(LocalStore(self.repository, os.urandom)).open(PASSPHRASE)

    def commit(self, snapshot: SnapshotId, digest: str) -> None:
        written = self.root / f"written-{os.getpid()}"
        written.write_text(digest)
        written.rename(self.committed / snapshot.hex())

    def told(self, snapshot: SnapshotId) -> str | None:
        file = self.committed / snapshot.hex()
        return file.read_text() if file.exists() else None


def prepare(root: Path) -> Place:
    place = Place(root=root)
    create_local(place.repository)
    place.committed.mkdir()
    with quick_keys():
        keys.create_repository(
            LocalStore(place.repository, os.urandom), passphrase=PASSPHRASE, label="", clock=CLOCK, entropy=os.urandom
        )
    return place


# --- what actors do, each time once ---------------------------------------------------------------


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
            place.open(),
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
    repo = place.open()
    known = repo.snapshots()
    if not known:
        return "nothing to read"
    snapshot, _ = choice.choice(known)
    return "read" if is_whole(place, repo, snapshot) else "read of what was forgotten"


def is_whole(place: Place, repo: Open, snapshot: SnapshotId) -> bool:
    """False if it was forgotten meanwhile; a prune alone is nothing that a reader notices (LEASE-24). Raises  Lost"""
    try:
        stored = contents(repo, snapshot)
    except (IntegrityError, NotFound) as error:
        if not is_there(repo, snapshot):
            return False
        raise Lost(f"{snapshot.hex()}: {error!r} {error}") from error
    tables = {name[6:]: [text] for name, text in stored.items() if name.startswith("table ")}
    told = place.told(snapshot)
    if told is not None and told != digest_of(tables):
        raise Lost(f"{snapshot.hex()}: other rows than were backed up")
    return True


def is_there(repo: Open, snapshot: SnapshotId) -> bool:
    try:
        repo.manifest(snapshot)
    except NotFound:
        return False
    return True


def reclaim(place: Place, choice: random.Random, name: str) -> str:
    clock = JumpingClock(choice)
    options = PruneOptions(
        min_age_ms=0 if choice.random() < 0.8 else 2_000,
        max_unused=choice.choice([0.0, 0.05, 0.5]),
        copied_bytes_max=choice.choice([None, None, 0, 100_000]),
    )
    if choice.random() < 0.3:
        unlock(place.open(), is_dead=is_dead, clock=clock, entropy=os.urandom)
    try:
        report = prune.run(
            place.open(),
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
    repo = place.open()
    inventory = forget.take_stock(repo)
    known = [snapshot for snapshot, _ in inventory.known]
    if len(known) <= SNAPSHOTS_KEPT // 2:
        return "nothing to forget"
    going = choice.sample(known, max(1, len(known) - SNAPSHOTS_KEPT))
    plan = forget.plan_named(inventory, going, remove_all=True)
    forget.run(repo, plan, clock=JumpingClock(choice), entropy=os.urandom)
    return "forget"


WORK: dict[str, Callable[[Place, random.Random, str], str]] = {
    "writer": write,
    "reader": read,
    "pruner": reclaim,
    "forget": remove,
}


class Lost(Exception):
    """A snapshot is there and not whole."""


def act(place: Place, role: str, name: str, seed: int) -> int:
    """Repeat the work of a role for ever, telling each outcome on stdout."""
    choice = random.Random(seed)
    while True:
        try:
            outcome = WORK[role](place, choice, name)
        except Lost as lost:
            print(json.dumps({"lost": str(lost)}), flush=True)
            return 1
        except (UnsafeError, StoreError, VaultError) as error:
            outcome = f"{role}: {type(error).__name__}: {error}"
        print(json.dumps({"outcome": outcome}), flush=True)


# --- the one that starts and kills them -----------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    role: str
    name: str
    pid: int
    log: Path


def start(place: Place, role: str, name: str, seed: int) -> Running:
    """A child that has all modules already: most of its short life is work."""
    log = place.root / f"{name}-{seed}.log"
    pid = os.fork()
    if pid == 0:
        out = os.open(log, os.O_WRONLY | os.O_CREAT, 0o600)
        os.dup2(out, 1)
        os.dup2(out, 2)
        code = 1
        try:
            code = act(place, role, name, seed)
        finally:
            if sys.exc_info()[0] is not None:
                traceback.print_exc()
            os._exit(code)
    return Running(role=role, name=name, pid=pid, log=log)


def stress(place: Place, *, seconds: float, seed: int) -> Counter[str]:
    """Outcomes and their counts. Raises  Lost"""
    choice = random.Random(seed)
    counts: Counter[str] = Counter()
    running = [start(place, role, f"{role}{number}", seed + number) for number, role in enumerate(ROLES)]
    ends = time.monotonic() + seconds
    try:
        while time.monotonic() < ends:
            time.sleep(choice.uniform(0.1, 1.0))
            position = choice.randrange(len(running))
            victim = running[position]
            end(victim)
            counts["kill"] += 1
            collect(victim, counts)
            seed += len(ROLES)
            running[position] = start(place, victim.role, victim.name, seed)
    finally:
        for one in running:
            end(one)
    for one in running:
        collect(one, counts)
    settle(place, counts)
    return counts


def end(one: Running) -> None:
    with suppress(ProcessLookupError, ChildProcessError):  # it has ended, and was waited for
        os.kill(one.pid, signal.SIGKILL)
        os.waitpid(one.pid, 0)


def collect(one: Running, counts: Counter[str]) -> None:
    """Raises  Lost: what it told, or how it failed otherwise than by an error of ours"""
    text = one.log.read_text(errors="replace") if one.log.exists() else ""
    for line in text.splitlines():
        if not line.startswith("{"):
            raise Lost(f"{one.name}: {text[-3000:]}")
        if not line.endswith("}"):
            continue  # killed while it told
        told = json.loads(line)
        if "lost" in told:
            raise Lost(f"{one.name}: {told['lost']}")
        counts[told["outcome"]] += 1
    one.log.unlink(missing_ok=True)


def settle(place: Place, counts: Counter[str]) -> None:
    """When nobody is left: everything is whole, the leases of the dead go, and pruning ends with nothing left over."""
    repo = place.open()
    for snapshot, _ in repo.snapshots():
        if not is_whole(place, repo, snapshot):
            raise Lost(f"{snapshot.hex()}: gone without being forgotten")
    unlock(repo, is_dead=is_dead, clock=SystemClock(), entropy=os.urandom)
    for _ in range(2):
        prune.run(
            repo,
            options=PruneOptions(min_age_ms=0, max_unused=0.0),
            lease=own_lease(SystemClock()),
            is_dead=is_dead,
            tell=lambda _: None,
            clock=SystemClock(),
            entropy=os.urandom,
            progress=Quiet(),
        )
    for snapshot, _ in repo.snapshots():
        is_whole(place, repo, snapshot)
    left = [*repo.store.list("sweeps/"), *repo.store.list("leases/")]
    faults = damage(repo)
    if left or faults:
        raise Lost(f"left behind: {left}; damage: {faults}")
    counts["snapshots at the end"] = len(repo.snapshots())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("directory", type=Path, nargs="?")
    asked = parser.parse_args()
    root = asked.directory or Path(tempfile.mkdtemp(prefix="pgvault-stress-"))
    try:
        counts = stress(prepare(root), seconds=asked.seconds, seed=asked.seed)
    except Lost as lost:
        print(f"LOST, seed {asked.seed}, in {root}: {lost}")
        return 1
    shutil.rmtree(root)
    print(
        f"seed {asked.seed}, {asked.seconds:.0f} s: "
        + ", ".join(f"{count} x {what}" for what, count in counts.most_common())
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
