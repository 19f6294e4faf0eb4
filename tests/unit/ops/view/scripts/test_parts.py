"""What psql would take for its variables, and change."""

from __future__ import annotations

import pytest

from vault.ops.view.scripts.parts import has_variables


@pytest.mark.parametrize(
    "definition",
    [
        """CREATE POLICY p ON public.t USING ((a[1:"USER"] IS NOT NULL));""",
        "CREATE VIEW v AS SELECT t.a[1:n] FROM t",
        "SELECT a[lo:2]",
        "SELECT a[1 :n]",
        "SELECT 'x' || a[1:'y']",
        "SELECT $$a$$ || b[1:c] || $$d$$",
        "SELECT E'it''s \\' || b[1:c]",
        'SELECT "a""b"[1:c]',
        "SELECT a[1:{?x}]",
        "SELECT $x$ $$ $x$ || b[1:c]",
        "SELECT a[1:\u00e9]",
    ],
)
def test_colon_before_a_name_is_a_variable(definition: str) -> None:
    assert has_variables(definition)


@pytest.mark.parametrize(
    "definition",
    [
        "SELECT 1::integer, 'a'::\"My.Type\"",
        "SELECT a[1 : n]",
        "CREATE FUNCTION f() RETURNS text LANGUAGE plpgsql AS $$BEGIN x := a[1:n]; RETURN 'b:c'; END$$;",
        "CREATE FUNCTION f() AS $_$ SELECT $1[1:n] $_$",
        "SELECT '2026-01-01 10:30:00', E'\\' :x', 'it''s :x'",
        'SELECT "a:b", "c"":d"',
        "COMMENT ON TABLE t IS 'see http://host:80/ :x';",
        "",
    ],
)
def test_other_colons_are_none(definition: str) -> None:
    assert not has_variables(definition)
