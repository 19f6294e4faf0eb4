"""`snapshots` and `forget --dry-run` (without bytes) in a repository of many snapshots, beside restic on as many of the same times.

python -m benchmarks.many_snapshots [--snapshots N] [--rounds N]

Both repositories hold manifests alone: what is measured is listing, and deciding what goes. restic's are smaller: it has no manifest.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from benchmarks import measure
from tests.fake_source import FakeDatabase
from tests.restic_repository import PASSWORD, RESTIC, ResticRepository
from tests.small_repository import PASSPHRASE, put_manifest, quick_keys, rows, take
from vault.ops.repository import keys
from vault.repo.state import Closed
from vault.store.local import LocalStore, create_local

HOURS_MS = 7 * 3_600_000
START_MS = 1_500_000_000_000


class Wall:
    def now_ms(self) -> int:
        return START_MS

    def uptime_s(self) -> float:
        return 0.0


def times_ms(count: int) -> list[int]:
    return [START_MS + number * HOURS_MS for number in range(1, count + 1)]


def make_ours(root: Path, count: int) -> None:
    create_local(root)
    store = LocalStore(root, os.urandom)
    with quick_keys():
        keys.create_repository(store, passphrase=PASSPHRASE, label="bench", clock=Wall(), entropy=os.urandom)
    repo = Closed(store).open(PASSPHRASE)
    first = take(repo, FakeDatabase(tables={"public.t": [rows(1, 5)]}), clock=Wall()).manifest
    for number, time_ms in enumerate(times_ms(count - 1), 2):
        put_manifest(repo, first, sequence=number, created_ms=time_ms, parent=None)


def make_restics(root: Path, count: int) -> None:
    repository = ResticRepository(root)
    for time_ms in times_ms(count):
        repository.add(datetime.fromtimestamp(time_ms // 1000, UTC), host="h")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--snapshots", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    policy = ["--keep-daily", "30", "--keep-weekly", "13", "--keep-monthly", "12"]
    assert RESTIC is not None, "restic is not installed"
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = Path(folder) / "ours", Path(folder) / "restic"
        make_ours(ours, options.snapshots)
        make_restics(theirs, options.snapshots)
        vault, restic = [sys.executable, "-m", "vault", "-r", str(ours)], [RESTIC, "-r", str(theirs), "--no-cache"]
        commands = {
            "snapshots": [*vault, "snapshots", "--json"],
            "forget": [*vault, "forget", *policy, "--dry-run", "--json"],
            "restic snapshots": [*restic, "snapshots", "--json", "--no-lock"],
            "restic forget": [*restic, "forget", *policy, "--dry-run", "--json", "--no-lock"],
        }
        secrets = {"PGVAULT_PASSWORD": PASSPHRASE, "RESTIC_PASSWORD": PASSWORD, "XDG_CACHE_HOME": f"{folder}/cache"}
        results: dict[str, object] = {"snapshots": options.snapshots}
        for name, command in commands.items():
            once = partial(measure.run, command, env=secrets, memory=True)
            runs = measure.medians(options.rounds, once)
            assert all(one.code == 0 for one in runs), runs[0].output
            print(
                f"{name:<17} {measure.spread([one.wall_s for one in runs])} s, {measure.median(runs).peak_bytes >> 20} MiB"
            )
            results[name] = [_without_output(one) for one in runs]
    line = f"python -m benchmarks.many_snapshots --snapshots {options.snapshots} --rounds {options.rounds}"
    print(measure.record("many_snapshots", line, results))


def _without_output(figures: measure.Figures) -> dict[str, float]:
    return {"wall_s": figures.wall_s, "cpu_s": figures.cpu_s, "peak_bytes": figures.peak_bytes}


if __name__ == "__main__":
    main()
