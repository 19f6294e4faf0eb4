"""Places that the command line and the configuration name: what is no local path is refused, `~` is the home directory."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.command import Command
from vault.app.settings import Settings
from vault.app.wiring import local_path, repository_at
from vault.errors import UsageError
from vault.model import Counts
from vault.model.words import counted, size
from vault.ops.project.summary import nine_lines

ELSEWHERE = [
    "sftp:backup@host:/srv/repo",
    "user@host:repo",
    "host:/srv/repo",
    "rclone:remote:path",
    "C:\\Users\\me\\repo",
    "C:/Users/me/repo",
    "\\\\server\\share",
]


@pytest.mark.parametrize("place", ELSEWHERE)
def test_what_is_no_path_of_this_machine_is_refused(place: str) -> None:
    with pytest.raises(UsageError, match="not a path of this machine"):
        repository_at(Settings(repository=place))


def test_a_bucket_without_its_slashes_is_refused_with_what_is_meant() -> None:
    with pytest.raises(UsageError, match="is s3://bucket/repo meant"):
        repository_at(Settings(repository="s3:bucket/repo"))


@pytest.mark.parametrize("place", ["repo", "./a:b", "/srv/a:b", "../a", "a/b:c", "user@host/repo", "file:///srv/repo"])
def test_local_path_is_taken(place: str) -> None:
    path = repository_at(Settings(repository=place)).path
    assert path is not None
    assert path.name in {"repo", "a:b", "a", "b:c"}


def test_home_directory_of_nobody_is_refused() -> None:
    with pytest.raises(UsageError, match="no such home directory"):
        local_path("~nobody-of-that-name/repo", "the repository")


@pytest.mark.parametrize("place", ["user@host:repo", "sftp:host:repo"])
def test_repository_target_and_extract_elsewhere_make_no_directory(pgvault: Command, place: str) -> None:
    before = sorted(pgvault.home.iterdir())
    for arguments in (
        ("-r", place, "init", "--no-recovery-kit"),
        ("-r", place, "snapshots"),
    ):
        done = pgvault(*arguments)
        assert (done.code, "not a path of this machine" in done.err) == (2, True), done.err
    assert sorted(pgvault.home.iterdir()) == before


def test_extract_and_restore_elsewhere_are_refused(pgvault_ready: Command) -> None:
    (pgvault_ready.home / "odd").mkdir()
    (pgvault_ready.home / "odd/a").write_text("a")
    assert pgvault_ready("backup", "--dir", "odd=odd").code == 0
    for arguments in (
        ("extract", "latest", "--to", "host:out"),
        ("restore", "latest", "--dir", "odd=host:out", "--yes"),
    ):
        assert pgvault_ready(*arguments).code == 2
    assert not (pgvault_ready.home / "host:out").exists()


def test_home_directory_in_the_configuration_is_expanded(pgvault: Command) -> None:
    (pgvault.home / "secret").write_text("a passphrase of some length\n")
    (pgvault.home / "secret").chmod(0o600)
    (pgvault.home / "files").mkdir()
    (pgvault.home / "files/a").write_text("a")
    work = pgvault.home / "work"
    work.mkdir()
    (work / "pgvault.toml").write_text(
        'version = 1\ncache_dir = "~/cache"\n[repository]\nurl = "~/repo"\npassword_file = "~/secret"\n'
        '[source.app]\ndirectories = { files = "~/files" }\n'
    )
    command = Command(home=work)
    for arguments in (("init", "--no-recovery-kit"), ("backup",)):
        done = command(*arguments, HOME=str(pgvault.home), PGVAULT_REPOSITORY="", PGVAULT_PASSWORD="")
        assert done.code == 0, done.err
    assert (pgvault.home / "repo/config").is_file()
    assert not (work / "~").exists()


@pytest.mark.parametrize("content", ["config", "stray"])
def test_init_refuses_a_place_that_is_taken_before_it_asks_for_a_passphrase(
    pgvault: Command, tmp_path: Path, content: str
) -> None:
    place = tmp_path / "taken"
    place.mkdir()
    (place / content).write_text("x")
    done = pgvault("-r", str(place), "init", "--recovery-kit", str(tmp_path / "kit"))
    assert done.code == 8, done.err
    assert not (tmp_path / "kit").exists()


@pytest.mark.parametrize(("number", "shown"), [(0, "0 files"), (1, "1 file"), (2, "2 files")])
def test_number_of_one_has_no_plural(number: int, shown: str) -> None:
    assert counted(number, "file") == shown


def test_nine_lines_of_one_of_each() -> None:
    one = Counts(**dict.fromkeys(Counts.__dataclass_fields__, 1))
    assert nine_lines(one) == [
        "Database tables: 1 table",
        "Data records: 1 total record",
        "Users: 1 user (with encrypted passwords)",
        "User roles: 1 role assignment",
        "RLS policies: 1 policy",
        "RPC functions: 1 function",
        "Migrations: 1 file",
        "Edge Functions: 1 function",
        "Encryption functions: 1 function",
    ]


def test_sizes_are_for_people() -> None:
    assert [size(count) for count in (0, 1023, 1024, 123_456_789)] == ["0 B", "1023 B", "1.0 KiB", "117.7 MiB"]
