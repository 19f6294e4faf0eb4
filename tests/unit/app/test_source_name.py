"""What a source is called that nobody named: what tells projects apart, never just `postgres`."""

from __future__ import annotations

from pathlib import Path

import pytest

from vault.app.backup_request import BackupOptions, plan_backup
from vault.app.settings import Settings
from vault.errors import UsageError

REF = "abcdefghijklmnopqrst"


def name(database: str | None, **environment: str) -> str:
    return plan_backup(Settings(environment=environment), BackupOptions(database=database)).source


@pytest.fixture(autouse=True)
def _no_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "deep").mkdir()
    monkeypatch.chdir(tmp_path / "deep")


def project(tmp_path: Path, text: str) -> None:
    (tmp_path / "supabase").mkdir()
    (tmp_path / "supabase" / "config.toml").write_text(text)


@pytest.mark.parametrize(
    ("database", "environment", "found"),
    [
        ("app", {}, "app@localhost:5432"),
        ("postgresql://postgres@127.0.0.1:54322/postgres", {}, "postgres@localhost:54322"),
        ("postgresql://localhost:54322/postgres", {}, "postgres@localhost:54322"),
        ("postgresql://u@[::1]:5433/app", {}, "app@localhost:5433"),
        ("postgresql://u@[fe80::2]/app", {}, "app@[fe80::2]:5432"),
        ("postgresql://DB.Example.org/app", {}, "app@db.example.org:5432"),
        ("postgresql://a:1,b:2/app", {}, "app@a:1,b:2"),
        ("host=a,b port=1,2 dbname=app", {}, "app@a:1,b:2"),
        ("host=a,b port=7 dbname=app", {}, "app@a:7,b:7"),
        ("host=/run/pg port=5433 dbname=app", {}, "app@/run/pg:5433"),
        ("hostaddr=10.0.0.1 dbname=app", {}, "app@10.0.0.1:5432"),
        ("app", {"PGHOST": "db", "PGPORT": "6000"}, "app@db:6000"),
        ("postgresql:///app?host=/tmp&port=1", {}, "app@/tmp:1"),
        ("service=shop", {}, "shop"),
        ("service=shop dbname=app", {}, "app@shop"),
        (None, {"PGSERVICE": "shop"}, "shop"),
        (None, {"PGDATABASE": "app"}, "app@localhost:5432"),
        (None, {"PGHOST": "db", "USER": "eve"}, "eve@db:5432"),
        (f"postgresql://postgres@db.{REF}.supabase.co:5432/postgres", {}, REF),
        (f"postgresql://postgres.{REF}@aws-0-eu-1.pooler.supabase.com:5432/postgres", {}, REF),
        (f"postgresql://postgres@db.{REF}.supabase.co/other", {}, f"other@{REF}"),
        (f"postgresql://postgres.{REF}@db.example.org/postgres", {}, "postgres@db.example.org:5432"),
    ],
)
def test_name_of_a_source(database: str | None, environment: dict[str, str], found: str) -> None:
    assert name(database, **environment) == found


@pytest.mark.parametrize(
    ("text", "database", "found"),
    [
        ('project_id = "lilac"', "postgresql://postgres@127.0.0.1:54322/postgres", "lilac"),
        ('project_id = "lilac"', "app", "app@lilac"),
        ('project_id = "lilac"', f"postgresql://postgres@db.{REF}.supabase.co/postgres", REF),
        ('project_id = "env(PROJECT)"', "postgres", "from-outside"),
        ('project_id = "env(ABSENT)"', "postgres", "postgres@localhost:5432"),
        ("project_id = 7", "postgres", "postgres@localhost:5432"),
        ("[db]", "postgres", "postgres@localhost:5432"),
    ],
)
def test_a_project_around_the_working_directory_gives_its_id(
    tmp_path: Path, text: str, database: str, found: str
) -> None:
    project(tmp_path, text)
    assert name(database, PROJECT="from-outside") == found


@pytest.mark.parametrize("text", ["project_id = ", ""])
def test_a_project_that_cannot_be_read_is_no_reason_to_begin_a_new_source(tmp_path: Path, text: str) -> None:
    project(tmp_path, text)
    with pytest.raises(UsageError, match=r"no TOML|empty"):
        name("postgres")
