"""What comes with what is asked for [SEL-1], from a small shop. No database."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.restore_values import edges, label, labels, only, owned, part, role, rows, snapshot, table_name
from vault.errors import NotThere, UsageError
from vault.model import CatalogFacts, Identity, Roles
from vault.ops.restore.plan.comes_along import Picked, pick
from vault.ops.restore.plan.only_words import Wanted, read_words

PARTS = (
    part("SCHEMA s"),
    part("TYPE mood", kind="type", namespace="s", tag="mood"),
    part("TABLE s.t", "SCHEMA s", "TYPE mood"),
    part("SEQUENCE s.t_id_seq", "SCHEMA s"),
    part("SEQUENCE OWNED BY s.t_id_seq", "SEQUENCE s.t_id_seq", "TABLE s.t"),
    part("DEFAULT s.t.id", "TABLE s.t", "SEQUENCE s.t_id_seq"),
    part("TABLE s.child", "SCHEMA s"),
    part("VIEW s.v", "TABLE s.t"),
    part("VIEW s.over_v", "VIEW s.v"),
    part("FUNCTION s.f", "SCHEMA s", args=("integer",), owner="coder"),
    part("CONSTRAINT s.t.t_pkey", "TABLE s.t"),
    part("INDEX s.t_v", "TABLE s.t"),
    part("POLICY s.t.own", "TABLE s.t", owner=""),
    part("ROW SECURITY s.t", "TABLE s.t"),
    part("TRIGGER s.t.g", "TABLE s.t", "FUNCTION s.f"),
    part("FK CONSTRAINT s.child.fk", "TABLE s.child", "TABLE s.t", "CONSTRAINT s.t.t_pkey"),
    part("COMMENT s.child.fk", "FK CONSTRAINT s.child.fk", kind="table constraint"),
    part("PUBLICATION pub"),
    part("PUBLICATION TABLE s.t", "PUBLICATION pub", "TABLE s.t", args=("pub",)),
    part("ACL s.t", "TABLE s.t"),
    part("ACL s.t", "TABLE s.t", sub="COLUMN t.v"),
    part("COMMENT s.t_v", "INDEX s.t_v", kind="index"),
    part("COMMENT s.v", "VIEW s.v", kind="view"),
)
OF_T = {
    *("TABLE s.t", "SEQUENCE s.t_id_seq", "SEQUENCE OWNED BY s.t_id_seq", "DEFAULT s.t.id", "CONSTRAINT s.t.t_pkey"),
    *("INDEX s.t_v", "POLICY s.t.own", "ROW SECURITY s.t", "TRIGGER s.t.g", "ACL s.t", "ACL s.t COLUMN t.v"),
    "COMMENT s.t_v",
}
NEEDED_BY_T = {"SCHEMA s", "TYPE mood", "FUNCTION s.f"}
CATALOG = CatalogFacts(
    acls=owned(
        ("function s.f(integer)", "coder", None),
        ("table column s.t.v", "", ("reader=r/boss",)),
        ("table column s.tt.v", "", ("stranger=r/boss",)),
        ("table s.t", "boss", ("boss=arwdDxt/boss", "writer=w/boss")),
    ),
    edges=edges(
        ("sequence s.t_id_seq", "table column s.t.id", "a"),
        ("sequence s.free", "table column s.child.x", "n"),
    ),
    policies=(("s", "t", "own", ("member",)), ("s", "child", "own", ("stranger",))),
)
ROLES = Roles(roles=tuple(map(role, ("boss", "coder", "member", "reader", "stranger", "writer"))))
SHOP = snapshot(*PARTS, catalog=CATALOG, roles=ROLES, tables=(rows("s.t"), rows("s.child"), rows("s.free")))
ALL = {one.label for one in PARTS}


def picked(wanted: Wanted, *present: str) -> Picked:
    return pick(SHOP, wanted, there=frozenset(one.entry.identity for one in PARTS if one.label in present))


def come(found: Picked) -> set[str]:
    return set(labels(SHOP, found.entries))


WORDS: dict[str, Wanted] = {
    "schema": Wanted(components=frozenset({"schema"})),
    "s": Wanted(schemas=frozenset({"s"})),
    "s.*": Wanted(schemas=frozenset({"s"})),
    "s.t": Wanted(names=(table_name("s.t"),)),
    '"s".T': Wanted(names=(table_name("s.t"),)),
    "s.free": Wanted(names=(table_name("s.free"),)),
    "s.f": Wanted(names=(table_name("s.f"),)),
    "s.mood": Wanted(names=(table_name("s.mood"),)),
}


@pytest.mark.parametrize("word", WORDS)
def test_words_are_read_by_the_rules_of_psql(word: str) -> None:
    assert read_words([word], SHOP) == WORDS[word]


@pytest.mark.parametrize("word", ["s.own", "s.id", "s.nothing", "nowhere", '"S"', "shcema"])
def test_a_word_that_names_nothing_is_refused(word: str) -> None:
    with pytest.raises(NotThere) as caught:
        read_words(["s.t", word], SHOP)
    assert word in caught.value.message
    assert ("did you mean schema?" in caught.value.hint) is (word == "shcema")


def test_a_name_of_three_parts_is_refused() -> None:
    with pytest.raises(UsageError, match="not a name"):
        read_words(["s.t.id"], SHOP)


def test_everything_is_everything() -> None:
    found = picked(Wanted())
    assert come(found) == ALL
    assert found.explicit == found.entries
    assert (found.tables, found.sequences, found.large_objects) == (SHOP.tables, None, True)
    assert (found.roles, found.privileges) == (None, True)


@pytest.mark.parametrize(
    ("wanted", "entries", "tables", "sequences"),
    [
        (Wanted(definitions=False), set(), 3, None),
        (Wanted(data=False), ALL, 0, frozenset()),
        (only("s.t", definitions=False), set(), 1, frozenset({table_name("s.t_id_seq")})),
    ],
)
def test_rows_alone_and_definitions_alone(
    wanted: Wanted, entries: set[str], tables: int, sequences: frozenset[object] | None
) -> None:
    found = picked(wanted)
    assert come(found) == entries
    assert labels(SHOP, found.explicit) == labels(SHOP, found.entries)
    assert (len(found.tables), found.sequences) == (tables, sequences)
    assert found.large_objects is (wanted.data and wanted.everything)
    assert found.roles == (None if wanted.definitions else frozenset())
    assert found.privileges is wanted.definitions


def test_a_table_comes_with_its_parts_what_is_about_them_and_what_it_needs() -> None:
    found = picked(only("s.t"))
    assert come(found) == OF_T | NEEDED_BY_T
    assert set(labels(SHOP, found.explicit)) == OF_T, "what is only needed was not asked for"
    assert [item.name for item in found.tables] == [table_name("s.t")]
    assert found.sequences == frozenset({table_name("s.t_id_seq")})
    assert not found.privileges
    assert not found.large_objects


def test_what_is_there_is_needed_but_brings_nothing() -> None:
    found = picked(only("s.child"), "SCHEMA s", "TABLE s.t", "CONSTRAINT s.t.t_pkey")
    assert come(found) - {"SCHEMA s", "TABLE s.t", "CONSTRAINT s.t.t_pkey"} == set(labels(SHOP, found.explicit))
    assert set(labels(SHOP, found.explicit)) == {"TABLE s.child", "FK CONSTRAINT s.child.fk", "COMMENT s.child.fk"}


def test_what_has_to_be_created_brings_its_parts_but_no_rows() -> None:
    found = picked(only("s.v"), "SCHEMA s")
    assert come(found) == {"VIEW s.v", "COMMENT s.v", "SCHEMA s"} | OF_T | NEEDED_BY_T
    assert set(labels(SHOP, found.explicit)) == {"VIEW s.v", "COMMENT s.v"}
    assert found.tables == ()
    assert found.sequences == frozenset({table_name("s.t_id_seq")}), "it is created, so its value comes"


def test_what_is_there_comes_with_its_parts_if_it_was_asked_for() -> None:
    assert come(picked(only("s.t"), *ALL)) >= OF_T
    link = {"FK CONSTRAINT s.child.fk", "COMMENT s.child.fk"}
    assert set(labels(SHOP, picked(only("s.child"), *ALL).explicit)) == {"TABLE s.child"} | link
    assert link <= come(picked(only("s.child"), *ALL))


# --- links ---------------------------------------------------------------------------------------


def test_a_foreign_key_of_the_selection_that_stays_away_is_told() -> None:
    found = picked(only("s.child"), "SCHEMA s")
    assert come(found) == {"TABLE s.child", "SCHEMA s"}
    assert {label(SHOP.items[at].identity): why for at, why in found.left.items()} == {
        "FK CONSTRAINT s.child.fk": "TABLE t is neither selected nor on the target"
    }


def test_a_foreign_key_of_another_table_that_stays_away_is_not() -> None:
    assert picked(only("s.t")).left == {}


@pytest.mark.parametrize(("present", "comes"), [(("TABLE s.child",), True), ((), False)])
def test_a_foreign_key_at_a_selected_table_comes_if_its_own_is_there(present: tuple[str, ...], comes: bool) -> None:
    found = picked(only("s.t"), *present)
    assert ({"FK CONSTRAINT s.child.fk", "COMMENT s.child.fk"} <= come(found)) is comes


@pytest.mark.parametrize(("present", "comes"), [(("PUBLICATION pub",), True), ((), False)])
def test_a_publication_gets_the_table_if_it_is_there(present: tuple[str, ...], comes: bool) -> None:
    found = picked(only("s.t"), *present)
    assert ("PUBLICATION TABLE s.t" in come(found)) is comes
    assert ("PUBLICATION pub" in labels(SHOP, found.explicit)) is False, "a link never brings its other side"
    assert found.left == {}, "a membership is no part of the table"


MEMBER = snapshot(  # a table that an extension makes has no entry: what users put on it has
    part("EXTENSION x"),
    part("PUBLICATION pub"),
    part("FK CONSTRAINT s.member.fk", "EXTENSION x", "TABLE s.t"),
    part("PUBLICATION TABLE s.member", "EXTENSION x", "PUBLICATION pub", args=("pub",)),
    part("TABLE s.t"),
)


@pytest.mark.parametrize("installed", [True, False])
def test_a_link_of_a_table_without_an_entry_comes_if_it_was_asked_for_or_is_told(installed: bool) -> None:
    links = {"FK CONSTRAINT s.member.fk", "PUBLICATION TABLE s.member"}
    others = ("EXTENSION x", "PUBLICATION pub") if installed else ()
    present = frozenset(one.identity for one in MEMBER.items if label(one.identity) in others)
    found = pick(MEMBER, only("s.*"), there=present)
    assert set(labels(MEMBER, found.explicit)) - {"TABLE s.t"} == (links if installed else set())
    told = {} if installed else {"FK CONSTRAINT s.member.fk": "EXTENSION x is neither selected nor on the target"}
    assert {label(MEMBER.items[at].identity): why for at, why in found.left.items()} == told
    assert pick(MEMBER, only("s.t")).left == {}, "a key of another table that points at it was not asked for"


TREE = snapshot(  # as pg_dump tells it: a partition needs its root
    part("TABLE s.root"),
    part("TABLE s.mid", "TABLE s.root"),
    part("TABLE s.leaf", "TABLE s.mid"),
    part("TABLE ATTACH s.mid", "TABLE s.root", "TABLE s.mid", sub='"s"."root"'),
    part("TABLE ATTACH s.leaf", "TABLE s.mid", "TABLE s.leaf", sub='"s"."mid"'),
    part("TABLE s.free"),
    part("INDEX s.root_i", "TABLE s.root"),
    part("INDEX s.mid_i", "TABLE s.mid"),
    part("INDEX ATTACH s.mid_i", "INDEX s.root_i", "INDEX s.mid_i", sub='"s"."root_i"'),
    tables=(rows("s.leaf", root="s.root"), rows("s.free")),
)


def test_partitions_come_with_their_root_at_any_depth_and_attached() -> None:
    found = pick(TREE, only("s.root"))
    assert {one.identity.names[1] for one in TREE.items} - {
        TREE.items[at].identity.names[1] for at in found.entries
    } == {"free"}
    assert len(found.entries) == len(TREE.items) - 1
    assert found.explicit == found.entries
    assert [item.name for item in found.tables] == [table_name("s.leaf")]


@pytest.mark.parametrize("there_too", [True, False])
def test_a_partition_alone_is_attached_and_brings_its_root_where_that_is_not(there_too: bool) -> None:
    present = frozenset(one.identity for one in TREE.items if there_too and one.identity.names == ("s", "mid"))
    found = pick(TREE, only("s.leaf"), there=present)
    assert set(labels(TREE, found.explicit)) == {"TABLE s.leaf", "TABLE ATTACH s.leaf"} | (
        set() if there_too else {"TABLE ATTACH s.mid", "INDEX ATTACH s.mid_i"}
    )
    assert ("TABLE s.root" in labels(TREE, found.entries)) is not there_too
    assert ("INDEX s.mid_i" in labels(TREE, found.entries)) is not there_too
    assert [item.name for item in found.tables] == [table_name("s.leaf")]


def test_an_attachment_to_what_is_nowhere_is_told() -> None:
    parts = (part("TABLE s.root"), part("TABLE s.leaf"), part("TABLE ATTACH s.leaf", "TABLE s.root", "TABLE s.leaf"))
    assert list(pick(snapshot(*parts), only("s.leaf")).left.values()) == [
        "TABLE root is neither selected nor on the target"
    ]


def test_a_key_that_needs_attachments_of_an_index_comes_after_them() -> None:
    """pg_dump has a foreign key to a partitioned table need all that its unique index is made of."""
    parts = (
        *(part("TABLE s.root"), part("TABLE s.mid"), part("TABLE s.t")),
        *(part("INDEX s.root_i", "TABLE s.root"), part("INDEX s.mid_i", "TABLE s.mid")),
        part("INDEX ATTACH s.mid_i", "INDEX s.root_i", "INDEX s.mid_i"),
        *(part("VIEW s.v"), part("VIEW s.w")),
        part("FK CONSTRAINT s.t.fk", "TABLE s.t", "TABLE s.root", "INDEX ATTACH s.mid_i"),
    )
    found = pick(snapshot(*parts), only("s.*"))
    assert (found.left, found.entries) == ({}, frozenset(range(len(parts))))


def test_tables_whose_rows_the_snapshot_does_not_have_are_those_that_were_asked_for() -> None:
    none_of_its_own = part("TABLE s.root", definition="CREATE TABLE s.root ()\nPARTITION BY LIST (v);\n")
    bare = snapshot(
        *(part("TABLE s.bare"), part("TABLE s.t"), part("TABLE s.full"), none_of_its_own), tables=(rows("s.full"),)
    )
    cases = (Wanted(), only("s.bare", "s.full"), only("s.full"), only("s.bare", data=False), Wanted(data=False))
    names = [[name.name for name in pick(bare, wanted).without_rows] for wanted in cases]
    assert names == [["bare", "t"], ["bare"], [], [], []]


# --- components, roles, dependents ---------------------------------------------------------------


def test_a_component_is_its_entries_with_what_they_need() -> None:
    found = picked(only("rls_policies"), "SCHEMA s", "TYPE mood", "TABLE s.t")
    assert come(found) & (OF_T | NEEDED_BY_T) - {"ACL s.t", "ACL s.t COLUMN t.v"} == {
        *("POLICY s.t.own", "ROW SECURITY s.t", "TABLE s.t"),
    }
    assert "TABLE s.t" not in labels(SHOP, found.explicit)
    assert found.tables == ()


def test_a_schema_is_its_entry_and_all_that_lies_in_it() -> None:
    found = picked(only("s.*"))
    assert ALL - come(found) == {"PUBLICATION pub", "PUBLICATION TABLE s.t"}
    assert {"SCHEMA s", "TYPE mood"} <= set(labels(SHOP, found.explicit))
    namesake = snapshot(part("SCHEMA s"), part("TABLE other.s"))
    assert labels(namesake, pick(namesake, only("s.*")).entries) == ["SCHEMA s"]
    assert found.tables == SHOP.tables
    assert not found.privileges


@pytest.mark.parametrize(
    ("component", "tables", "sequences", "large_objects"),
    [
        ("schema", 0, frozenset({table_name("s.t_id_seq")}), False),
        ("data", 3, None, True),
        ("sequences", 0, None, False),
        ("large_objects", 0, frozenset(), True),
        ("roles", 0, frozenset(), False),
    ],
)
def test_rows_values_and_large_objects_of_a_component(
    component: str, tables: int, sequences: frozenset[object] | None, large_objects: bool
) -> None:
    found = picked(only(component))
    assert (len(found.tables), found.sequences, found.large_objects) == (tables, sequences, large_objects)
    assert (found.roles is None) is (component in ("roles", "schema"))


def test_privileges_of_what_is_there_come_with_user_roles() -> None:
    found = picked(only("user_roles"), "TABLE s.t")
    assert come(found) == {"ACL s.t", "ACL s.t COLUMN t.v"}
    assert found.explicit == found.entries
    assert (found.roles, found.privileges) == (None, True)
    assert come(picked(only("user_roles"))) == set(), "about nothing that is there"


def test_privileges_to_come_are_grants_and_of_what_nobody_knows_none_come() -> None:
    unknown = part("ACL s.f")
    unknown = replace(unknown, entry=replace(unknown.entry, identity=Identity(desc="ACL", kind="", names=(), sub="f")))
    grants = snapshot(part("DEFAULT ACL s.boss"), unknown)
    assert labels(grants, pick(grants, only("user_roles")).entries) == ["DEFAULT ACL s.boss"]


@pytest.mark.parametrize(
    ("name", "present", "expected"),
    [
        ("s.t", (), {"boss", "coder", "member", "reader", "writer"}),
        ("s.t", tuple(ALL), set()),
        ("s.t", tuple(ALL - {"POLICY s.t.own"}), {"member"}),
        ("s.t", tuple(ALL - {"ACL s.t COLUMN t.v"}), {"boss", "reader", "writer"}),
        ("s.child", ("SCHEMA s",), {"boss"}),
    ],
)
def test_roles_are_those_that_entries_to_be_created_name(
    name: str, present: tuple[str, ...], expected: set[str]
) -> None:
    assert set(picked(only(name), *present).roles or ()) == expected


def test_dependents_that_could_come_are_named_with_theirs() -> None:
    missing = {"TABLE s.t", "INDEX s.t_v", "VIEW s.v", "VIEW s.over_v", "COMMENT s.v"}
    found = picked(only("s.t"), *(ALL - missing))
    assert set(labels(SHOP, found.dependents)) == missing - {"TABLE s.t", "INDEX s.t_v"}, "which come"
    assert picked(only("s.t"), *ALL).dependents == ()
    assert picked(only("s.t")).dependents == (), "an empty target misses everything"


def test_a_key_that_is_told_is_not_named_again_as_a_dependent() -> None:
    parts = (
        part("SCHEMA s"),
        part("TABLE s.base", "SCHEMA s"),
        part("TABLE s.heir", "TABLE s.base"),
        part("FK CONSTRAINT s.base.fk", "TABLE s.base", "TABLE s.heir"),
    )
    found = pick(snapshot(*parts), only("s.base"), there=frozenset({parts[0].entry.identity}))
    assert (list(found.left), list(found.dependents)) == ([3], [2])


TWO_NEEDS = snapshot(
    part("TABLE s.one"),
    part("TABLE s.two"),
    part("VIEW s.both", "TABLE s.one", "TABLE s.two"),
    part("ACL s.both", "TABLE s.one", "TABLE s.two"),
)


@pytest.mark.parametrize("missing", ["TABLE s.one", "TABLE s.two", None])
def test_privileges_of_what_needs_two_come_if_both_are_there(missing: str | None) -> None:
    present = frozenset(
        one.identity for one in TWO_NEEDS.items if one.identity.desc == "TABLE" and label(one.identity) != missing
    )
    found = pick(TWO_NEEDS, only("user_roles"), there=present)
    assert ("ACL s.both" in labels(TWO_NEEDS, found.entries)) is (missing is None)


@pytest.mark.parametrize("second_is_there", [True, False])
def test_what_depends_on_two_could_come_only_if_both_are_there(second_is_there: bool) -> None:
    named = {"ACL s.both", *(["TABLE s.two"] if second_is_there else [])}
    present = frozenset(one.identity for one in TWO_NEEDS.items if label(one.identity) in named)
    found = pick(TWO_NEEDS, only("s.one"), there=present)
    assert ("VIEW s.both" in labels(TWO_NEEDS, found.dependents)) is second_is_there
