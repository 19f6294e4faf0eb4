"""What a restore plan refuses, orders and warns of; and how entries are handed out. No database."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest

from vault.errors import UnsafeError
from vault.ids import ObjectId
from vault.model import (
    ChunkList,
    Extent,
    Identity,
    ListRef,
    Membership,
    OrderItem,
    Role,
    Roles,
    RoleSetting,
    SchemaEntry,
    Section,
    ServerFacts,
    TableItem,
    TableName,
    TargetFacts,
)
from vault.ops.restore.plan.contents import Contents
from vault.ops.restore.plan.plan import RestoreOptions, RestorePlan, plan
from vault.ops.restore.plan.show import lines
from vault.ops.restore.schedule import Schedule

PRE, POST, NONE = Section.PRE_DATA, Section.POST_DATA, Section.NONE

SERVER = ServerFacts(
    version_num=150018,
    version="PostgreSQL 15.18",
    system_id="1",
    database="app",
    database_oid=5,
    encoding="UTF8",
    in_recovery=False,
    timeline=1,
    postmaster_start="",
    snapshot="",
    horizon=1,
    next_xid=1,
    insert_lsn=1,
    flush_lsn=1,
    insert_lsn_before=1,
)
TARGET = TargetFacts(
    version_num=150018,
    version="PostgreSQL 15.18",
    system_id="2",
    database="new",
    database_oid=5,
    encoding="UTF8",
    user="postgres",
    superuser=True,
    roles=Roles(),
    in_the_way=(),
    extensions=("citext",),
    extensions_installed=("plpgsql",),
    tablespaces=("pg_default", "pg_global"),
)


def role(name: str, **fields: Any) -> Role:
    values: dict[str, Any] = {
        "superuser": False,
        "inherit": True,
        "create_role": False,
        "create_db": False,
        "can_login": False,
        "replication": False,
        "bypass_rls": False,
        "connection_limit": -1,
        "valid_until": None,
        "verifier": None,
        "comment": None,
        **fields,
    }
    return Role(name=name, **values)


def table(name: str, rows: int) -> TableItem:
    return TableItem(
        name=TableName(schema="s", name=name),
        oid=1,
        filenode=1,
        kind="r",
        access_method="heap",
        columns=(),
        key_columns=(),
        fingerprint=b"",
        load_via_root=None,
        condition="",
        extents=ListRef(),
        inline=Extent(start=0, blocks=0, rows=rows, bytes=rows * 10, chunks=ChunkList()),
    )


def contents(*items: tuple[str, str, Section, tuple[int, ...]], **fields: Any) -> Contents:
    """Entries given as (desc, tag, section, needs); a tag `t.x` is about table t."""
    order, entries = [], []
    for desc, tag, section, needs in items:
        kind = (
            "large object" if tag.startswith("LARGE OBJECT") else "database" if tag.startswith("DATABASE") else "table"
        )
        identity = Identity(desc=desc, kind=kind, names=("s", tag.split(".")[0]), sub=tag)
        order.append(OrderItem(identity=identity, section=section, entry=ObjectId(b""), needs=needs))
        entries.append(
            SchemaEntry(
                identity=identity,
                section=section,
                tag=tag,
                namespace="s",
                owner="",
                definition=tag,
                drop="",
                tablespace="",
                table_access_method="",
            )
        )
    values: dict[str, Any] = {
        "server": SERVER,
        "roles": Roles(),
        "tables": (),
        "sequences": 0,
        "large_objects": 0,
        **fields,
    }
    return Contents(order=tuple(order), entries=tuple(entries), **values)


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
    assert made.definitions == (1, 3, 4)
    assert made.row_security == {3: (11,)}
    assert made.after_rows == (7, 8, 12)
    assert made.privileges == (2, 13)
    assert made.last == (9, 10, 14)
    assert made.left_out == (0, 5, 6, 15)
    shown = "\n".join(lines(made))
    assert "1 TABLE" in shown
    assert "BLOB" not in shown


def test_plan_loads_largest_tables_first_and_leaves_out_empty_ones() -> None:
    made = plan(contents(tables=(table("a", 1), table("b", 0), table("c", 7))), TARGET)
    assert [item.name.name for item in made.tables] == ["c", "a"]
    assert (made.rows, made.bytes) == (8, 80)


@pytest.mark.spec("RST-2")
def test_target_that_is_not_empty_is_refused_with_what_is_there() -> None:
    full = replace(TARGET, in_the_way=tuple(f"table public.t{at}" for at in range(12)))
    with pytest.raises(UnsafeError) as caught:
        plan(contents(), full)
    assert "table public.t0" in caught.value.why
    assert "and 7 more" in caught.value.why
    with pytest.raises(UnsafeError):
        plan(contents(), full, RestoreOptions(into_source=True))


@pytest.mark.spec("RST-1")
def test_the_source_is_refused_as_target_unless_named() -> None:
    source = replace(TARGET, system_id="1")
    with pytest.raises(UnsafeError, match="taken from"):
        plan(contents(), source)
    assert isinstance(plan(contents(), source, RestoreOptions(into_source=True)), RestorePlan)


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
    owned = replace(needs_much.entries[0], owner="ghost", tablespace="fast")
    needs_much = replace(needs_much, entries=(owned,))
    old = replace(TARGET, version_num=140001, encoding="LATIN1")
    warnings = "\n".join(plan(needs_much, old).warnings)
    for word in ("PostgreSQL 14", "LATIN1", "postgis", "fast", "ghost", "without a password"):
        assert word in warnings


# --- schedule ------------------------------------------------------------------------------------


def order_of(*items: tuple[str, tuple[int, ...]]) -> tuple[OrderItem, ...]:
    return contents(*((desc, f"x{at}", POST, needs) for at, (desc, needs) in enumerate(items))).order


def test_schedule_hands_out_what_needs_allow() -> None:
    order = order_of(("TABLE", ()), ("CONSTRAINT", (0, 2)), ("INDEX", (0,)), ("FK CONSTRAINT", (1,)))
    done: list[int] = []
    for task in Schedule(order, (1, 2, 3)).tasks(done.append):
        task()
    assert done == [2, 1, 3]


def test_schedule_finishes_a_cycle() -> None:
    order = order_of(("RULE", (1,)), ("RULE", (0,)))
    done: list[int] = []
    for task in Schedule(order, (0, 1)).tasks(done.append):
        task()
    assert done == [0, 1]


def test_schedule_runs_indexes_of_a_table_together_but_constraints_alone() -> None:
    order = order_of(("TABLE", ()), ("INDEX", (0,)), ("INDEX", (0,)), ("CONSTRAINT", (0,)), ("CONSTRAINT", ()))
    tasks = Schedule(order, (1, 2, 3, 4)).tasks(lambda at: taken.append(at))
    taken: list[int] = []
    together = [next(tasks) for _ in range(3)]
    waiting = threading.Thread(target=lambda: next(tasks)())
    waiting.start()
    for task in together:
        task()
    waiting.join()
    assert taken == [1, 2, 4, 3]


def test_schedule_ends_after_an_error() -> None:
    def fail(at: int) -> None:
        raise RuntimeError(str(at))

    tasks = Schedule(order_of(("INDEX", ()), ("INDEX", (0,))), (0, 1)).tasks(fail)
    with pytest.raises(RuntimeError):
        next(tasks)()
    assert list(tasks) == []
