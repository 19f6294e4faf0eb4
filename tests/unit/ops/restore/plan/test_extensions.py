"""Which version of an extension comes, and what is said of it. No database."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.restore_values import TARGET, edges, owned, part, table_name
from vault.model import CatalogFacts
from vault.ops.restore.plan.extensions import Extensions, brought_members

CATALOG = CatalogFacts(
    extensions=(("citext", "1.5", "public"), ("uuid-ossp", "1.1", '"My"')),
    acls=owned(
        *(("extension citext", "postgres", None), ('extension "uuid-ossp"', "boss", None)),
        *(("table s.t", "x", None), ("schema citext", "namesake", None)),
    ),
)
OFFERING = replace(
    TARGET,
    extensions=("citext", "uuid-ossp"),
    extension_versions=(("citext", "1.5"), ("citext", "1.6"), ("uuid-ossp", "1.2")),
)
SOURCE = Extensions.of(CATALOG, OFFERING)


@pytest.mark.parametrize(
    ("called", "definition"),
    [
        ("EXTENSION citext", "CREATE EXTENSION IF NOT EXISTS \"citext\" WITH SCHEMA public VERSION '1.5';\n"),
        ("EXTENSION uuid-ossp", "EXTENSION uuid-ossp as recorded"),
        ("EXTENSION unknown", "EXTENSION unknown as recorded"),
        ("COMMENT citext", "COMMENT citext as recorded"),
    ],
)
def test_the_recorded_version_comes_where_the_target_offers_it(called: str, definition: str) -> None:
    entry = replace(part(called).entry, tag=called.split()[1])
    assert SOURCE.executed(entry) == replace(entry, definition=definition)


def test_another_version_and_another_owner_are_said() -> None:
    both = frozenset({"citext", "uuid-ossp"})
    assert list(SOURCE.warnings(OFFERING, both)) == [
        "extension uuid-ossp: version 1.1 is not offered by the target, its default comes instead",
        "extension uuid-ossp belonged to boss and will belong to postgres: an extension has no ALTER ... OWNER",
    ]
    assert list(SOURCE.warnings(OFFERING, frozenset({"citext", "unknown"}))) == []
    more = replace(OFFERING, extensions=(*OFFERING.extensions, "unknown"))
    assert list(SOURCE.warnings(more, frozenset({"unknown"}))) == [], "its version was not recorded"
    assert list(SOURCE.warnings(replace(OFFERING, extensions_installed=("uuid-ossp",)), both)) == []
    cannot = replace(OFFERING, user="boss", extensions=())
    assert list(SOURCE.warnings(cannot, both)) == [
        "extension citext belonged to postgres and will belong to boss: an extension has no ALTER ... OWNER"
    ]


def test_what_is_said_of_extensions_is_said_in_order() -> None:
    names = tuple("hgfedcba")
    source = Extensions.of(CatalogFacts(acls=owned(*((f"extension {name}", "boss", None) for name in names))), TARGET)
    assert [line.split()[1] for line in source.warnings(TARGET, frozenset(names))] == sorted(names)


def test_members_of_extensions_that_the_target_does_not_have_are_brought() -> None:
    catalog = CatalogFacts(
        edges=edges(
            ("table s.new", "extension pg_cron", "e"),
            ("table s.old", "extension citext", "e"),
            ("table s.needs", "extension pg_cron", "n"),
            ("function s.f()", "extension pg_cron", "e"),
            ("table s.lies_in", "schema pg_cron", "e"),
        )
    )
    target = replace(TARGET, extensions_installed=("plpgsql", "citext"))
    assert brought_members(catalog, target) == {table_name("s.new")}
    assert brought_members(catalog, TARGET) == {table_name("s.new"), table_name("s.old")}
