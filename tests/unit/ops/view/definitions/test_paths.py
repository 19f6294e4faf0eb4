"""Which file of `schema/` an entry is in, and what that is called."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from vault.ids import ObjectId
from vault.model import Identity, OrderItem, Section
from vault.ops.project.file_names import folded
from vault.ops.view.definitions.paths import DefinitionFiles


def item(
    desc: str, kind: str, *names: str, args: Sequence[str] = (), sub: str = "", needs: Sequence[int] = ()
) -> OrderItem:
    identity = Identity(desc=desc, kind=kind, names=names, args=tuple(args), sub=sub)
    return OrderItem(identity=identity, section=Section.PRE_DATA, entry=ObjectId(bytes(32)), needs=tuple(needs))


def files(*items: OrderItem) -> dict[str, list[str]]:
    """Path -> what is in it, by pg_dump's word."""
    return {path: [one.identity.desc for one in found] for path, found in DefinitionFiles(items).files.items()}


ORDERS = item("TABLE", "table", "public", "orders")


def test_a_tables_file_has_all_that_is_part_of_it_and_what_can_be_called_by_name_has_its_own() -> None:
    assert files(
        item("SCHEMA", "schema", "public"),
        ORDERS,
        item("ACL", "table", "public", "orders", sub="TABLE orders"),
        item("COMMENT", "table column", "public", "orders", "id"),
        item("DEFAULT", "default value", "public", "orders", "id"),
        item("CONSTRAINT", "table constraint", "public", "orders", "orders_pkey"),
        item("INDEX", "index", "public", "by_day", needs=[0, 1]),
        item("COMMENT", "index", "public", "by_day", sub="INDEX by_day", needs=[6]),
        item("ROW SECURITY", "table", "public", "orders", sub="orders"),
        item("POLICY", "policy", "public", "orders", "own"),
        item("COMMENT", "policy", "public", "orders", "own", sub="POLICY own ON orders"),
        item("TRIGGER", "trigger", "public", "orders", "touch"),
        item("SEQUENCE", "sequence", "public", "orders_id_seq"),
        item("EXTENSION", "extension", "pgcrypto"),
    ) == {
        "public/schema.sql": ["SCHEMA"],
        "public/tables/orders.sql": ["TABLE", "ACL", "COMMENT", "DEFAULT", "CONSTRAINT", "INDEX", "COMMENT", "ROW SECURITY"],
        "public/policies/orders/own.sql": ["POLICY", "COMMENT"],
        "public/triggers/orders/touch.sql": ["TRIGGER"],
        "public/sequences/orders_id_seq.sql": ["SEQUENCE"],
        "_database/extensions/pgcrypto.sql": ["EXTENSION"],
    }  # fmt: skip


def test_overloads_are_told_apart_and_keep_their_names_whatever_is_beside_them() -> None:
    one = item("FUNCTION", "function", "public", "add", args=["integer", "public.mood"])
    assert list(files(one)) == ["public/functions/add(integer,public.mood).sql"]
    none = item("FUNCTION", "function", "public", "add")
    odd = item("FUNCTION", "function", "public", "add(integer)")
    other = item("FUNCTION", "function", "public", "add", args=["integer"])
    assert list(files(one, none, odd, other)) == [
        "public/functions/add(integer,public.mood).sql",
        "public/functions/add.sql",
        "public/functions/add(integer)().sql",
        "public/functions/add(integer).sql",
    ]


def test_types_are_found_by_their_printed_names() -> None:
    found = files(
        item("TYPE", "type", 'odd."a.b"'), item("COMMENT", "domain constraint", "odd.positive", args=["above"]),
        item("ACL", "type", "timestamp with time zone"),
    )  # fmt: skip
    assert list(found) == [
        "odd/types/a.b.sql",
        "odd/types/positive.sql",
        "_database/types/timestamp with time zone.sql",
    ]


def test_a_view_has_its_rule_and_partitions_their_attachments() -> None:
    assert files(
        item("VIEW", "view", "public", "v"),
        item("RULE", "rule", "public", "v", "_RETURN"),
        item("RULE", "rule", "public", "v", "log"),
        item("TABLE", "table", "public", "part"),
        item("CONSTRAINT", "table constraint", "public", "part", "part_pkey"),
        item("INDEX", "index", "public", "part_at", needs=[3]),
        item("TABLE ATTACH", "table", "public", "part", sub='"public"."whole"'),
        item("INDEX ATTACH", "index", "public", "part_pkey", needs=[4]),
        item("INDEX ATTACH", "index", "public", "part_at", needs=[5]),
    ) == {
        "public/views/v.sql": ["VIEW", "RULE"],
        "public/rules/v/log.sql": ["RULE"],
        "public/tables/part.sql": ["TABLE", "CONSTRAINT", "INDEX", "TABLE ATTACH", "INDEX ATTACH", "INDEX ATTACH"],
    }


def test_what_no_rule_knows_has_a_file_all_the_same() -> None:
    assert list(
        files(
            item("ENCODING", ""), item("SEARCHPATH", ""), item("COMMENT", "", sub="CAST (a AS b)"),
            item("NEW THING", "new kind", "a", "b", args=["c"]), item("USER MAPPING", "user mapping", "app", args=["far"]),
            item("DATABASE", "database", "app"), item("USER MAPPING", "", sub="USER MAPPING ada SERVER far"),
            item("SHELL TYPE", "", sub='"public"."base"'), item("CAST", "cast", "odd.pair", args=["pg_catalog.text"]),
            item("INDEX", "index", "public", "lost"), item("PUBLICATION TABLE", "publication relation", "public", "t", args=["pub"]),
        )
    ) == [
        "_database/settings.sql", "_database/comment/CAST (a AS b).sql", "_database/new_kind/a/b/c.sql",
        "_database/user_mappings/app/far.sql", "_database/database.sql", "_database/user_mappings/ada SERVER far.sql",
        "public/types/base.sql", "_database/casts/odd.pair/text.sql", "public/indexes/lost.sql", "_database/publications/pub.sql",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("a/b", "a%2Fb"), ("..", "%2E."), ("-rf", "%2Drf"), ("100%", "100%25"), ("x~y", "x%7Ey"), ("new\nline", "new%0Aline"),
        ("\u202egnp", "%E2%80%AEgnp"), ("a.b c", "a.b c"), ("ü", "ü"), ("\x1b[2J", "%1B[2J"),
    ],
)  # fmt: skip
def test_names_that_are_no_file_names_are_escaped(name: str, written: str) -> None:
    assert list(files(item("TABLE", "table", "s", name))) == [f"s/tables/{written}.sql"]


def test_a_long_name_ends_in_a_mark_of_its_own() -> None:
    args = ["timestamp with time zone"] * 99
    names = list(files(*(item("FUNCTION", "function", "s", "f", args=[*args, last]) for last in ("integer", "text"))))
    assert len(set(names)) == 2
    assert all(len(name.rpartition("/")[2].encode()) <= 255 for name in names)


def test_names_that_differ_in_case_alone_do_not_meet_on_a_disk_that_ignores_it() -> None:
    found = list(
        files(
            item("TABLE", "table", "s", "Users"), item("TABLE", "table", "s", "users"), item("TABLE", "table", "S", "users"),
            item("POLICY", "policy", "s", "Users", "own"), item("POLICY", "policy", "s", "users", "own"),
            item("SCHEMA", "schema", "_database"), item("TABLE", "table", "_Database", "t"), item("EXTENSION", "extension", "e"),
        )
    )  # fmt: skip
    assert len({folded(path) for path in found}) == len(found) == 8
    assert all("~" in path for path in found[:5])
    assert [path.partition("/")[0] for path in found[5:]][2] == "_database"


def test_a_folder_is_listed_by_name_and_stands_before_what_is_in_it() -> None:
    tree = DefinitionFiles(
        [item("TABLE", "table", "b", "t"), item("TABLE", "table", "a", "t"), item("VIEW", "view", "a", "v")]
    )
    assert list(tree.below("", recursive=False)) == ["a", "b"]
    assert list(tree.below("a", recursive=True)) == ["a/tables", "a/tables/t.sql", "a/views", "a/views/v.sql"]
    assert tree.is_folder("a/tables")
    assert not tree.is_folder("a/tables/t.sql")
