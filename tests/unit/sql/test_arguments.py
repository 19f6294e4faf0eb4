"""Only what an argument defaults to becomes NULL, whatever stands in it."""

from __future__ import annotations

import pytest

from vault.sql.arguments import with_null_defaults


@pytest.mark.parametrize(
    ("definition", "changed"),
    [
        ("CREATE FUNCTION a.f(x integer) RETURNS integer AS $$ SELECT ' DEFAULT 1)' $$;", None),
        ("CREATE FUNCTION a.f() RETURNS integer AS $$ $$;", None),
        (
            "CREATE FUNCTION a.f(x integer DEFAULT a.g(1)) RETURNS int;",
            "CREATE FUNCTION a.f(x integer DEFAULT NULL) RETURNS int;",
        ),
        (
            "CREATE FUNCTION a.f(x integer DEFAULT a.g(1, (2)), VARIADIC y text[] DEFAULT '{a,b)}'::text[]) RETURNS int;",
            "CREATE FUNCTION a.f(x integer DEFAULT NULL, VARIADIC y text[] DEFAULT NULL) RETURNS int;",
        ),
        (
            "CREATE FUNCTION \"a(\".f(\"x DEFAULT 1)\" text, y text DEFAULT 'it''s, DEFAULT ('::text) RETURNS int;",
            'CREATE FUNCTION "a(".f("x DEFAULT 1)" text, y text DEFAULT NULL) RETURNS int;',
        ),
        (
            "CREATE PROCEDURE a.p(IN x numeric(10,2) DEFAULT 1, OUT y integer) LANGUAGE sql;",
            "CREATE PROCEDURE a.p(IN x numeric(10,2) DEFAULT NULL, OUT y integer) LANGUAGE sql;",
        ),
        ("CREATE FUNCTION a.f(x integer DEFAULT 'unended", None),
    ],
)
def test_defaults_become_null(definition: str, changed: str | None) -> None:
    assert with_null_defaults(definition) == changed
