"""Connection strings are divided as libpq divides them, so that no secret of one is taken for something else."""

from __future__ import annotations

import pytest

from vault.app.conninfo import database_name, redacted, refuse_password, settings_of
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
        "host": "db.example:5433",
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
        ("postgresql://a,b:5433/app", {"host": "a,b:5433", "dbname": "app"}),
        ("postgresql://[::1]:5433/app", {"host": "[::1]:5433", "dbname": "app"}),
        ("postgres://x= []h/d", {"host": "x= []h", "dbname": "d"}),
        ("postgresql://ada@db?dbname=o%20k", {"user": "ada", "host": "db", "dbname": "o k"}),
        ("postgresql://%2Fvar%2Frun/app", {"host": "/var/run", "dbname": "app"}),
        ("host=db dbname='a b'", {"host": "db", "dbname": "a b"}),
        ("app", {"dbname": "app"}),
    ],
)
def test_parts_are_those_of_libpq(text: str, expected: dict[str, str]) -> None:
    assert given(text) == expected
    assert database_name(text) == expected.get("dbname")


def test_what_is_no_url_is_told_as_that() -> None:
    with pytest.raises(UsageError, match="file:// URL"):
        repository_at(Settings(environment={}, repository="file://[x"))
    for environment in ({"https_proxy": "http://[x"}, {"HTTPS_PROXY": "proxy:port"}):
        with pytest.raises(UsageError, match="https_proxy"):
            _proxy(environment, "s3.example")
