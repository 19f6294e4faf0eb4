"""From settings to what a scheduler is told."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from vault.app.schedule.plan import Here, carried_secrets, name_of, plan_task, program_words
from vault.app.schedule.task import CARRIED, Task
from vault.app.settings import Settings, load_settings
from vault.errors import UsageError

SECRETS = {"PGVAULT_PASSWORD": "geheim", "PGPASSWORD": "geheim", "AWS_SECRET_ACCESS_KEY": "geheim"}


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a configuration; the working directory is in it."""
    for name in CARRIED:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    folder = tmp_path / "shop"
    (folder / "sub").mkdir(parents=True)
    (folder / "pgvault.toml").write_text('[repository]\nurl = "../backups"\n[source.app]\ndatabase = "app"\n')
    monkeypatch.chdir(folder)
    return folder


def here(folder: Path) -> Here:
    return Here(folder=folder, program=("/opt/pgvault/bin/pgvault",), home="/home/ada", host="ada")


def planned(folder: Path, settings: Settings | None = None, **options: str | None) -> Task:
    chosen: Mapping[str, str | None] = {"at": None, "every": None, **options}
    return plan_task(
        settings or load_settings(repository=None, source=None),
        here=here(folder),
        at=chosen["at"],
        every=chosen["every"],
    )


def test_a_project_needs_no_more_than_its_directory(shop: Path) -> None:
    task = planned(shop)
    assert task.words == ("/opt/pgvault/bin/pgvault", "schedule", "run")
    assert task.folder == str(shop)
    assert set(task.environment) == {"HOME", "PATH"}
    assert "/opt/pgvault/bin" in task.environment["PATH"].split(":")
    assert task.title == f"pgvault backup of app ({shop}/pgvault.toml)"
    assert task.delay_s > 0


def test_the_same_project_from_a_directory_below_is_the_same_task(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from_above = planned(shop)
    monkeypatch.chdir(shop / "sub")
    assert planned(shop / "sub") == from_above


def test_a_supabase_project_below_the_configuration_is_where_it_runs(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (shop / "sub" / "supabase").mkdir()
    (shop / "sub" / "supabase" / "config.toml").write_text('project_id = "x"\n')
    monkeypatch.chdir(shop / "sub")
    assert planned(shop / "sub").folder == str(shop / "sub")


def test_relative_places_become_absolute(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGVAULT_CONFIG", "pgvault.toml")
    monkeypatch.setenv("PGVAULT_PASSWORD_FILE", "../secret")
    monkeypatch.setenv("PGPASSFILE", "pgpass")
    monkeypatch.setenv("PGHOST", "db.example.org")
    monkeypatch.setenv("PGVAULT_REPOSITORY", "../elsewhere")
    environment = planned(shop).environment
    assert environment["PGVAULT_CONFIG"] == f"{shop}/pgvault.toml"
    assert environment["PGVAULT_PASSWORD_FILE"] == f"{shop}/../secret"
    assert environment["PGPASSFILE"] == f"{shop}/pgpass"
    assert environment["PGHOST"] == "db.example.org"
    assert environment["PGVAULT_REPOSITORY"] == f"{shop.parent}/elsewhere"
    typed = planned(shop, load_settings(repository="../typed", source=None))
    assert f"--repo={shop.parent}/typed" in typed.words
    assert "PGVAULT_REPOSITORY" not in typed.environment
    assert typed.name != planned(shop).name


def test_no_secret_and_nothing_else_is_taken_along(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**SECRETS, "LD_PRELOAD": "x", "OTHER": "x"}.items():
        monkeypatch.setenv(name, value)
    task = planned(shop)
    assert "geheim" not in repr(task)
    assert set(task.environment) == {"HOME", "PATH"}
    assert set(carried_secrets(SECRETS)) == set(SECRETS)


def test_where_pg_dump_and_the_passphrase_command_are_is_on_the_path(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, program in (("a", "ask"), ("b", "pg_dump"), ("c", "other")):
        (tmp_path / name).mkdir()
        (tmp_path / name / program).write_text("#!/bin/sh\n")
        (tmp_path / name / program).chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}/c:relative:{tmp_path}/b:{tmp_path}/a:/usr/bin")
    (shop / "pgvault.toml").write_text('[repository]\nurl = "../backups"\npassword_command = "ask for it"\n')
    assert planned(shop).environment["PATH"].split(":") == [
        f"{tmp_path}/b",
        f"{tmp_path}/a",
        "/opt/pgvault/bin",
        "/usr/local/bin",
        "/usr/bin",
        "/bin",
    ]


def test_flags_stand_in_place_of_the_configuration(shop: Path) -> None:
    with (shop / "pgvault.toml").open("a") as file:
        file.write('[schedule]\nat = "01:30"\nevery = "12h"\n')
    assert planned(shop).timetable.minutes == (90, 810)
    assert planned(shop, at="02:00").timetable.minutes == (120, 840)
    assert planned(shop, at="sun 02:00", every="1w").timetable.weekday == 6


def test_several_sources_are_one_task(shop: Path) -> None:
    with (shop / "pgvault.toml").open("a") as file:
        file.write('[source.crm]\ndatabase = "crm"\n')
    settings = load_settings(repository=None, source=None)
    assert "all sources" in planned(shop).title
    one = load_settings(repository=None, source="crm")
    assert planned(shop, one).words[-1] == "--source=crm"
    assert name_of(one, here(shop)) != name_of(settings, here(shop))


def test_without_a_repository_nothing_is_planned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PGVAULT_REPOSITORY", raising=False)
    with pytest.raises(UsageError) as refused:
        planned(tmp_path, Settings())
    assert "pgvault init" in refused.value.hint


def test_the_program_is_named_by_its_whole_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "pgvault"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o700)
    monkeypatch.chdir(tmp_path)
    assert program_words("./pgvault", "/usr/bin/python3") == (str(script),)
    assert program_words("/x/vault/__main__.py", "/usr/bin/python3") == ("/usr/bin/python3", "-m", "vault")
    assert program_words("-c", "/usr/bin/python3") == ("/usr/bin/python3", "-m", "vault")
