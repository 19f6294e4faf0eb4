"""A database with snapshots of a good day and of a bad one, rows that are put back into it, and what undoes that."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from tests.fix_postgres import Cluster
from tests.fix_views import PASSPHRASE, ViewRepository
from tests.restore_support import PROGRAMS, capture_of
from vault.ids import SnapshotId
from vault.model import TableName
from vault.model.put_back import Decided, Evidence, Fate, PutBackScope, WantedRows
from vault.ops.diff.rows import KEY_BYTES
from vault.ops.diff.scratch import Scratch
from vault.ops.put_back.plan import PutBackPlan, lines, refusals
from vault.ops.put_back.run import PutBack, States, prepare, run
from vault.ops.put_back.scope import PutBackRequest
from vault.ports_of_put_back import PutBackSession
from vault.repo.state import Closed
from vault.source.postgres.target.database import connect_target

Rows = list[tuple[Any, ...]]
_TABLES = """
SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
 WHERE relkind IN ('r', 'p') AND NOT relispartition AND nspname IN ('public', 'auth', 'app') ORDER BY 1, 2
"""


@dataclass(slots=True)
class KeptUndo:
    """What a put back wrote down. `discarded`: because nothing was done."""

    path: Path
    pieces: list[bytes] = field(default_factory=list)
    discarded: bool = False

    def write(self, piece: bytes) -> None:
        self.pieces.append(piece)

    def finish(self) -> str:
        self.path.write_bytes(b"".join(self.pieces))
        return str(self.path)

    def discard(self) -> None:
        self.discarded = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    plan: PutBackPlan
    done: PutBack | None
    undo: KeptUndo

    @property
    def shown(self) -> str:
        return "\n".join(lines(self.plan))

    @property
    def refused(self) -> list[str]:
        return list(refusals(self.plan))

    @property
    def decided(self) -> dict[str, Decided]:
        assert self.done is not None, "it was not only planned"
        return {one.table.name: one for one in self.done.decided if one.fates}

    def fates(self, table: str) -> dict[Fate, int]:
        return self.decided[table].fates if table in self.decided else {}


class Project:
    """`dsn` of who looks after the database, `user_dsn` of who backs it up and restores."""

    def __init__(self, dsn: str, home: Path, script: str = "", *, user_dsn: str | None = None) -> None:
        self.dsn, self.user_dsn, self.home = dsn, user_dsn or dsn, home
        self._repository = ViewRepository()
        if script:
            self.run(script)

    def connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self.dsn, autocommit=True)

    def run(self, script: str) -> None:
        with self.connect() as connection:
            connection.execute(script.encode())

    def ask(self, query: str) -> Rows:
        with self.connect() as connection:
            return connection.execute(query.encode()).fetchall()

    def take(self) -> SnapshotId:
        return self._repository.take(capture=capture_of(self.user_dsn)).id

    def rows(self) -> dict[str, list[str]]:
        """Every row of every table, as text."""
        found: dict[str, list[str]] = {}
        with self.connect() as connection:
            for schema, name in connection.execute(_TABLES).fetchall():
                table = sql.Identifier(schema, name)
                query = sql.SQL("SELECT t::text FROM {} t ORDER BY 1").format(table)
                found[f"{schema}.{name}"] = [row[0] for row in connection.execute(query).fetchall()]
        return found

    def states(self, good: SnapshotId, evidence: SnapshotId) -> States:
        indexed = Closed(self._repository.store).open(PASSPHRASE).indexed(None)
        return States(
            good=indexed.snapshot(good),
            evidence=indexed.snapshot(evidence),
            scratch=Scratch(self.home),
            key=os.urandom(KEY_BYTES),
        )

    def put_back(
        self,
        good: SnapshotId,
        evidence: SnapshotId,
        table: str,
        *,
        rows: str = "all",
        with_references: bool = False,
        fire: bool = False,
        kind: Evidence = Evidence.SNAPSHOT,
        xid: int | None = None,
        only_plan: bool = False,
        between: Callable[[], None] = lambda: None,
    ) -> Done:
        """`between`: what somebody does after the plan was shown."""
        schema, _, name = table.rpartition(".")
        request = PutBackRequest(
            table=TableName(schema=schema or "public", name=name),
            wanted=WantedRows(rows),
            evidence=kind,
            xid=xid,
            with_references=with_references,
            fire=fire,
        )
        target = connect_target(self.user_dsn, {}, programs=PROGRAMS)
        undo = KeptUndo(self.home / f"undo-{os.urandom(4).hex()}.sql")
        try:
            session: PutBackSession = target.put_back()
            plan = prepare(self.states(good, evidence), session, request, facts=target.facts, sample=2)
            print("\n".join(lines(plan)))
            for one in plan.sampled:
                print(one)
            between()
            done = None if only_plan or list(refusals(plan)) else run(plan, session, undo)
        finally:
            target.close()
        return Done(plan=plan, done=done, undo=undo)

    def undo(self, done: Done) -> subprocess.CompletedProcess[str]:
        ended = subprocess.run(
            ["/usr/bin/psql", "-X", "-q", "-d", self.user_dsn, "-f", str(done.undo.path)],
            capture_output=True,
            text=True,
            timeout=60,
        )
        print(ended.stdout, ended.stderr)
        return ended


__all__ = ["Done", "Fate", "KeptUndo", "Project", "PutBackScope"]


MakeProject = Callable[[str], Project]


@contextmanager
def projects(cluster: Cluster, place: Path) -> Iterator[MakeProject]:
    """Makes projects, each with a database of its own that a script fills; the databases go at the end."""
    made: list[str] = []

    def make(script: str) -> Project:
        made.append(cluster.createdb())
        return Project(cluster.dsn(made[-1]), place, script)

    yield make
    for name in made:
        cluster.dropdb(name)
