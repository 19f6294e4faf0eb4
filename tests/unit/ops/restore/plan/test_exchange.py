"""What is dropped comes back, rows and all, or is not dropped [SEL-3]. No database."""

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
from vault.ops.restore.plan.steps import RestorePlan

PARTS = [
    part("SCHEMA s"),
    part("TABLE s.t", "SCHEMA s"),
    part("SEQUENCE s.t_id_seq", "SCHEMA s"),
    part("SEQUENCE OWNED BY s.t_id_seq", "SEQUENCE s.t_id_seq", "TABLE s.t"),
    part("DEFAULT s.t.id", "TABLE s.t", "SEQUENCE s.t_id_seq"),
    part("VIEW s.v", "TABLE s.t"),
    part("TABLE s.child", "SCHEMA s"),
    part("TABLE s.other", "SCHEMA s"),
    part("CONSTRAINT s.t.t_pkey", "TABLE s.t"),
    part("INDEX s.t_v", "TABLE s.t"),
    part("ROW SECURITY s.t", "TABLE s.t"),
    part("POLICY s.t.own", "TABLE s.t"),
    part("FK CONSTRAINT s.child.fk", "TABLE s.child", "TABLE s.t", "CONSTRAINT s.t.t_pkey"),
    part("ACL s.t", "TABLE s.t"),
    part("COMMENT s.v", "VIEW s.v", kind="view"),
]
OF_T = [
    *("TABLE s.t", "SEQUENCE s.t_id_seq", "SEQUENCE OWNED BY s.t_id_seq", "DEFAULT s.t.id", "VIEW s.v"),
    *("CONSTRAINT s.t.t_pkey", "INDEX s.t_v", "ROW SECURITY s.t", "POLICY s.t.own", "FK CONSTRAINT s.child.fk"),
    *("ACL s.t", "COMMENT s.v"),
]
CATALOG = CatalogFacts(edges=edges(("sequence s.t_id_seq", "table column s.t.id", "a")))
SHOP = snapshot(*PARTS, catalog=CATALOG, tables=(rows("s.t"), rows("s.child"), rows("s.other")))


def replaced(*differ: str, present: list[Part] | None = None, wanted: str = "", **fields: object) -> RestorePlan:
    now = there(*changed(PARTS if present is None else present, *differ), **fields)  # type: ignore[arg-type]
    return planned(SHOP, now, wanted=only(*wanted.split()) if wanted else None, replace=True)


@pytest.mark.spec("SEL-3")
def test_a_table_goes_and_comes_with_all_that_goes_with_it() -> None:
    made = replaced("TABLE s.t")
    (steps,) = made.exchanges
    exchange = steps.exchange
    assert labels(made, exchange.replaced) == ["TABLE s.t"]
    assert labels(made, exchange.entries) == OF_T
    assert exchange.drops == ("DROP FK CONSTRAINT s.child.fk;", "DROP VIEW s.v;", "DROP TABLE s.t;"), "dependents first"
    assert labels(made, steps.definitions) == OF_T[:5]
    assert {labels(made, [at])[0]: labels(made, early) for at, early in steps.row_security.items()} == {
        "TABLE s.t": ["ROW SECURITY s.t"]
    }
    assert labels(made, steps.then) == [
        *("CONSTRAINT s.t.t_pkey", "INDEX s.t_v", "POLICY s.t.own", "FK CONSTRAINT s.child.fk", "COMMENT s.v"),
        "ACL s.t",
    ]
    assert [item.name for item in steps.tables] == [table_name("s.t")]
    assert steps.sequences == {table_name("s.t_id_seq")}
    assert {done for name, done in decided(made).items() if name in OF_T} == {"create"}
    assert {done for name, done in decided(made).items() if name not in OF_T} == {"equal"}


def test_what_is_exchanged_is_in_no_other_step() -> None:
    made = replaced("TABLE s.t", present=but(PARTS, "POLICY s.t.own", "INDEX s.t_v"))
    apart = set(made.exchanges[0].exchange.entries)
    assert {"POLICY s.t.own", "INDEX s.t_v"} <= set(labels(made, apart)), "missing ones are created with it"
    others = {
        *made.definitions.before_rows,
        *made.definitions.after_rows,
        *made.access.privileges,
        *made.definitions.last,
        *made.definitions.attachments,
        *made.definitions.row_security,
    }
    assert others.isdisjoint(apart)
    assert [one.item.name.name for one in made.row_steps.tables] == ["child", "other"]
    assert [item.name.name for item in made.tables] == ["child", "other", "t"]


def test_overlapping_exchanges_are_one_and_others_are_apart() -> None:
    made = replaced("TABLE s.t", "INDEX s.t_v", "TABLE s.other")
    assert [labels(made, one.exchange.replaced) for one in made.exchanges] in (
        [["TABLE s.t", "INDEX s.t_v"], ["TABLE s.other"]],
        [["TABLE s.other"], ["TABLE s.t", "INDEX s.t_v"]],
    )
    between = replaced("CONSTRAINT s.t.t_pkey", "FK CONSTRAINT s.child.fk", "POLICY s.t.own")
    assert sorted(labels(between, one.exchange.replaced) for one in between.exchanges) == [
        ["CONSTRAINT s.t.t_pkey", "FK CONSTRAINT s.child.fk"],
        ["POLICY s.t.own"],
    ]


def test_a_part_is_exchanged_alone() -> None:
    made = replaced("POLICY s.t.own")
    (steps,) = made.exchanges
    assert labels(made, steps.exchange.entries) == ["POLICY s.t.own"]
    assert (steps.tables, steps.sequences) == ((), frozenset())
    assert steps.exchange.drops == ("DROP POLICY s.t.own;",)


def test_a_dependent_that_was_not_asked_for_comes_back_as_recorded() -> None:
    made = replaced("TABLE s.t", wanted="s.t s.child")
    assert {"VIEW s.v", "COMMENT s.v"} <= set(labels(made, made.exchanges[0].exchange.entries))
    assert decided(made)["VIEW s.v"] == "create"


def test_a_dependent_that_is_neither_asked_for_nor_as_recorded_is_not_dropped() -> None:
    made = replaced("TABLE s.t", "VIEW s.v", wanted="s.t s.child")
    (steps,) = made.exchanges
    assert "VIEW s.v" not in labels(made, steps.exchange.entries)
    assert not any("VIEW" in drop for drop in steps.exchange.drops), "so the server refuses to drop the table"


def test_what_the_snapshot_lacks_and_hangs_on_it_is_named() -> None:
    foreign = [
        part("POLICY s.t.theirs", "TABLE s.t", tag="t theirs"),
        part("INDEX s.theirs_i", tag="theirs_i"),
        part("POLICY s.other.theirs"),
        part("ACL s.t", sub="COLUMN t.w"),
        part("COMMENT s.t"),
    ]
    homes = {foreign[1].entry.identity: ("s", "t")}
    made = replaced("TABLE s.t", present=[*PARTS, *foreign], homes=homes)
    assert made.exchanges[0].exchange.beside == ("POLICY t theirs", "INDEX theirs_i")
    alone = replaced("POLICY s.t.own", present=[*PARTS, *foreign], homes=homes)
    assert alone.exchanges[0].exchange.beside == (), "its table stays, and what hangs on that"


def test_what_the_snapshot_lacks_of_what_is_no_relation_is_named() -> None:
    """Of a domain and of the sequence of a table; one that another routine of the name has stays."""
    parts = [part("DOMAIN s.d", kind="type"), part("FUNCTION s.d", args=("integer",)), *PARTS[:5]]
    foreign = [
        part("CHECK CONSTRAINT s.d", kind="domain constraint", args=("later",), tag="d later"),
        part("SECURITY LABEL s.d", kind="type", tag="TYPE d"),
        part("SECURITY LABEL s.d", kind="function", args=("text",), tag="FUNCTION d(text)"),
        part("SECURITY LABEL s.t_id_seq", kind="sequence", tag="SEQUENCE t_id_seq"),
    ]
    shop = snapshot(*parts, catalog=CATALOG, tables=(rows("s.t"),))
    now = there(*changed(parts, "DOMAIN s.d", "TABLE s.t"), *foreign)
    made = planned(shop, now, wanted=only("s.*", "s.t", "schema", "data"), replace=True)
    assert [one.exchange.beside for one in made.exchanges] == [
        ("CHECK CONSTRAINT d later", "SECURITY LABEL TYPE d"),
        ("SECURITY LABEL SEQUENCE t_id_seq",),
    ]


def test_what_was_not_asked_for_and_is_missing_does_not_come_with_it() -> None:
    made = replaced("TABLE s.t", present=but(PARTS, "COMMENT s.v"), wanted="s.t s.child")
    found = labels(made, made.exchanges[0].exchange.entries)
    assert ("VIEW s.v" in found, "COMMENT s.v" in found) == (True, False)
    without = replaced("TABLE s.t", present=but(PARTS, "VIEW s.v", "COMMENT s.v"), wanted="s.t s.child")
    assert "VIEW s.v" not in labels(without, without.exchanges[0].exchange.entries)


def test_a_part_that_is_missing_too_is_created_with_it() -> None:
    """A sequence of its own: nothing in it needs the table."""
    of_sequence = ("SEQUENCE s.t_id_seq", "SEQUENCE OWNED BY s.t_id_seq", "DEFAULT s.t.id")
    made = replaced("TABLE s.t", present=but(PARTS, *of_sequence))
    assert labels(made, made.exchanges[0].exchange.entries) == OF_T


def test_what_is_said_about_a_dependent_comes_back_as_recorded_whatever_it_is_now() -> None:
    parts = [part("TYPE s.kind"), part("VIEW s.v", "TYPE s.kind"), part("COMMENT s.v", "VIEW s.v", kind="view")]
    now = there(*changed(parts, "TYPE s.kind", "COMMENT s.v"))
    made = planned(snapshot(*parts), now, wanted=only("s.kind"), replace=True)
    assert labels(made, made.exchanges[0].exchange.entries) == [one.label for one in parts]


def test_one_that_is_refused_does_not_stop_another() -> None:
    made = replaced("TABLE s.t", "POLICY s.t.own", "VIEW s.v", "INDEX s.t_v", wanted="schema sequences")
    assert {name: done for name, done in decided(made).items() if done != "equal"} == {
        "TABLE s.t": "keep!",
        "VIEW s.v": "replace",
        "POLICY s.t.own": "keep!",
        "INDEX s.t_v": "keep!",
    }
    assert decided(made).keys() == {one.label for one in PARTS}
    parts = [*PARTS, part("INDEX s.other_i", "TABLE s.other")]
    shop = snapshot(*parts, catalog=CATALOG)
    both = planned(
        shop,
        there(*changed(parts, "TABLE s.t", "INDEX s.other_i")),
        wanted=only("schema", "sequences"),
        replace=True,
    )
    assert [labels(both, one.exchange.replaced) for one in both.exchanges] == [["INDEX s.other_i"]]
    assert {both.decisions[at].action.value for at in range(len(parts))} == {"equal", "keep", "create"}


def test_what_goes_with_a_replaced_relation_is_not_dropped_by_itself() -> None:
    """Its columns go with a table, and with them sequences, defaults, keys and indexes."""
    made = replaced("TABLE s.t", "INDEX s.t_v", "CONSTRAINT s.t.t_pkey", "DEFAULT s.t.id")
    assert [drop for drop in made.exchanges[0].exchange.drops if "s.t" in drop and "TABLE" not in drop] == []


# --- what may not be lost ------------------------------------------------------------------------


def left(made: RestorePlan, called: str) -> str:
    """The reason why it was not exchanged."""
    assert made.exchanges == ()
    assert decided(made)[called] == "keep!"
    (found,) = (one for at, one in made.decisions.items() if labels(made, [at]) == [called])
    assert found.present is not None
    assert found.present.definition == "as the target has it", "which a failure is explained with"
    assert any(called.startswith(name.split()[0]) for name, _ in made.refused)
    assert not any("-c replaces it" in why for _, why in made.refused), "it was said"
    return reason(made, called)


@pytest.mark.spec("SEL-3")
def test_a_table_whose_rows_are_not_selected_is_not_dropped() -> None:
    made = replaced("TABLE s.t", wanted="schema sequences")
    assert left(made, "TABLE s.t").endswith("would lose rows of s.t: select these too")
    bare = snapshot(*PARTS, catalog=CATALOG)
    made = planned(bare, there(*changed(PARTS, "TABLE s.t")), wanted=only("s.t"), replace=True)
    assert left(made, "TABLE s.t").endswith("would lose rows of s.t: they are not in the snapshot")
    gone = there(*changed(PARTS, "TABLE s.t"), columns={})
    assert planned(SHOP, gone, wanted=only("schema", "sequences"), replace=True).exchanges, (
        "it holds none that are known"
    )


@pytest.mark.spec("SEL-3")
def test_a_table_that_goes_with_another_is_not_dropped_without_its_rows() -> None:
    parts = [part("TYPE s.kind"), part("TABLE s.t", "TYPE s.kind")]
    shop = snapshot(*parts, tables=(rows("s.t"),))
    made = planned(shop, there(*changed(parts, "TYPE s.kind")), wanted=only("s.kind"), replace=True)
    assert "would lose rows of s.t" in left(made, "TYPE s.kind")
    both = planned(shop, there(*changed(parts, "TYPE s.kind")), wanted=only("s.kind", "s.t"), replace=True)
    assert [item.name for item in both.exchanges[0].tables] == [table_name("s.t")]


@pytest.mark.spec("SEL-3")
def test_a_sequence_whose_value_is_not_selected_is_not_dropped() -> None:
    parts = [part("SEQUENCE s.n"), part("TYPE s.kind")]
    shop = snapshot(*parts)
    present = there(*changed(parts, "SEQUENCE s.n"))
    assert planned(shop, present, wanted=only("s.n"), replace=True).exchanges
    alone = planned(shop, present, wanted=replace(only("s.n"), data=False), replace=True)
    assert left(alone, "SEQUENCE s.n").endswith("would lose the value of s.n")
    missing = there(*but(changed(PARTS, "TABLE s.t"), "SEQUENCE s.t_id_seq"), columns={})
    definitions = only("schema", data=False)
    assert planned(SHOP, missing, wanted=definitions, replace=True).exchanges, "one that is not there has no value"


TREE = [
    part("TABLE s.root"),
    part("TABLE s.p1", "TABLE s.root"),
    part("TABLE ATTACH s.p1", "TABLE s.root", "TABLE s.p1", sub='"s"."root"'),
]


@pytest.mark.spec("SEL-3")
@pytest.mark.parametrize(("parent", "refused"), [('"s"."root"', True), ('"s"."other"', False)])
def test_a_partition_that_the_snapshot_does_not_know_is_not_dropped(parent: str, refused: bool) -> None:
    shop = snapshot(*TREE, tables=(rows("s.root", 0), rows("s.p1")))
    beside = [part("TABLE s.p2"), part("TABLE ATTACH s.p2", sub=parent)]
    made = planned(shop, there(*changed(TREE, "TABLE s.root"), *beside), wanted=only("s.root"), replace=True)
    if refused:
        assert "would drop its partition s.p2" in left(made, "TABLE s.root")
    else:
        assert labels(made, made.exchanges[0].exchange.entries) == [one.label for one in TREE]
        assert made.exchanges[0].exchange.drops == ("DROP TABLE s.p1;", "DROP TABLE s.root;")
        assert made.definitions.attachments == (), "it is attached where it is created"


@pytest.mark.spec("SEL-3")
def test_what_the_role_may_not_create_again_is_not_dropped() -> None:
    """A constraint that differs, and a foreign key that needs it on a table that cannot be read."""
    parts = [
        part("TABLE s.t", owner="me"),
        part("TABLE s.theirs", owner="them"),
        part("FUNCTION s.f", owner="me"),
        part("CHECK CONSTRAINT s.theirs.c", "TABLE s.theirs", "FUNCTION s.f"),
        part("TYPE s.kind", owner="me"),
    ]
    shop = snapshot(*parts)
    missing = there(*but(changed(parts, "TYPE s.kind"), "CHECK CONSTRAINT s.theirs.c"))
    made = planned(shop, missing, target=POOR, wanted=only("schema"), replace=True)
    assert decided(made)["CHECK CONSTRAINT s.theirs.c"] == "skip!"
    assert [labels(made, one.exchange.entries) for one in made.exchanges] == [["TYPE s.kind"]]


@pytest.mark.spec("SEL-3")
def test_a_link_that_could_not_come_back_keeps_its_table() -> None:
    """A key of the target that has a recorded one's name, and leads to a table that is there: the recorded one's is not."""
    parts = [
        part("SCHEMA s"),
        part("TABLE s.gone", "SCHEMA s"),
        part("TABLE s.t", "SCHEMA s"),
        part("FK CONSTRAINT s.t.fk", "TABLE s.t", "TABLE s.gone"),
    ]
    shop = snapshot(*parts, tables=(rows("s.t"), rows("s.gone")))
    present = there(*changed(but(parts, "TABLE s.gone"), "TABLE s.t", "FK CONSTRAINT s.t.fk"))
    made = planned(shop, present, wanted=only("s.t"), replace=True)
    assert made.exchanges == ()
    assert decided(made)["TABLE s.t"] == "keep!"
    assert reason(made, "TABLE s.t") == "differs on the target; FK CONSTRAINT t fk could not be created again"


@pytest.mark.spec("SEL-3")
def test_what_stays_away_is_not_created_with_a_table_that_is_exchanged() -> None:
    """A key to a table that is nowhere, and an index that the role may not create, would fail and take the exchange with them."""
    parts = [
        part("TYPE s.kind", owner="me"),
        part("TABLE s.gone"),
        part("TABLE s.t", "TYPE s.kind", owner="me"),
        part("TABLE s.theirs", owner="them"),
        part("INDEX s.i", "TYPE s.kind", "TABLE s.theirs"),
        part("FK CONSTRAINT s.t.fk", "TABLE s.t", "TABLE s.gone"),
    ]
    shop = snapshot(*parts, tables=(rows("s.t"),))
    present = there(*changed(but(parts, "TABLE s.gone", "INDEX s.i", "FK CONSTRAINT s.t.fk"), "TYPE s.kind"))
    made = planned(shop, present, target=POOR, wanted=only("s.kind", "s.t", "s.theirs"), replace=True)
    assert [labels(made, one.exchange.entries) for one in made.exchanges] == [["TYPE s.kind", "TABLE s.t"]]
    assert (decided(made)["FK CONSTRAINT s.t.fk"], decided(made)["INDEX s.i"]) == ("skip!", "skip!")
    assert {name for name, _ in made.refused} >= {"FK CONSTRAINT t fk", "INDEX i"}


@pytest.mark.spec("SEL-3")
@pytest.mark.parametrize(("first", "own"), [("TABLE s.t", slice(1, 6)), ("TYPE s.kind", slice(6))])
def test_what_the_role_may_not_add_to_a_table_comes_with_one_that_is_made_anew(first: str, own: slice) -> None:
    """A schema's owner may drop another's table, and without its row security the new one is open to all."""
    parts = [
        part("TYPE s.kind", owner="me"),
        part("TABLE s.t", "TYPE s.kind", owner="me"),
        part("CONSTRAINT s.t.t_pkey", "TABLE s.t", "TYPE s.kind"),
        part("INDEX s.t_v", "TABLE s.t", "TYPE s.kind"),
        part("ROW SECURITY s.t", "TABLE s.t"),
        part("POLICY s.t.own", "TABLE s.t"),
    ]
    present = there(*changed(changed(parts[:2], first), "TABLE s.t", owner="them"))
    wanted = only("s.kind", "s.t")
    kept = planned(snapshot(*parts, tables=(rows("s.t"),)), present, target=POOR, wanted=wanted)
    assert decided(kept)["ROW SECURITY s.t"] == "skip!", "to the table as it is the role may add nothing"
    made = planned(snapshot(*parts, tables=(rows("s.t"),)), present, target=POOR, wanted=wanted, replace=True)
    (steps,) = made.exchanges
    assert labels(made, steps.exchange.entries) == [one.label for one in parts[own]]
    assert made.refused == ()


# --- order ---------------------------------------------------------------------------------------

MANY = [part("TYPE s.kind"), *(part(f"TABLE s.t{number}", "TYPE s.kind") for number in range(1, 9))]


@pytest.mark.parametrize(("needs", "apart"), [((), True), (("TYPE s.k1",), False)])
def test_exchanges_and_what_is_in_them_follow_the_recorded_order(needs: tuple[str, ...], apart: bool) -> None:
    parts = [*(part(f"TYPE s.k{number}") for number in range(8)), part("TYPE s.k8", *needs)]
    wanted = only("s.k1", "s.k8")
    made = planned(snapshot(*parts), there(*changed(parts, "TYPE s.k8", "TYPE s.k1")), wanted=wanted, replace=True)
    expected = [["TYPE s.k1"], ["TYPE s.k8"]] if apart else [["TYPE s.k1", "TYPE s.k8"]]
    assert [labels(made, one.exchange.entries) for one in made.exchanges] == expected
    assert [labels(made, one.exchange.replaced) for one in made.exchanges] == expected


def test_of_several_obstacles_the_first_is_told() -> None:
    some = [one for one in MANY if one.label in ("TYPE s.kind", "TABLE s.t1", "TABLE s.t8")]
    made = planned(snapshot(*MANY), there(*changed(some, "TYPE s.kind")), wanted=only("s.kind"), replace=True)
    assert "would lose rows of s.t1" in left(made, "TYPE s.kind")
