"""What a restore plan refuses, orders and warns of; and how entries are handed out. No database."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.restore_values import (
    TARGET,
    changed,
    decided,
    edges,
    labels,
    only,
    part,
    planned,
    role,
    snapshot,
    table_name,
    there,
)
from tests.restore_values import rows as rows_of
from tests.values import SERVER, schema_entry, table_item
from vault.errors import UnsafeError
from vault.model import (
    CatalogFacts,
    Identity,
    Membership,
    Roles,
    RoleSetting,
    Section,
    TableItem,
    TableName,
    TargetFacts,
)
from vault.ops.project.components import SUPABASE
from vault.ops.restore.plan.contents import Contents, Item
from vault.ops.restore.plan.decision import Action
from vault.ops.restore.plan.only_words import Wanted
from vault.ops.restore.plan.plan import beside_the_platform, is_read_first, plan
from vault.ops.restore.plan.show import lines
from vault.ops.restore.plan.steps import RestoreOptions, RestorePlan

PRE, POST, NONE = Section.PRE_DATA, Section.POST_DATA, Section.NONE


def table(name: str, rows: int) -> TableItem:
    return table_item(TableName(schema="s", name=name), rows=rows)


def contents(*entries: tuple[str, str, Section, tuple[int, ...]], **fields: Any) -> Contents:
    """Entries given as (desc, tag, section, needs); a tag `t.x` is about table t."""
    items = []
    for desc, tag, section, needs in entries:
        kind = (
            "large object" if tag.startswith("LARGE OBJECT") else "database" if tag.startswith("DATABASE") else "table"
        )
        identity = Identity(desc=desc, kind=kind, names=("s", tag.split(".")[0]), sub=tag)
        entry = schema_entry(identity, tag, section=section, tag=tag)
        items.append(Item(entry=entry, needs=needs))
    values: dict[str, Any] = {
        "server": SERVER,
        "roles": Roles(),
        "tables": (),
        "sequences": 0,
        "large_objects": 0,
        **fields,
    }
    return Contents(items=tuple(items), **values)


def test_plan_follows_the_passes_of_pg_restore_and_names_each_entry_once() -> None:
    made = plan(
        contents(
            ("ENCODING", "ENCODING", NONE, ()),
            ("SCHEMA", "s", PRE, ()),
            ("ACL", "SCHEMA s", NONE, (1,)),
            ("TABLE", "t", PRE, (1,)),
            ("COMMENT", "TABLE t", NONE, (3,)),
            ("BLOB", "LARGE OBJECT 5", PRE, ()),
            ("ACL", "LARGE OBJECT 5", NONE, ()),
            ("INDEX", "t.i", POST, (3,)),
            ("COMMENT", "INDEX i", NONE, (7,)),
            ("EVENT TRIGGER", "e", POST, ()),
            ("COMMENT", "EVENT TRIGGER e", NONE, (9,)),
            ("ROW SECURITY", "t", POST, (3,)),
            ("POLICY", "t p", POST, (3,)),
            ("DEFAULT ACL", "DEFAULT PRIVILEGES", POST, ()),
            ("MATERIALIZED VIEW DATA", "m", POST, ()),
            ("ACL", "DATABASE app", NONE, ()),
        ),
        TARGET,
    )
    assert made.definitions.before_rows == (1, 3, 4)
    assert made.definitions.row_security == {3: (11,)}
    assert made.definitions.after_rows == (7, 8, 12)
    assert made.access.privileges == (2, 13)
    assert made.definitions.last == (9, 10, 14)
    assert made.definitions.left_out == (0, 5, 6, 15)
    shown = "\n".join(lines(made))
    assert "1 TABLE" in shown
    assert "BLOB" not in shown


def test_plan_loads_largest_tables_first_and_leaves_out_empty_ones() -> None:
    made = plan(contents(tables=(table("a", 1), table("b", 0), table("c", 7))), TARGET)
    assert [item.name.name for item in made.tables] == ["c", "a"]
    assert (made.rows, made.bytes) == (8, 80)


def test_each_step_has_what_it_is_for() -> None:
    """Comments go where their objects are; what is asked of the database itself, and what rows are for, is left out."""
    parts = [
        part("DATABASE app"),
        part("ACL app", kind="database"),
        part("TABLE DATA s.t", kind="table"),
        part("SEQUENCE SET s.n", kind="sequence"),
        part("STDSTRINGS x"),
        part("SEARCHPATH x"),
        part("BLOBS x"),
        part("BLOB METADATA x"),
        part("TABLE s.t"),
        part("DATABASE PROPERTIES app"),
        part("FUNCTION s.f"),
        part("TYPE s.odd", tag="EVENT TRIGGER odd"),
        part("EVENT TRIGGER e"),
        part("COMMENT e", kind="event trigger", sub="EVENT TRIGGER e"),
        part("SECURITY LABEL e", kind="event trigger", sub="EVENT TRIGGER e"),
        part("TRIGGER s.t.g", "TABLE s.t"),
        part("COMMENT s.t.g", kind="trigger"),
        part("ACL s.t"),
    ]
    made = planned(snapshot(*parts), target=TARGET)
    assert labels(made, made.definitions.left_out) == [one.label for one in (*parts[:8], parts[9])]
    assert labels(made, made.definitions.before_rows) == ["TABLE s.t", "FUNCTION s.f", "TYPE s.odd"]
    assert labels(made, made.definitions.after_rows) == ["TRIGGER s.t.g", "COMMENT s.t.g"]
    assert labels(made, made.access.privileges) == ["ACL s.t"]
    assert labels(made, made.definitions.last) == ["EVENT TRIGGER e", "COMMENT e", "SECURITY LABEL e"]


def test_what_is_never_executed_is_left_out_though_the_target_has_it() -> None:
    """What is left out is neither counted as equal nor told as not done."""
    parts = [part("STDSTRINGS x"), part("TABLE s.t"), part("BLOBS x")]
    made = planned(snapshot(*parts), there(*changed(parts, "BLOBS x")), wanted=only("schema"))
    assert labels(made, made.definitions.left_out) == ["STDSTRINGS x", "BLOBS x"]
    assert labels(made, made.positions(*Action)) == ["TABLE s.t"]
    assert made.refused == ()


def test_positions_are_in_the_recorded_order() -> None:
    parts = [part(f"TABLE s.t{number}") for number in range(9)]
    made = planned(snapshot(*parts), there(), wanted=only("s.t8", "s.t1"))
    assert made.positions(Action.CREATE) == [1, 8]


def test_row_security_comes_with_a_table_that_is_created_and_after_one_that_is_there() -> None:
    parts = [part("TABLE s.t"), part("TABLE s.u"), part("TABLE s.w"), part("FUNCTION s.t")]
    parts += [part("ROW SECURITY s.t"), part("ROW SECURITY s.u"), part("ROW SECURITY s.w")]
    present = there(*changed(parts[1:3], "TABLE s.w", owner="other"))
    made = planned(snapshot(*parts), present, wanted=only("schema"), replace=True)
    assert {labels(made, [at])[0]: labels(made, early) for at, early in made.definitions.row_security.items()} == {
        "TABLE s.t": ["ROW SECURITY s.t"]
    }
    assert "TABLE s.w" in labels(made, made.definitions.before_rows), "its owner changes, but it is there"
    assert labels(made, made.definitions.after_rows) == ["ROW SECURITY s.u", "ROW SECURITY s.w"]


@pytest.mark.parametrize("empty", [True, False])
def test_rows_come_with_what_has_to_be_known_of_their_tables(empty: bool) -> None:
    key = "ALTER TABLE ONLY s.child\n    ADD CONSTRAINT fk FOREIGN KEY (t) REFERENCES s.t(id);\n"
    parts = [part("TABLE s.t"), part("TABLE s.child"), part("SEQUENCE s.n")]
    parts.append(part("FK CONSTRAINT s.child.fk", "TABLE s.child", "TABLE s.t", definition=key))
    catalog = CatalogFacts(edges=edges(("sequence s.n", "table column s.t.id", "a")))
    shop = snapshot(*parts, catalog=catalog, tables=(rows_of("s.t"), rows_of("s.child")))
    present = there(*([] if empty else parts), read_only=frozenset({table_name("s.n")}))
    steps = planned(shop, present, target=TARGET if empty else FULL, replace=True).row_steps
    assert steps.owner_of_sequence == {table_name("s.n"): table_name("s.t")}
    assert steps.read_only == {table_name("s.n")}
    assert [one.child.name for one in steps.references] == ([] if empty else ["child"])


COUNTED: dict[str, tuple[Wanted, set[str], set[str]]] = {
    "everything": (Wanted(), {"schema", "data", "users", "user_roles", "rls_policies", "edge_functions"}, set()),
    "definitions": (Wanted(data=False), {"schema", "rls_policies"}, {"data", "users", "user_roles"}),
    "rows": (Wanted(definitions=False), {"data", "users", "user_roles"}, {"schema", "rls_policies", "rpc_functions"}),
    "schema": (only("schema"), {"schema", "rls_policies", "rpc_functions", "encryption"}, {"data", "users", "roles"}),
    "data": (only("data"), {"data", "users", "user_roles"}, {"schema", "rls_policies"}),
    "a table": (only("s.t"), set(), {"schema", "data", "users"}),
}


@pytest.mark.parametrize("case", COUNTED)
def test_what_comes_whole_is_counted_afterwards(case: str) -> None:
    wanted, counted, not_counted = COUNTED[case]
    parts = (part("TABLE s.t"),)
    found = planned(snapshot(*parts, tables=(rows_of("s.t"),)), there(), wanted=wanted, replace=True).counted
    assert counted <= found
    assert found.isdisjoint(not_counted)


def test_only_everything_into_an_empty_target_is_whole() -> None:
    shop = snapshot(part("TABLE s.t"))
    assert planned(shop, target=TARGET).whole
    assert planned(shop, target=TARGET, wanted=Wanted(data=False)).whole
    assert not planned(shop, there(), replace=True).whole
    assert not planned(shop, target=TARGET, wanted=Wanted(definitions=False)).whole
    assert not planned(shop, target=TARGET, wanted=only("schema")).whole


def test_a_target_is_read_unless_it_is_empty_and_everything_comes() -> None:
    full = replace(TARGET, in_the_way=("table s.t",))
    found = [is_read_first(target, wanted) for target in (TARGET, full) for wanted in (Wanted(), only("s.t"))]
    assert found == [False, True, True, True]


# --- what is refused -----------------------------------------------------------------------------

SOURCE = replace(TARGET, system_id=SERVER.system_id, database_oid=SERVER.database_oid)
OTHER = {TARGET.database_key: "shop"}
FULL = replace(TARGET, in_the_way=("table s.t",))
PLATFORM = (
    "schema auth",
    "event trigger x",
    "publication p",
    "language l",
    "cast c",
    "server f",
    "foreign-data wrapper w",
)
ROWS, DEFINITIONS = Wanted(definitions=False), Wanted(data=False)
SAFE: dict[str, tuple[TargetFacts, RestoreOptions, str]] = {
    "empty": (TARGET, RestoreOptions(), ""),
    "full": (FULL, RestoreOptions(), "is not empty"),
    "full, definitions alone": (FULL, RestoreOptions(wanted=DEFINITIONS), "is not empty"),
    "full, into the source": (FULL, RestoreOptions(into_source=True), "is not empty"),
    "full, replacing": (FULL, RestoreOptions(replace=True), ""),
    "full, rows alone": (FULL, RestoreOptions(wanted=ROWS), ""),
    "full, a part": (FULL, RestoreOptions(wanted=only("schema")), ""),
    "a platform's": (replace(TARGET, in_the_way=PLATFORM), RestoreOptions(), ""),
    "a platform's in quotes": (replace(TARGET, in_the_way=('schema "auth"', "cast c")), RestoreOptions(), ""),
    "a platform's and more": (replace(TARGET, in_the_way=(*PLATFORM, "table s.t")), RestoreOptions(), "is not empty"),
    "no platform's": (replace(TARGET, in_the_way=PLATFORM[1:]), RestoreOptions(), "is not empty"),
    "the source": (SOURCE, RestoreOptions(), "taken from"),
    "the source, replacing": (SOURCE, RestoreOptions(replace=True), "taken from"),
    "the source, a part": (SOURCE, RestoreOptions(wanted=only("s.t")), "taken from"),
    "the source, said": (SOURCE, RestoreOptions(into_source=True), ""),
    "same oid elsewhere": (replace(SOURCE, system_id="9"), RestoreOptions(), ""),
    "another database there": (replace(SOURCE, database_oid=9), RestoreOptions(), ""),
    "another source": (FULL, RestoreOptions(sources=OTHER), "backed up here, as source shop"),
    "another source, a part": (FULL, RestoreOptions(sources=OTHER, wanted=only("s.t")), "backed up here"),
    "another source, emptied": (TARGET, RestoreOptions(sources=OTHER), ""),
    "another source, emptied, a part": (TARGET, RestoreOptions(sources=OTHER, wanted=only("s.t")), "backed up here"),
    "another source, emptied, rows": (TARGET, RestoreOptions(sources=OTHER, wanted=ROWS), "backed up here"),
    "another source, emptied, replacing": (TARGET, RestoreOptions(sources=OTHER, replace=True), "backed up here"),
    "another source, said": (TARGET, RestoreOptions(sources=OTHER, replace=True, into_source=True), ""),
}


@pytest.mark.spec("RST-1")
@pytest.mark.spec("RST-2")
@pytest.mark.parametrize("case", SAFE)
def test_what_could_destroy_something_is_refused(case: str) -> None:
    target, options, why = SAFE[case]
    shop = snapshot(part("TABLE s.t"))
    if not why:
        assert isinstance(plan(shop, target, options, present=there()), RestorePlan)
        return
    with pytest.raises(UnsafeError) as caught:
        plan(shop, target, options, present=there())
    assert why in caught.value.message
    assert caught.value.why
    assert caught.value.hint


@pytest.mark.spec("RST-2")
@pytest.mark.parametrize(("count", "more"), [(1, ""), (5, ""), (6, " and 1 more"), (12, " and 7 more")])
def test_target_that_is_not_empty_is_refused_with_what_is_there(count: int, more: str) -> None:
    with pytest.raises(UnsafeError) as caught:
        plan(contents(), replace(TARGET, in_the_way=tuple(f"table public.t{at}" for at in range(count))))
    named = ", ".join(f"table public.t{at}" for at in range(min(count, 5)))
    assert caught.value.why == f"it holds {named}{more}"


@pytest.mark.spec("RST-3")
def test_only_missing_roles_are_created_and_existing_ones_never_altered() -> None:
    wanted = Roles(
        roles=(role("a", can_login=True), role("b", superuser=True), role("pg_monitor")),
        memberships=(
            Membership(role="b", member="a", grantor="x", admin=False, inherit=None, set=None),
            Membership(role="b", member="c", grantor="x", admin=False, inherit=None, set=None),
        ),
        settings=(
            RoleSetting(role="a", here=False, name="work_mem", value="1MB"),
            RoleSetting(role="b", here=False, name="work_mem", value="1MB"),
            RoleSetting(role="b", here=True, name="work_mem", value="2MB"),
            RoleSetting(role="", here=True, name="search_path", value="s"),
        ),
    )
    steps = plan(contents(roles=wanted), replace(TARGET, roles=Roles(roles=(role("b"), role("c"))))).roles
    assert [one.name for one in steps.create] == ["a"]
    assert [(one.role, one.member) for one in steps.memberships] == [("b", "a")]
    assert [(one.role, one.here) for one in steps.settings] == [("a", False), ("b", True), ("", True)]
    assert set(steps.differences) == {
        "role b: superuser is False, was True",
        "c is not a member of b",
        "role b: setting work_mem is not set",
    }


def test_plan_warns_of_what_will_not_come_as_it_was() -> None:
    needs_much = contents(("EXTENSION", "postgis", PRE, ()), roles=Roles(roles=(role("a", can_login=True),)))
    (item,) = needs_much.items
    owned = replace(item, entry=replace(item.entry, owner="ghost", tablespace="fast"))
    needs_much = replace(needs_much, items=(owned,))
    old = replace(TARGET, version_num=140001, encoding="LATIN1")
    warnings = "\n".join(plan(needs_much, old).warnings)
    for word in ("PostgreSQL 14", "LATIN1", "postgis", "fast", "ghost", "without a password"):
        assert word in warnings


@pytest.mark.parametrize(("data", "computed"), [(True, {"MATERIALIZED VIEW DATA s.m"}), (False, set())])
def test_what_a_view_holds_is_computed_with_rows_alone(data: bool, computed: set[str]) -> None:
    view = part("MATERIALIZED VIEW s.m")
    contents = snapshot(part("TABLE s.t"), view, part("MATERIALIZED VIEW DATA s.m", view.label))
    made = decided(planned(contents, target=TARGET, wanted=Wanted(data=data)))
    assert made.keys() - {"TABLE s.t", view.label} == computed


def test_only_the_platform_s_schemas_themselves_are_not_in_the_way() -> None:
    standing = ("schema auth", "schema mine", "table auth.users", "table s.t")
    assert beside_the_platform(replace(TARGET, in_the_way=standing), SUPABASE) == [
        "schema mine",
        "table auth.users",
        "table s.t",
    ]
    assert beside_the_platform(replace(TARGET, in_the_way=standing[1:]), SUPABASE) == list(standing[1:])
