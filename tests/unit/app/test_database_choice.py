"""Which database a command means, and what a project adds to it: flags, configuration, libpq's variables, the project around."""

from __future__ import annotations

from pathlib import Path

import pytest

from vault.app import restore
from vault.app.backup_request import BackupOptions, BackupPlan, plan_all, plan_backup
from vault.app.settings import Settings, SourceSettings
from vault.errors import UsageError

REF = "abcdefghijklmnopqrst"
LOCAL = "postgresql://postgres@127.0.0.1:54999/postgres"
LINKED = f"postgresql://postgres@db.{REF}.supabase.co:5432/postgres"


@pytest.fixture
def lilac(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A linked project with migrations and no functions; we stand below it."""
    root = tmp_path / "lilac"
    (root / "supabase" / "migrations").mkdir(parents=True)
    (root / "supabase" / ".temp").mkdir()
    (root / "supabase" / ".temp" / "project-ref").write_text(REF)
    (root / "supabase" / "config.toml").write_text('project_id = "lilac"\n[db]\nport = 54999\nmajor_version = 17\n')
    monkeypatch.chdir(root / "supabase" / "migrations")
    return root


def plan(settings: Settings | None = None, **options: object) -> BackupPlan:
    return plan_backup(settings or Settings(), BackupOptions(**options))  # type: ignore[arg-type]


def test_in_a_project_a_backup_alone_takes_all_of_it(lilac: Path) -> None:
    found = plan()
    assert (found.source, found.conninfo, found.major) == ("lilac", LOCAL, 17)
    assert found.directories == {"migrations": str(lilac / "supabase" / "migrations")}
    assert found.variables == {"PGPASSWORD": "postgres"}
    assert [note.partition(":")[0] for note in found.notes] == [
        f"project lilac of {lilac / 'supabase' / 'config.toml'}", "no edge functions",
    ]  # fmt: skip
    assert plan(local=True).directories == found.directories


def test_the_linked_database_is_another_source_with_its_own_password(lilac: Path) -> None:
    found = plan(Settings(environment={"SUPABASE_DB_PASSWORD": "geheim", "PGPASSWORD": "other"}), linked=True)
    assert (found.source, found.conninfo, found.variables) == (REF, LINKED, {"PGPASSWORD": "geheim"})
    assert "geheim" not in repr(found)
    assert plan(linked=True).variables == {}, "libpq's own places say it"
    assert set(found.directories) == {"migrations"}


def test_a_database_that_is_named_comes_alone(lilac: Path) -> None:
    found = plan(database="other")
    assert (found.source, found.conninfo, found.directories) == ("other@lilac", "dbname='other'", {})
    assert plan(directories=("a=b",)).conninfo is None, "directories alone are a backup too"
    assert plan(Settings(environment={"PGHOST": "db", "PGDATABASE": "x"})).conninfo == ""


def test_of_two_databases_none_is_taken(lilac: Path) -> None:
    for pair in ({"local": True, "linked": True}, {"local": True, "database": "x"}, {"linked": True, "database": "x"}):
        with pytest.raises(UsageError, match="exclude each other"):
            plan(**pair)
        with pytest.raises(UsageError, match="exclude each other"):
            restore.request(restore.RestoreFlags(**pair), Settings())


def test_a_section_says_which_database_of_its_project(lilac: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    section = SourceSettings(supabase="local", folder=lilac)
    settings = Settings(sources={"shop": section})
    assert (plan(settings).source, plan(settings).conninfo) == ("shop", LOCAL)
    assert set(plan(settings).directories) == {"migrations"}
    assert (plan(settings, linked=True).source, plan(settings, linked=True).conninfo) == (REF, LINKED)
    assert plan(settings, local=True).source == "shop"
    none = Settings(sources={"shop": SourceSettings(supabase="local", folder=lilac, directories={})})
    assert plan(none).directories == {}
    with pytest.raises(UsageError, match="no Supabase project"):
        plan(local=True)


def test_of_all_sources_only_those_that_say_so_have_the_project(lilac: Path) -> None:
    sources = {"a": SourceSettings(directories={"x": "y"}), "b": SourceSettings(supabase="linked", folder=lilac)}
    plans = plan_all(Settings(sources={**sources, "c": SourceSettings()}), BackupOptions(every=True))
    found = {name: one.conninfo if isinstance(one, BackupPlan) else one.message for name, one in plans.items()}
    assert found == {"a": None, "b": LINKED, "c": "nothing to back up"}
    with pytest.raises(UsageError, match="--linked and --all"):
        plan_all(Settings(sources=sources), BackupOptions(every=True, linked=True))


@pytest.mark.parametrize("variable", ["PGSERVICE", "PGHOSTADDR"])
def test_what_would_lead_elsewhere_is_refused(lilac: Path, variable: str) -> None:
    with pytest.raises(UsageError, match=f"{variable} is set"):
        plan(Settings(environment={variable: "10.0.0.1"}), local=True)


def test_a_project_that_is_not_linked_says_so(lilac: Path) -> None:
    (lilac / "supabase" / ".temp" / "project-ref").unlink()
    with pytest.raises(UsageError, match="not linked"):
        plan(linked=True)


def test_a_restore_goes_where_it_is_told_and_nowhere_else(lilac: Path) -> None:
    section = {"lilac": SourceSettings(supabase="local", folder=lilac)}

    def target(settings: Settings, **flags: object) -> str | None:
        return restore.request(restore.RestoreFlags(**flags), settings).conninfo  # type: ignore[arg-type]

    assert target(Settings(), local=True) == LOCAL
    assert target(Settings(sources={**section, "b": SourceSettings()}), linked=True) == LINKED
    assert target(Settings(sources=section), into_source=True) == LOCAL
    with pytest.raises(UsageError, match="nothing to restore into"):
        target(Settings(sources=section))
    with pytest.raises(UsageError, match="nothing to restore into"):
        target(Settings(environment={"PGHOST": "db"}), into_source=True)
    with pytest.raises(UsageError) as configured:
        target(Settings(sources=section))
    assert configured.value.hint.startswith("into the configured database: pgvault restore SNAP --into-source; ")


def test_a_source_that_is_not_configured_is_refused_or_told(lilac: Path) -> None:
    def named(source: str) -> Settings:
        return Settings(source=source, sources={"acme": SourceSettings()})

    with pytest.raises(UsageError, match="no source acmee is configured") as refusal:
        plan(named("acmee"))
    assert refusal.value.hint == "did you mean --source acme?"
    (told,) = plan(named("nosuch")).warnings
    assert "no source nosuch is configured" in told
    assert told.endswith("the configuration has: acme")
    assert plan(named("acme")).warnings == plan(named("nosuch"), database="x").warnings == ()


def test_the_password_of_the_local_database_is_libpqs_own_else_what_every_stack_has(lilac: Path) -> None:
    secret = lilac / "passwords"
    secret.write_text("127.0.0.1:54999:postgres:postgres:other\n")
    secret.chmod(0o600)
    home = lilac / "home"
    home.mkdir()

    def variables(**environment: str) -> object:
        return plan(Settings(environment={"HOME": str(home), **environment})).variables

    assert variables() == {"PGPASSWORD": "postgres"}
    assert variables(PGPASSWORD="other") == {}
    assert variables(PGPASSFILE=str(secret)) == {}
    (home / ".pgpass").write_text("*:*:*:*:other\n")
    assert variables() == {"PGPASSWORD": "postgres"}, "libpq passes over a file that others may read"
    (home / ".pgpass").chmod(0o600)
    assert variables() == {}
