"""What the command refuses, with which exit code, and what it says then."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.cli.command import PASSPHRASE, Command

URL = "postgresql://app:hunter2-in-a-url@db.example.org/app"


@pytest.mark.parametrize(
    "arguments",
    [
        ("backup", "-d", URL),
        ("backup", "-d", "postgresql://db.example.org/app?password=hunter2-in-a-url"),
        ("backup", "-d", "postgresql://db.example.org/app?p%61ssword=hunter2-in-a-url"),
        ("backup", "-d", "host=db user=app password='hunter2-in-a-url'"),
        ("backup", "-d", "host=db sslpassword = hunter2-in-a-url"),
        ("--json", "backup", "-d", URL),
        ("backup", URL),
        (URL,),
        ("ls", URL),
        ("check", "--read-data=" + URL),
    ],
)
def test_password_on_the_command_line_is_refused_and_never_repeated(
    pgvault_ready: Command, arguments: tuple[str, ...]
) -> None:
    assert pgvault_ready(*arguments).code == 2


def test_refusal_of_a_password_says_what_to_do_instead(pgvault: Command) -> None:
    done = pgvault("backup", "-d", URL)
    assert "a secret is never a flag's value" in done.err
    assert "PGPASSFILE" in done.err


def test_password_in_the_configuration_is_refused(pgvault: Command) -> None:
    (pgvault.home / "pgvault.toml").write_text(f'[source.app]\ndatabase = "{URL}"\n')
    assert pgvault("snapshots").code == 2


@pytest.mark.parametrize("arguments", [("backup", "--bogus"), ("snapshots", "surplus"), ("cat",), ("snapshot",)])
def test_bad_usage_exits_2_and_names_the_help(pgvault: Command, arguments: tuple[str, ...]) -> None:
    done = pgvault(*arguments)
    assert done.code == 2
    assert done.out == ""
    assert "--help" in done.err


def test_unknown_command_suggests_the_nearest(pgvault: Command) -> None:
    assert "did you mean: pgvault snapshots?" in pgvault("snapshot").err


def test_missing_repository_exits_10_before_a_passphrase_is_needed(pgvault: Command) -> None:
    assert pgvault("snapshots", PGVAULT_PASSWORD="").code == 10
    pgvault.repository.mkdir()
    assert pgvault("snapshots", PGVAULT_PASSWORD="").code == 10


def test_wrong_passphrase_exits_12(pgvault_ready: Command) -> None:
    done = pgvault_ready("snapshots", PGVAULT_PASSWORD="another")
    assert done.code == 12
    assert "another" not in done.err


def test_damaged_configuration_exits_4_and_names_the_ways_in(pgvault_ready: Command) -> None:
    config = pgvault_ready.repository / "config"
    whole = config.read_bytes()
    for damaged in (b"", whole[:-37], whole[:-1], whole[:20] + bytes([whole[20] ^ 1]) + whole[21:]):
        config.write_bytes(damaged)
        done = pgvault_ready("snapshots")
        assert done.code == 4
        assert "recovery kit" in done.err


def test_without_passphrase_and_terminal_exits_13(pgvault_ready: Command) -> None:
    done = pgvault_ready("snapshots", PGVAULT_PASSWORD="")
    assert done.code == 13
    assert "PGVAULT_PASSWORD_FILE" in done.err


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_password_file_open_to_others_is_refused(pgvault_ready: Command, tmp_path: Path, mode: int) -> None:
    secret = tmp_path / "password"
    secret.write_text(PASSPHRASE + "\n")
    secret.chmod(mode)
    done = pgvault_ready("snapshots", PGVAULT_PASSWORD="", PGVAULT_PASSWORD_FILE=str(secret))
    assert done.code == 13
    assert f"chmod 600 {secret}" in done.err
    secret.chmod(0o600)
    assert pgvault_ready("snapshots", PGVAULT_PASSWORD="", PGVAULT_PASSWORD_FILE=str(secret)).code == 0


def test_failing_password_command_is_named_without_its_output(pgvault_ready: Command) -> None:
    command = f"sh -c 'echo {PASSPHRASE}; exit 3'"
    assert pgvault_ready("snapshots", PGVAULT_PASSWORD="", PGVAULT_PASSWORD_COMMAND=command).code == 13


@pytest.mark.parametrize(
    ("text", "suggestion"),
    [
        ('[repositry]\nurl = "x"\n', "'repository'"),
        ('[repository]\nurll = "x"\n', "'url'"),
        ("[source.app]\ndirectorys = {}\n", "'directories'"),
    ],
)
def test_unknown_configuration_key_is_refused_with_a_suggestion(pgvault: Command, text: str, suggestion: str) -> None:
    (pgvault.home / "pgvault.toml").write_text(text)
    done = pgvault("snapshots")
    assert done.code == 2
    assert f"did you mean {suggestion}?" in done.err


@pytest.mark.parametrize(
    "text", ["[repository", "version = 2\n", "cache_dir = 3\n", '[source.app]\ninclude_tables = "x"\n']
)
def test_wrong_configuration_is_refused(pgvault: Command, text: str) -> None:
    (pgvault.home / "pgvault.toml").write_text(text)
    assert pgvault("snapshots").code == 2


def test_nothing_to_back_up_is_refused(pgvault_ready: Command) -> None:
    done = pgvault_ready("backup")
    assert done.code == 2
    assert "nothing to back up" in done.err


@pytest.mark.parametrize(
    "pair", ["migrations", "=here", "migrations=", "Big=.", "a/b=.", "data_records=.", "x=/nowhere"]
)
def test_impossible_directory_is_refused(pgvault_ready: Command, pair: str) -> None:
    assert pgvault_ready("backup", "--dir", pair).code == 2


def test_unreachable_database_exits_6(pgvault_ready: Command) -> None:
    assert pgvault_ready("backup", "-d", "host=127.0.0.1 port=1 dbname=app user=nobody").code == 6


def test_unknown_host_is_named_as_such(pgvault_ready: Command) -> None:
    done = pgvault_ready("backup", "-d", "host=nowhere.invalid dbname=app user=nobody")
    assert done.code == 6
    assert "resolve host" in done.err or "translate host" in done.err


@pytest.mark.parametrize("empty", ["", " "])
def test_empty_database_name_is_refused(pgvault_ready: Command, empty: str) -> None:
    """`-d "$UNSET"` must not become whatever libpq takes by default."""
    for command in (("backup",), ("restore", "latest")):
        done = pgvault_ready(*command, "-d", empty, PGHOST="127.0.0.1", PGPORT="1")
        assert done.code == 2
        assert "is empty" in done.err


def test_directory_that_holds_the_repository_is_refused(pgvault_ready: Command) -> None:
    (pgvault_ready.home / "link").symlink_to(pgvault_ready.home)
    for path in (".", "repository", "link"):
        done = pgvault_ready("backup", "--dir", f"all={path}")
        assert done.code == 8
        assert "the repository lies in" in done.err


def test_extract_of_what_is_not_there_makes_no_directory(pgvault_ready: Command) -> None:
    (pgvault_ready.home / "some").mkdir()
    assert pgvault_ready("backup", "--dir", "some=some").code == 0
    assert pgvault_ready("extract", "latest", "nothing", "--to", "out").code == 2
    assert not (pgvault_ready.home / "out").exists()


def test_too_short_an_id_says_how_long_it_must_be(pgvault_ready: Command) -> None:
    assert "6 digits" in pgvault_ready("show", "abc").err


def test_tag_of_two_snapshots_asks_for_an_id(pgvault_ready: Command) -> None:
    (pgvault_ready.home / "some").mkdir()
    for _ in range(2):
        assert pgvault_ready("backup", "--dir", "some=some", "--tag", "release=1.4").code == 0
    done = pgvault_ready("show", "1.4")
    assert done.code == 2
    assert "name one by its id" in done.err


def test_hints_of_init_can_be_typed(pgvault: Command) -> None:
    done = pgvault("-r", "a place", "init", "--recovery-kit", "kit")
    assert "-r 'a place'" in done.err
    assert "recovery kit written to kit" in done.out
    assert "name a new file" in pgvault("init", "--recovery-kit", "kit").err


def test_backup_sweeps_what_killed_runs_left_a_day_ago(pgvault_ready: Command) -> None:
    (pgvault_ready.home / "some").mkdir()
    old, young = (pgvault_ready.repository / "tmp" / name for name in ("old", "young"))
    for leftover in (old, young):
        leftover.write_bytes(b"half a pack")
    os.utime(old, (0, 0))
    assert pgvault_ready("backup", "--dir", "some=some").code == 0
    assert (old.exists(), young.exists()) == (False, True)


def test_error_line_has_all_its_fields(pgvault_ready: Command) -> None:
    for arguments in (("--json", "show", "latest"), ("show", "latest", "--json")):
        done = pgvault_ready(*arguments)
        line = done.json()
        assert done.code == line["exit_code"] == 2
        assert set(line) == {"type", "code", "message", "why", "fix", "exit_code"}
        assert (line["type"], line["code"]) == ("error", "NOT_THERE")
        assert done.err == ""


def test_closed_output_pipe_is_quiet(pgvault_ready: Command) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    import subprocess
    import sys

    environment = {"PATH": os.environ["PATH"], "HOME": str(pgvault_ready.home)}
    done = subprocess.run(
        [sys.executable, "-m", "vault", "help", "errors"],
        env=environment, stdout=writing, stderr=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    os.close(writing)
    assert done.stderr == ""
