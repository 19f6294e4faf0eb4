"""Schema public as an entry, and which privileges a missing grant may bring. No database."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.restore_values import TARGET, owned
from tests.unit.ops.restore.plan.test_plan import NONE, PRE, contents
from vault.model import Address, CatalogFacts, Identity, Present, SchemaEntry, Section, TargetSchema
from vault.ops.restore.plan.contents import Contents, Item
from vault.ops.restore.plan.schema_public import with_public
from vault.sql.in_force import Privileges

PUBLIC = TargetSchema(name="public", owner="pg_database_owner", may_create=True)
ACL = ("pg_database_owner=UC/pg_database_owner", "=U/pg_database_owner")


def project(*, version_num: int = 150018, acl: tuple[str, ...] = ACL) -> Contents:
    made = contents(("TABLE", "t", PRE, ()), ("COMMENT", "t", NONE, (0,)))
    return replace(
        made,
        items=tuple(replace(item, entry=replace(item.entry, namespace="public")) for item in made.items),
        catalog=CatalogFacts(acls=owned(("schema public", "pg_database_owner", acl))),
        server=replace(made.server, version_num=version_num),
    )


def test_all_that_lies_in_public_needs_its_entry() -> None:
    made, present = with_public(project(), None, replace(TARGET, schemas=(PUBLIC,)))
    assert [(one.identity.desc, one.needs) for one in made.items] == [
        ("SCHEMA", ()),
        ("COMMENT", (0,)),
        ("TABLE", (0,)),
        ("COMMENT", (0, 2)),
    ]
    assert [one.desc for one in present.entries] == ["SCHEMA", "COMMENT"], "an empty target has it as initdb makes it"


def test_a_recorded_schema_keeps_its_place_and_its_comment_comes_after_it() -> None:
    made = project()
    schema = Identity(desc="SCHEMA", kind="schema", names=("public",))
    table, comment = made.items
    given = Item(entry=replace(table.entry, identity=schema, tag="public", namespace="", owner="me"), needs=())
    made = replace(made, items=(table, given, replace(comment, needs=(0, 1))))
    found, _ = with_public(made, None, TARGET)
    assert [(one.identity.desc, one.needs) for one in found.items] == [
        ("TABLE", (1,)),
        ("SCHEMA", ()),
        ("COMMENT", (1,)),
        ("COMMENT", (0, 1)),
    ]
    assert found.items[1].entry.owner == "me"


@pytest.mark.parametrize(
    ("target", "owner"), [(130000, ""), (140000, ""), (150000, "pg_database_owner"), (180000, "pg_database_owner")]
)
def test_the_owner_is_that_of_the_targets_initdb(target: int, owner: str) -> None:
    made, present = with_public(project(version_num=140000), Present(), replace(TARGET, version_num=target))
    first = next(made.entries)
    assert (first.owner, first.definition.split("\n")[0]) == (owner, "CREATE SCHEMA public;")
    assert present.entries == {}, "the target has no such schema"


@pytest.mark.parametrize(
    ("source", "target", "acl", "opened"),
    [
        (140000, 150000, ("postgres=UC/postgres", "=UC/postgres"), True),
        (140000, 150000, ("postgres=UC/postgres", "=U/postgres"), False),
        (140000, 140000, ("postgres=UC/postgres", "=UC/postgres"), False),
        (150000, 150000, ("postgres=UC/postgres", "=UC/postgres"), False),
    ],
)
def test_a_public_that_was_open_stays_so(source: int, target: int, acl: tuple[str, ...], opened: bool) -> None:
    made, present = with_public(
        project(version_num=source, acl=acl), None, replace(TARGET, version_num=target, schemas=(PUBLIC,))
    )
    assert [one.desc for one in present.entries] == ["SCHEMA", "COMMENT"], "initdb opens it to nobody"
    assert any(one.definition == "GRANT CREATE ON SCHEMA public TO PUBLIC;\n" for one in made.entries) is opened


def test_a_source_without_public_brings_none() -> None:
    made, _ = with_public(contents(("TABLE", "t", PRE, ())), None, replace(TARGET, schemas=(PUBLIC,)))
    assert [one.identity.desc for one in made.items] == ["TABLE"]


def test_an_empty_comment_is_none_and_an_owner_is_compared() -> None:
    def entry(desc: str, definition: str, owner: str) -> tuple[Identity, SchemaEntry]:
        sub = "SCHEMA public" if desc == "COMMENT" else ""
        identity = Identity(desc=desc, kind="schema", names=("public",), sub=sub)
        made = contents(("TABLE", "t", PRE, ())).items[0].entry
        return identity, replace(made, identity=identity, definition=definition, owner=owner)

    read = Present(
        entries=dict(
            [
                entry("SCHEMA", "CREATE SCHEMA public;\n", "me"),
                entry("COMMENT", "COMMENT ON SCHEMA public IS '';\n", "me"),
            ]
        )
    )
    _, present = with_public(project(), read, replace(TARGET, schemas=(PUBLIC,), in_the_way=("table a.b",)))
    assert [(one.desc, found.definition, found.owner) for one, found in present.entries.items()] == [
        ("SCHEMA", "", "me")
    ]


MINE, EMPTY = "COMMENT ON SCHEMA public IS 'mine';\n", "COMMENT ON SCHEMA public IS '';\n"


@pytest.mark.parametrize(
    ("recorded", "now", "kept"), [(EMPTY, EMPTY, True), (MINE, EMPTY, False), (MINE, MINE, True), (EMPTY, MINE, True)]
)
def test_an_empty_comment_is_none_unless_it_was_recorded(recorded: str, now: str, kept: bool) -> None:
    identity = Identity(desc="COMMENT", kind="schema", names=("public",), sub="SCHEMA public")
    made = project()
    entries = [replace(made.items[0].entry, identity=identity, definition=text) for text in (recorded, now)]
    source = replace(made, items=(*made.items, Item(entry=entries[0], needs=())))
    read = Present(entries={identity: entries[1]})
    _, present = with_public(source, read, replace(TARGET, schemas=(PUBLIC,), in_the_way=("table a.b",)))
    assert (identity in present.entries) is kept


def address(kind: str, *names: str) -> Address:
    return Address(kind=kind, names=names, args=("integer",) if kind == "function" else ())


FACTS = {
    "nothing recorded is the built-in": (("function s.f(integer)", "o", None), {("*", "X"), ("", "X")}),
    "an owner has another name": (("function s.f(integer)", "a b", ('"a b"=X/"a b"',)), {("*", "X")}),
    "who granted it does not matter": (
        ("function s.f(integer)", "o", ("o=X/o", "=X/x")),
        {("*", "X"), ("", "X")},
    ),
    "a keyword is quoted": (('function s."f"(integer)', "o", ("o=X/o",)), {("*", "X")}),
}


@pytest.mark.parametrize("case", FACTS)
def test_privileges_in_force_are_those_of_the_catalog(case: str) -> None:
    fact, expected = FACTS[case]
    found = Privileges.of(owned(fact)).grants(address("function", "s", "f"), 150000)
    assert found is not None
    assert {(grantee, letter) for _, grantee, letter, _ in found} == expected


@pytest.mark.parametrize("kind", ["table", "view", "materialized view", "foreign table"])
def test_privileges_of_columns_belong_to_their_relation(kind: str) -> None:
    facts = Privileges.of(owned((f"{kind} s.t", "o", ("o=r/o",)), (f"{kind} column s.t.c", "", ("x=w*/o",))))
    assert facts.grants(address(kind, "s", "t"), 150000) == frozenset(
        {
            ("", "*", "r", False),
            ("c", "x", "w", True),
        }
    )
    assert facts.grants(address(kind, "s", "u"), 150000) is None


def test_maintain_of_an_owner_counts_only_where_both_know_it() -> None:
    facts = Privileges.of(owned(("table s.t", "o", ("o=rm/o", "x=m/o"))))
    old, new = (facts.grants(address("table", "s", "t"), version) for version in (160000, 170000))
    assert old is not None
    assert new is not None
    assert new - old == {("", "*", "m", False)}


def test_entries_of_public_are_made_as_pg_dump_writes_them() -> None:
    made, _ = with_public(
        project(version_num=140000, acl=("postgres=UC/postgres", "=UC/postgres")),
        None,
        replace(TARGET, schemas=(PUBLIC,)),
    )
    found = {
        one.identity.desc: (one.section, one.tag, one.drop, one.owner)
        for one in made.entries
        if one.identity.names == ("public",)
        and (one.namespace, one.tablespace, one.table_access_method) == ("", "", "")
    }
    assert found == {
        "SCHEMA": (Section.PRE_DATA, "public", "DROP SCHEMA public;\n", "pg_database_owner"),
        "COMMENT": (Section.NONE, "SCHEMA public", "", ""),
        "ACL": (Section.NONE, "SCHEMA public", "", ""),
    }
