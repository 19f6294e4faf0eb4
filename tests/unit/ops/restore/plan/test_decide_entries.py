"""What is done with an entry and with rows, given what the target has and allows [SEL-2, SEL-7]. No database."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.restore_values import (
    POOR,
    Part,
    but,
    changed,
    decided,
    edges,
    labels,
    only,
    part,
    planned,
    reason,
    rows,
    snapshot,
    table_name,
    there,
)
from vault.model import CatalogFacts
from vault.model.meaning import meanings
from vault.ops.restore.plan.decision import Action, Decision

PARTS = [
    part("SCHEMA s"),
    part("TABLE s.t", "SCHEMA s"),
    part("FUNCTION s.f", "SCHEMA s"),
    part("VIEW s.v", "TABLE s.t"),
    part("EXTENSION citext"),
    part("PUBLICATION pub"),
    part("DEFAULT ACL s.boss", kind="default acl"),
    part("INDEX s.t_v", "TABLE s.t"),
    part("COMMENT s.t", "TABLE s.t"),
]
SHOP = snapshot(*PARTS, tables=(rows("s.t"),))
EQUAL = {one.label: "equal" for one in PARTS}
CREATE = {one.label: "create" for one in PARTS}


@pytest.mark.spec("SEL-2")
def test_what_is_missing_is_created_and_what_is_equal_left() -> None:
    assert decided(planned(SHOP, there(), replace=True)) == CREATE
    assert decided(planned(SHOP, there(*PARTS), replace=True)) == EQUAL
    without = but(PARTS, "INDEX s.t_v", "COMMENT s.t")
    assert decided(planned(SHOP, there(*without), replace=True)) == EQUAL | {
        "INDEX s.t_v": "create",
        "COMMENT s.t": "create",
    }


DIFFERING: dict[str, tuple[str, str]] = {
    "TABLE s.t": ("keep!", "create"),
    "FUNCTION s.f": ("keep!", "replace"),
    "VIEW s.v": ("keep!", "replace"),
    "COMMENT s.t": ("keep!", "replace"),
    "INDEX s.t_v": ("keep!", "create"),
    "EXTENSION citext": ("equal", "equal"),
    "SCHEMA s": ("keep!", "keep!"),
    "PUBLICATION pub": ("keep!", "keep!"),
    "DEFAULT ACL s.boss": ("keep!", "keep!"),
}


@pytest.mark.spec("SEL-2")
@pytest.mark.parametrize("differs", DIFFERING)
def test_what_differs_is_left_and_told_or_replaced_on_request(differs: str) -> None:
    present = there(*changed(PARTS, differs))
    for replaced, expected in enumerate(DIFFERING[differs]):
        made = planned(SHOP, present, wanted=only("schema", "data"), replace=bool(replaced))
        assert decided(made)[differs] == expected
        told = [name for name, _ in made.refused]
        tag = next(one.entry.tag for one in PARTS if one.label == differs)
        assert (f"{differs.rpartition(' ')[0]} {tag}" in told) is expected.endswith("!")


def test_a_link_that_stays_away_is_skipped_with_its_reason() -> None:
    parts = [part("TABLE s.child"), part("TABLE s.t"), part("FK CONSTRAINT s.child.fk", "TABLE s.child", "TABLE s.t")]
    made = planned(snapshot(*parts), there(), wanted=only("s.child"))
    assert decided(made) == {"TABLE s.child": "create", "FK CONSTRAINT s.child.fk": "skip!"}
    assert made.refused == (("FK CONSTRAINT child fk", "TABLE t is neither selected nor on the target"),)
    assert "FK CONSTRAINT s.child.fk" not in labels(made, made.definitions.after_rows)


def test_what_differs_and_is_only_needed_is_left_even_on_request() -> None:
    made = planned(SHOP, there(*changed(but(PARTS, "VIEW s.v"), "TABLE s.t")), wanted=only("s.v"), replace=True)
    assert decided(made) == {"TABLE s.t": "keep", "VIEW s.v": "create"}
    assert made.refused == ()


@pytest.mark.parametrize("replaced", [False, True])
@pytest.mark.parametrize("differs", DIFFERING)
def test_a_decision_says_what_is_there_and_why_it_stays(differs: str, replaced: bool) -> None:
    present = there(*changed(PARTS, differs))
    made = planned(SHOP, present, wanted=only("schema", "data"), replace=replaced)
    for at, one in made.decisions.items():
        entry = present.entries[made.contents.items[at].identity]
        if one.action in (Action.EQUAL, Action.REPLACE) or (one.action is Action.KEEP and ";" not in one.why):
            assert one.present == entry
        assert one.why.startswith("differs on the target") is (one.action is Action.KEEP)
    assert "; change it by hand" not in (reason(made, "TABLE s.t"), reason(made, "VIEW s.v"))


@pytest.mark.parametrize("differs", ["SCHEMA s", "PUBLICATION pub", "DEFAULT ACL s.boss", "SUBSCRIPTION sub"])
def test_what_cannot_be_replaced_safely_is_left_for_the_user(differs: str) -> None:
    parts = [*PARTS, part("SUBSCRIPTION sub")]
    made = planned(snapshot(*parts), there(*changed(parts, differs)), wanted=only("schema"), replace=True)
    assert reason(made, differs).startswith("differs on the target")
    assert reason(made, differs).endswith("; change it by hand")


def test_what_has_no_drop_statement_is_replaced_in_place() -> None:
    security = part("ROW SECURITY s.t", "TABLE s.t")
    label = part("TABLE ATTACH s.t", "TABLE s.t")
    parts = [*PARTS, security, label]
    made = planned(snapshot(*parts), there(*changed(parts, label.label)), wanted=only("schema"), replace=True)
    assert (decided(made)[label.label], made.exchanges) == ("replace", ())


OF_POLICIES = [
    part("TABLE s.t"),
    part("POLICY s.t.own", "TABLE s.t"),
    part("TABLE s.u"),
    part("TRIGGER s.u.g", "TABLE s.u"),
]


@pytest.mark.parametrize("replaced", [False, True])
def test_an_owner_who_is_subject_to_no_policy_is_part_of_the_policies(replaced: bool) -> None:
    shop = snapshot(*OF_POLICIES, tables=(rows("s.t"),))
    present = there(*changed(OF_POLICIES, "TABLE s.t", "TABLE s.u", owner="other", definition="of the target"))
    made = planned(shop, present, wanted=only("rls_policies"), replace=replaced)
    assert decided(made) == {"TABLE s.t": "replace" if replaced else "keep!", "POLICY s.t.own": "equal"}
    assert "is other and was boss" in reason(made, "TABLE s.t")
    assert made.exchanges == (), "its owner alone"
    assert {(one.present.owner, one.present.definition) for one in made.decisions.values() if one.present} == {
        ("other", "TABLE s.t as recorded"),
        ("boss", "POLICY s.t.own as recorded"),
    }
    same = there(*changed(OF_POLICIES, "TABLE s.t"))
    assert decided(planned(shop, same, wanted=only("rls_policies"), replace=replaced))["TABLE s.t"] == "keep"
    whole = decided(planned(shop, present, wanted=only("s.t"), replace=replaced))
    assert whole["TABLE s.t"] == ("create" if replaced else "keep!"), "asked for, so not its owner alone"


def test_a_table_that_was_asked_for_itself_does_not_hide_the_owner_of_another() -> None:
    parts = [part(f"TABLE s.t{number}") for number in (1, 2)]
    parts += [part(f"POLICY s.t{number}.own", f"TABLE s.t{number}") for number in (1, 2)]
    present = there(*changed(parts, "TABLE s.t2", owner="other"))
    made = planned(snapshot(*parts, tables=(rows("s.t1"),)), present, wanted=only("rls_policies", "s.t1"))
    assert {called for called, done in decided(made).items() if done != "equal"} == {"TABLE s.t2"}
    assert "is other and was boss" in reason(made, "TABLE s.t2")


def test_owners_of_the_platforms_tables_are_the_platforms() -> None:
    parts = [part("TABLE auth.a"), part("POLICY auth.a.p", "TABLE auth.a"), *OF_POLICIES]
    present = there(*changed(parts, "TABLE auth.a", "TABLE s.t", owner="other"))
    made = planned(snapshot(*parts), present, wanted=only("rls_policies"), replace=True)
    assert decided(made)["TABLE auth.a"] == "keep"
    assert decided(made)["TABLE s.t"] == "replace", "one is left aside, the next is not"
    missing = planned(snapshot(*parts), there(), wanted=only("rls_policies"))
    assert set(decided(missing).values()) == {"create"}


def test_how_to_replace_is_said_where_it_was_not_asked_for() -> None:
    present = there(*changed(PARTS, "FUNCTION s.f", "SCHEMA s"))
    hints = {
        name: why.endswith("; -c replaces it") for name, why in planned(SHOP, present, wanted=only("schema")).refused
    }
    assert hints == {"FUNCTION f": True, "SCHEMA s": False}


@pytest.mark.parametrize("differs", ["TABLE s.t", "SCHEMA s", "PUBLICATION pub", "FUNCTION s.f"])
def test_an_owner_that_differs_alone_is_replaced_in_place(differs: str) -> None:
    made = planned(SHOP, there(*changed(PARTS, differs, owner="other")), replace=True)
    assert decided(made)[differs] == "replace"
    assert made.exchanges == ()


@pytest.mark.parametrize("differs", ["INDEX s.t_v", "COMMENT s.t"])
def test_what_has_no_owner_of_its_own_is_equal_whoever_owns_its_table(differs: str) -> None:
    assert decided(planned(SHOP, there(*changed(PARTS, differs, owner="other")), replace=True)) == EQUAL


def test_where_it_lies_and_forced_row_security_make_no_other_table() -> None:
    forced = "CREATE TABLE s.t ();\n\nALTER TABLE ONLY s.t FORCE ROW LEVEL SECURITY;\n"
    parts = changed(PARTS, "TABLE s.t", definition=forced)
    present = there(*changed(parts, "TABLE s.t", definition="CREATE TABLE s.t ();\n", tablespace="fast"))
    assert decided(planned(snapshot(*parts), present, replace=True)) == EQUAL
    view = changed(PARTS, "VIEW s.v", definition=forced)
    other = there(*changed(view, "VIEW s.v", definition="CREATE TABLE s.t ();\n"))
    assert decided(planned(snapshot(*view), other, replace=True))["VIEW s.v"] == "replace"


@pytest.mark.spec("SEL-2")
@pytest.mark.parametrize(
    "called",
    [
        *("FUNCTION s.x", "PROCEDURE s.x", "VIEW s.x", "ACL s.t", "COMMENT s.t", "SECURITY LABEL s.t", "DEFAULT s.t.v"),
        *("ROW SECURITY s.t", "SEQUENCE OWNED BY s.x"),
    ],
)
def test_what_can_be_is_replaced_in_place_even_if_it_has_a_drop_statement(called: str) -> None:
    parts = [part("TABLE s.t"), part(called, "TABLE s.t", drop="DROP it;")]
    made = planned(snapshot(*parts), there(*changed(parts, called)), wanted=only("schema"), replace=True)
    assert (decided(made)[called], made.exchanges) == ("replace", ())


# --- the platform's own --------------------------------------------------------------------------

PLATFORM = [
    part("SCHEMA auth"),
    part("TABLE auth.users", "SCHEMA auth"),
    part("FUNCTION auth.uid", "SCHEMA auth"),
    part("INDEX auth.users_i", "TABLE auth.users"),
    part("POLICY auth.users.own", "TABLE auth.users"),
    part("TRIGGER auth.users.welcome", "TABLE auth.users"),
    part("PUBLICATION TABLE auth.users", "TABLE auth.users"),
]
OF_PROJECT = {"POLICY auth.users.own", "TRIGGER auth.users.welcome", "PUBLICATION TABLE auth.users"}


@pytest.mark.spec("SEL-2")
@pytest.mark.parametrize("replaced", [False, True])
@pytest.mark.parametrize("differs", [one.label for one in PLATFORM[1:]])
def test_the_platforms_own_is_never_replaced(differs: str, replaced: bool) -> None:
    present = there(*changed(PLATFORM, differs))
    made = planned(snapshot(*PLATFORM), present, wanted=only("schema"), replace=replaced)
    if differs in OF_PROJECT:
        assert decided(made)[differs] == ("create" if replaced else "keep!")
    else:
        assert decided(made)[differs] == "keep"
        assert reason(made, differs) == "the platform's own differs"
        assert (made.exchanges, made.refused) == ((), ())


def test_what_the_platform_lacks_is_created() -> None:
    made = planned(snapshot(*PLATFORM), there(*but(PLATFORM, "INDEX auth.users_i")), replace=True)
    assert decided(made)["INDEX auth.users_i"] == "create"


# --- a role that is no superuser -----------------------------------------------------------------

REFUSED = [
    ("SCHEMA new", (), "may not create schemas"),
    ("EVENT TRIGGER e", (), "only a superuser"),
    ("ACCESS METHOD a", (), "only a superuser"),
    ("FOREIGN DATA WRAPPER w", (), "only a superuser"),
    ("OPERATOR CLASS s.c", (), "only a superuser"),
    ("OPERATOR FAMILY s.c", (), "only a superuser"),
    ("PROCEDURAL LANGUAGE l", (), "only a superuser"),
    ("SHELL TYPE s.c", (), "only a superuser"),
    ("TEXT SEARCH PARSER s.c", (), "only a superuser"),
    ("TEXT SEARCH TEMPLATE s.c", (), "only a superuser"),
    ("TABLE closed.t", (), "schema closed, which belongs to them"),
    ("FUNCTION closed.f", (), "schema closed, which belongs to them"),
    ("FUNCTION s.f", (), ""),
    ("TABLE s.new", (), ""),
    ("INDEX s.i", ("TABLE s.theirs",), "its table belongs to them"),
    ("POLICY s.theirs.p", ("TABLE s.theirs",), "its table belongs to them"),
    ("CONSTRAINT s.theirs.c", ("TABLE s.theirs",), "its table belongs to them"),
    ("ROW SECURITY s.theirs", ("TABLE s.theirs",), "its table belongs to them"),
    ("TRIGGER s.theirs.g", ("TABLE s.theirs",), ""),
    ("FK CONSTRAINT s.theirs.k", ("TABLE s.theirs",), ""),
    ("COMMENT s.theirs", ("TABLE s.theirs",), ""),
    ("ACL s.theirs", ("TABLE s.theirs",), ""),
    ("SECURITY LABEL s.theirs", ("TABLE s.theirs",), ""),
    ("PUBLICATION TABLE s.theirs", ("TABLE s.theirs",), ""),
    ("INDEX s.i", ("TABLE s.mine",), ""),
    ("POLICY s.mine.p", ("TABLE s.mine",), ""),
    ("POLICY closed.own.p", ("TABLE closed.own",), ""),
    ("STATISTICS s.st", ("TABLE s.theirs",), "its table belongs to them"),
    ("COMMENT closed.own", (), ""),
    ("ACL closed.own", (), ""),
    ("SECURITY LABEL closed.own", (), ""),
    ("TRIGGER closed.new.g", (), ""),
]
OTHERS = [
    part("TABLE s.theirs", owner="them"),
    part("TABLE s.mine", owner="mine"),
    part("TABLE closed.own", owner="me"),
]


@pytest.mark.spec("SEL-7")
@pytest.mark.parametrize(("called", "needs", "why"), REFUSED)
def test_what_the_role_may_not_create_is_skipped_with_the_reason(called: str, needs: tuple[str, ...], why: str) -> None:
    snap = snapshot(*OTHERS, part(called, *needs))
    made = planned(snap, there(*OTHERS), target=POOR, wanted=only("schema"))
    assert decided(made)[called] == ("skip!" if why else "create")
    assert why in reason(made, called)
    assert decided(planned(snap, there(*OTHERS), wanted=only("schema")))[called] == "create", "a superuser may"
    rich = replace(POOR, may_create_schemas=True)
    assert decided(planned(snapshot(part("SCHEMA new")), there(), target=rich, wanted=only("schema"))) == {
        "SCHEMA new": "create"
    }


@pytest.mark.parametrize(("owner", "done"), [("me", "create"), ("mine", "create"), ("", "create"), ("them", "skip!")])
def test_default_privileges_are_those_of_roles_it_is_a_member_of(owner: str, done: str) -> None:
    called = "DEFAULT ACL s.x"
    made = planned(snapshot(part(called, owner=owner)), there(), target=POOR, wanted=only("schema"))
    assert decided(made)[called] == done


def test_what_may_be_there_unseen_is_not_created() -> None:
    made = planned(snapshot(*PARTS), there(unreadable=frozenset({table_name("s.t")})), target=POOR, wanted=only("s.t"))
    assert decided(made)["TABLE s.t"] == "skip!"
    assert reason(made, "TABLE s.t") == "role me may not read s.t on the target"


def test_a_tables_differences_are_told_by_its_own_columns() -> None:
    def table(*columns: str) -> str:
        return "CREATE TABLE s.a (\n    " + ",\n    ".join(columns) + "\n);\n"

    recorded = part("TABLE s.a", definition=table("id integer", "gone text"))
    there_now = part("TABLE s.a", definition=table("id integer"))
    others = part("TABLE s.b")
    contents = snapshot(recorded, others, tables=(rows("s.b", columns=("x",)), rows("s.a", columns=("id", "gone"))))
    made = planned(contents, there(there_now, others, columns={"s.a": ("id",)}), wanted=only("s.*"))
    assert "gone" in reason(made, "TABLE s.a")


@pytest.mark.parametrize("replaced", [False, True])
def test_a_decision_about_what_is_there_has_what_is_there(replaced: bool) -> None:
    """Whoever explains a failure, or tries the plan on, compares with it; of what is changed by hand nobody does."""
    own = but(PARTS, "PUBLICATION pub", "DEFAULT ACL s.boss")
    parts = [*own, part("SCHEMA auth"), part("TABLE auth.users", "SCHEMA auth"), part("TABLE s.missing", "SCHEMA s")]
    standing = {
        one.entry.identity: one.entry for one in changed(parts[:-1], "FUNCTION s.f", "VIEW s.v", "TABLE auth.users")
    }
    made = planned(
        snapshot(*parts),
        there(*changed(parts[:-1], "FUNCTION s.f", "VIEW s.v", "TABLE auth.users")),
        wanted=only("schema"),
        replace=replaced,
    )
    assert {made.contents.items[at].identity: one.present for at, one in made.decisions.items()} == {
        one.entry.identity: standing.get(one.entry.identity) for one in parts
    }


VIEW, F, G = part("VIEW s.v"), "function s.f(integer)", "function g.f(integer)"


def calling(*called: str, present: Part = VIEW, replaced: bool = False) -> Decision:
    """What is decided of a view that calls `F`, where the target's calls these."""
    recorded, now = (edges(*(('rule "_RETURN" on s.v', one, "n") for one in side)) for side in ((F,), called))
    contents = snapshot(VIEW, catalog=CatalogFacts(edges=recorded))
    made = planned(contents, there(present, meanings=meanings(now, ())), wanted=only("schema"), replace=replaced)
    (decision,) = made.decisions.values()
    return decision


@pytest.mark.parametrize("count", [1, 4, 5, 9])
def test_what_is_called_otherwise_is_named_up_to_a_number(count: int) -> None:
    names = [f"function g.f{number}(integer)" for number in range(count)]
    more = f" and {count - 5} more" if count > 5 else ""
    shown = ", ".join(names[:5])
    assert calling(F, *names).why == f"equal in text, but differs on the target in what it calls: {shown}{more}"


@pytest.mark.parametrize(("caller", "done"), [("VIEW s.v", "replace"), ("INDEX s.i", "create")])
def test_what_calls_something_else_is_made_anew_like_what_differs(caller: str, done: str) -> None:
    """Not in place like an owner that differs alone: what cannot be replaced has to be dropped."""
    by = {"VIEW s.v": 'rule "_RETURN" on s.v', "INDEX s.i": "index s.i"}[caller]
    recorded, now = (edges((by, one, "n")) for one in (F, G))
    contents = snapshot(part(caller), catalog=CatalogFacts(edges=recorded))
    present = there(part(caller), meanings=meanings(now, ()))
    made = planned(contents, present, wanted=only("schema"), replace=True)
    assert (decided(made), len(made.exchanges)) == ({caller: done}, int(done == "create"))


def test_of_two_texts_that_differ_what_is_there_is_told_whatever_it_calls() -> None:
    present = calling(G, present=changed([VIEW], "VIEW s.v")[0], replaced=True).present
    assert present is not None
    assert present.definition == "as the target has it"
