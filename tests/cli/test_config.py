"""`config show` and `config validate`: what is in effect and who said so; every mistake; never a secret."""

from __future__ import annotations

import pytest

from tests.cli.command import Command
from tests.cli.test_journey import conforming

SECRET = "c0ffee-uuid"
TEXT = f"""\
version = 1

[repository]
url = "repository"
password_command = "pass show {SECRET}"

[retention]
preset = "production"
timezone = "UTC"

[signals]
ping_url = "https://hc.example.org/{SECRET}"
webhook_url = "env(HOOK)"

[source."the shop"]
database = "postgresql://shop@db/shop"
exclude_tables = ["public.cache_*"]

[source."the shop".components]
role_tables = ["public.roles"]

[source.papers]
directories = {{ papers = "papers" }}
"""


def shown(pgvault: Command, *arguments: str, **environment: str) -> dict[str, tuple[object, str]]:
    done = pgvault("config", "show", "--json", *arguments, **environment)
    assert done.code == 0, done.err
    text = pgvault("config", "show", *arguments, **environment)
    assert SECRET not in done.out + text.out + text.err
    rows = conforming(done.json(), "config show")["settings"]
    names = {"default": "default"}
    return {
        row["key"]: (row["value"], f"{row['origin']['name'].rpartition('/')[2]}:{row['origin']['line']}" if row["origin"] else names["default"])
        for row in rows
    }  # fmt: skip


def test_each_value_is_shown_with_its_origin(pgvault: Command) -> None:
    (pgvault.home / "pgvault.toml").write_text(TEXT)
    found = shown(pgvault, PGVAULT_REPOSITORY="", PGVAULT_PASSWORD="")
    assert found["repository.url"] == (str(pgvault.home / "repository"), "pgvault.toml:4")
    assert found["passphrase"] == ("command pass ...", "pgvault.toml:5")
    assert found["retention.keep_daily"] == (30, "pgvault.toml:8")
    assert found["guard.rows_lost_percent"] == (50, "default")
    assert found["signals.ping_url"] == ("a URL of hc.example.org", "pgvault.toml:12")
    assert found["signals.webhook_url"] == ("env(HOOK)", "pgvault.toml:13")
    assert found['source."the shop".database'] == ("postgresql://shop@db/shop", "pgvault.toml:16")
    assert found['source."the shop".exclude_tables'] == (["public.cache_*"], "pgvault.toml:17")
    assert found['source."the shop".components.role_tables'] == (["public.roles"], "pgvault.toml:20")
    assert found["source.papers.directories.papers"] == (str(pgvault.home / "papers"), "pgvault.toml:23")
    over = shown(pgvault, "-r", "other", PGVAULT_CACHE_DIR="/c")
    assert over["repository.url"] == ("other", "--repo:None")
    assert over["passphrase"] == ("in the environment", "PGVAULT_PASSWORD:None")
    assert over["cache_dir"] == ("/c", "PGVAULT_CACHE_DIR:None")


def test_without_any_configuration_there_are_defaults(pgvault: Command) -> None:
    assert shown(pgvault, PGVAULT_REPOSITORY="")["repository.url"] == (None, "default")
    assert pgvault("config", "validate", PGVAULT_REPOSITORY="").code == 0


def test_a_project_is_shown_as_it_was_found(pgvault: Command) -> None:
    (pgvault.home / "supabase" / "functions").mkdir(parents=True)
    (pgvault.home / "supabase" / "config.toml").write_text('project_id = "lilac"\n')
    found = shown(pgvault)
    assert found["source"] == ("lilac", "config.toml:None")
    assert found["source.lilac.database"][0] == "postgresql://postgres@127.0.0.1:54322/postgres"
    assert found["source.lilac.directories.edge_functions"][1] == "config.toml:None"


def test_all_mistakes_are_told_with_their_lines(pgvault: Command) -> None:
    (pgvault.home / "pgvault.toml").write_text(
        '[repository]\nurl = 7\npasword_file = "x"\n\n[guard]\nenabled = "yes"\n'
    )
    done = pgvault("config", "validate", "--json")
    assert done.code == 2
    found = conforming(done.json(), "config validate")
    assert [mistake["place"].rpartition("/")[2] for mistake in found["mistakes"]] == [
        "pgvault.toml:3", "pgvault.toml:2", "pgvault.toml:6",
    ]  # fmt: skip
    assert all(mistake["fix"] for mistake in found["mistakes"])
    text = pgvault("config", "validate")
    assert text.code == 2
    assert "pgvault.toml:3: unknown key 'repository.pasword_file'" in text.out
    assert "did you mean 'password_file'?" in text.out


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ('[repository]\nurl = "nowhere"\n', "pgvault.toml:2", "no repository"),
        ('[repository]\nurl = "sftp:host"\n', "pgvault.toml:2", "not a path"),
        ('[repository]\n\npassword_file = "open"\n', "pgvault.toml:3", "readable by others"),
        ('[repository]\npassword_file = "absent"\n', "pgvault.toml:2", "cannot read"),
        ('[repository]\npassword_command = "absent-program x"\n', "pgvault.toml:2", "no program absent-program"),
        ('[retention]\ntimezone = "Europe/Berln"\n', "pgvault.toml:2", "no time zone"),
        ('[signals]\nping_url_file = "absent"\n', "pgvault.toml:2", "signals.ping_url_file: cannot read "),
        ('[signals]\nping_url = "hc-ping.com/x"\n', "pgvault.toml:2", "no http or https URL"),
        ('[signals]\n\nwebhook_url = "env(NOT_THERE)"\n', "pgvault.toml:3", "no URL"),
        ('[signals]\nprometheus_file = "absent/x.prom"\n', "pgvault.toml:2", "no directory"),
        ('[source.a]\ndirectories = { ok = "ok", gone = "gone" }\n', "pgvault.toml:2", "not a directory"),
        ('[source.a]\ndirectories = { "Not Ok" = "ok" }\n', "pgvault.toml:2", "not a possible name"),
        ('[source.a]\ndirectories = { all = "." }\n[repository]\nurl = "repository"\n', "pgvault.toml:2", "the repository lies in"),
        ('[source.a]\nsupabase = "local"\n', "pgvault.toml:2", "no Supabase project"),
    ],
)  # fmt: skip
def test_what_a_configuration_names_is_looked_for(pgvault_ready: Command, text: str, place: str, words: str) -> None:
    home = pgvault_ready.home
    (home / "ok").mkdir()
    (home / "open").write_text("a passphrase")
    (home / "pgvault.toml").write_text(text)
    done = pgvault_ready("config", "validate", "--json", PGVAULT_REPOSITORY="", PGVAULT_PASSWORD="")
    [mistake] = done.json()["mistakes"]
    assert (done.code, mistake["place"].rpartition("/")[2], words in mistake["message"]) == (2, place, True), mistake


def test_a_configuration_that_is_right_has_no_mistake(pgvault_ready: Command) -> None:
    (pgvault_ready.home / "papers").mkdir()
    (pgvault_ready.home / "pw").write_text("x")
    (pgvault_ready.home / "pw").chmod(0o600)
    (pgvault_ready.home / "pgvault.toml").write_text(
        '[repository]\nurl = "repository"\npassword_file = "pw"\n[source.a]\ndirectories = { papers = "papers" }\n'
    )
    done = pgvault_ready("config", "validate", PGVAULT_REPOSITORY="", PGVAULT_PASSWORD="")
    assert (done.code, done.out) == (0, "no mistake: pgvault.toml\n"), done.out
    missing = pgvault_ready("config", "validate", PGVAULT_CONFIG="absent.toml")
    assert missing.code == 2
    assert "PGVAULT_CONFIG names it" in missing.out
