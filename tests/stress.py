"""Writers, readers, copies, pruners, forgets and unlocks on two repositories, each a process, killed at random; no snapshot may
ever lack an object.

    python -m tests.stress --seconds 3600 --seed 7 [DIRECTORY]
    python -m tests.stress --seconds 3600 --seed 7 --bucket versitygw --share 0.05 [DIRECTORY]

With --bucket the repositories lie in buckets of that server (moto, versitygw, azurite, fake-gcs) behind a proxy, where a share of all
requests is refused, cut, answered wrongly or not at all, before or after it had its effect (tests/faulty_proxy.py).

Each actor repeats its work until it is killed, and is started again. Clocks jump by hours at each start. What a writer committed is
kept outside of the repository, and compared with what is read, there and in the repository of copies. Prints one line of numbers, and exits
1 on the first loss; the repositories are left there then.
"""

from __future__ import annotations

import argparse
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
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from spec import reader
from tests.bucket_servers import SERVERS
from tests.nonces import Pairs, Reused
from tests.small_repository import PASSPHRASE, Quiet, damage
from tests.stress_bucket import in_buckets, in_child
from tests.stress_work import FIRST, SECOND, WORK, Lost, Place, is_whole, on_disk, own_lease, prepare
from vault.app.wiring import SystemClock
from vault.errors import VaultError
from vault.model import Lease
from vault.ops.copy import run as copying
from vault.ops.retention import prune
from vault.ops.retention.prune_plan import PruneOptions
from vault.ops.retention.unlock import asking, unlock
from vault.repo.state import Open

ROLES = (
    *("writer", "writer", "writer", "writer", "reader", "reader"),
    *("copy", "pruner", "pruner", "forget", "unlock"),
)


def act(place: Place, role: str, name: str, seed: int) -> int:
    """Repeat the work of a role until the parent is gone, telling each outcome on stdout."""
    choice, parent = random.Random(seed), os.getppid()
    while os.getppid() == parent:
        try:
            outcome = WORK[role](place, choice, name)
        except Lost as lost:
            print(json.dumps({"lost": str(lost)}), flush=True)
            return 1
        except VaultError as error:
            outcome = f"{role}: {type(error).__name__}: {error}"
        print(json.dumps({"outcome": outcome}), flush=True)
    return 0


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


def everybody_is_dead(_: Lease) -> bool:
    """All were waited for; somebody else's process may have the number of one of them by now."""
    return True


def sealings(place: Place) -> int:
    """Pairs of key and nonce in all files that are there, also of writers that were killed. Raises  Lost: one has two contents"""
    pairs = Pairs()
    for repo in (place.open(FIRST), place.open(SECOND)):
        files = ((stored.name, repo.store.get(stored.name)) for stored in repo.store.list(""))
        try:
            pairs.add_repository(files, reader.Keys(repo.bundle.id_key, repo.bundle.root), [PASSPHRASE])
        except Reused as error:
            raise Lost(str(error)) from error
    return len(pairs)


def settle(place: Place, counts: Counter[str]) -> None:
    """When nobody is left: everything is whole, and comes into the repository of copies; the leases of the dead go, and pruning ends
    with nothing left over."""
    counts["key and nonce, each of one content"] = sealings(place)
    first, second = place.open(FIRST), place.open(SECOND)
    ends = copying.Ends(here=first.indexed(None), there=second, cache_dir=None, host="", pid=0)
    copying.run(ends, first.snapshots(), clock=SystemClock(), entropy=os.urandom, progress=Quiet())
    origins = {manifest.origin.snapshot for _, manifest in second.snapshots() if manifest.origin is not None}
    if missing := {snapshot for snapshot, _ in first.snapshots()} - origins:
        raise Lost(f"not copied: {sorted(missing)}")
    for repo in (first, second):
        settle_one(place, repo)
    counts["snapshots at the end"] = len(first.snapshots())
    counts["copies at the end"] = len(second.snapshots())


def settle_one(place: Place, repo: Open) -> None:
    for snapshot, _ in repo.snapshots():
        if not is_whole(place, repo, snapshot):
            raise Lost(f"{snapshot.hex()}: gone without being forgotten")
    unlock(repo, probe=asking(SystemClock().now_ms(), host="", pid=0), is_dead=everybody_is_dead, entropy=os.urandom)
    for _ in range(2):
        prune.run(
            repo,
            options=PruneOptions(min_age_ms=0, max_unused=0.0, remove_all=True),
            lease=own_lease(SystemClock()),
            is_dead=everybody_is_dead,
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


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--bucket", choices=list(SERVERS), help="in buckets of this server; on disk without it")
    parser.add_argument("--share", type=float, default=0.05, help="of the requests to a bucket, disturbed")
    parser.add_argument("--delay", type=float, default=0.0, metavar="SECONDS", help="before each of them")
    parser.add_argument("directory", type=Path, nargs="?")
    asked = parser.parse_args()
    root = asked.directory or Path(tempfile.mkdtemp(prefix="pgvault-stress-"))
    told: dict[str, int] = {}
    try:
        if asked.bucket:
            with in_buckets(root, asked.bucket, seed=asked.seed, share=asked.share, delay_s=asked.delay) as disturbed:
                in_child(lambda: prepare(disturbed.direct))
                counts = stress(disturbed.place, seconds=asked.seconds, seed=asked.seed)
                settle(disturbed.direct, counts)
            told = disturbed.told
        else:
            place = on_disk(root)
            prepare(place)
            counts = stress(place, seconds=asked.seconds, seed=asked.seed)
            settle(place, counts)
    except Lost as lost:
        print(f"LOST, seed {asked.seed}, in {root}: {lost}")
        return 1
    shutil.rmtree(root)
    outcomes = ", ".join(f"{count} x {what}" for what, count in counts.most_common())
    print(f"seed {asked.seed}, {asked.seconds:.0f} s: {outcomes}")
    if told:
        print("requests: " + ", ".join(f"{count} x {what}" for what, count in told.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
