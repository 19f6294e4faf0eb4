"""Entries with equal text that call something else on the target. No database."""

from __future__ import annotations

import pytest

from tests.restore_values import edges, label, part, snapshot, there
from vault.model import CatalogFacts, read_address
from vault.model.database import Edge
from vault.model.meaning import meanings
from vault.ops.restore.plan.called_otherwise import called_otherwise

VIEW = part("VIEW s.v")
ABOUT = part("COMMENT s.v", "VIEW s.v", kind="view")
TABLE = part("TABLE s.t")
KEY = part("CONSTRAINT s.t.k", "TABLE s.t")
PARTS = (VIEW, ABOUT, TABLE, KEY)
F, G = "function s.f(integer)", "function g.f(integer)"
RULE = 'rule "_RETURN" on s.v'
EQUAL = "operator pg_catalog.=(integer,integer)"
Counts = tuple[tuple[str, str, int], ...]


def found(
    recorded: tuple[Edge, ...],
    now: tuple[Edge, ...],
    *,
    counted: tuple[Counts, Counts] = ((), ()),
    version_num: int = 150018,
    missing: str = "",
) -> dict[str, tuple[str, ...]]:
    was, here = (tuple((read_address(by), read_address(what), count) for by, what, count in side) for side in counted)
    contents = snapshot(*PARTS, catalog=CatalogFacts(edges=recorded, operators=was))
    own = [one for one in PARTS if one.label != missing]
    made = called_otherwise(contents, there(*own, meanings=meanings(now, here)), version_num)
    return {label(identity): called for identity, called in made.items()}


def test_what_calls_the_same_is_not_named() -> None:
    same = edges((RULE, F, "n"))
    assert found(same, same) == {}


@pytest.mark.parametrize(
    ("caller", "owner"),
    [
        (RULE, "VIEW s.v"),
        ("table column s.t.c", "TABLE s.t"),
        ("default value for s.t.c", "TABLE s.t"),
        ("table constraint k on s.t", "CONSTRAINT s.t.k"),
    ],
)
def test_what_is_called_on_one_side_alone_is_named_with_the_entry_that_says_it(caller: str, owner: str) -> None:
    assert found(edges((caller, F, "n")), edges((caller, G, "n"))) == {owner: (G, F)}
    assert found(edges((caller, F, "n")), edges((caller, F, "n"), (caller, G, "n"))) == {owner: (G,)}
    assert found((), edges((caller, F, "n"))) == {owner: (F,)}


def test_an_entry_that_the_target_does_not_have_is_not_named() -> None:
    assert found(edges((RULE, F, "n")), (), missing="VIEW s.v") == {}


def test_a_call_made_otherwise_often_is_named_where_it_is_counted_alike() -> None:
    counted = (((RULE, EQUAL, 1),), ((RULE, EQUAL, 2),))
    assert found((), (), counted=counted) == {"VIEW s.v": (EQUAL,)}
    assert found((), (), counted=counted, version_num=180000) == {}
