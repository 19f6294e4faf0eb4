"""A repository in memory, taken through its own code, for tests that look into snapshots."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from vault.ops.backup import run as backup
from vault.ops.repository.keys import create_repository
from vault.ports import Capture
from vault.repo.snapshot import Snapshot
from vault.repo.state import Closed
from vault.source.files.directory import DirectoryFiles
from vault.store.memory import MemoryStore

PASSPHRASE = "views"


class StandingClock:
    """Says what it is told to say."""

    def __init__(self, now_ms: int = 1_760_000_000_000) -> None:
        self.now = now_ms

    def now_ms(self) -> int:
        return self.now

    def uptime_s(self) -> float:
        return self.now / 1_000


class Listener:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str]] = []

    def stage(self, name: str, total_bytes: int | None = None) -> None:
        self.events.append(("stage", name))

    def advance(self, done_bytes: int, *, rows: int = 0, tables: int = 0) -> None:
        pass

    def event(self, kind: str, text: str) -> None:
        self.events.append((kind, text))


class ViewRepository:
    """`take` adds a snapshot and returns it, read back through a fresh index."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.clock = StandingClock()
        create_repository(self.store, passphrase=PASSPHRASE, label="test", clock=self.clock, entropy=os.urandom)

    def take(
        self,
        directories: Mapping[str, Path] | None = None,
        capture: Callable[[], Capture] | None = None,
        *,
        selection: str = "all",
    ) -> Snapshot:
        repo = Closed(self.store).open(PASSPHRASE)
        report = backup.run(
            repo,
            request=backup.BackupRequest(source="demo", selection=selection, program="test"),
            open_capture=capture,
            directories={name: DirectoryFiles(path) for name, path in (directories or {}).items()},
            clock=self.clock,
            entropy=os.urandom,
            progress=Listener(),
        )
        return Closed(self.store).open(PASSPHRASE).indexed(None).snapshot(report.id)


@pytest.fixture
def view_repository() -> ViewRepository:
    return ViewRepository()
