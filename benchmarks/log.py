"""The history of one row, of its table and of a text over thirty days of mixed change, and how much of the repository is read for it.

    python -m benchmarks.log [--scale S] [--days N] [--rounds N]

Beside it what there is without a history: every day's dump out of restic, taken apart by pg_restore and searched. The bound on what `log`
of a row reads is computed from the snapshots' lists: the table where it is newest, and twice the extents that differ between neighbours.
"""

from __future__ import annotations

import argparse
import itertools
import json
import shlex
import tempfile
from functools import partial
from pathlib import Path

from benchmarks import measure
from benchmarks.datasets import mixed_day
from benchmarks.measure import Figures
from benchmarks.servers import DATABASE, PASSPHRASE, PGVAULT, Bench, backup, environment, fresh, loaded
from vault.model import TableName
from vault.repo import differing
from vault.repo.snapshot import Snapshot
from vault.repo.state import Closed
from vault.store.local import LocalStore

_EVENTS = TableName(schema="public", name="events")
_ROW = 2_000
"""Updated all over on day 30 and in no other: id % 200 = day never, but its neighbours are."""
_QUESTIONS = {
    "row": "log public.events id={row}",
    "recent row": "log public.events id={recent}",
    "table": "log --stat public.events",
    "text": "log -S not-in-any-row public.events",
    "find": "find 'public.ev*'",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=0.5)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with loaded(options.scale) as bench, tempfile.TemporaryDirectory(prefix="pgvault-bench-") as scratch:
        place = Path(scratch)
        _live(bench, place, options.days, options.scale)
        results = _ask(place, options.rounds, recent=round(1_990_000 * options.scale))
        bounds = _bounds(place)
        peer = _searched(bench, place)
    print(
        f"newest table {bounds['newest_bytes'] / 1e6:.0f} MB, extents that differ {bounds['changed_bytes'] / 1e6:.0f} MB"
    )
    print(f"restic, {options.days} dumps searched: {peer.wall_s:.1f} s")
    told = {"scale": options.scale, "days": options.days, "questions": results, **bounds, "restic_s": peer.wall_s}
    print(measure.record("log", f"python -m benchmarks.log --scale {options.scale:g} --days {options.days}", told))


def _live(bench: Bench, place: Path, days: int, scale: float) -> None:
    for name in ("pgvault", "restic"):
        _must(fresh(name, place / name / "repository"), place, name)
    for day in range(1, days + 1):
        with bench.cluster.connect(DATABASE) as connection:
            mixed_day(connection, day, scale=scale)
            connection.execute("SELECT count(*) FROM events; SELECT count(*) FROM profiles; CHECKPOINT")
        for name in ("pgvault", "restic"):
            _must(backup(name, place / name / "repository", bench, f"d{day}"), place, name)
        print(f"day {day}", flush=True)


def _ask(place: Path, rounds: int, *, recent: int) -> dict[str, dict[str, object]]:
    told: dict[str, dict[str, object]] = {}
    for name, question in _QUESTIONS.items():
        words = question.format(row=_ROW, recent=recent)
        command = f"{PGVAULT} -r {place}/pgvault/repository --json {words}"
        runs = measure.medians(rounds, partial(measure.run, command, env=environment(place / "pgvault"), memory=True))
        last = json.loads(runs[0].output.splitlines()[-1])
        figures = [run.wall_s for run in runs]
        told[name] = {
            "wall_s": figures,
            "peak_bytes": max(run.peak_bytes for run in runs),
            "read_bytes": last.get("read_bytes"),
            "changes": last.get("changes"),
            "code": runs[0].code,
        }
        print(f"{name}: {measure.spread(figures)} s, {told[name]}", flush=True)
    return told


def _bounds(place: Path) -> dict[str, int]:
    """Plain bytes of the table in the newest snapshot, and of extents that differ between neighbours, on both sides."""
    opened = Closed(LocalStore(place / "pgvault" / "repository", _no_entropy)).open(PASSPHRASE["PGVAULT_PASSWORD"])
    reader = opened.indexed(None).reader()
    snapshots = [Snapshot(snapshot_id, manifest, reader) for snapshot_id, manifest in opened.snapshots()]
    changed = 0
    for then, now in itertools.pairwise(snapshots):
        pairs = differing.extents((then, then.table(_EVENTS)), (now, now.table(_EVENTS)))
        changed += sum(extent.bytes for pair in pairs for extent in pair if extent is not None)
    return {"newest_bytes": snapshots[-1].table(_EVENTS).sums.bytes, "changed_bytes": changed}


def _searched(bench: Bench, place: Path) -> Figures:
    """Each day's dump out of restic, its table through pg_restore, and the row looked for."""
    path = shlex.quote(str(place / "restic" / "repository"))
    restore = f"{bench.program('pg_restore')} -a -t events -f -"
    command = (
        f"for id in $(restic -q -r {path} snapshots --json | grep -o '\"short_id\":\"[0-9a-f]*' | cut -d'\"' -f4); do "
        f"{{ restic -q -r {path} dump $id dump || true; }} | {restore} | grep -c -P '^{_ROW}\\t' || exit 1; done"
    )
    return _must(command, place, "restic")


def _must(command: str, place: Path, name: str) -> Figures:
    figures = measure.run(command, env=environment(place / name))
    assert figures.code == 0, figures.output
    return figures


def _no_entropy(length: int) -> bytes:
    raise AssertionError("nothing is written")


if __name__ == "__main__":
    main()
