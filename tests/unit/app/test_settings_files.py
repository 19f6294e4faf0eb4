"""Configuration files: every value with its origin, every mistake with its line and what to write instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from vault.app.settings import ReadSettings, load_settings, read_settings
from vault.errors import UsageError


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGVAULT_CONFIG", "PGVAULT_REPOSITORY", "PGVAULT_CACHE_DIR", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "project" / "deep").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "project" / "deep")


def project(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "project" / "pgvault.toml"
    path.write_text(text, encoding="utf-8")
    return path


def user(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "home" / ".config" / "pgvault" / "pgvault.toml"
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")
    return path


def read(**flags: str | None) -> ReadSettings:
    return read_settings(**{"repository": None, "source": None, **flags})


def origins(loaded: ReadSettings) -> dict[str, str]:
    return {key: str(origin) for key, origin in loaded.settings.origins.items()}


def test_each_value_knows_where_it_was_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    below = user(tmp_path, '[repository]\nurl = "a"\npassword_file = "pw"\n[guard]\nignore = ["public.log"]\n')
    above = project(
        tmp_path, 'version = 1\nrepository.url = "b"\n\n[guard]\nenabled = false\n[source.app]\ndatabase = "app"\n'
    )
    assert origins(read()) == {
        "version": f"{above}:1",
        "repository.url": f"{above}:2",
        "repository.password_file": f"{below}:3",
        "guard.enabled": f"{above}:5",
        "source.app.database": f"{above}:7",
    }
    assert read().settings.guard.ignore == (), "a section takes the whole place of one below"
    monkeypatch.setenv("PGVAULT_REPOSITORY", "c")
    assert origins(read())["repository.url"] == "PGVAULT_REPOSITORY"
    flags = read(repository="d", source="app")
    assert (origins(flags)["repository.url"], origins(flags)["source"]) == ("--repo", "--source")
    assert flags.settings.files == (below, above)


def test_sections_have_their_values(tmp_path: Path) -> None:
    project(
        tmp_path,
        '[guard]\nrows_lost_percent = 20\nignore = ["public.events"]\n'
        '[signals]\nping_url = "https://example.org/x"\nprometheus_file = "metrics.prom"\n'
        '[schedule]\nat = "03:10"\nevery = "12h"\nmax_age = "26h"\nprune = "never"\n'
        '[background]\nwait = "90s"\nmin_interval = "20h"\n',
    )
    settings = read().settings
    assert (settings.guard.rows_lost_percent, settings.guard.ignore, settings.guard.enabled) == (
        20,
        ("public.events",),
        True,
    )
    assert settings.signals.prometheus_file == str(tmp_path / "project" / "metrics.prom")
    assert "example.org" not in repr(settings), "such a URL is half a secret"
    assert (settings.schedule.at, settings.schedule.every) == ("03:10", "12h")
    assert (settings.schedule.prune, settings.schedule.check) == ("never", "weekly")
    assert (settings.schedule.max_age_ms, settings.background.wait_ms) == (93_600_000, 90_000)
    assert settings.background.min_interval_ms == 72_000_000


@pytest.mark.parametrize(
    ("text", "line", "message", "hint"),
    [
        ('[repository]\nurl = "x"\npasword_file = "y"\n', 3, "unknown key 'repository.pasword_file'", "did you mean 'password_file'?"),
        ("# here\n[retentoin]\nkeep_daily = 7\n", 2, "unknown key 'retentoin'", "did you mean 'retention'?"),
        ('version = "1"\n', 1, "version must be an integer", "version = 1"),
        ("version = 2\n", 1, "version is not 1", "version = 1"),
        ("repository = 7\n", 1, "repository must be a table", "repository = { ... }"),
        ('[guard]\nignore = [\n  "a",\n  3,\n]\n', 2, "guard.ignore must be a list of texts", 'ignore = ["..."]'),
        ("[guard]\nrows_lost_percent = 0\n", 2, "guard.rows_lost_percent must be from 1 to 100", "rows_lost_percent = 50"),
        ('[guard]\nignore = ["events"]\n', 2, "guard.ignore must be tables as SCHEMA.TABLE", 'ignore = ["public.events", "logs.*"]'),
        ("[guard]\nenabled = 1\n", 2, "guard.enabled must be true or false", "enabled = true"),
        ('[schedule]\n\nevery = "often"\n', 3, "schedule: every often: no interval", 'every = "1d"'),
        ('[schedule]\nat = "noon"\nevery = "1d"\n', 2, "schedule: noon: not a time of day", 'at = "03:10"'),
        ('[schedule]\nat = "sun 03:10"\nevery = "6h"\n', 3, "schedule: at sun 03:10 and every 6h do not fit", "leave `every` out"),
        ("[schedule]\nprune = true\n", 2, "schedule.prune must be text", 'prune = "..."'),
        ('[schedule]\nprune = "often"\n', 2, "schedule.prune must be one of never, daily, weekly", 'prune = "weekly"'),
        ('[retention]\nkeep_daily = "many"\n', 2, "retention.keep_daily many: not a count", "keep_daily = 7"),
        ('[retention]\npreset = "best"\n', 2, "retention.preset best: no such preset", 'preset = "production"'),
        ('[source.a.components]\n"users_table" = "people"\n', 2, "source.a.components.users_table must be SCHEMA.TABLE", ""),
        ("[repository]\nurl = \n", 2, "it is no TOML", ""),
        ('text = """\n[repository]\n', 2, "it is no TOML", "the file ends too early: is it still being written?"),
        ("a = 1\na = 2\n", 2, "it is no TOML", ""),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line(tmp_path: Path, text: str, line: int, message: str, hint: str) -> None:
    path = project(tmp_path, text)
    [problem] = read().problems
    assert str(problem).startswith(f"{path}:{line}: {message}")
    assert hint in problem.hint
    with pytest.raises(UsageError) as refused:
        load_settings(repository=None, source=None)
    assert refused.value.message == str(problem)


def test_all_mistakes_of_all_files_are_told(tmp_path: Path) -> None:
    user(tmp_path, "colour = 1\n")
    project(
        tmp_path, "[repository]\nurl = 1\n[retention]\nkeep_daily = -1\nkeep_within = 7\n[source.a]\ndirectories = 1\n"
    )
    loaded = read()
    assert sorted((problem.path.parent.name, problem.line) for problem in loaded.problems) == [
        ("pgvault", 1), ("project", 2), ("project", 4), ("project", 5), ("project", 7),
    ]  # fmt: skip
    with pytest.raises(UsageError) as refused:
        load_settings(repository=None, source=None)
    assert "4 more: pgvault config validate" in refused.value.why


def test_a_password_in_a_database_is_refused_and_not_repeated(tmp_path: Path) -> None:
    project(tmp_path, '[source.app]\ndatabase = "postgresql://u:geheim@db/app"\n')
    [problem] = read().problems
    assert problem.line == 2
    assert "holds a password" in problem.message
    assert "geheim" not in f"{problem} {problem.why} {problem.hint}"


def test_a_file_of_another_encoding_is_refused_with_its_line(tmp_path: Path) -> None:
    path = project(tmp_path, "")
    path.write_bytes(b"version = 1\n# \xff\n")
    [problem] = read().problems
    assert (problem.line, problem.why) == (2, "it is not UTF-8")
    path.write_bytes(b"\xef\xbb\xbfversion = 1\r\nrepository.url = 'x'\r\n")
    assert origins(read())["repository.url"] == f"{path}:2"


def test_nesting_without_end_is_a_mistake_like_any_other(tmp_path: Path) -> None:
    project(tmp_path, "a = " + "[" * 20_000)
    [problem] = read().problems
    assert "no TOML" in problem.message


def test_a_project_is_looked_for_around_its_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a scheduled run, whose working directory is anywhere."""
    monkeypatch.setenv("PGVAULT_CONFIG", str(project(tmp_path, '[source.app]\nsupabase = "local"\n')))
    monkeypatch.chdir("/")
    assert read().settings.sources["app"].folder == tmp_path / "project"
    project(tmp_path, '[source.app]\nsupabase = "lokal"\n[source.b]\nsupabase = "local"\ndatabase = "b"\n')
    assert [(problem.line, problem.hint) for problem in read().problems] == [
        (2, 'supabase = "local"'), (5, "remove one of them"),
    ]  # fmt: skip
