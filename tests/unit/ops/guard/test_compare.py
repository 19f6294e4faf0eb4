"""What looks like a ruin, and what does not: decided from numbers and names alone (spec 60-snapshot)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from vault.limits import NOTE_BYTES_MAX, NOTES_MAX
from vault.model import Address, Sums, TableName
from vault.ops.guard import codes
from vault.ops.guard.compare import FINDINGS_MAX, bounded, compare, finding
from vault.ops.guard.facts import REWRITTEN_BYTES_MIN, DatabaseFacts, Facts, RowSecurity, TableFact, Terms

TERMS = Terms()
KEY = ("7", 5)
MIB = 1 << 20


def name(text: str) -> TableName:
    schema, _, table = text.rpartition(".")
    return TableName(schema=schema or "public", name=table)


def tables(oids: Mapping[str, int] | None = None, /, **rows: int | tuple[int, int]) -> dict[TableName, TableFact]:
    """`a__b` is table b of schema a. Rows, or rows and bytes; oids by name, else by the order of the alphabet."""
    found = {}
    for text, number in rows.items():
        count, size = number if isinstance(number, tuple) else (number, 100 * number)
        table = name(text.replace("__", "."))
        oid = (oids or {}).get(text, sum(map(ord, text)))
        found[table] = TableFact(oid=oid, rows=count, bytes=size)
    return found


def facts(found: dict[TableName, TableFact] | None = None, **others: object) -> Facts:
    listed = found if found is not None else tables(t=100)
    parts: dict[str, object] = {"key": KEY, "rows": sum(fact.rows for fact in listed.values()), "tables": listed}
    return Facts(database=DatabaseFacts(**{**parts, **others}))  # type: ignore[arg-type]


def found(before: Facts, after: Facts, terms: Terms = TERMS) -> list[tuple[str, str]]:
    return [(one.code, one.subject) for one in compare(before, after, terms)]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (100, 100, None),
        (100, 51, None),
        (100, 50, None),
        (100, 49, codes.ROWS_LOST),
        (100, 0, codes.TABLE_EMPTIED),
        (100, 1_000, None),
        (3, 1, None),
        (19, 9, codes.ROWS_LOST),
        (18, 9, None),
        (1, 0, codes.TABLE_EMPTIED),
        (0, 0, None),
    ],
)
def test_more_than_half_of_the_rows_and_more_than_a_few(before: int, after: int, expected: str | None) -> None:
    then, now = facts(tables(t=before, other=500)), facts(tables(t=after, other=500))
    assert found(then, now) == ([] if expected is None else [(expected, "public.t")])


def test_the_share_is_the_configurations() -> None:
    then, now = facts(tables(t=100, other=500)), facts(tables(t=80, other=500))
    assert found(then, now) == []
    assert found(then, now, Terms(rows_lost_percent=10)) == [(codes.ROWS_LOST, "public.t")]
    assert found(facts(tables(t=100, other=5)), facts(tables(t=1, other=5)), Terms(rows_lost_percent=99)) == []


@pytest.mark.parametrize("pattern", ["public.t", "public.*", "*.t"])
def test_tables_that_are_ignored_may_go(pattern: str) -> None:
    terms = Terms(ignore=(pattern,))
    then = facts(tables(t=100, b__u=100))
    assert found(then, facts(tables(t=0, b__u=100)), terms) == []
    assert found(then, facts(tables(b__u=100), described=frozenset()), terms) == []
    assert found(then, facts(tables(t=100, b__u=0)), terms) == [(codes.TABLE_EMPTIED, "b.u")]


def test_sessions_come_and_go_and_small_tables_of_the_platform_too() -> None:
    then = facts(tables(auth__sessions=5_000, auth__identities=4, other=9))
    assert found(then, facts(tables(auth__sessions=0, auth__identities=0, other=9))) == []


def test_users_are_told_however_few_they_are() -> None:
    then = facts(tables(auth__users=3, other=9))
    assert found(then, facts(tables(auth__users=1, other=9))) == [(codes.USERS_LOST, "auth.users")]
    assert found(then, facts(tables(auth__users=0, other=9)), Terms(ignore=("auth.*",))) == [
        (codes.USERS_LOST, "auth.users")
    ]
    assert found(then, facts(tables(other=9))) == [(codes.USERS_LOST, "auth.users")]
    assert found(then, facts(tables(auth__users=2, other=9))) == []


def test_a_table_that_is_gone_and_one_that_could_not_be_read() -> None:
    then = facts(tables(t=1, other=9))
    assert found(then, facts(tables(other=9))) == [(codes.TABLE_GONE, "public.t")]
    unread = facts(tables(other=9), undescribed=frozenset({name("t")}))
    assert found(then, unread) == [(codes.ROWS_NOT_CAPTURED, "public.t")]


def test_rows_that_are_there_without_their_text() -> None:
    then = facts(tables(t=(100, 9 * MIB)))
    assert found(then, facts(tables(t=(100, 1 * MIB)))) == [(codes.CONTENT_LOST, "public.t")]
    assert found(facts(tables(t=(100, 9_000))), facts(tables(t=(100, 100)))) == []


def test_a_renamed_table_is_the_same_one_in_the_same_database() -> None:
    then = facts(tables({"t": 1}, t=100, other=9))
    now = facts(tables({"archive__t2": 1}, archive__t2=99, other=9))
    assert found(then, now) == []
    emptied = facts(tables({"archive__t2": 1}, archive__t2=0, other=9))
    assert found(then, emptied) == [(codes.TABLE_EMPTIED, "public.t")]
    assert now.database is not None
    moved = replace(now, database=replace(now.database, key=("8", 5)))
    assert found(then, moved) == [(codes.TABLE_GONE, "public.t")]


def test_what_went_from_a_table_that_has_another_name_is_told_with_that() -> None:
    went = {"policies": {(name("t"), "p"): "USING (a)"}, "triggers": {(name("t"), "tr"): "FUNCTION public.f()"}}
    then, now = facts(tables({"t": 1}, t=100), **went), facts(tables({"t": 1}, t=100))
    told = ["the table is there", "the table is there; it ran FUNCTION public.f()"]
    assert [one.text for one in compare(then, now, TERMS)] == told
    then = facts(tables({"t": 1}, t=100), **went, described=frozenset({name("t")}))
    renamed = facts(tables({"t2": 1}, t2=100), described=frozenset({name("t2")}))
    told = ["the table is there, as public.t2", "the table is there, as public.t2; it ran FUNCTION public.f()"]
    assert [one.text for one in compare(then, renamed, TERMS)] == told


def test_two_tables_that_change_names_are_told_by_their_names() -> None:
    then = facts(tables({"t": 1, "new": 2}, t=100, new=98))
    assert found(then, facts(tables({"old": 1, "t": 2}, old=100, t=98))) == []
    assert found(then, facts(tables({"t": 2}, t=98))) == [], (
        "the new one in the place of the old one, which was dropped"
    )
    assert found(then, facts(tables({"old": 1, "t": 2}, old=100, t=0))) == [(codes.TABLE_EMPTIED, "public.new")]
    assert found(then, facts(tables({"t": 3, "new": 2}, t=0, new=98))) == [(codes.TABLE_EMPTIED, "public.t")]


def partitions(**rows: int) -> dict[str, object]:
    """`p1`, ... below `parts` below `events`."""
    above = {name(part): name("parts") for part in rows if part.startswith("p")}
    return {"found": tables(**rows), "parents": {**above, name("parts"): name("events")}}


def test_partitions_come_and_go_and_their_root_counts() -> None:
    then = facts(**partitions(p1=100, p2=100, p3=100))  # type: ignore[arg-type]
    assert found(then, facts(**partitions(p2=100, p3=100, p4=5))) == []  # type: ignore[arg-type]
    assert found(then, facts(**partitions(p3=100, p4=5))) == [(codes.ROWS_LOST, "public.events")]  # type: ignore[arg-type]
    dropped = facts(**partitions(p1=100), described=frozenset({name("events")}))  # type: ignore[arg-type]
    assert found(dropped, facts(tables(other=5))) == [(codes.TABLE_GONE, "public.events")]


def test_a_partition_that_was_detached_or_a_table_that_was_attached_has_its_rows() -> None:
    then = facts(**partitions(p1=900, p2=100))  # type: ignore[arg-type]
    detached = facts(tables(p1=900, p2=100), parents={name("p2"): name("parts"), name("parts"): name("events")})
    assert found(then, detached) == []
    assert found(detached, then) == []


def test_a_renamed_root_is_known_by_its_partitions() -> None:
    then = facts(**partitions(p1=900), described=frozenset({name("events")}))  # type: ignore[arg-type]
    now = facts(tables(p1=900), parents={name("p1"): name("log")}, described=frozenset({name("log")}))
    assert found(then, now) == []
    before = facts(**partitions(p1=500, p2=400), described=frozenset({name("events")}))  # type: ignore[arg-type]
    above = {name("p2"): name("log"), name("p3"): name("log")}
    rolled = facts(tables(p2=400, p3=500), parents=above, described=frozenset({name("log")}))
    assert found(before, rolled) == [], "its new partitions count too"
    emptied = facts(tables(p1=0, x=1), parents={name("p1"): name("log")}, described=frozenset({name("log")}))
    assert found(then, emptied) == [(codes.TABLE_EMPTIED, "public.events")]


def test_tables_that_inherit_from_each_other_in_a_circle_end() -> None:
    circle = {name("a"): name("b"), name("b"): name("a")}
    assert found(facts(tables(a=1, b=1), parents=circle), facts(tables(a=1, b=1), parents=circle)) == []


def test_an_empty_database_is_told_once_and_so_is_a_schema() -> None:
    then = facts(tables(t=100, u=50))
    assert found(then, facts(tables(t=0, u=0))) == [(codes.DATABASE_EMPTY, "")]
    assert found(then, facts({})) == [(codes.DATABASE_EMPTY, "")]
    many = tables(shop__t=100, shop__u=50, x=1)
    gone = facts(many, schemas=frozenset({"shop"}), functions=frozenset({("shop", "f")}))
    assert found(gone, facts(tables(x=1))) == [(codes.SCHEMA_GONE, "shop")]
    named = facts(tables({"new__t": 1, "new__u": 2}, new__t=100, new__u=50, x=1))
    was = tables({"shop__t": 1, "shop__u": 2}, shop__t=100, shop__u=50, x=1)
    assert found(facts(was, schemas=frozenset({"shop"})), named) == []


def policies(**texts: str) -> dict[str, object]:
    return {"policies": {(name("t"), policy): text for policy, text in texts.items()}}


def test_a_policy_that_is_gone() -> None:
    then = facts(**policies(own="USING (a)"))  # type: ignore[arg-type]
    assert found(then, facts()) == [(codes.POLICY_GONE, "own on public.t")]
    assert found(then, facts(**policies(own="USING (b)"))) == [], "another text is not looked at"  # type: ignore[arg-type]
    opened = facts(**policies(own="FOR SELECT USING (true)"))  # type: ignore[arg-type]
    assert found(then, opened) == [(codes.POLICY_OPENED, "own on public.t")]
    assert found(opened, opened) == []
    assert found(then, facts(**policies(mine="USING (a)"))) == [], "the same under another name"  # type: ignore[arg-type]
    assert found(then, facts(**policies(mine="USING (b)"))) == [(codes.POLICY_GONE, "own on public.t")]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("then", "now", "told"),
    [
        ("USING (a) WITH CHECK (true)", "USING (true) WITH CHECK (true)", True),
        ("USING (true) WITH CHECK (a)", "USING (true) WITH CHECK (true)", True),
        ("USING (a) WITH CHECK (true)", "USING (true)", True),
        ("USING (true) WITH CHECK (a)", "USING (true)", True),
        ("USING (a)", "USING (a) WITH CHECK (true)", True),
        ("FOR INSERT WITH CHECK (a)", "FOR INSERT WITH CHECK (true);\n", True),
        ("USING (true)", "USING (true) WITH CHECK (true)", False),
        ("USING (true) WITH CHECK (true)", "USING (true)", False),
        ("USING (true)", "USING (a)", False),
        ("USING (true) WITH CHECK (a)", "USING (true) WITH CHECK (b)", False),
        ("USING (a)", "USING ((a = 'USING (true)'::text))", False),
    ],
)
def test_what_a_policy_lets_see_and_lets_write_is_opened_each_by_itself(then: str, now: str, told: bool) -> None:
    expected = [(codes.POLICY_OPENED, "own on public.t")] if told else []
    assert found(facts(**policies(own=then)), facts(**policies(own=now))) == expected  # type: ignore[arg-type]


def triggers(**functions: str) -> dict[str, object]:
    """`a__b` is a trigger of table a.b."""
    return {
        "triggers": {(name(table.replace("__", ".")), "tr"): f"FUNCTION {text}()" for table, text in functions.items()}
    }


def test_triggers_of_the_platform_and_of_ignored_tables_may_go() -> None:
    theirs = triggers(storage__objects="storage.update_level", auth__users='"auth".f')
    assert found(facts(**theirs), facts()) == []  # type: ignore[arg-type]
    then = facts(**triggers(auth__users="public.handle_new_user", public__t="auth.f"))  # type: ignore[arg-type]
    users, own = (codes.TRIGGER_GONE, "tr on auth.users"), (codes.TRIGGER_GONE, "tr on public.t")
    assert found(then, facts()) == [users, own], "the project's, wherever they stand"
    assert found(then, facts(), Terms(ignore=("public.t",))) == [users]


def test_views_that_are_ignored_may_go() -> None:
    then = facts(views={name("day_0131"): "SELECT 1"})
    assert found(then, facts()) == [(codes.VIEW_GONE, "public.day_0131")]
    assert found(then, facts(), Terms(ignore=("public.day_*",))) == []


def grants(**texts: str) -> dict[str, object]:
    """On tables."""
    return {
        "granted": {Address(kind="table", names=tuple(text.split("__"))): granted for text, granted in texts.items()}
    }


def test_grants_of_the_platform_and_of_ignored_tables_may_go() -> None:
    schema = Address(kind="schema", names=("auth",))
    assert found(facts(granted={schema: "GRANT"}), facts()) == []
    then = facts(**grants(storage__objects="GRANT", public__t="GRANT"))  # type: ignore[arg-type]
    assert found(then, facts()) == [(codes.GRANTS_GONE, "table public.t")]
    assert found(then, facts(), Terms(ignore=("public.t",))) == []


def test_grants_of_another_object_hide_none_that_are_gone() -> None:
    there = tables({"t": 1, "new": 2}, t=100, new=100)
    then, now = facts(there, **grants(public__t="GRANT x")), facts(there, **grants(public__new="GRANT x"))
    assert found(then, now) == [(codes.GRANTS_GONE, "table public.t")]
    swapped = facts(tables({"t": 2, "new": 1}, t=100, new=100), **grants(public__new="GRANT x"))
    assert found(then, swapped) == [], "another table has its name, and it has its grants"
    view = Address(kind="view", names=("public", "v"))
    assert found(facts(granted={view: "GRANT x"}), now) == [(codes.GRANTS_GONE, "view public.v")]
    routines = [Address(kind="function", names=("public", text)) for text in "fg"]
    then, now = (facts(granted={one: "REVOKE x"}) for one in routines)
    assert found(then, now) == [(codes.GRANTS_GONE, "function public.f")], "both are there"
    old, new = Address(kind="", names=("FUNCTION f",)), Address(kind="", names=("FUNCTION g",))
    assert found(facts(granted={old: "GRANT x"}), facts(granted={new: "GRANT x"})) == [], "it may be the same one"


@pytest.mark.parametrize(
    ("kind", "names", "text"),
    [
        ("function", ("public", "f"), "everybody"),
        ("type", ("public.t",), "everybody"),
        ("schema", ("public",), "everybody"),
        ("schema", ("shop",), "owner alone"),
        ("table", ("public", "t"), "owner alone"),
        ("view", ("public", "t"), "owner alone"),
    ],
)
def test_who_may_use_what_has_no_grants_any_more(kind: str, names: tuple[str, ...], text: str) -> None:
    then = facts(granted={Address(kind=kind, names=names): "REVOKE"})
    (told,) = compare(then, facts(), TERMS)
    assert text in told.text


def test_what_goes_with_its_table_is_told_with_it() -> None:
    security = {"row_security": {name("t"): RowSecurity(enabled=True, forced=True)}}
    then = facts(tables(t=1, x=1), described=frozenset({name("t")}), **policies(own="a"), **security)
    assert found(then, facts(tables(x=1))) == [(codes.TABLE_GONE, "public.t")]


@pytest.mark.parametrize(
    ("then", "now", "expected"),
    [
        ((True, True), (True, True), None),
        ((True, False), None, codes.ROW_SECURITY_OFF),
        ((True, True), (False, True), codes.ROW_SECURITY_OFF),
        ((False, True), (False, False), codes.ROW_SECURITY_NOT_FORCED),
        ((True, True), (True, False), codes.ROW_SECURITY_NOT_FORCED),
        ((False, True), None, codes.ROW_SECURITY_NOT_FORCED),
        ((False, False), None, None),
        ((False, False), (True, True), None),
    ],
)
def test_row_security_that_is_off_or_does_not_bind_the_owner(
    then: tuple[bool, bool], now: tuple[bool, bool] | None, expected: str | None
) -> None:
    def of(pair: tuple[bool, bool] | None) -> Facts:
        state = {} if pair is None else {name("t"): RowSecurity(enabled=pair[0], forced=pair[1])}
        return facts(row_security=state)

    assert found(of(then), of(now)) == ([] if expected is None else [(expected, "public.t")])


def test_a_role_with_new_powers() -> None:
    then = facts(powers={"app": frozenset({"REPLICATION"}), "gone": frozenset({"SUPERUSER"})})
    now = facts(powers={"app": frozenset({"REPLICATION", "BYPASSRLS"}), "eve": frozenset({"SUPERUSER"})})
    assert found(then, now) == [(codes.ROLE_RAISED, "app"), (codes.ROLE_RAISED, "eve")]
    assert found(now, then) == [(codes.ROLE_RAISED, "gone")]
    assert now.database is not None
    elsewhere = replace(now, database=replace(now.database, key=("8", 5)))
    assert found(then, elsewhere) == [], "another cluster has other roles"


def test_a_function_that_is_gone() -> None:
    functions = frozenset({("public", "f"), ("auth", "uid"), ("public", "constructor")})
    routines = {("public", "f"): frozenset({"its text"}), ("auth", "uid"): frozenset({"the platform's"})}
    assert found(facts(functions=functions, routines=routines), facts()) == [(codes.FUNCTION_GONE, "public.f")]


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (Sums(items=100, bytes=100), Sums(items=50, bytes=100), False),
        (Sums(items=100, bytes=100), Sums(items=49, bytes=100), True),
        (Sums(items=3, bytes=100), Sums(items=1, bytes=10), False),
        (Sums(items=1, bytes=1), Sums(), True),
        (Sums(items=3, bytes=100), Sums(items=3), True),
        (Sums(items=30, bytes=9 * MIB), Sums(items=30, bytes=4 * MIB), True),
        (Sums(), Sums(), False),
    ],
)
def test_large_objects_and_files_that_are_gone(before: Sums, after: Sums, told: bool) -> None:
    then = replace(facts(large_objects=before), directories={"lib": before})
    now = replace(facts(large_objects=after), directories={"lib": after})
    assert found(then, now) == ([(codes.FILES_LOST, "lib"), (codes.LARGE_OBJECTS_LOST, "")] if told else [])


def test_what_only_one_of_the_two_was_asked_for_is_not_compared() -> None:
    files = {"lib": Sums(items=100)}
    assert found(Facts(directories=files), facts()) == []
    assert found(replace(facts(), directories=files), Facts()) == []


def test_all_of_it_with_another_content_as_one_who_encrypts_leaves_it() -> None:
    size = REWRITTEN_BYTES_MIN
    then = replace(facts(), bytes=size)
    assert found(then, replace(facts(), bytes=size, new_bytes=size // 2)) == [(codes.REWRITTEN, "")]
    assert found(then, replace(facts(), bytes=size, new_bytes=size // 3)) == []
    assert found(then, replace(facts(), bytes=2 * size, new_bytes=size)) == [], "there is as much again"
    assert found(replace(then, bytes=size // 2), replace(facts(), bytes=size // 2, new_bytes=size // 2)) == []


def test_findings_are_few_and_short_and_in_order() -> None:
    many = {f"t{number}": 1 for number in range(NOTES_MAX)}
    told = bounded(compare(facts(tables(**many, x=1)), facts(tables(x=1)), TERMS))
    assert len(told) == FINDINGS_MAX
    assert [one.code for one in told if one.code != codes.TABLE_GONE] == [codes.MORE]
    keys = [(one.code, one.subject) for one in told]
    assert keys == sorted(set(keys))
    assert len(finding(codes.TABLE_GONE, "ü" * NOTE_BYTES_MAX, "").subject.encode()) <= NOTE_BYTES_MAX


def test_every_code_has_its_meaning_and_no_other_is_written() -> None:
    written = {value for key, value in vars(codes).items() if key.isupper() and isinstance(value, str)}
    assert written == set(codes.MEANING)
