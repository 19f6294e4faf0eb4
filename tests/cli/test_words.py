"""The pure parts of the command line: connection strings, places, sizes, ages, and what is printable."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.app.conninfo import as_conninfo, database_name, redacted, refuse_password, settings_of
from vault.cli.commands.check import amount
from vault.cli.names import split_path
from vault.cli.render import age, encodable, printable, size
from vault.errors import UsageError
from vault.ops.check.amount import Amount
from vault.ops.check.parts import Part

SECRET = "hunter2"


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://app:hunter2@db/app",
        "postgres://:hunter2@/app",
        "postgresql://db/app?sslmode=require&password=hunter2",
        "postgresql://db/app?sslp%61ssword=hunter2",
        "password=hunter2",
        "host=db password = 'hunter2'",
        "host=db application_name='a b' password='hun\\'ter2'",
        "dbname=app\npassword=hunter2",
    ],
)
def test_secret_in_a_connection_string_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(UsageError) as refusal:
        refuse_password(text, where="-d")
    assert SECRET not in refusal.value.message + refusal.value.why + refusal.value.hint
    assert SECRET not in redacted(f"could not use {text}")


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("postgresql://postgres:postgres@127.0.0.1:54322/postgres", "127.0.0.1"),
        ("postgres://postgres:postgres@localhost:54322/postgres", "localhost"),
        ("host=localhost port=54322 user=postgres password=postgres dbname=postgres", "localhost"),
    ],
)
def test_refusal_for_the_local_supabase_database_shows_the_line_that_works(text: str, host: str) -> None:
    with pytest.raises(UsageError) as refusal:
        refuse_password(text, where="-d")
    assert refusal.value.hint == f"PGPASSWORD=postgres pgvault backup -d postgresql://postgres@{host}:54322/postgres"


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://postgres:other@127.0.0.1:54322/postgres",
        "postgresql://postgres:postgres@db.example.org:54322/postgres",
        "postgresql://postgres:postgres@127.0.0.1:5432/postgres",
        "postgresql://postgres:postgres@127.0.0.1:54322/postgres?sslpassword=postgres",
        "postgresql://postgres:postgres@127.0.0.1:54322,127.0.0.1:54322/postgres",
    ],
)
def test_refusal_of_any_other_password_repeats_nothing(text: str) -> None:
    with pytest.raises(UsageError) as refusal:
        refuse_password(text, where="-d")
    assert refusal.value.hint == "leave it out, and set PGPASSFILE (a 0600 file) or PGPASSWORD in the environment"


@pytest.mark.parametrize(
    "text",
    [
        "app",
        "",
        "postgresql://postgres@127.0.0.1:54322/postgres",
        "postgresql:///app?host=/run/postgresql",
        "host=db user=app application_name='password=none'",
        "postgresql://app:@db/app",
        "password app",
    ],
)
def test_connection_string_without_a_secret_passes(text: str) -> None:
    refuse_password(text, where="-d")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("app", "app"),
        ("postgresql://db/my%20app", "my app"),
        ("postgresql://db/a?dbname=b", "b"),
        ("host=db dbname='it''s'", None),
        (r"host=db dbname='it\'s'", "it's"),
        ("host=db", None),
    ],
)
def test_database_name_is_read_from_a_connection_string(text: str, name: str | None) -> None:
    if name is not None or "dbname" not in text:
        assert database_name(text) == name


@given(st.text(st.characters(exclude_characters="=\x00", exclude_categories=["Cs"]), min_size=1))
def test_bare_database_name_survives_quoting(name: str) -> None:
    if "://" not in name:
        assert dict(settings_of(as_conninfo(name))) == {"dbname": name}


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("latest", ("latest", "")),
        ("latest~2:a/b:c", ("latest~2", "a/b:c")),
        ("2026-11-22:migrations", ("2026-11-22", "migrations")),
        ("2026-11-22T10:30", ("2026-11-22T10:30", "")),
        ("2026-11-22 10:30:15Z:migrations/1.sql", ("2026-11-22 10:30:15Z", "migrations/1.sql")),
        ("release=1.4:x", ("release=1.4", "x")),
    ],
)
def test_place_is_split_at_the_path_and_never_inside_a_moment(text: str, parts: tuple[str, str]) -> None:
    assert split_path(text) == parts


def test_place_without_a_snapshot_is_refused() -> None:
    with pytest.raises(UsageError):
        split_path(":path")


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1024**2 - 1, "1.0 MiB"),
        (1536 * 1024, "1.5 MiB"),
        (2**50, "1.0 PiB"),
    ],
)
def test_size_is_short(count: int, text: str) -> None:
    assert size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "in 5 s"), (0, "0 s"), (59, "59 s"), (60, "1 min"), (7199, "1 h"), (172_800, "2 d"), (900_000, "10 d")],
)
def test_age_is_short(seconds: int, text: str) -> None:
    assert age(1_000_000_000_000, 1_000_000_000_000 + seconds * 1000) == text


@given(st.text())
def test_printed_text_has_no_control_characters_and_always_encodes(text: str) -> None:
    shown = printable(text)
    assert all(char.isprintable() or char == "\n" for char in shown)
    encodable(shown, io.TextIOWrapper(io.BytesIO(), encoding="ascii")).encode("ascii")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("100%", Amount()),
        ("5%", Amount(share=0.05)),
        ("0.5%", Amount(share=0.005)),
        ("1/4", Amount(part=Part(1, 4))),
        ("10G", Amount(bytes_max=10 << 30)),
        ("4096", Amount(bytes_max=4096)),
    ],
)
def test_amount_of_packs_is_read(text: str, wanted: Amount) -> None:
    assert amount(text) == wanted


@pytest.mark.parametrize("text", ["", "0%", "101%", "2/1", "0/3", "1/0", "five", "-5%", "nan%", "0", "0K", "1/2/3"])
def test_impossible_amount_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        amount(text)
