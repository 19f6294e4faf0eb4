"""Only what calls something goes: what an argument defaults to, and a body that is parsed, whatever stands in them."""

from __future__ import annotations

import pytest

from vault.sql.arguments import stand_in, with_null_defaults, without_parsed_body


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


HEAD = "CREATE FUNCTION \"a(\".f(x integer DEFAULT 1) RETURNS TABLE(y integer, z text)\n    LANGUAGE sql STABLE\n    SET search_path TO 'a\n    AS b'"


@pytest.mark.parametrize(
    ("body", "bare"),
    [
        ("\n    BEGIN ATOMIC\n SELECT 'x';\nEND;\n", True),
        ("\n    RETURN f(1);\n", True),
        ("\n    AS $$\n    BEGIN ATOMIC\n    RETURN 1;$$;\n", False),
        (" COST 1\n    AS 'x', $$\n    RETURN 1;$$;\n", False),
    ],
)
def test_a_parsed_body_becomes_an_empty_text(body: str, bare: bool) -> None:
    assert without_parsed_body(HEAD + body) == (f"{HEAD}\n    AS '';\n" if bare else None)
    without_default = HEAD.replace("DEFAULT 1", "DEFAULT NULL")
    assert stand_in(HEAD + body) == without_default + ("\n    AS '';\n" if bare else body)


def test_what_calls_nothing_needs_no_stand_in() -> None:
    assert (
        stand_in("CREATE FUNCTION a.f(x integer) RETURNS integer\n    LANGUAGE sql\n    AS $$ SELECT 1 $$;\n") is None
    )
