"""A password reaches a child of ours and nobody else, and nothing of it is left when we are killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from vault.source.postgres.connection.connect import child_variables
from vault.source.postgres.connection.passfile import PasswordFile, sweep
from vault.source.postgres.connection.programs import Children
from vault.source.postgres.connection.resolve import resolve

SECRET = "s3cr3t-of-a-database"
LINE = f"*:*:*:*:{SECRET}\\:\\\\\n"
READ = 'cat "$PGPASSFILE" "$PGPASSFILE"; stat -L -c %a:%F:%u "$PGPASSFILE"'


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def output_of(group: Children, *command: str) -> str:
    child = group.start(command, feed=False)
    assert child.process.stdout is not None
    return child.process.stdout.read().decode()


def test_children_see_no_secret_in_their_environment() -> None:
    server = resolve(f"host=localhost user=me password={SECRET} dbname='a b'", {}, allow_cleartext=False)
    group = Children(
        environment={
            **dict.fromkeys(
                ("PGPASSWORD", "PGVAULT_PASSWORD", "AWS_SECRET_ACCESS_KEY", "SUPABASE_ACCESS_TOKEN", "DATABASE_URL"),
                SECRET,
            ),
            "PGSERVICE": "x",
            "PGOPTIONS": "-c a=b",
            "HOME": "/h",
            "LC_TIME": "C",
        },
        connection=child_variables(server),
        password=SECRET,
    )
    shown = dict(line.split("=", 1) for line in output_of(group, "/usr/bin/env").splitlines())
    group.close()
    assert SECRET not in str(shown)
    assert (shown["PGUSER"], shown["PGDATABASE"], shown["HOME"], shown["LC_TIME"]) == ("me", "a b", "/h", "C")
    assert not {"PGSERVICE", "DATABASE_URL", "AWS_SECRET_ACCESS_KEY"} & shown.keys()
    assert "-c a=b" not in shown.values()


def test_each_child_reads_the_password_from_a_private_file_without_a_name(temporary: Path) -> None:
    group = Children(environment={"PATH": os.defpath}, connection={}, password=f"{SECRET}:\\")
    kind = f"600:regular file:{os.geteuid()}\n"
    for _ in range(2):
        assert output_of(group, "/bin/sh", "-c", READ) == LINE * 2 + kind
    assert [path for path in temporary.rglob("*") if path.is_file()] == []
    group.close()
    group.close()


def test_without_a_password_there_is_an_empty_file() -> None:
    group = Children(environment={"PATH": os.defpath}, connection={}, password="")
    assert output_of(group, "/bin/sh", "-c", READ) == f"600:regular empty file:{os.geteuid()}\n"
    group.close()


def test_a_kernel_without_such_memory_gets_an_unlinked_file(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "memfd_create")
    passfile = PasswordFile(SECRET)
    assert Path(passfile.path).read_text() == f"*:*:*:*:{SECRET}\n"
    assert list(temporary.iterdir()) == []
    passfile.close()


KILLED = """
import os, sys
from vault.source.postgres.connection.passfile import PasswordFile
passfile = PasswordFile(sys.argv[1], nameless=sys.argv[2] == "nameless")
print(open(passfile.path).read(), end="", flush=True)
sys.stdin.read()
"""


def killed(place: Path, kind: str) -> str:
    """What a process read from its password file before it was killed."""
    command = [sys.executable, "-c", KILLED, SECRET, kind]
    environment = {**os.environ, "TMPDIR": str(place)}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True
    ) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    return said


def files_below(place: Path) -> list[Path]:
    return [path for path in place.rglob("*") if path.is_file()]


def test_nothing_is_left_of_a_killed_process(tmp_path: Path) -> None:
    assert SECRET in killed(tmp_path, "nameless")
    assert files_below(tmp_path) == []


def test_where_files_need_names_the_next_start_sweeps_those_of_the_dead_alone(temporary: Path) -> None:
    living = PasswordFile(SECRET, nameless=False)
    assert SECRET in killed(temporary, "named")
    assert len(files_below(temporary)) == 2
    (temporary / "pgvault-pass-notes").mkdir()
    sweep()
    assert files_below(temporary) == [Path(living.path)]
    assert (temporary / "pgvault-pass-notes").exists()
    assert Path(living.path).stat().st_mode & 0o777 == 0o600
    assert Path(living.path).parent.stat().st_mode & 0o777 == 0o700
    living.close()
    assert files_below(temporary) == []
