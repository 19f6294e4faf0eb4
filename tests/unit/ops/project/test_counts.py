"""Counting, the ledger, and the nine lines."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.restore_values import edges
from tests.values import schema_entry
from vault.model import CatalogFacts, Counts, Identity, Missing, SchemaEntry, State, TableName
from vault.ops.project.components import COMPONENTS, SUPABASE, EntrySelector, Selectors, tables_of
from vault.ops.project.counts import Captured, count, count_edge_functions, count_migrations, coverage
from vault.ops.project.summary import nine_lines
from vault.sql.names import qualified


def entry(desc: str, schema: str, name: str, args: tuple[str, ...] = ()) -> SchemaEntry:
    return schema_entry(Identity(desc=desc, kind=desc.lower(), names=(schema, name), args=args), owner="postgres")


def name(schema: str, table: str) -> TableName:
    return TableName(schema=schema, name=table)


CATALOG = CatalogFacts(
    functions=(
        ("auth", "uid", "", False, False),
        ("public", "encrypt", "bytea, bytea, text", False, True),
        ("public", "encrypt_api_key", "text", False, False),
        ("public", "encrypt_on_write", "", True, False),
        ("public", "is_encrypted", "text", False, False),
        ("public", "report", "", False, False),
        ("vault", "_crypto_decrypt", "bytea", False, False),
    )
)


def test_tables_are_the_projects_own_and_the_users_table() -> None:
    entries = [
        entry("TABLE", "public", "a"),
        entry("TABLE", "auth", "users"),
        entry("TABLE", "auth", "sessions"),
        entry("TABLE", "other", "root"),
        entry("TABLE", "other", "leaf"),
        entry("TABLE ATTACH", "other", "leaf"),
        entry("VIEW", "public", "v"),
        entry("POLICY", "public", "a p"),
        entry("POLICY", "storage", "objects p"),
    ]
    rows = [(name("public", "a"), 3), (name("auth", "users"), 2), (name("auth", "sessions"), 4)]
    found = count(entries, rows, catalog=CATALOG, directories={})
    assert (found.tables, found.records, found.users, found.rls_policies) == (3, 9, 2, 2)


def test_policies_of_an_extensions_table_are_its_own_business() -> None:
    members = (("table cron.job", "extension pg_cron", "e"), ("table public.a", "schema public", "n"))
    entries = [entry("POLICY", "cron", "job"), entry("POLICY", "public", "a")]
    found = count(entries, [], catalog=replace(CATALOG, edges=edges(*members)), directories={})
    assert found.rls_policies == 1


def test_functions_of_triggers_and_extensions_are_no_rpc() -> None:
    found = count([], [], catalog=CATALOG, directories={})
    assert found.rpc_functions == 3
    assert found.encryption_functions == 3


def test_roles_are_rows_of_the_applications_own_table() -> None:
    own = Selectors(role_tables=(name("app", "memberships"),))
    rows = [(name("app", "memberships"), 5), (name("public", "user_roles"), 7)]
    assert count([], rows, catalog=CatalogFacts(), directories={}, selectors=own).user_roles == 5
    assert count([], rows, catalog=CatalogFacts(), directories={}).user_roles == 7


def test_shared_modules_and_single_files_are_no_edge_functions() -> None:
    paths = [
        b"_shared",
        b"_shared/cors.ts",
        b".env",
        b".git/x",
        b"hello",
        b"hello/index.ts",
        b"hello/deno.json",
        b"b/c/d",
        b"x.json",
    ]
    assert count_edge_functions(paths) == 2
    assert count_migrations([b"1_a.sql", b"README.md", b"sub/2_b.sql"]) == 2


@pytest.mark.parametrize(
    "text", ["is_encrypted", "ENCRYPT_API_KEY", "decrypt", "get_encryption_key", "is_value_encrypted", "key_decrypt"]
)
def test_encryption_names(text: str) -> None:
    assert SUPABASE.is_encryption_name(text)


@pytest.mark.parametrize("text", ["descript", "cryptic", "my_encrypter", "encryptor", "scrypt"])
def test_names_that_only_resemble_encryption(text: str) -> None:
    assert not SUPABASE.is_encryption_name(text)


def test_every_component_has_exactly_one_state() -> None:
    nothing = Captured(counts=Counts(), database=False, directories=frozenset())
    assert {name: item.state for name, item in coverage(nothing).items()} == dict.fromkeys(
        COMPONENTS, State.NOT_SELECTED
    )
    everything = Captured(
        counts=Counts(users=1), database=True, directories=frozenset({"assets", "migrations", "edge_functions"})
    )
    ledger = coverage(everything)
    assert set(ledger) == {*COMPONENTS, "dir:assets"}
    assert ledger["users"].state is State.CAPTURED
    assert ledger["migrations"].state is State.EMPTY


def test_a_component_shows_its_worst_item_and_no_item_is_lost() -> None:
    missing = [
        Missing(item="public.user_roles", state=State.NOT_PERMITTED, why="no right"),
        Missing(item="public.big", state=State.FAILED, why="a row above 1 GB"),
        Missing(item="auth.users", state=State.NOT_PERMITTED, why="no right"),
        Missing(item="large object 12", state=State.NOT_PERMITTED, why="no right"),
        Missing(item="role passwords", state=State.NOT_PERMITTED, why="no right"),
        Missing(item="function public.f(integer)", state=State.FAILED, why="changed"),
        Missing(item='public."odd.name"', state=State.FAILED, why="x"),
    ]
    gone = Missing(item="a.sql", state=State.FAILED, why="vanished")
    captured = Captured(
        counts=Counts(tables=4, migrations=2),
        database=True,
        directories=frozenset({"migrations"}),
        tables=[(name("public", "x"), 1)],
        missing=missing,
        missing_files={"migrations": [gone]},
    )
    ledger = coverage(captured)
    assert ledger["data"].state is State.FAILED
    assert ledger["data"].count == 1
    assert [item.item for item in ledger["user_roles"].missing] == ["public.user_roles"]
    assert ledger["users"].state is State.NOT_PERMITTED
    assert ledger["large_objects"].state is State.NOT_PERMITTED
    assert ledger["roles"].state is State.NOT_PERMITTED
    assert ledger["schema"].state is State.FAILED
    assert ledger["migrations"].missing == (gone,)
    assert ledger["edge_functions"].state is State.NOT_SELECTED
    told = {item for part in ledger.values() for item in part.missing}
    assert told >= {*missing, gone}


@pytest.mark.parametrize(
    ("table", "component"),
    [
        (SUPABASE.users_table, "users"),
        (SUPABASE.role_tables[0], "user_roles"),
        (SUPABASE.migration_tables[0], "migrations"),
        (name("Odd", 'a "b".c'), "data"),
    ],
)
def test_a_table_quoted_as_the_source_names_it_is_a_gap_of_its_components(table: TableName, component: str) -> None:
    item = Missing(item=qualified(table), state=State.NOT_PERMITTED, why="may not be read")
    captured = Captured(
        counts=Counts(), database=True, directories=frozenset({"migrations"}), entries=1, missing=(item,)
    )
    ledger = coverage(captured)
    assert item in ledger[component].missing
    assert ledger[component].state is State.NOT_PERMITTED
    assert item in ledger["data"].missing
    assert not ledger["schema"].missing


def test_what_patterns_leave_out_is_not_selected_and_never_called_empty() -> None:
    captured = Captured(
        counts=Counts(tables=1, records=3),
        database=True,
        directories=frozenset({"migrations"}),
        tables=[(name("app", "x"), 1)],
        entries=2,
        roles=1,
        patterns=("-n app", "-T app.big"),
        outside=False,
    )
    ledger = coverage(captured)
    states = {component: item.state for component, item in ledger.items()}
    assert states["data"] is states["schema"] is states["roles"] is State.CAPTURED
    for component in ("users", "user_roles", "rls_policies", "sequences", "large_objects"):
        assert states[component] is State.NOT_SELECTED
    assert states["migrations"] is State.EMPTY
    for component in ("schema", "data", "users", "large_objects"):
        items = ledger[component].missing
        assert [item.item for item in items] == ["what -n app leaves out", "what -T app.big leaves out"]
        assert {item.state for item in items} == {State.NOT_SELECTED}


def test_large_objects_are_empty_when_only_tables_are_excluded() -> None:
    captured = Captured(counts=Counts(), database=True, directories=frozenset(), patterns=("-T app.big",))
    assert coverage(captured)["large_objects"].state is State.EMPTY


def test_what_could_not_be_read_outweighs_what_was_not_selected() -> None:
    item = Missing(item='"app"."x"', state=State.NOT_PERMITTED, why="may not be read")
    captured = Captured(
        counts=Counts(),
        database=True,
        directories=frozenset(),
        tables=[(name("app", "y"), 1)],
        missing=[item],
        patterns=("-n app",),
    )
    assert coverage(captured)["data"].state is State.NOT_PERMITTED


def test_entries_are_selected_by_type_and_name() -> None:
    selector = EntrySelector(catalog=CATALOG)
    assert list(selector.components(entry("POLICY", "public", "a p"))) == ["schema", "rls_policies"]
    assert list(selector.components(entry("FUNCTION", "public", "report"))) == ["schema", "rpc_functions"]
    assert list(selector.components(entry("FUNCTION", "public", "encrypt_on_write"))) == ["schema", "encryption"]
    assert list(selector.components(entry("FUNCTION", "public", "is_encrypted", ("text",)))) == [
        "schema",
        "rpc_functions",
        "encryption",
    ]
    assert list(selector.components(entry("TABLE", "public", "role_permissions"))) == ["schema", "user_roles"]
    assert list(selector.components(entry("FUNCTION", "auth", "uid"))) == ["schema"]


def test_tables_of_a_component() -> None:
    tables = [
        name("auth", "users"),
        name("auth", "schema_migrations"),
        name("public", "user_roles"),
        name("public", "x"),
    ]
    assert list(tables_of("users", tables)) == [name("auth", "users")]
    assert list(tables_of("migrations", tables)) == [name("auth", "schema_migrations")]
    assert list(tables_of("user_roles", tables)) == [name("public", "user_roles")]
    assert list(tables_of("data", tables)) == tables


def test_the_nine_lines_have_their_fixed_words() -> None:
    counts = Counts(
        tables=23,
        records=5,
        users=6,
        user_roles=6,
        rls_policies=88,
        rpc_functions=20,
        migrations=24,
        edge_functions=73,
        encryption_functions=4,
    )
    assert nine_lines(counts) == [
        "Database tables: 23 tables",
        "Data records: 5 total records",
        "Users: 6 users (with encrypted passwords)",
        "User roles: 6 role assignments",
        "RLS policies: 88 policies",
        "RPC functions: 20 functions",
        "Migrations: 24 files",
        "Edge Functions: 73 functions",
        "Encryption functions: 4 functions",
    ]
