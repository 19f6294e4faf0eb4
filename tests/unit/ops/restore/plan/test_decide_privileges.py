"""Nobody may more than recorded after -c, and nobody loses anything without it [SEL-8, SEL-9]. No database."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from tests.restore_values import (
    FULL,
    Part,
    changed,
    decided,
    label,
    only,
    owned,
    part,
    planned,
    snapshot,
    there,
)
from tests.values import SERVER
from vault.model import CatalogFacts, Identity
from vault.ops.restore.plan.steps import RestorePlan

Acl = tuple[str, ...] | None

TABLE = part("TABLE s.t")
ACL = part("ACL s.t", "TABLE s.t")
COLUMN = part("ACL s.t", "TABLE s.t", sub="COLUMN t.v")
OTHER = part("ACL s.t", "TABLE s.t", sub="COLUMN t.w")
OWNER = "boss=arwdDxt/boss"
READER = "reader=r/boss"
WRITER = "writer=w/boss"


@dataclass(frozen=True, kw_only=True)
class Side:
    """ACL entries of a table that is there, and what its catalog says of it and its columns."""

    entries: tuple[Part, ...] = ()
    acl: Acl = None
    columns: tuple[tuple[str, Acl], ...] = ()

    @property
    def facts(self) -> tuple[tuple[str, str, Acl], ...]:
        return (("table s.t", "boss", self.acl), *((f"table column s.t.{name}", "", acl) for name, acl in self.columns))


def made(source: Side, target: Side, *words: str, replace: bool) -> RestorePlan:
    return planned(
        snapshot(TABLE, *source.entries, catalog=CatalogFacts(acls=owned(*source.facts))),
        there(TABLE, *target.entries, acls=owned(*target.facts)),
        wanted=only(*(words or ("s.t",))),
        replace=replace,
    )


def done(found: RestorePlan) -> tuple[dict[str, str], list[str], list[str]]:
    """Decisions about ACL entries, what gets its built-in privileges, and what is told as missing."""
    decisions = {called: one for called, one in decided(found).items() if called.startswith("ACL")}
    return (
        decisions,
        [label(one) for one in found.access.resets],
        [name for name, _ in found.refused if name.startswith("ACL")],
    )


DIFFERS = changed([ACL], "ACL s.t")[0]
COLUMN_DIFFERS = changed([COLUMN], "ACL s.t COLUMN t.v")[0]
EQUAL = Side(entries=(ACL, COLUMN), acl=(OWNER, READER), columns=(("v", (WRITER,)),))
CASES: dict[str, tuple[Side, Side, dict[str, str], dict[str, str]]] = {
    "equal": (EQUAL, EQUAL, {"ACL s.t": "equal", "ACL s.t COLUMN t.v": "equal"}, {}),
    "the target grants less": (
        EQUAL,
        Side(entries=(DIFFERS, COLUMN), acl=(OWNER,), columns=(("v", (WRITER,)),)),
        {"ACL s.t": "replace", "ACL s.t COLUMN t.v": "create"},
        {},
    ),
    "the target grants less of a column": (
        EQUAL,
        Side(entries=(ACL,), acl=(OWNER, READER)),
        {"ACL s.t": "equal", "ACL s.t COLUMN t.v": "create"},
        {},
    ),
    "the target grants more": (
        EQUAL,
        Side(entries=(DIFFERS, COLUMN), acl=(OWNER, READER, WRITER), columns=(("v", (WRITER,)),)),
        {"ACL s.t": "keep!", "ACL s.t COLUMN t.v": "equal"},
        {"ACL s.t": "replace", "ACL s.t COLUMN t.v": "create"},
    ),
    "the target grants more of a column": (
        EQUAL,
        Side(entries=(ACL, COLUMN_DIFFERS), acl=(OWNER, READER), columns=(("v", ("reader=w/boss",)),)),
        {"ACL s.t": "keep!", "ACL s.t COLUMN t.v": "keep!"},
        {"ACL s.t": "replace", "ACL s.t COLUMN t.v": "create"},
    ),
    "the target grants one column more": (
        EQUAL,
        Side(entries=(ACL, COLUMN, OTHER), acl=(OWNER, READER), columns=(("v", (WRITER,)), ("w", (READER,)))),
        {"ACL s.t": "keep!", "ACL s.t COLUMN t.v": "equal"},
        {"ACL s.t": "replace", "ACL s.t COLUMN t.v": "create"},
    ),
    "the target lets it be handed on": (
        EQUAL,
        Side(entries=(DIFFERS, COLUMN), acl=(OWNER, "reader=r*/boss"), columns=(("v", (WRITER,)),)),
        {"ACL s.t": "keep!", "ACL s.t COLUMN t.v": "equal"},
        {"ACL s.t": "replace", "ACL s.t COLUMN t.v": "create"},
    ),
    "another grantor is no difference": (
        EQUAL,
        Side(entries=(DIFFERS, COLUMN), acl=(OWNER, "reader=r/other"), columns=(("v", (WRITER,)),)),
        {"ACL s.t": "replace", "ACL s.t COLUMN t.v": "create"},
        {},
    ),
}


@pytest.mark.spec("SEL-8")
@pytest.mark.parametrize("case", CASES)
def test_privileges_of_an_object_are_one_thing(case: str) -> None:
    source, target, expected, on_request = CASES[case]
    tags = {"ACL s.t": "ACL TABLE t", "ACL s.t COLUMN t.v": "ACL COLUMN t.v"}
    told = [tags[called] for called, one in expected.items() if one == "keep!"]
    unasked = made(source, target, replace=False)
    assert done(unasked) == (expected, [], told)
    assert all(why == "differs on the target; -c replaces it" for _, why in unasked.refused)
    assert done(made(source, target, replace=True)) == (on_request or expected, [], [])


@pytest.mark.spec("SEL-8")
def test_privileges_that_were_not_asked_for_stay() -> None:
    source, target, *_ = CASES["the target grants less"]
    view = part("VIEW s.v", "TABLE s.t")
    contents = snapshot(TABLE, *source.entries, view, catalog=CatalogFacts(acls=owned(*source.facts)))
    for on_request in (False, True):
        found = planned(
            contents, there(*target.entries, acls=owned(*target.facts)), wanted=only("s.v"), replace=on_request
        )
        assert done(found) == ({"ACL s.t": "keep", "ACL s.t COLUMN t.v": "equal"}, [], [])


@pytest.mark.spec("SEL-8")
@pytest.mark.parametrize("unknown", ["source", "target"])
def test_privileges_of_which_nothing_is_known_are_left(unknown: str) -> None:
    source, target, *_ = CASES["the target grants less"]
    contents = snapshot(
        TABLE, *source.entries, catalog=CatalogFacts(acls=owned(*(() if unknown == "source" else source.facts)))
    )
    present = there(TABLE, *target.entries, acls=owned(*(() if unknown == "target" else target.facts)))
    found = planned(contents, present, wanted=only("s.t"))
    assert done(found) == ({"ACL s.t": "keep!", "ACL s.t COLUMN t.v": "equal"}, [], ["ACL TABLE t"])


def test_privileges_are_replaced_in_place_with_what_is_there() -> None:
    source, target, *_ = CASES["the target grants less"]
    found = made(source, target, replace=False)
    first = next(one for one in found.decisions.values() if one.action.value == "replace")
    assert (first.present, first.in_place, found.exchanges) == (DIFFERS.entry, True, ())


# --- where the snapshot records none -------------------------------------------------------------

BUILT_IN: dict[str, tuple[Acl, bool]] = {
    "more": ((OWNER, READER), False),
    "less": (("boss=r/boss",), True),
    "of everybody": ((OWNER, "=r/boss"), False),
}


@pytest.mark.spec("SEL-8")
@pytest.mark.parametrize("case", BUILT_IN)
def test_privileges_that_were_built_in_become_so_again(case: str) -> None:
    acl, narrower = BUILT_IN[case]
    target = Side(entries=(ACL,), acl=acl)
    assert done(made(Side(), target, replace=True)) == ({}, ["TABLE s.t"], [])
    told: list[str] = [] if narrower else ["ACL table s.t"]
    assert done(made(Side(), target, replace=False)) == ({}, ["TABLE s.t"] if narrower else [], told)


def test_privileges_of_a_column_alone_are_beyond_too() -> None:
    target = Side(entries=(COLUMN,), acl=None, columns=(("v", (READER,)),))
    assert done(made(Side(), target, replace=False)) == ({}, [], ["ACL table s.t"])
    assert done(made(Side(), target, replace=True)) == ({}, ["TABLE s.t"], [])


def test_what_was_not_asked_for_or_is_not_there_is_left() -> None:
    view, grant = part("VIEW s.v", "TABLE s.t"), Side(entries=(ACL,), acl=(OWNER, READER))
    contents = snapshot(TABLE, view, catalog=CatalogFacts(acls=owned(*Side().facts)))
    found = planned(contents, there(TABLE, ACL, acls=owned(*grant.facts)), wanted=only("s.v"), replace=True)
    assert (found.access.resets, found.refused) == ((), ())
    assert done(made(Side(), Side(), replace=True)) == ({}, [], [])


@pytest.mark.parametrize("replace", [False, True])
@pytest.mark.parametrize("recorded", [(), (part("ACL auth.t", "TABLE auth.t"),)])
def test_privileges_of_the_platforms_own_are_left(recorded: tuple[Part, ...], replace: bool) -> None:
    table = part("TABLE auth.t")
    target = changed([part("ACL auth.t", "TABLE auth.t")], "ACL auth.t")
    found = planned(
        snapshot(table, *recorded, catalog=CatalogFacts(acls=owned(("table auth.t", "boss", (OWNER, WRITER))))),
        there(table, *target, acls=owned(("table auth.t", "boss", (OWNER, READER)))),
        wanted=only("auth.t"),
        replace=replace,
    )
    assert done(found) == ({"ACL auth.t": "keep"} if recorded else {}, [], [])


def test_privileges_of_what_has_no_name_are_never_taken_back() -> None:
    """Of a member of an extension, where the server does not tell of which: only a tag."""
    identity = Identity(desc="ACL", kind="", names=(), sub="FUNCTION x()")
    nameless = Part(entry=replace(ACL.entry, identity=identity), needs=())
    found = planned(
        snapshot(nameless), there(*changed([nameless], nameless.label)), wanted=only("schema"), replace=True
    )
    assert list(decided(found).values()) == ["keep!"]


# --- what has no entry ---------------------------------------------------------------------------

BUILTINS = [
    (
        part("ACL pg_catalog.pg_sleep", kind="function", args=("double precision",)),
        "function pg_catalog.pg_sleep(double precision)",
        True,
    ),
    (part("ACL sql", kind="language", namespace=""), "language sql", True),
    (part("ACL x.member", kind="function"), "function x.member()", True),
    (part("ACL x.stranger", kind="function"), "function x.strange()", False),
    (part("ACL auth.member", kind="function"), "function auth.member()", False),
]


@pytest.mark.spec("SEL-9")
@pytest.mark.parametrize(("acl", "fact", "known"), BUILTINS)
def test_what_has_no_entry_and_was_granted_on_the_target_alone(acl: Part, fact: str, known: bool) -> None:
    contents = snapshot(TABLE, catalog=CatalogFacts(acls=owned((fact, "boss", None))))
    present = there(TABLE, acl, acls=owned((fact, "boss", ("boss=X/boss", "=X/boss", "reader=X/boss"))))
    for words, found in ((("schema",), known), (("user_roles",), known), (("s.t",), False)):
        made = planned(contents, present, wanted=only(*words), replace=True)
        assert [label(one) for one in made.access.resets] == ([acl.label] if found else [])
        kept = planned(contents, present, wanted=only(*words))
        assert [name for name, _ in kept.refused] == (
            [f"ACL {acl.entry.identity.kind} {'.'.join(acl.entry.identity.names)}"] if found else []
        )


@pytest.mark.spec("SEL-9")
@pytest.mark.parametrize(
    ("altered", "acl", "fact"),
    [
        (part("ROW SECURITY x.t", sub="t"), part("ACL x.t"), "table x.t"),
        (
            part("EXTENSION ROUTINE x.f", kind="function", sub="body"),
            part("ACL x.f", kind="function"),
            "function x.f()",
        ),
    ],
)
def test_what_was_altered_of_a_member_of_an_extension_stands_for_none_of_its_privileges(
    altered: Part, acl: Part, fact: str
) -> None:
    """It has an entry, but none that makes it: nothing but all privileges together selects those."""
    contents = snapshot(altered, catalog=CatalogFacts(acls=owned((fact, "boss", None))))
    present = there(altered, acl, acls=owned((fact, "boss", ("boss=X/boss", "=X/boss", "reader=X/boss"))))
    made = planned(contents, present, wanted=only("schema"), replace=True)
    assert [label(one) for one in made.access.resets] == [acl.label]


@pytest.mark.parametrize(
    "about",
    [
        part("COMMENT s.t", TABLE.label),
        part("SECURITY LABEL s.t", TABLE.label),
        part("TABLE ATTACH s.t", TABLE.label, sub="s.root"),
    ],
)
def test_what_is_told_about_a_table_has_no_privileges_of_its_own(about: Part) -> None:
    contents = snapshot(TABLE, about, catalog=CatalogFacts(acls=owned(("table s.t", "boss", None))))
    present = there(TABLE, about, ACL, acls=owned(("table s.t", "boss", (OWNER, READER))))
    made = planned(contents, present, wanted=only("s.t"), replace=True)
    assert [label(one) for one in made.access.resets] == ["TABLE s.t"]


@pytest.mark.parametrize(("older", "narrower"), [(160000, True), (170000, False)])
def test_what_only_the_newer_server_knows_is_no_difference(older: int, narrower: bool) -> None:
    """MAINTAIN of an owner, between a server before 17 and one after."""
    contents = snapshot(TABLE, catalog=CatalogFacts(acls=owned(("table s.t", "boss", (OWNER,)))))
    contents = replace(contents, server=replace(SERVER, version_num=older))
    target = replace(FULL, version_num=180000)
    present = there(TABLE, ACL, acls=owned(("table s.t", "boss", ("boss=arwdDxtm/boss",))))
    found = planned(contents, present, target=target, wanted=only("s.t"))
    assert [label(one) for one in found.access.resets] == (["TABLE s.t"] if narrower else [])


def test_privileges_of_each_object_are_decided_whatever_those_of_another_are() -> None:
    other, theirs = part("TABLE s.u"), part("ACL s.u", "TABLE s.u")
    facts = owned(("table s.t", "boss", (OWNER,)), ("table s.u", "boss", (OWNER, READER)))
    contents = snapshot(TABLE, ACL, other, theirs, catalog=CatalogFacts(acls=facts))
    present = there(
        TABLE,
        ACL,
        other,
        *changed([theirs], "ACL s.u"),
        acls=owned(("table s.t", "boss", (OWNER,)), ("table s.u", "boss", (OWNER,))),
    )
    made = planned(contents, present, wanted=only("schema"))
    assert {called: one for called, one in decided(made).items() if called.startswith("ACL")} == {
        "ACL s.t": "equal",
        "ACL s.u": "replace",
    }


def test_default_privileges_of_the_target_alone_are_told_where_privileges_come() -> None:
    own, theirs = part("DEFAULT ACL s.boss"), part("DEFAULT ACL s.clerk", tag="DEFAULT PRIVILEGES FOR TABLES")
    platform = part("DEFAULT ACL auth.boss")
    found = [
        one
        for one in planned(snapshot(own), there(own, theirs, platform), wanted=only("schema")).warnings
        if "target alone" in one
    ]
    assert found == [
        "the target alone has these, and they stay; what is made later may admit others than before: "
        + theirs.entry.label
    ]
    assert not any(
        "target alone" in one for one in planned(snapshot(own), there(own, platform), wanted=only("schema")).warnings
    )
    assert not any(
        "target alone" in one
        for one in planned(snapshot(own, part("TABLE s.t")), there(own, theirs), wanted=only("s.t")).warnings
    )


OF_SERVER = [
    (part("ACL pg_catalog.f", kind="function"), "function pg_catalog.f()"),
    (part("ACL sql", kind="language", namespace=""), "language sql"),
    (part("ACL pg_catalog", kind="schema"), "schema pg_catalog"),
]


@pytest.mark.spec("SEL-9")
@pytest.mark.parametrize(("own", "printed"), OF_SERVER)
def test_what_an_entry_stands_for_is_reset_once_and_the_server_s_own_though_nothing_is_recorded_of_it(
    own: Part, printed: str
) -> None:
    acls = CatalogFacts(acls=owned(("table s.t", "boss", None)))
    facts = owned(("table s.t", "boss", (OWNER, READER)), (printed, "boss", ("reader=X/boss",)))
    present = there(TABLE, ACL, own, acls=facts)
    made = planned(snapshot(TABLE, catalog=acls), present, wanted=only("schema"), replace=True)
    kept = planned(snapshot(TABLE, catalog=acls), present, wanted=only("schema"))
    assert [label(one) for one in made.access.resets] == ["TABLE s.t", own.label]
    assert [name for name, _ in kept.refused] == ["ACL table s.t", f"ACL {printed.removesuffix('()')}"]
    recorded = planned(snapshot(TABLE, own, catalog=acls), present, wanted=only("schema"), replace=True)
    assert [label(one) for one in recorded.access.resets] == ["TABLE s.t"], "an entry brings those"


def test_what_is_reset_comes_in_order_with_what_no_entry_stands_for_last() -> None:
    tables = [part(f"TABLE s.t{number}") for number in range(9)]
    grants = [part(f"ACL s.t{number}", f"TABLE s.t{number}") for number in (8, 1)]
    own = [part(f"ACL pg_catalog.{name}", kind="function") for name in "gf"]
    made = planned(snapshot(*tables), there(*tables, *own, *grants), wanted=only("s.t1", "s.t8"), replace=True)
    assert [label(one) for one in made.access.resets] == ["TABLE s.t1", "TABLE s.t8"]
    every = planned(snapshot(*tables), there(*tables, *own, *grants), wanted=only("schema"), replace=True)
    assert [label(one) for one in every.access.resets][2:] == ["ACL pg_catalog.f", "ACL pg_catalog.g"]


def test_the_first_entry_of_an_object_brings_the_built_in_privileges_back_and_the_platform_s_stop_none() -> None:
    parts = [
        part("ACL auth.t"),
        *(TABLE, ACL),
        *(part(f"VIEW s.v{number}") for number in range(5)),
        COLUMN,
    ]
    present = there(*changed(parts, "ACL auth.t", "ACL s.t"))
    found = done(planned(snapshot(*parts), present, wanted=only("s.t"), replace=True))
    assert found == ({"ACL s.t": "replace", "ACL s.t COLUMN t.v": "create"}, [], [])
    every = done(planned(snapshot(*parts), present, wanted=only("schema"), replace=True))
    assert every == ({"ACL auth.t": "keep", **found[0]}, [], [])
