"""The script of the documentation, played: a stack starts at once, its backup follows, and a log shows the nine lines."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.cli.command import HANG_S, Command
from tests.fix_supabase import Platform
from tests.jobs_support import only, over, record, state_of, until
from vault.app import jobs
from vault.model import Counts
from vault.model.jobs import Job, JobState
from vault.ops.project.summary import nine_lines

pytestmark = pytest.mark.postgres

SCRIPT = Path(__file__).parents[2] / "vault" / "docs" / "examples" / "start_full_stack.sh"
FUNCTION = 'Deno.serve(() => new Response("hello"));\n'


def stub(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


class Stack:
    """A project with the script, and `supabase` and `pgvault` on PATH; its database is there when `arrive` was called."""

    def __init__(self, home: Path, platform: Platform, *, wait: str) -> None:
        self.platform = platform
        self.database = f"late_{os.getpid()}_{home.name[-24:].replace('-', '_')}"
        self.pgvault = Command(home=home, environment={"PATH": f"{home / 'bin'}:{os.environ['PATH']}"})
        for folder in ("bin", "supabase/migrations", "supabase/functions/hello"):
            (home / folder).mkdir(parents=True)
        stub(home / "bin" / "pgvault", f'exec {sys.executable} -m vault "$@"')
        stub(home / "bin" / "supabase", "echo supabase $1")
        (home / "supabase" / "functions" / "hello" / "index.ts").write_text(FUNCTION)
        (home / "start_full_stack.sh").write_bytes(SCRIPT.read_bytes())
        (home / "start_full_stack.sh").chmod(0o755)
        (home / "pgvault.toml").write_text(
            f"[repository]\nurl = {json.dumps(str(self.pgvault.repository))}\n"
            f"[source.app]\ndatabase = {json.dumps(platform.dsn(self.database))}\n"
            'directories = { migrations = "supabase/migrations", edge_functions = "supabase/functions" }\n'
            'accepted_gaps = ["root key of the vault", "files of storage.objects"]\n'
            f'[background]\nwait = "{wait}"\nsettle = "1s"\n'
        )
        assert self.pgvault("init", "--no-recovery-kit").code == 0

    def arrive(self) -> None:
        """The project's database is there, all at once."""
        made = self.platform.project(f"made_{self.database}")
        with self.platform.admin() as connection:
            connection.execute(f'ALTER DATABASE "{made}" RENAME TO "{self.database}"'.encode())

    def begin(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["./start_full_stack.sh"],
            cwd=self.pgvault.home,
            env=self.pgvault.variables({}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def start(self) -> str:
        """What the script printed; it ends well, whatever becomes of the backup."""
        process = self.begin()
        said, _ = process.communicate(timeout=HANG_S)
        assert process.returncode == 0, said
        assert said.splitlines()[0] == "supabase start"
        assert said.splitlines()[-1] == "the stack is up"
        return said

    def job(self) -> Job:
        until(lambda: bool(state_of(self.pgvault).jobs()))
        return only(state_of(self.pgvault))

    def snapshots(self) -> list[str]:
        return [snapshot["id"] for snapshot in self.pgvault("snapshots", "--json").json()["snapshots"]]

    def stop(self) -> None:
        for name in state_of(self.pgvault).jobs():
            job = record(state_of(self.pgvault), name)
            if job.pid and jobs.is_alive(state_of(self.pgvault), name):
                os.kill(job.pid, signal.SIGKILL)
                until(lambda name=name: not jobs.is_alive(state_of(self.pgvault), name))  # type: ignore[misc]
        for name in (self.database, f"made_{self.database}"):
            self.platform.drop(name)


@pytest.fixture
def stack(tmp_path: Path, platform18: Platform) -> Iterator[Stack]:
    made = Stack(tmp_path, platform18, wait="30m")
    yield made
    made.stop()


def test_stack_starts_at_once_and_the_log_ends_with_the_nine_lines(stack: Stack) -> None:
    said = stack.start()
    match = re.search(r"tail -f (\S+)", said)
    assert match is not None, said
    job = stack.job()
    assert jobs.state_of(state_of(stack.pgvault), job) is JobState.WAITING, "the stack did not wait for its backup"
    log = ["tail", "-n", "+1", f"--pid={job.pid}", "-f", match[1]]
    with subprocess.Popen(log, stdout=subprocess.PIPE, text=True) as tail:
        until(lambda: "Z waiting for the database, 30 min at most" in Path(job.log).read_text())
        stack.arrive()
        ended = over(state_of(stack.pgvault), job.id)
        assert tail.stdout is not None
        followed = tail.stdout.read().splitlines()
    assert (ended.exit_code, ended.error) == (0, None), followed
    assert ended.healthy_ms is not None
    assert [ended.snapshot] == stack.snapshots()
    titles = [line.partition(":")[0] for line in nine_lines(Counts())]
    nine = followed[-len(titles) :]
    assert [line.partition(":")[0].partition(" ")[2] for line in nine] == titles
    assert "✅ Edge Functions: 1 function" in nine
    assert stack.pgvault("cat", "latest:edge_functions/hello/index.ts").out == FUNCTION


def test_two_stacks_at_once_make_one_backup(stack: Stack) -> None:
    both = [stack.begin(), stack.begin()]
    said = [process.communicate(timeout=HANG_S)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    job = stack.job()
    assert sum("in the background" in text for text in said) == 1
    assert sum("runs already" in text for text in said) == 1
    stack.arrive()
    assert over(state_of(stack.pgvault), job.id).exit_code == 0
    assert len(stack.snapshots()) == 1


def test_killed_backup_leaves_the_next_start_a_clean_run(stack: Stack) -> None:
    stack.start()
    first = stack.job()
    stack.arrive()
    os.kill(first.pid, signal.SIGKILL)
    until(lambda: not jobs.is_alive(state_of(stack.pgvault), first.id))
    assert jobs.state_of(state_of(stack.pgvault), record(state_of(stack.pgvault), first.id)) in (
        JobState.KILLED,
        JobState.ENDED,  # it may have been that quick
    )
    stack.start()
    second = state_of(stack.pgvault).jobs()[0]
    assert second != first.id
    ended = over(state_of(stack.pgvault), second)
    assert ended.exit_code == 0
    assert ended.snapshot in stack.snapshots()


def test_database_that_never_gets_healthy_ends_the_job_and_not_the_stack(tmp_path: Path, platform18: Platform) -> None:
    stack = Stack(tmp_path, platform18, wait="1s")
    stack.start()
    ended = over(state_of(stack.pgvault), stack.job().id)
    assert (ended.exit_code, ended.error and ended.error.code) == (6, "SOURCE_UNREACHABLE")
    assert stack.snapshots() == []
    assert "does not exist" in Path(ended.log).read_text()


def test_machine_without_pgvault_starts_its_stack(stack: Stack) -> None:
    stub(stack.pgvault.home / "bin" / "pgvault", "exit 127")
    stack.start()
    assert state_of(stack.pgvault).jobs() == []


def test_stack_is_wrapped_by_run(stack: Stack) -> None:
    """The other way to have it: nothing in the script, `pgvault run --after` before it."""
    stack.arrive()
    with psycopg.connect(stack.platform.dsn(stack.database)) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    (stack.pgvault.home / "up.sh").write_text("supabase start\n")
    done = stack.pgvault("run", "--after", "--", "sh", "up.sh")
    assert (done.code, done.out) == (0, "supabase start\n")
    assert over(state_of(stack.pgvault), stack.job().id).exit_code == 0
    assert len(stack.snapshots()) == 1
