"""Where a value comes from: flag, environment, the project's file, the user's file, in this order."""

from __future__ import annotations

import pytest

from tests.cli.command import Command


def repository_in_message(pgvault: Command, *arguments: str, **environment: str) -> str:
    """The repository that the command looked for: its message names it."""
    done = pgvault(*arguments, "snapshots", **environment)
    assert done.code == 10, done.err
    return done.err.splitlines()[0].rpartition("/")[2]


def test_flag_beats_environment_beats_project_file_beats_user_file(pgvault: Command) -> None:
    user = pgvault.home / ".config" / "pgvault"
    user.mkdir(parents=True)
    (user / "pgvault.toml").write_text('[repository]\nurl = "by-user"\n')
    assert repository_in_message(pgvault, PGVAULT_REPOSITORY="") == "by-user"
    (pgvault.home / "pgvault.toml").write_text('[repository]\nurl = "by-project"\n')
    assert repository_in_message(pgvault, PGVAULT_REPOSITORY="") == "by-project"
    assert repository_in_message(pgvault, PGVAULT_REPOSITORY="by-environment") == "by-environment"
    assert repository_in_message(pgvault, "-r", "by-flag") == "by-flag"
    assert repository_in_message(pgvault, "-r", (pgvault.home / "by-url").as_uri()) == "by-url"


def test_explicit_configuration_replaces_all_others(pgvault: Command) -> None:
    (pgvault.home / "pgvault.toml").write_text('[repository]\nurl = "by-project"\n')
    (pgvault.home / "other.toml").write_text('[repository]\nurl = "by-other"\n')
    assert repository_in_message(pgvault, PGVAULT_REPOSITORY="", PGVAULT_CONFIG="other.toml") == "by-other"
    assert pgvault("snapshots", PGVAULT_CONFIG="missing.toml").code == 2


def test_options_may_stand_before_or_after_the_command(pgvault: Command) -> None:
    before = pgvault("-r", "one", "--json", "snapshots")
    after = pgvault("snapshots", "--json", "-r", "one")
    assert before == after
    assert pgvault("-r", "one", "snapshots", "-r", "two").err.splitlines()[0].endswith("/two")


def test_no_repository_named_is_a_usage_error(pgvault: Command) -> None:
    done = pgvault("snapshots", PGVAULT_REPOSITORY="")
    assert done.code == 2
    assert "PGVAULT_REPOSITORY" in done.err


def test_several_sources_need_a_name(pgvault_ready: Command) -> None:
    (pgvault_ready.home / "a").mkdir()
    (pgvault_ready.home / "pgvault.toml").write_text(
        '[source.one]\ndirectories = { a = "a" }\n[source.two]\ndirectories = { a = "a" }\n'
    )
    assert pgvault_ready("backup").code == 2
    assert pgvault_ready("backup", "--source", "two").code == 0


def test_quiet_says_nothing_but_results(pgvault_ready: Command) -> None:
    (pgvault_ready.home / "a").mkdir()
    assert pgvault_ready("backup", "--dir", "a=a", "-q").err == ""
    assert pgvault_ready("check", "-q").err == ""


def test_cache_directory_can_be_deleted_at_any_time(pgvault_ready: Command) -> None:
    (pgvault_ready.home / "a").mkdir()
    cache = pgvault_ready.home / "cache"
    for _ in range(2):
        assert pgvault_ready("backup", "--dir", "a=a", PGVAULT_CACHE_DIR=str(cache)).code == 0
        for path in sorted(cache.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
    assert pgvault_ready("check", PGVAULT_CACHE_DIR=str(cache)).code == 0


@pytest.mark.parametrize("topic", ["errors", "exit-codes", "environment", "backup", ""])
def test_help_is_given_without_a_repository(pgvault: Command, topic: str) -> None:
    done = pgvault("help", *([topic] if topic else []), PGVAULT_REPOSITORY="")
    assert done.code == 0
    assert len(done.out.splitlines()) > 8


def test_every_error_code_is_in_the_help(pgvault: Command) -> None:
    from vault.cli.exit_codes import error_classes, exit_code_of

    shown = {line.split()[0]: int(line.split()[1]) for line in pgvault("help", "errors").out.splitlines()[1:]}
    assert shown == {kind.code: int(exit_code_of(kind)) for kind in error_classes()}
