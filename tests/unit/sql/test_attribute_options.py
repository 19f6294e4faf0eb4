"""Options that only the server sets leave a table's definition; everything else of the text stays."""

from __future__ import annotations

import pytest

from vault.sql.attribute_options import as_users_set, statements

CREATE = "CREATE TABLE public.t (\n    a integer,\n    b text DEFAULT 'x; y'::text\n);\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("ALTER TABLE ONLY public.t ALTER COLUMN a SET (pg_attver=22159328);\n", ""),
        ("ALTER FOREIGN TABLE ONLY public.t ALTER COLUMN a SET (pg_attver=22159328);\n", ""),
        (
            "ALTER TABLE ONLY public.t ALTER COLUMN a SET (pg_attver=1, n_distinct=5);\n",
            "ALTER TABLE ONLY public.t ALTER COLUMN a SET (n_distinct=5);\n",
        ),
        (
            "ALTER TABLE ONLY public.t ALTER COLUMN a SET (n_distinct=-0.5, pg_attver=1, n_distinct_inherited=1e-05);\n",
            "ALTER TABLE ONLY public.t ALTER COLUMN a SET (n_distinct=-0.5, n_distinct_inherited=1e-05);\n",
        ),
        (
            'ALTER TABLE ONLY "a;""b"."T (x" ALTER COLUMN "SET (pg_attver=1);" SET (n_distinct=1, pg_attver=2);\n',
            'ALTER TABLE ONLY "a;""b"."T (x" ALTER COLUMN "SET (pg_attver=1);" SET (n_distinct=1);\n',
        ),
    ],
)
def test_what_the_server_sets_goes_and_what_a_user_sets_stays(before: str, after: str) -> None:
    other = "ALTER TABLE ONLY public.t ALTER COLUMN b SET STORAGE EXTERNAL;\n"
    assert as_users_set(CREATE + before + other) == CREATE + after + other


@pytest.mark.parametrize(
    "text",
    [
        "ALTER TABLE ONLY public.t ALTER COLUMN a SET (n_distinct=5);\n",
        "ALTER TABLE ONLY public.t ALTER COLUMN a SET (pg_attverse=5);\n",
        "ALTER TABLE ONLY public.t ALTER COLUMN a SET (of_a_newer_minor=5);\n",
        "ALTER TABLE ONLY public.t ALTER COLUMN pg_attver SET STATISTICS 5;\n",
        "ALTER TABLE ONLY public.t ALTER COLUMN a SET DEFAULT 'SET (pg_attver=1);';\n",
        "ALTER TABLE public.t SET (pg_attver=1);\n",
        "ALTER TABLE ONLY public.t ALTER COLUMN a SET (pg_attver='1');\n",
        "CREATE TABLE t (a text DEFAULT ';\nALTER TABLE ONLY public.t ALTER COLUMN a SET (pg_attver=1);\n');\n",
        "CREATE TABLE t (a text DEFAULT E'\\';\nALTER TABLE ONLY public.t ALTER COLUMN a SET (pg_attver=1);\n''\\'');\n",
        "CREATE TABLE t (a text DEFAULT $x$;\nALTER TABLE ONLY public.t ALTER COLUMN a SET (pg_attver=1);\n$x$);\n",
        'CREATE TABLE t (";\nALTER TABLE ONLY public.t ALTER COLUMN a SET (pg_attver=1);\n" int);\n',
        "CREATE TABLE t (a int); /* ; /* */\nALTER TABLE ONLY public.t ALTER COLUMN a SET (pg_attver=1);\n */\n",
        "CREATE TABLE t (a int); -- ;\n-- ALTER TABLE ONLY public.t ALTER COLUMN a SET (pg_attver=1);\n",
        "CREATE TABLE t (a text DEFAULT 'pg_attver",
    ],
)
def test_everything_else_stays_to_the_letter(text: str) -> None:
    assert as_users_set(text) == text


def test_statements_are_cut_where_the_server_would() -> None:
    parts = [
        "CREATE TABLE t (a text DEFAULT 'a''; b', \"c;\"\"d\" int);\n",
        "SELECT E'\\';''\\';', e'x', name'y;', $1, a$b$c, $$;$$, $q$;$$;$q$;\n",
        "\n/* a; /* b; */ c; */ SELECT 1 -- d;\n;",
        "SELECT ';",
    ]
    assert list(statements("".join(parts))) == parts
