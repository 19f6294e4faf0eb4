"""Connection strings are divided as libpq divides them, so that no secret of one is taken for something else."""

from __future__ import annotations

import time

import pytest

from vault.app.conninfo import client_words, database_name, place_of, redacted, refuse_password, settings_of
from vault.app.places import repository_at
from vault.app.settings import Settings
from vault.bucket.connections import _proxy
from vault.errors import UsageError

PASSWORDS = ["secret", "a[b", "a]b", "a?b", "a#b", "a:b", "a%40b", "a=b", "[::1", "//"]


def given(text: str) -> dict[str, str]:
    return {key: value for key, value in settings_of(text) if value}


@pytest.mark.parametrize("password", PASSWORDS[:-1])
@pytest.mark.parametrize("scheme", ["postgres", "postgresql"])
def test_a_password_is_seen_whatever_is_in_it(scheme: str, password: str) -> None:
    url = f"{scheme}://ada:{password}@db.example:5433/app?sslmode=require"
    with pytest.raises(UsageError, match="holds a password"):
        refuse_password(url, where="-d")
    assert {**given(url), "password": ""} == {
        "user": "ada",
        "password": "",
        "host": "db.example",
        "port": "5433",
        "dbname": "app",
        "sslmode": "require",
    }
    assert password not in redacted(url)


@pytest.mark.parametrize("password", PASSWORDS)
def test_a_password_of_keywords_is_seen_whatever_is_in_it(password: str) -> None:
    with pytest.raises(UsageError, match="holds a password"):
        refuse_password(f"host=db password='x://{password}'", where="-d")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("postgresql://", {}),
        ("postgresql:///app", {"dbname": "app"}),
        ("postgresql://db", {"host": "db"}),
        ("postgresql://a,b:5433/app", {"host": "a,b", "port": ",5433", "dbname": "app"}),
        ("postgresql://[::1]:5433/app", {"host": "[::1]", "port": "5433", "dbname": "app"}),
        ("postgres://x= []h/d", {"host": "x= []h", "dbname": "d"}),
        ("postgresql://ada@db?dbname=o%20k", {"user": "ada", "host": "db", "dbname": "o k"}),
        ("postgresql://db?dbname=a+b&user= a+d ", {"host": "db", "dbname": "a+b", "user": "a+d"}),
        ("postgresql://:5433/app?host=/run", {"host": "/run", "port": "5433", "dbname": "app"}),
        ("postgresql://%2Fvar%2Frun/app", {"host": "/var/run", "dbname": "app"}),
        ("host=db dbname='a b'", {"host": "db", "dbname": "a b"}),
        ("app", {"dbname": "app"}),
    ],
)
def test_parts_are_those_of_libpq(text: str, expected: dict[str, str]) -> None:
    assert given(text) == expected
    assert database_name(text) == expected.get("dbname")


@pytest.mark.parametrize(
    "text",
    [
        "postgresql+psycopg://ada:hunter@db/app",
        "PostgreSQL://ada:hunter@db/app",
        " postgresql://ada:hunter@db/app",
        "jdbc:postgresql://db/app?user=ada&password=hunter",
        "postgresql://db/app?pwd=hunter",
        "host=db passwd=hunter",
        "host=db Password=hunter",
        "postgresql://ada:my/hunter@db/app",
        "postgresql://ada:my/hun@ter@db/app",
        "dbname=postgresql://ada:hunter@db/app",
        "dbname=postgresql://ada:my/hunter@db/app",
        "postgresql:/ada:hunter@db/app",
        "ada:hunter@db:5433/app",
    ],
)
def test_what_was_meant_as_a_password_is_refused_though_libpq_sees_none(text: str) -> None:
    with pytest.raises(UsageError, match="-d holds a password") as refused:
        refuse_password(text, where="-d")
    assert "hun" not in f"{refused.value} {refused.value.why} {refused.value.hint}"


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://ada@db:5433/a@b",
        "postgresql://db:5433,[::1]:5434/a@b",
        "postgresql://[2001:db8::1]:5433/a@b",
        "postgresql://ada:@db/app",
        "postgresql://db/app?passfile=x&application_name=a:b@c",
        "postgresql://db/a:b@c",
        "host=db passfile=/home/ada/.pgpass dbname='a:b@c'",
        "ada@app",
    ],
)
def test_what_holds_no_password_is_taken(text: str) -> None:
    refuse_password(text, where="-d")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("postgresql://:5433/app?host=/run", "/run:5433"),
        ("postgresql://Db/app", "db:6000"),
        ("postgresql://db:5433/app?port=5434", "db:5434"),
        ("postgresql://a,[2001:db8::1]:5433/app", "a:5432,[2001:db8::1]:5433"),
        ("postgresql://[::1]:5433/app", "localhost:5433"),
        ("host=a,b port=1,2", "a:1,b:2"),
    ],
)
def test_the_place_is_where_libpq_connects(text: str, place: str) -> None:
    assert place_of(text, {"PGPORT": "6000"}) == place


def test_clients_get_hosts_and_ports_as_libpq_pairs_them() -> None:
    assert client_words("postgresql://ada@a,b:5433/app") == ["-h", "a,b", "-p", ",5433", "-U", "ada"]
    assert client_words("postgresql://[::1]:5433/app") == ["-h", "::1", "-p", "5433"]
    assert client_words("postgresql://[::1]:1,[fe80::2]:2/app") == ["-h", "::1,fe80::2", "-p", "1,2"]


def test_words_of_a_secret_are_hidden_wherever_they_stand() -> None:
    for text in ("a passwd=s3cret b", "a oauth_client_secret = 's3 cret' b", "x?Password=s3cret&a=b"):
        assert "cret" not in redacted(text).replace("client_secret", "")
    assert redacted("password=&s3c&ret&x user=ada") == "password=*** user=ada", "only in a query does it end there"
    assert redacted("?sslpassword=s3c&user=ada password=s&x") == "?sslpassword=***&user=ada password=***"
    assert redacted("passfile=/home/ada/.pgpass") == "passfile=/home/ada/.pgpass"
    assert redacted("x?=a?password=s3cret b?sslpassword") == "x?=a?password=*** b?sslpassword"


def test_a_text_is_looked_at_once_however_long_it_is() -> None:
    began_s = time.process_time()
    for sign in " ?&'\\:/@=":
        refuse_password(sign * 40_000, where="-d")
        assert redacted(sign * 40_000) == sign * 40_000
    assert time.process_time() - began_s < 3


def test_what_is_no_url_is_told_as_that() -> None:
    with pytest.raises(UsageError, match="file:// URL"):
        repository_at(Settings(environment={}, repository="file://[x"))
    for environment in ({"https_proxy": "http://[x"}, {"HTTPS_PROXY": "proxy:port"}):
        with pytest.raises(UsageError, match="https_proxy"):
            _proxy(environment, "s3.example")
