"""Drills as the command makes them, for tests that change what was restored before it is compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from tests.fix_views import Listener
from vault.app.drill.run import Drill, DrillFlags, open_drill
from vault.app.settings import Settings
from vault.app.settings.drill import DrillSettings
from vault.ops.drill.verdict import DrillVerdict
from vault.repo.snapshot import Snapshot

SYSTEM = "/usr/local/bin:/usr/bin:/bin"


def settings_for(binaries: Path | None = None, assertions: Sequence[str] = ()) -> Settings:
    """`binaries`: of the server that a drill is to find first, where the system has none of that major."""
    path = SYSTEM if binaries is None else f"{binaries}:{SYSTEM}"
    return Settings(environment={"PATH": path}, drill=DrillSettings(assertions=tuple(assertions)))


@contextmanager
def opened(snapshot: Snapshot, *, settings: Settings | None = None, database: str | None = None) -> Iterator[Drill]:
    flags = DrillFlags(database=database)
    with open_drill(settings or settings_for(), snapshot, flags, sources={}, progress=Listener()) as drill:
        yield drill


def drilled(
    snapshot: Snapshot,
    *,
    settings: Settings | None = None,
    database: str | None = None,
    meanwhile: Callable[[psycopg.Connection[Any]], object] | None = None,
) -> DrillVerdict:
    """`meanwhile`: what is done to the restored database before it is looked at."""
    with opened(snapshot, settings=settings, database=database) as drill:
        drill.restore()
        if meanwhile is not None:
            assert drill.place.conninfo is not None
            with psycopg.connect(drill.place.conninfo, autocommit=True) as connection:
                meanwhile(connection)
        verdict = drill.examine()
    for head, points in (("differs", verdict.mismatches), ("not checked", verdict.not_checked)):
        for point in points:
            print(f"{head}: {point}")
    return verdict
