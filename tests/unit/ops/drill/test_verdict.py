"""What is a mismatch and what was not checked: decided from what a restore said, what differs, and what the server cannot have."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests import restore_values, values
from vault.model import (
    Address,
    CatalogFacts,
    Coverage,
    Identity,
    Missing,
    Role,
    Roles,
    SchemaEntry,
    Section,
    State,
)
from vault.ops.compare.facts import MISSING, UNKNOWN, Difference
from vault.ops.drill.out_of_reach import out_of_reach
from vault.ops.drill.verdict import DrillVerdict, Judge, Point, differs, of_gaps, shortened, unchecked
from vault.ops.restore.failures import Failure
from vault.ops.restore.plan.contents import Contents, Item

SERVER = replace(values.SERVER, version_num=180000, version="18.0", database="shop")
TARGET = replace(
    restore_values.TARGET,
    version_num=180000,
    version="18.0",
    database="shop",
    user="pgvault_drill",
    extensions=("plpgsql",),
    tablespaces=("pg_default",),
)
HSTORE = Address(kind="extension", names=("hstore",))
TYPE = Address(kind="type", names=("public.hstore",))
TABLE = Address(kind="table", names=("public", "t"))
OTHER = Address(kind="table", names=("public", "u"))


def item(desc: str, tag: str, *needs: int, kind: str = "", names: tuple[str, ...] = ()) -> Item:
    identity = Identity(desc=desc, kind=kind or desc.lower(), names=names or ("public", tag))
    entry = SchemaEntry(
        identity=identity,
        section=Section.PRE_DATA,
        tag=tag,
        namespace="public",
        owner="ada",
        definition="",
        drop="",
        tablespace="",
        table_access_method="",
    )
    return Item(entry=entry, needs=needs)


CONTENTS = Contents(
    server=SERVER,
    items=(
        item("EXTENSION", "hstore", names=("hstore",)),
        item("TABLE", "t", 0),
        item("TABLE", "u"),
        item("POLICY", "t own", 1, kind="policy", names=("public", "t", "own")),
        item("POLICY", "u own", 2, kind="policy", names=("public", "u", "own")),
    ),
    roles=Roles(),
    tables=(),
    sequences=0,
    large_objects=0,
    catalog=CatalogFacts(
        edges=(
            (TYPE, HSTORE, "e"),
            (Address(kind="table column", names=("public", "t", "h")), TYPE, "n"),
        ),
        extensions=(("hstore", "1.8", "public"),),
    ),
)


def judge(**changes: object) -> Judge:
    """`target`: changes of the target; `contents`: another one."""
    target = replace(TARGET, **changes)  # type: ignore[arg-type]
    return Judge(contents=CONTENTS, target=target, beyond=out_of_reach(CONTENTS, target))


FAILED = (
    Failure(entry="EXTENSION hstore", why="not available"),
    Failure(entry="TABLE t", why="type hstore does not exist"),
    Failure(entry="POLICY t own", why="no table", because="TABLE t"),
)


def test_what_needs_an_extension_that_is_not_there_may_fail_and_nothing_else() -> None:
    verdict = judge().of_failures([*FAILED, Failure(entry="TABLE u", why="disk full")])
    assert [(point.name, point.why) for point in verdict.mismatches] == [("TABLE u", "disk full")]
    assert [point.name for point in verdict.not_checked] == ["EXTENSION hstore", "TABLE t", "POLICY t own"]
    assert {point.why for point in verdict.not_checked} == {"the extension hstore is not on this machine"}


@pytest.mark.parametrize("state", ["23503", "23505", "53100", "57014"])
def test_what_failed_for_rows_or_the_machine_has_no_excuse(state: str) -> None:
    failed = (FAILED[0], replace(FAILED[1], state=state), FAILED[2])
    verdict = judge().of_failures(failed)
    assert [point.name for point in verdict.mismatches] == ["TABLE t", "POLICY t own"]
    missing = Difference(kind="entry", name="TABLE public.t", what=MISSING, about=TABLE)
    assert not judge().of_differences([missing], failed[1:2]).passed


def test_what_is_missing_after_such_a_failure_is_not_checked_and_what_came_is() -> None:
    def missing(kind: str, about: Address) -> Difference:
        return Difference(kind=kind, name=str(about), what=MISSING, about=about)

    policies = [Address(kind="policy", names=("public", table, "own")) for table in ("t", "u")]
    found = [missing("entry", TABLE), missing("entry", OTHER), *(missing("policy", policy) for policy in policies)]
    verdict = judge().of_differences(found, FAILED)
    assert [point.name for point in verdict.not_checked] == ["table public.t", "policy public.t.own"]
    assert [point.name for point in verdict.mismatches] == ["table public.u", "policy public.u.own"]
    verdict = judge().of_differences(found)  # the table was made: then its policy should be there
    assert len(verdict.mismatches) == len(found)


def test_rows_of_a_table_that_is_there_are_never_excused() -> None:
    rows = Difference(kind="rows", name="public.t", what="3 rows instead of 4", about=TABLE)
    assert judge().of_differences([rows], FAILED).mismatches == (
        Point(kind="rows", name="public.t", why="3 rows instead of 4"),
    )
    other = judge(encoding="LATIN1").of_differences([rows])
    assert other.passed
    assert "another encoding" in other.not_checked[0].why


def test_another_version_of_an_extension_excuses_its_members_alone() -> None:
    there = judge(extensions=("hstore",), extension_versions=(("hstore", "1.7"),))
    differing = [
        Difference(kind="privileges", name=str(address), what="differs", about=address) for address in (TYPE, TABLE)
    ]
    verdict = there.of_differences(differing)
    assert [point.name for point in verdict.mismatches] == ["table public.t"]
    assert [point.why for point in verdict.not_checked] == ["the extension hstore is here in another version than 1.8"]
    same = judge(extensions=("hstore",), extension_versions=(("hstore", "1.8"),))
    assert len(same.of_differences(differing).mismatches) == 2


TEXT = Difference(kind="entry", name="VIEW public.v", what="differs in definition", about=TABLE, parts=("definition",))


@pytest.mark.spec("DRILL-4")
@pytest.mark.parametrize(
    ("difference", "checked"),
    [
        (TEXT, False),
        (replace(TEXT, parts=("owner",)), True),
        (replace(TEXT, parts=("definition", "owner")), True),
        (replace(TEXT, what=MISSING, parts=()), True),
        (Difference(kind="privileges", name="type x", what="differs", about=TYPE), False),
        (Difference(kind="privileges", name="table t", what="differs", about=TABLE), True),
        (Difference(kind="policy", name="p", what="differs", about=TABLE), True),
        (Difference(kind="sequence", name="s", what="differs", about=TABLE), True),
    ],
)
def test_another_major_excuses_what_it_prints_otherwise_and_no_more(difference: Difference, checked: bool) -> None:
    later = Judge(
        contents=replace(CONTENTS, server=replace(SERVER, version_num=150000)),
        target=TARGET,
        beyond=out_of_reach(CONTENTS, replace(TARGET, extensions=("hstore",), extension_versions=(("hstore", "1.8"),))),
    )
    assert later.of_differences([difference]).passed == (not checked)
    assert not judge().of_differences([replace(difference, about=OTHER)]).passed


def test_privileges_as_text_do_not_count_beside_the_same_as_facts_in_another_major() -> None:
    later = replace(judge(), contents=replace(CONTENTS, server=replace(SERVER, version_num=150000)))
    text = replace(TEXT, name="ACL public.u TABLE u", about=OTHER)
    fact = Difference(kind="privileges", name="table public.u", what="differs", about=OTHER)
    assert later.of_differences([text]) == DrillVerdict()
    assert {point.kind for point in later.of_differences([text, fact]).mismatches} == {"privileges"}


def test_a_policy_with_other_words_in_another_major_is_told() -> None:
    """Its facts are its roles: nothing else compares what it lets through."""
    later = replace(judge(), contents=replace(CONTENTS, server=replace(SERVER, version_num=150000)))
    text = replace(TEXT, name="POLICY public.u.own", about=Address(kind="policy", names=("public", "u", "own")))
    verdict = later.of_differences([text])
    assert [point.name for point in (*verdict.mismatches, *verdict.not_checked)] == ["POLICY public.u.own"]


def test_roles_that_were_there_before_are_not_checked() -> None:
    role = Role(
        name="ada", superuser=False, inherit=True, create_role=False, create_db=False, can_login=True, replication=False,
        bypass_rls=False, connection_limit=-1, valid_until=None, verifier=None, comment=None,
    )  # fmt: skip
    found = [
        Difference(kind="role", name=name, what="differs", about=Address(kind="role", names=(name,)))
        for name in ("ada", "ben")
    ]
    found += [
        Difference(kind="setting", name="x of all roles", what=MISSING, about=Address(kind="role", names=("",))),
        Difference(kind="membership", name="ben in ada", what=MISSING, about=Address(kind="x", names=("ada", "ben"))),
    ]
    verdict = judge(roles=Roles(roles=(role,))).of_differences(found)
    assert [point.name for point in verdict.mismatches] == ["ben", "ben in ada"]
    assert [point.name for point in verdict.not_checked] == ["ada", "x of all roles"]


def test_a_table_without_its_rows_is_no_table_that_nobody_defined() -> None:
    found = [
        Difference(kind="table", name=name, what=UNKNOWN, about=Address(kind="table", names=("public", name)))
        for name in ("u", "planted")
    ]
    verdict = judge().of_differences(found)
    assert [point.name for point in verdict.mismatches] == ["planted"]
    assert [point.name for point in verdict.not_checked] == ["u"]


def test_counts_prove_nothing_where_something_could_not_come() -> None:
    wrong = [Failure(entry="rls policies", why="2 in the snapshot, 1 in the target")]
    there = judge(extensions=("hstore",), extension_versions=(("hstore", "1.8"),))
    assert not there.of_counts(wrong, lost=True).passed
    assert judge().of_counts(wrong, lost=True).passed
    assert not judge().of_counts(wrong, lost=False).passed
    assert replace(there, partial=True).of_counts(wrong, lost=False).passed


def test_gaps_and_what_cannot_be_read_are_not_checked() -> None:
    gap = Missing(item="public.secret", state=State.NOT_PERMITTED, why="no right", fix="")
    assert of_gaps([gap]).not_checked[0].why == "not in the snapshot: no right"
    ledger = {"data": Coverage(state=State.NOT_PERMITTED, count=0, missing=(gap,))}
    other = replace(gap, item="public.other")
    assert [point.name for point in judge().of_unread([gap, other], ledger).not_checked] == ["public.other"]


def test_verdicts_add_up() -> None:
    one, other = Point(kind="rows", name="t", why="x"), Point(kind="gap", name="", why="y")
    both = differs(one) + unchecked(other)
    assert both == DrillVerdict(mismatches=(one,), not_checked=(other,))
    assert not both.passed
    assert (str(one), str(other)) == ("rows t: x", "gap: y")


def test_lines_of_a_record_are_bounded_and_say_how_many_are_left_out() -> None:
    points = [Point(kind="rows", name=f"t{number}", why="é" * 10) for number in range(5)]
    assert list(shortened(points, lines_max=5, bytes_max=100)) == [str(point) for point in points]
    assert list(shortened(points, lines_max=3, bytes_max=10)) == ["rows t0: ", "rows t1: ", "and 3 more"]
