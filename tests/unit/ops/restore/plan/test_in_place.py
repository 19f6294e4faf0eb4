"""What is changed without being dropped, and what CREATE OR REPLACE would refuse [SEL-3]. No database."""

from __future__ import annotations

import pytest

from tests.restore_values import but, changed, decided, labels, only, part, planned, rows, snapshot, there

VIEW = "CREATE VIEW s.v AS\n SELECT t.id{columns}\n   FROM s.t{where};\n"
CONSTANT = "CREATE VIEW s.v AS\n SELECT 1 AS a"
FUNCTION = "CREATE FUNCTION s.f({name} integer) RETURNS {result}\n    LANGUAGE sql\n    AS $$ select {body} $$;\n"

PROCEDURE = "CREATE PROCEDURE s.f(IN {name} integer)\n    LANGUAGE sql\n    AS $$ select {body} $$;\n"


def of_view(there_has: str, recorded: str = "", where: str = "") -> tuple[str, str]:
    return VIEW.format(columns=recorded, where=""), VIEW.format(columns=there_has, where=where)


def of_function(**changes: str) -> tuple[str, str]:
    values = {"name": "a", "result": "integer", "body": "1"}
    return FUNCTION.format(**values), FUNCTION.format(**values | changes)


def of_procedure(**changes: str) -> tuple[str, str]:
    values = {"name": "a", "body": "1"}
    return PROCEDURE.format(**values), PROCEDURE.format(**values | changes)


@pytest.mark.spec("SEL-3")
@pytest.mark.parametrize(
    ("called", "definitions", "exchanged"),
    [
        ("VIEW s.v", of_view(",\n    t.v"), True),
        ("VIEW s.v", of_view(",\n    t.w", ",\n    t.v"), True),
        ("VIEW s.v", of_view("", ",\n    t.v"), False),
        ("VIEW s.v", (f"{CONSTANT},\n    2 AS b;\n", f"{CONSTANT};\n"), False),
        ("VIEW s.v", (f"{CONSTANT};\n", f"{CONSTANT},\n    2 AS b;\n"), True),
        ("VIEW s.v", of_view("", where="\n  WHERE t.id > 1"), False),
        ("FUNCTION s.f", of_function(name="b"), True),
        ("FUNCTION s.f", of_function(result="bigint"), True),
        ("FUNCTION s.f", of_function(body="2"), False),
        ("PROCEDURE s.f", of_procedure(name="b"), True),
        ("PROCEDURE s.f", of_procedure(body="2"), False),
    ],
)
def test_what_others_depend_on_is_exchanged_if_replacing_it_is_refused(
    called: str, definitions: tuple[str, str], exchanged: bool
) -> None:
    recorded, found = definitions
    name, kind = called[-3:], called.partition(" ")[0].lower()
    comment = part(f"COMMENT {name}", called, kind=kind)
    parts = [part(called, definition=recorded), part("VIEW s.over", called), comment]
    made = planned(snapshot(*parts), there(*changed(parts, called, definition=found)), wanted=only(name), replace=True)
    entries = [labels(made, one.exchange.entries) for one in made.exchanges]
    assert entries == ([[called, "VIEW s.over", comment.label]] if exchanged else [])
    assert decided(made)[called] == ("create" if exchanged else "replace")
    alone = but(parts, "VIEW s.over")
    now = there(*changed(alone, called, definition=found))
    assert planned(snapshot(*alone), now, wanted=only(name), replace=True).exchanges == (), "nothing holds it"


def test_what_may_not_be_dropped_is_replaced_if_that_is_possible() -> None:
    parts = [part("FUNCTION s.f", definition=of_function()[0]), part("TABLE s.t", "FUNCTION s.f")]
    shop = snapshot(*parts, tables=(rows("s.t"),))
    damaged = there(*changed(parts, "FUNCTION s.f", definition=of_function(name="b")[1]))
    made = planned(shop, damaged, wanted=only("s.f"), replace=True)
    assert (made.exchanges, decided(made)["FUNCTION s.f"]) == ((), "replace")


def test_what_is_replaced_in_place_does_not_stop_an_exchange() -> None:
    """Before the type a function that nothing holds, and one that a table holds which may not go."""
    parts = [
        part("FUNCTION s.free", definition=of_function()[0]),
        part("FUNCTION s.held", definition=of_function()[0]),
        part("TYPE s.kind"),
        part("TABLE s.t", "FUNCTION s.held"),
    ]
    other = of_function(name="b")[1]
    present = there(*changed(changed(parts, "FUNCTION s.free", "FUNCTION s.held", definition=other), "TYPE s.kind"))
    made = planned(snapshot(*parts), present, wanted=only("s.free", "s.held", "s.kind"), replace=True)
    assert [labels(made, one.exchange.entries) for one in made.exchanges] == [["TYPE s.kind"]]
    assert {decided(made)[one.label] for one in parts[:2]} == {"replace"}


def test_what_is_altered_is_not_dropped_whatever_depends_on_it() -> None:
    parts = [part("TABLE s.t"), part("DEFAULT s.t.v", "TABLE s.t"), part("VIEW s.v", "DEFAULT s.t.v")]
    made = planned(snapshot(*parts), there(*changed(parts, "DEFAULT s.t.v")), wanted=only("schema"), replace=True)
    assert (made.exchanges, decided(made)["DEFAULT s.t.v"]) == ((), "replace")
