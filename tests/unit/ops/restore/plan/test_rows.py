"""How the rows of a table come, or why they cannot, given what the target has and allows [SEL-4, SEL-5]. No database."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.restore_values import (
    FULL,
    POOR,
    decided,
    labels,
    only,
    part,
    planned,
    rows,
    snapshot,
    table_name,
    there,
)
from vault.model import Address, CatalogFacts, Present, TargetFacts
from vault.ops.restore.plan.decision import RowMode
from vault.ops.restore.plan.extensions import brought_members
from vault.ops.restore.plan.only_words import Wanted
from vault.ops.restore.plan.steps import RestorePlan

PARTS = [part("SCHEMA s"), part("TABLE s.t", "SCHEMA s")]


def modes(made: RestorePlan) -> dict[str, RowMode]:
    steps = made.row_steps.all
    return {f"{item.name.schema}.{item.name.name}": one.mode for one in steps for item in one.items}


def not_loaded(made: RestorePlan) -> dict[str, str]:
    return {name.removeprefix("TABLE DATA "): why for name, why in made.refused if name.startswith("TABLE DATA ")}


def loaded(item: Any, present: Present, *, replace: bool = False, target: TargetFacts = FULL) -> RestorePlan:
    name = f"{item.name.schema}.{item.name.name}"
    own = part(f"TABLE {name}")
    return planned(snapshot(own, tables=(item,)), present, target=target, wanted=only(name), replace=replace)


T = [part("TABLE s.t")]


@pytest.mark.spec("SEL-4")
def test_rows_come_as_the_table_is_there_or_not() -> None:
    assert modes(loaded(rows("s.t"), there())) == {"s.t": RowMode.NEW}
    assert modes(loaded(rows("s.t"), there(*T))) == {"s.t": RowMode.MERGE}
    assert modes(loaded(rows("s.t"), there(*T), replace=True)) == {"s.t": RowMode.EXACT}
    assert modes(loaded(rows("s.t", 0), there(*T))) == {}
    assert modes(loaded(rows("s.t", 0), there(*T), replace=True)) == {"s.t": RowMode.EXACT}, "rows there must go"


COLUMNS: list[tuple[tuple[str, ...], tuple[str, ...], str, set[str]]] = [
    (("id", "v"), ("id",), "", set()),
    (("id", "v", "more"), ("id",), "", set()),
    (("id",), ("id",), "", {"v"}),
    (("v",), ("id",), "no column id", set()),
    (("v",), (), "", {"id"}),
    (("id",), ("id", "v"), "no column v", set()),
    (("other",), (), "no column id, v", set()),
]


@pytest.mark.spec("SEL-4")
@pytest.mark.parametrize("replaced", [False, True])
@pytest.mark.parametrize(("columns", "key", "why", "without"), COLUMNS)
def test_rows_want_the_columns_of_their_key(
    columns: tuple[str, ...], key: tuple[str, ...], why: str, without: set[str], replaced: bool
) -> None:
    made = loaded(rows("s.t", key=key), there(*T, columns={"s.t": columns}), replace=replaced)
    told = not_loaded(made).get("s.t", "")
    if why:
        assert (modes(made), made.tables) == ({}, ())
        assert why in told
    else:
        assert [one.without for one in made.row_steps.tables] == [frozenset(without)]
        assert ("without values of v" in told, "without values of id" in told) == ("v" in without, "id" in without)


def test_a_table_without_columns_has_rows_too() -> None:
    assert modes(loaded(rows("s.t", columns=(), key=()), there(*T, columns={"s.t": ()}))) == {"s.t": RowMode.MERGE}


NOT_LOADED: dict[str, tuple[dict[str, Any], dict[str, Any], bool, str]] = {
    "read only": ({"read_only": frozenset({table_name("s.t")})}, {}, False, "role postgres may not write it"),
    "not readable": (
        {"columns": {}, "unreadable": frozenset({table_name("s.t")})},
        {},
        False,
        "role postgres may not read it on the target",
    ),
    "no switch for triggers": ({}, {"may_replicate": False}, True, "may not switch off its triggers"),
    "not on the target": ({"columns": {}}, {}, False, "it is not on the target"),
}


@pytest.mark.parametrize("case", NOT_LOADED)
def test_rows_that_cannot_come_are_told(case: str) -> None:
    fields, facts, replaced, why = NOT_LOADED[case]
    made = loaded(rows("s.t"), there(*T, **fields), replace=replaced, target=replace(FULL, **facts))
    assert modes(made) == {}
    assert why in not_loaded(made)["s.t"]
    if case == "no switch for triggers":
        assert modes(loaded(rows("s.t"), there(*T), target=replace(FULL, **facts))) == {"s.t": RowMode.MERGE}


def test_rows_alone_do_not_come_without_their_table() -> None:
    made = planned(snapshot(*PARTS, tables=(rows("s.t"),)), there(), wanted=Wanted(definitions=False))
    assert (decided(made), modes(made)) == ({}, {})
    assert not_loaded(made) == {"s.t": "not loaded: it is not on the target"}


def test_rows_of_a_table_that_no_entry_creates_are_a_members() -> None:
    conf, none = (Address(kind="table", names=("x", name)) for name in ("conf", "none"))
    citext = Address(kind="extension", names=("citext",))
    facts = CatalogFacts(
        extensions=(("a-b", "1", "x"), ("citext", "1", "x")),
        edges=(
            (conf, citext, "e"),
            (none, Address(kind="extension", names=("a-b",)), "e"),
            (none, citext, "n"),
        ),
    )
    parts = (part("EXTENSION citext"), part("EXTENSION a-b"))
    member = snapshot(*parts, tables=(rows("x.conf"), rows("x.none", 0)), catalog=facts)
    assert modes(planned(member, there(), wanted=only("data", "schema"))) == {
        "x.conf": RowMode.MEMBER,
        "x.none": RowMode.MEMBER,
    }, "what the extension put into it goes"
    hidden = there(unreadable=frozenset({table_name("x.conf")}))
    assert "may not read it" in not_loaded(planned(member, hidden, wanted=only("data")))["x.conf"]
    for name, found in (("a-b", {"x.conf"}), ("citext", {"x.conf", "x.none"}), ("other", {"x.conf", "x.none"})):
        installed = replace(FULL, extensions_installed=(name,))
        made = planned(member, there(), target=installed, wanted=only("data", "schema"))
        assert modes(made).keys() == found, "rows of an extension that was there are not its own"
        assert ("x.conf" in map(str, brought_members(facts, installed))) is (name != "citext")
    alone = planned(member, there(), wanted=Wanted(definitions=False))
    assert (modes(alone), list(not_loaded(alone))) == ({}, ["x.conf"]), "of one without rows there is nothing to tell"


def test_what_is_why_a_table_was_skipped_is_why_its_rows_do_not_come() -> None:
    made = planned(
        snapshot(part("TABLE closed.t"), tables=(rows("closed.t"),)), there(), target=POOR, wanted=only("closed.t")
    )
    assert "schema closed, which belongs to them" in not_loaded(made)["closed.t"]


LEAVES = [part("TABLE s.root"), *(part(f"TABLE s.p{n}", "TABLE s.root") for n in (1, 2))]
TREE = [
    *LEAVES,
    *(part(f"TABLE ATTACH s.p{n}", "TABLE s.root", f"TABLE s.p{n}", sub='"s"."root"') for n in (1, 2)),
]


def through_root(*items: Any, wanted: Wanted, replace: bool = True) -> RestorePlan:
    return planned(snapshot(*TREE, tables=items), there(*TREE), wanted=wanted, replace=replace)


@pytest.mark.spec("SEL-5")
def test_rows_through_a_root_are_replaced_for_all_partitions_together() -> None:
    leaves = [rows(f"s.p{n}", root="s.root") for n in (1, 2)]
    made = through_root(*leaves, rows("s.other", root=""), wanted=only("s.root"))
    assert [(one.mode, [item.name.name for item in one.items]) for one in made.row_steps.tables] == [
        (RowMode.EXACT, ["p1", "p2"])
    ]
    narrow = there(*TREE, columns=dict.fromkeys(("s.root", "s.p1", "s.p2"), ("id",)))
    lacking = planned(snapshot(*TREE, tables=tuple(leaves)), narrow, wanted=only("s.root"), replace=True)
    assert [one.without for one in lacking.row_steps.tables] == [frozenset({"v"})]
    without = through_root(leaves[0], wanted=only("s.root"))
    assert modes(without) == {}, "rows of a partition that the snapshot does not have would go"
    alone = through_root(*leaves, wanted=only("s.p1"))
    assert modes(alone) == {}
    assert "replaced only with all of its partitions" in not_loaded(alone)["s.p1"]
    other = through_root(leaves[0], rows("s.p2", columns=("v", "id"), root="s.root"), wanted=only("s.root"))
    assert modes(other) == {}, "rows of one COPY have one list of columns"
    merged = through_root(*leaves, wanted=only("s.p1"), replace=False)
    assert (modes(merged), not_loaded(merged)) == ({"s.p1": RowMode.MERGE}, {})


def test_partitioned_tables_between_a_root_and_its_partitions_have_no_rows_of_their_own() -> None:
    tree = [
        part("TABLE s.root"),
        part("TABLE s.mid", "TABLE s.root", definition="CREATE TABLE s.mid ()\nPARTITION BY RANGE (id);\n"),
        part("TABLE s.p1", "TABLE s.mid"),
        part("TABLE ATTACH s.mid", "TABLE s.root", "TABLE s.mid"),
        part("TABLE ATTACH s.p1", "TABLE s.mid", "TABLE s.p1"),
    ]
    shop = snapshot(*tree, tables=(rows("s.root", 0), rows("s.p1", root="s.root")))
    made = planned(shop, there(*tree), wanted=only("s.root"), replace=True)
    assert not_loaded(made) == {}
    assert modes(made) == {"s.root": RowMode.EXACT, "s.p1": RowMode.EXACT}


def test_a_root_that_may_not_be_written_refuses_the_rows_of_its_partitions() -> None:
    item = rows("s.p1", root="s.root")
    present = there(*TREE, read_only=frozenset({table_name("s.root")}))
    made = planned(snapshot(*TREE, tables=(item,)), present, wanted=only("s.p1"))
    assert not_loaded(made) == {"s.p1": "not loaded: role postgres may not write it"}


# --- the platform's tables -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "comes"),
    [
        ("auth.schema_migrations", False),
        ("storage.migrations", False),
        ("supabase_migrations.schema_migrations", True),
        ("auth.users", True),
    ],
)
def test_records_of_the_platforms_migrations_stay_as_they_are(name: str, comes: bool) -> None:
    own = part(f"TABLE {name}")
    for replaced in (False, True):
        made = planned(snapshot(own, tables=(rows(name),)), there(own), wanted=only(name), replace=replaced)
        assert (name in modes(made)) is comes
        assert not_loaded(made) == {}
    assert modes(planned(snapshot(own, tables=(rows(name),)), there(), wanted=only(name))) == {name: RowMode.NEW}


def test_what_is_left_aside_does_not_stop_the_others() -> None:
    own = [part("TABLE auth.schema_migrations"), part("TABLE s.empty"), part("TABLE s.t")]
    items = (rows("auth.schema_migrations"), rows("s.empty", 0), rows("s.refused"), rows("s.t"))
    made = planned(snapshot(*own, tables=items), there(*own), wanted=Wanted(definitions=False))
    assert modes(made) == {"s.t": RowMode.MERGE}
    assert list(not_loaded(made)) == ["s.refused"]


def test_jobs_that_may_not_be_written_come_through_functions_and_last() -> None:
    own = [part("TABLE cron.job"), part("TABLE cron.other")]
    items = (rows("cron.job"), rows("cron.other"))
    locked = there(*own, read_only=frozenset(map(table_name, ("cron.job", "cron.other"))))
    made = planned(snapshot(*own, tables=items), locked, wanted=only("cron.*"))
    assert modes(made) == {"cron.job": RowMode.JOBS}
    assert list(not_loaded(made)) == ["cron.other"]
    lacking = there(*own, columns={"cron.job": ("v",), "cron.other": ("id", "v")})
    assert (
        "no column id" in not_loaded(planned(snapshot(*own, tables=items), lacking, wanted=only("cron.*")))["cron.job"]
    )
    free = planned(snapshot(*own, tables=items), there(*own), wanted=only("cron.*"))
    assert modes(free) == {"cron.job": RowMode.MERGE, "cron.other": RowMode.MERGE}
    assert (free.row_steps.tables, len(free.row_steps.late)) == ((), 2)
    made = planned(snapshot(*own, tables=items), replace(locked, entries={}), wanted=only("cron.*"))
    assert modes(made)["cron.job"] is RowMode.NEW, "a table of that name that is created here is no part of pg_cron"


def test_secrets_that_may_not_be_written_say_what_to_do_instead() -> None:
    own = part("TABLE vault.secrets")
    present = there(own, read_only=frozenset({table_name("vault.secrets")}))
    made = planned(snapshot(own, tables=(rows("vault.secrets"),)), present, wanted=only("vault.secrets"))
    assert "vault.create_secret" in not_loaded(made)["vault.secrets"]


def test_rows_come_largest_first() -> None:
    items = (rows("s.b", 5), rows("s.c", 9), rows("s.a", 5))
    made = planned(
        snapshot(*(part(f"TABLE s.{name}") for name in "abc"), tables=items), there(), wanted=only("s.*", "data")
    )
    assert [one.item.name.name for one in made.row_steps.tables] == ["c", "a", "b"]
    assert (made.rows, made.bytes) == (19, 190)
    assert labels(made, made.definitions.before_rows) == ["TABLE s.a", "TABLE s.b", "TABLE s.c"]


def test_columns_without_their_values_are_told_in_order() -> None:
    names = tuple("hgfedcba")
    recorded = part("TABLE s.t")
    contents = snapshot(recorded, tables=(rows("s.t", columns=("id", *names)),))
    made = planned(contents, there(recorded, columns={"s.t": ("id",)}), wanted=only("s.t"))
    assert any("without values of a, b, c, d, e, f, g, h:" in why for _, why in made.refused)
    keyed = snapshot(recorded, tables=(rows("s.t", columns=("id", *names), key=names),))
    made = planned(keyed, there(recorded, columns={"s.t": ("id",)}), wanted=only("s.t"))
    assert not_loaded(made) == {"s.t": "not loaded: the target's table has no column a, b, c, d, e, f, g, h"}
