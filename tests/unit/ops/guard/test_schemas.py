"""What went with its schema, and what has another name or schema: decided from names and texts alone (spec 60-snapshot)."""

from __future__ import annotations

from tests.unit.ops.guard.test_compare import facts, found, name, tables
from vault.ops.guard import codes
from vault.ops.guard.facts import Facts


def test_what_was_in_a_dropped_schema_of_which_a_table_lives_on_is_told_by_itself() -> None:
    had: dict[str, object] = {
        "functions": frozenset({("shop", "f"), ("shop", "g")}),
        "routines": {("shop", "f"): frozenset({"of f"}), ("shop", "g"): frozenset({"of g"})},
        "views": {name("shop.v"): " SELECT 1"},
    }
    then = facts(tables({"shop__t": 7}, shop__t=100, x=1), schemas=frozenset({"shop"}), **had)
    now = facts(tables({"t": 7}, t=100, x=1), functions=frozenset({("public", "g")}))
    assert found(then, now) == [(codes.FUNCTION_GONE, "shop.f"), (codes.VIEW_GONE, "shop.v")]
    renamed = facts(
        tables({"new__t": 7}, new__t=100, x=1),
        schemas=frozenset({"new"}),
        functions=frozenset({("new", "f"), ("new", "g")}),
        views={name("new.v"): " SELECT 1"},
    )
    assert found(then, renamed) == []


def test_a_schema_without_tables_is_renamed_where_a_new_one_has_all_that_it_had() -> None:
    had: dict[str, object] = {"functions": frozenset({("api", "f")}), "views": {name("api.v"): " SELECT 1"}}
    then = facts(tables(t=100), schemas=frozenset({"api"}), **had)
    there: dict[str, object] = {"functions": frozenset({("new", "f")}), "views": {name("new.v"): " SELECT 2"}}
    assert found(then, facts(tables(t=100), schemas=frozenset({"new"}), **there)) == []
    assert found(then, facts(tables(t=100), **there)) == [(codes.SCHEMA_GONE, "api")], "that one was there before"
    lacking = {**there, "functions": frozenset({("public", "f")})}
    assert found(then, facts(tables(t=100), schemas=frozenset({"new"}), **lacking)) == [(codes.SCHEMA_GONE, "api")]
    assert found(
        facts(tables(t=100), schemas=frozenset({"api"})), facts(tables(t=100), schemas=frozenset({"new"}))
    ) == [(codes.SCHEMA_GONE, "api")]


def test_a_function_that_has_another_name_or_schema_is_none_that_went() -> None:
    def having(*names: str, text: str = "") -> Facts:
        pairs = frozenset((schema, one) for schema, _, one in (full.partition(".") for full in names))
        return facts(functions=pairs, routines=dict.fromkeys(pairs, frozenset({text})))

    then = having("public.f", text="() AS $$1$$")
    assert found(then, having("public.g", text="() AS $$1$$")) == []
    assert found(then, having("x.f", text="() AS $$2$$")) == []
    assert found(then, having("public.g", text="() AS $$2$$")) == [(codes.FUNCTION_GONE, "public.f")]
