"""The demo as it is told: five days of a project, a bad afternoon, and the way back. Everything in it is really done.

The calendar is simulated, so that the snapshots lie a day apart; nothing else is. The database lives in a throwaway server.
Invariant: what the report says was measured, and `restored_equal` is a comparison of two live databases.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from vault.demo import project
from vault.demo.changes import changes
from vault.demo.drill import PASSED, RestoreDone, drill, effort
from vault.demo.rows import DAMAGE, day_sql
from vault.ids import SnapshotId
from vault.model import Counts
from vault.ops.backup import run as backup
from vault.ops.compare.databases import compare
from vault.ops.compare.row_digests import KEY_BYTES
from vault.ops.drill.record import leave_record
from vault.ops.project.counts import count_edge_functions, count_migrations
from vault.ops.project.summary import count_target, nine_lines
from vault.ops.repository.keys import create_repository
from vault.ops.restore import run as restore
from vault.ops.restore.failures import folded
from vault.ops.restore.files import restore_directory
from vault.ops.restore.plan import plan as restore_plan
from vault.ports import Capture, Clock, Entropy, ObjectStore, Progress
from vault.repo.snapshot import Snapshot
from vault.repo.state import Closed, Open
from vault.source.files.directory import DirectoryFiles
from vault.source.files.target import DirectoryWriter
from vault.source.postgres.capture.database import open_capture
from vault.source.postgres.capture.reach import CaptureOptions
from vault.source.postgres.connection.connect import Session, connect
from vault.source.postgres.connection.programs import Programs
from vault.source.postgres.connection.resolve import resolve
from vault.source.postgres.connection.throwaway_server import EmbeddedServer
from vault.source.postgres.target.database import connect_target
from vault.sql.names import quote

PASSPHRASE: Final = "demo"
"""Of the demo's own repository; it guards nothing."""
DAYS: Final = 5
DAY_MS: Final = 24 * 60 * 60 * 1000
DATABASE: Final = "project"
RESTORED: Final = "restored"
TRUTH: Final = "project_as_it_was"
LOST_FUNCTION: Final = "reports-export"
STORED: Final = ("config", "keys/", "packs/", "index/", "snapshots/")

COMMANDS: Final = ("pgvault init", "pgvault backup", "pgvault show latest")
"""For the user's own project: what is to be known stands in its supabase/config.toml."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What the story plays on. `store` is empty, `server` runs, `directory` is empty and will hold the project's files."""

    store: ObjectStore
    server: EmbeddedServer
    directory: Path
    programs: Programs
    clock: Clock
    entropy: Entropy


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoReport:
    """`source_bytes`: rows and files of all snapshots together; `stored_bytes`: the repository that holds them."""

    days: int
    source_bytes: int
    stored_bytes: int
    restored_equal: bool
    duration_s: float
    counts: Counts
    restored_counts: Counts
    snapshots: tuple[SnapshotId, ...]


def run(stage: Stage, *, progress: Progress) -> DemoReport:
    """Tell the story; about half a minute.

    Raises  VaultError: whatever went wrong, at the step that went wrong
    """
    started = stage.clock.now_ms()
    tale = _Tale(stage, progress)
    tale.create_project()
    days = [tale.live_a_day(day) for day in range(1, DAYS + 1)]
    tale.keep_the_truth()
    tale.damage()
    damaged = tale.take("evening of day 5", "with the damage in it")
    good = tale.read(days[-1])
    tale.say("what is different since the last good snapshot, from the two snapshots alone:")
    for line in changes(good, tale.read(damaged)):
        tale.say(f"  {line}")
    restored = tale.restore(good)
    equal = tale.compare() and tale.drill(good)
    sizes = tale.sizes([*days, damaged])
    duration_s = (stage.clock.now_ms() - started) / 1000
    tale.end(restored, equal=equal, sizes=sizes)
    return DemoReport(
        days=DAYS,
        source_bytes=sizes[0],
        stored_bytes=sizes[1],
        restored_equal=equal,
        duration_s=duration_s,
        counts=good.manifest.counts,
        restored_counts=restored,
        snapshots=(*days, damaged),
    )


class _Calendar:
    """A clock that starts some days ago and can be moved on."""

    def __init__(self, clock: Clock, days_ago: int) -> None:
        self._clock = clock
        self._ahead_ms = -days_ago * DAY_MS

    def now_ms(self) -> int:
        return self._clock.now_ms() + self._ahead_ms

    def uptime_s(self) -> float:
        return self._clock.uptime_s()

    def next_day(self) -> None:
        self._ahead_ms += DAY_MS


class _Tale:
    """The steps, in the order in which `run` takes them."""

    def __init__(self, stage: Stage, progress: Progress) -> None:
        self._stage = stage
        self._progress = progress
        self._calendar = _Calendar(stage.clock, DAYS - 1)
        self._directories = {name: stage.directory / name for name in ("migrations", "edge_functions")}
        self._done: RestoreDone | None = None
        self._truth: dict[tuple[str, str], bytes] = {}
        self._opened: Open | None = None

    def say(self, text: str) -> None:
        self._progress.event("demo", text)

    def create_project(self) -> None:
        self.say("a Supabase-like project appears: a database, its migrations, its edge functions")
        with self._session("postgres") as session:
            session.run(f"CREATE DATABASE {quote(DATABASE)} TEMPLATE template0", doing="creating the demo's database")
        with self._session(DATABASE) as session:
            for script in project.database_sql():
                session.run(script, doing="building the demo's project")
        _write(self._directories["migrations"], project.migrations())
        _write(self._directories["edge_functions"], project.edge_functions())
        stage = self._stage
        create_repository(stage.store, passphrase=PASSPHRASE, label="demo", clock=self._calendar, entropy=stage.entropy)
        self._opened = Closed(stage.store).open(PASSPHRASE)

    def live_a_day(self, day: int) -> SnapshotId:
        if day == 1:
            return self.take("day 1", "the first")
        self._calendar.next_day()
        with self._session(DATABASE) as session:
            session.run(day_sql(day), doing=f"working on day {day}")
        edited = sorted(project.edge_functions())[day * 7]
        with (self._directories["edge_functions"] / edited).open("ab") as file:
            file.write(f"// edited on day {day}\n".encode())
        return self.take(f"day {day}", f"rows came, changed and went; {edited} was edited")

    def take(self, when: str, what: str) -> SnapshotId:
        """One backup, as the command makes it."""
        stage = self._stage
        report = backup.run(
            self._open,
            request=backup.BackupRequest(source=DATABASE, selection="all", program="pgvault demo", tags={"when": when}),
            open_capture=partial(self._capture, DATABASE),
            directories={name: DirectoryFiles(path) for name, path in self._directories.items()},
            clock=self._calendar,
            entropy=stage.entropy,
            progress=self._progress,
        )
        counts = report.manifest.counts
        new = report.manifest.effort.new_bytes
        self.say(f"{when}: snapshot {report.id.hex()[:8]}, {counts.records} rows, {new / 1e6:.2f} MB new ({what})")
        if when == "day 1":
            for line in nine_lines(counts):
                self.say(f"  {line}")
        return report.id

    def read(self, snapshot_id: SnapshotId) -> Snapshot:
        return self._open.indexed(None).snapshot(snapshot_id)

    def keep_the_truth(self) -> None:
        """Copy database and files, so that what is restored can be compared with what was there."""
        with self._session("postgres") as session:
            statement = f"CREATE DATABASE {quote(TRUTH)} TEMPLATE {quote(DATABASE)}"
            session.run(statement, doing="copying the demo's database")
        self._truth = {
            (name, path): content for name, root in self._directories.items() for path, content in _read(root).items()
        }

    def damage(self) -> None:
        self.say("a bad afternoon: " + ", ".join(what for what, _ in DAMAGE) + ", and an edge function is gone")
        with self._session(DATABASE) as session:
            for what, statement in DAMAGE:
                session.run(statement, doing=what)
        (self._directories["edge_functions"] / LOST_FUNCTION / "index.ts").unlink()

    def restore(self, good: Snapshot) -> Counts:
        """Database and directories of `good`, into a new database and a new directory; counted there."""
        self.say(f"restoring snapshot {good.id.hex()[:8]} into an empty database")
        with self._session("postgres") as session:
            session.run(f"CREATE DATABASE {quote(RESTORED)} TEMPLATE template0", doing="creating an empty database")
        target = connect_target(self._stage.server.dsn(RESTORED), {})
        started_ms = self._stage.clock.now_ms()
        try:
            plan = restore_plan.plan(restore.gather(good), target.facts)
            report = restore.run(plan, good, target=target, progress=self._progress)
            self._done = RestoreDone(
                plan=plan,
                report=report,
                running_ms=self._stage.clock.now_ms() - started_ms,
                directories={name: DirectoryFiles(self._restored / name) for name in self._directories},
            )
        finally:
            target.close()
        for line in folded(report.failed):
            self.say(f"  not restored: {line}")
        paths = {name: self._restore_files(good, name) for name in self._directories}
        counted = {
            "migrations": count_migrations(paths["migrations"]),
            "edge_functions": count_edge_functions(paths["edge_functions"]),
        }
        with self._session(RESTORED) as session:
            return count_target(session, files=counted)

    def _restore_files(self, good: Snapshot, name: str) -> tuple[bytes, ...]:
        with DirectoryWriter(self._restored / name, self._stage.entropy) as target:
            return restore_directory(good, name, target, progress=self._progress).paths

    def compare(self) -> bool:
        """The copy of the database and of the files as they were, with what was restored."""
        with self._capture(TRUTH) as truth, self._capture(RESTORED) as restored:
            differences = compare(truth, restored, key=self._stage.entropy(KEY_BYTES))
        for difference in differences:
            self.say(f"  differs: {difference.kind} {difference.name}: {difference.what}")
        same_files = all(
            {path: content for path, content in self._truth.items() if path[0] == name}
            == {(name, path): content for path, content in _read(self._restored / name).items()}
            for name in self._directories
        )
        return not differences and same_files

    def drill(self, good: Snapshot) -> bool:
        """The restored database and files beside the snapshot that they came from, as `pgvault drill` has it, with its record."""
        assert self._done is not None, "it was restored first"
        with self._capture(RESTORED) as restored:
            verdict = drill(good, self._done, restored, entropy=self._stage.entropy, progress=self._progress)
        spent = effort(self._done, self._calendar.now_ms())
        leave_record(self._open, good, verdict, spent, entropy=self._stage.entropy)
        for point in (*verdict.mismatches, *verdict.not_checked):
            self.say(f"  differs from the snapshot, or was not checked: {point}")
        self.say(
            f"the same beside the snapshot itself, which is a drill: {'passed' if verdict.passed else 'FAILED'}, and recorded"
        )
        return verdict == PASSED

    def sizes(self, ids: list[SnapshotId]) -> tuple[int, int]:
        """Bytes that the snapshots hold, each counted whole, and bytes of the repository."""
        source = 0
        for snapshot_id in ids:
            manifest = self._open.manifest(snapshot_id)
            source += sum(files.sums.bytes for files in manifest.directories.values())
            if manifest.database is not None:
                source += manifest.database.tables.sums.bytes + manifest.database.large_objects.sums.bytes
        stored = sum(file.size for prefix in STORED for file in self._stage.store.list(prefix))
        return source, stored

    def end(self, restored: Counts, *, equal: bool, sizes: tuple[int, int]) -> None:
        self.say("counted in the restored database:")
        for line in nine_lines(restored):
            self.say(f"  {line}")
        told = "equal" if equal else "DIFFERENT"
        self.say(f"compared with the database as it was: {told} in every definition, row, sequence and file")
        self.say(f"{DAYS + 1} snapshots of {sizes[0] / 1e6:.1f} MB are stored in {sizes[1] / 1e6:.1f} MB")
        self.say("your own Supabase project, in its directory (any other database: pgvault help postgresql):")
        for command in COMMANDS:
            self.say(f"  {command}")

    @property
    def _open(self) -> Open:
        assert self._opened is not None, "the project is created first"
        return self._opened

    @property
    def _restored(self) -> Path:
        return self._stage.directory / "restored"

    def _capture(self, database: str) -> Capture:
        return open_capture(
            self._stage.server.dsn(database),
            options=CaptureOptions(),
            programs=self._stage.programs,
            environment={},
            notify=self._progress.stage,
        )

    @contextmanager
    def _session(self, database: str) -> Iterator[Session]:
        session = connect(resolve(self._stage.server.dsn(database), {}, allow_cleartext=False))
        try:
            yield session
        finally:
            session.close()


def _write(root: Path, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _read(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}
