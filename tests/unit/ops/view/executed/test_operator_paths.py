"""Which definitions call what their text cannot name, and the path that finds it [RST-13]."""

from __future__ import annotations

import pytest

from vault.model import read_address
from vault.ops.view.executed.operator_paths import is_nameless, path_of

EQUAL = "operator ext.=(ext.citext,ext.citext)"


@pytest.mark.parametrize(
    ("definition", "nameless"),
    [
        ("CREATE VIEW v AS SELECT CASE t.x\n WHEN 'a'::ext.citext THEN 1 END", True),
        ("CREATE VIEW v AS SELECT CASE\n WHEN (t.x OPERATOR(ext.=) 'a'::ext.citext) THEN 1 END", False),
        ("CREATE INDEX i ON t USING btree (NULLIF(x, 'a'::ext.citext))", True),
        ("CREATE POLICY p ON t USING ((x IS DISTINCT FROM 'a'::ext.citext))", True),
        ("CREATE POLICY p ON t USING ((x IS NOT DISTINCT FROM 'a'::ext.citext))", True),
        ("CREATE VIEW v AS SELECT 1 FROM (public.a\n JOIN public.b USING (x))", True),
        ("CREATE POLICY p ON t USING ((x OPERATOR(ext.=) 'a'::ext.citext))", False),
        ("CREATE VIEW v AS SELECT 'NULLIF', \"CASE x\" FROM t JOIN u ON (true)", False),
        ("CREATE FUNCTION f() AS $_$ SELECT NULLIF(a, b) $_$", False),
        ("", False),
    ],
)
def test_forms_without_a_name(definition: str, nameless: bool) -> None:
    assert is_nameless(definition) is nameless


@pytest.mark.parametrize(
    ("definition", "calls", "path"),
    [
        ("SELECT NULLIF(x, y)", {EQUAL: 1}, "ext"),
        ("SELECT (x OPERATOR(ext.=) y), NULLIF(x, y)", {EQUAL: 2}, "ext"),
        ("SELECT (x OPERATOR(ext.=) y), NULLIF(z, 'a'::text)", {EQUAL: 1}, ""),
        ("SELECT 'OPERATOR(ext.=)', NULLIF(x, y)", {EQUAL: 1}, "ext"),
        ("EXCLUDE USING btree (x WITH OPERATOR(ext.=)) WHERE ((x IS DISTINCT FROM y))", {EQUAL: 1}, "ext"),
        ("SELECT NULLIF(x, y), NULLIF(a, b)", {EQUAL: 1, "operator b.=(b.t,b.t)": 1}, "b, ext"),
    ],
)
def test_more_calls_than_names_need_a_path(definition: str, calls: dict[str, int], path: str) -> None:
    assert path_of(definition, {read_address(called): count for called, count in calls.items()}) == path
