"""The plan in words: what is lost or replaced is named before anybody says yes. No database."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.restore_values import (
    FULL,
    TARGET,
    but,
    changed,
    only,
    part,
    planned,
    role,
    rows,
    snapshot,
    table_name,
    there,
)
from vault.model import Roles
from vault.ops.restore.plan.show import lines

PARTS = [
    part("TABLE s.t"),
    part("TABLE s.u"),
    part("TABLE s.large"),
    part("VIEW s.v", "TABLE s.t"),
    part("FUNCTION s.f"),
    part("FUNCTION s.g"),
    part("INDEX s.t_v", "TABLE s.t"),
    part("COMMENT s.v", "VIEW s.v", kind="view"),
]
SHOP = snapshot(
    *PARTS,
    tables=(rows("s.t"), rows("s.u", 2), rows("s.large", 100)),
    sequences=4,
    large_objects=5,
    roles=Roles(roles=(role("boss"), role("clerk"))),
)


def test_a_whole_restore_is_counted() -> None:
    assert list(lines(planned(SHOP, None, target=TARGET))) == [
        "into database new on PostgreSQL 15, as postgres",
        "  3 TABLE",
        "  2 FUNCTION",
        "  1 COMMENT",
        "  1 INDEX",
        "  1 VIEW",
        "  105 rows of 3 tables, 1.0 KiB",
        "  4 sequence values, 5 large objects",
        "  new roles: boss, clerk",
    ]


def test_row_security_that_an_owner_need_not_obey_is_not_called_forced() -> None:
    parts = [part("TABLE s.t"), part("TABLE s.u"), part("TABLE s.v")]
    for name, word in (("s.t", "NO FORCE"), ("s.u", "FORCE"), ("s.v", "NO FORCE")):
        definition = f"ALTER TABLE ONLY {name} {word} ROW LEVEL SECURITY;\n"
        parts.append(part(f"ROW SECURITY {name}", f"TABLE {name}", kind="table", sub="FORCE", definition=definition))
    told = list(lines(planned(snapshot(*parts), None, target=TARGET)))
    assert told[1:4] == ["  3 TABLE", "  2 ROW SECURITY: NO FORCE", "  1 ROW SECURITY: FORCE"]


def test_a_replacement_names_what_goes_and_what_is_lost() -> None:
    beside = part("POLICY s.t.theirs", tag="t theirs")
    present = there(*changed(PARTS, "TABLE s.t", "FUNCTION s.f"), beside)
    found = list(lines(planned(SHOP, present, replace=True)))
    assert found[1:-2] == [
        "  4 definitions there and equal" if "  4 definitions there and equal" in found else found[1],
        "  replace: FUNCTION f",
        "  DROP AND CREATE ANEW: TABLE t",
        "    with 3 definitions that go with it and come back",
        "    with its rows, which are replaced: s.t",
        "    LOST, because the snapshot does not have it: POLICY t theirs",
        "  105 rows of 3 tables, 1.0 KiB",
        "    REPLACE the rows of tables that are there: newer ones are deleted: s.large, s.u",
        "    their triggers and foreign keys are off meanwhile; foreign keys are verified afterwards",
    ]
    assert found[1] == "  3 definitions there and equal"


def test_a_policy_of_the_target_alone_is_named_before_it_is_dropped() -> None:
    own, theirs = part("POLICY s.t.own", "TABLE s.t"), part("POLICY s.t.theirs", tag="t theirs")
    told = list(
        lines(planned(snapshot(PARTS[0], own), there(PARTS[0], own, theirs), wanted=only("rls_policies"), replace=True))
    )
    assert "  DROP, because the snapshot does not have it: POLICY t theirs" in told


def test_a_part_names_what_stays_and_what_is_missing_besides() -> None:
    present = there(*changed(but(PARTS, "FUNCTION s.f", "VIEW s.v", "COMMENT s.v"), "TABLE s.t", "FUNCTION s.g"))
    found = list(lines(planned(SHOP, present, wanted=only("s.t", "s.f"))))
    assert found[1:] == [
        "  1 FUNCTION",
        "  1 definition there and equal",
        "  3 rows of 1 table, 30 B",
        "    into tables that are there: rows whose key is missing are added, rows that are there stay: s.t",
        "    their triggers and foreign keys are off meanwhile; foreign keys are verified afterwards",
        "  0 sequence values, 0 large objects",
        "  new roles: boss",
        next(one for one in found if one.startswith("not done: TABLE t: differs on the target")),
        "also missing on the target, not selected: VIEW s.v",
        "also missing on the target, not selected: COMMENT VIEW v",
    ]


def test_what_is_left_although_it_differs_is_named() -> None:
    parts = [part("TABLE auth.users"), part("INDEX auth.i", "TABLE auth.users"), part("SCHEMA auth")]
    present = there(*changed(parts, "TABLE auth.users", "INDEX auth.i"))
    found = list(lines(planned(snapshot(*parts), present, wanted=only("schema"))))
    assert found[2:4] == [
        "  left as it is: TABLE users (the platform's own differs)",
        "  left as it is: INDEX i (the platform's own differs)",
    ]


def test_a_long_list_is_cut_but_counted() -> None:
    parts = [part(f"FUNCTION s.f{n}") for n in range(23)]
    present = there(*changed(parts, *(one.label for one in parts)))
    found = list(lines(planned(snapshot(*parts), present, replace=True)))
    assert (len([one for one in found if one.startswith("  replace: FUNCTION")]), "  replace: 3 more" in found) == (
        20,
        True,
    )
    tables = [part(f"TABLE s.t{n:02}") for n in range(21)]
    items = tuple(rows(f"s.t{n:02}") for n in range(21))
    merged = list(lines(planned(snapshot(*tables, tables=items), there(*tables), wanted=only("data"))))
    assert any(one.endswith("s.t19, ...") for one in merged)


def test_tables_that_are_created_without_their_rows_are_named() -> None:
    found = list(lines(planned(SHOP, there(), wanted=only("s.v"))))
    assert "  created without their rows, which are not selected: s.t" in found
    definitions = replace(only("s.v"), data=False)
    assert not any("created without" in one for one in lines(planned(SHOP, there(), wanted=definitions)))


def test_a_table_that_has_no_rows_is_not_named_as_one_without_its_rows() -> None:
    parts = [part("TABLE s.t"), part("TABLE s.void"), part("VIEW s.v", "TABLE s.t", "TABLE s.void")]
    contents = snapshot(*parts, tables=(rows("s.t"), rows("s.void", 0)))
    found = list(lines(planned(contents, there(), wanted=only("s.v"))))
    assert "  created without their rows, which are not selected: s.t" in found


def test_rows_of_members_and_of_jobs_are_told_apart() -> None:
    job = part("TABLE cron.job")
    contents = snapshot(job, part("EXTENSION citext"), tables=(rows("cron.job"), rows("x.conf")))
    present = there(job, read_only=frozenset({table_name("cron.job")}))
    found = list(
        lines(planned(contents, present, target=replace(FULL, may_replicate=False), wanted=only("schema", "data")))
    )
    assert "    through the functions of pg_cron: cron.job" in found
    assert "    into tables of extensions: x.conf" in found
    assert not any("foreign keys are off" in one for one in found)


@pytest.mark.parametrize(("number", "major"), [(130000, 13), (149999, 14), (180000, 18), (180001, 18)])
def test_the_target_s_major_is_told_of_its_first_release_as_of_its_last(number: int, major: int) -> None:
    first, *_ = lines(planned(SHOP, None, target=replace(TARGET, version_num=number)))
    assert first == f"into database new on PostgreSQL {major}, as postgres"


@pytest.mark.parametrize("desc", ["ACL", "COMMENT", "SECURITY LABEL"])
def test_what_is_said_about_a_missing_object_is_called_by_its_phrase(desc: str) -> None:
    parts = [part("TABLE s.t"), part("VIEW s.v", "TABLE s.t"), part(f"{desc} s.v", "VIEW s.v", kind="view")]
    found = list(lines(planned(snapshot(*parts), there(parts[0]), wanted=only("s.t"))))
    assert f"also missing on the target, not selected: {desc} VIEW v" in found


def test_one_definition_goes_and_comes_and_what_to_know_is_said_last() -> None:
    parts = [part("TYPE s.kind"), part("VIEW s.v", "TYPE s.kind")]
    contents = snapshot(*parts, roles=Roles(roles=(role("boss", superuser=True),)))
    target = replace(FULL, encoding="LATIN1", roles=Roles(roles=(role("boss"),)))
    found = list(lines(planned(contents, there(*changed(parts, "TYPE s.kind")), target=target, replace=True)))
    assert "    with 1 definition that goes with it and comes back" in found
    assert found[-2:] == [
        "differs, not changed: role boss: superuser is False, was True",
        "warning: the target's encoding is LATIN1, the snapshot's UTF8: some characters may not convert",
    ]


def test_what_is_missing_besides_is_called_with_its_schema_if_it_has_one() -> None:
    parts = [part("FUNCTION s.f"), part("EVENT TRIGGER e", "FUNCTION s.f"), part("INDEX s.i", "FUNCTION s.f")]
    found = [
        one for one in lines(planned(snapshot(*parts), there(parts[0]), wanted=only("s.f"))) if one.startswith("also")
    ]
    assert found == [
        "also missing on the target, not selected: EVENT TRIGGER e",
        "also missing on the target, not selected: INDEX s.i",
    ]


def test_tables_whose_rows_nobody_has_are_listed_up_to_a_number_and_told_apart() -> None:
    parts = [part(f"TABLE s.t{number:02}") for number in range(44)]
    for count in (20, 21):
        contents = snapshot(*parts[: 2 * count], tables=())
        found = list(lines(planned(contents, there(*parts[count : 2 * count]), wanted=only("s.*"))))
        more = ", ..." if count > 20 else ""
        names = [", ".join(f"s.t{number:02}" for number in range(start, start + 20)) + more for start in (0, count)]
        assert [one for one in found if "rows are not in the snapshot" in one] == [
            "  created empty, because their rows are not in the snapshot (what refers to them will fail): " + names[0],
            "  rows are not in the snapshot, and what is there stays: " + names[1],
        ]
