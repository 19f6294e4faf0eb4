"""Tables that refer to what comes, as far as deletes reach. No database."""

from __future__ import annotations

import pytest

from tests.restore_values import edges, part, rows, snapshot
from vault.model import CatalogFacts
from vault.ops.restore.plan.graph import EntryGraph
from vault.ops.restore.plan.referring_tables import Reference, references


def refers(child: str, parent: str, columns: str, more: str = "") -> tuple[str, str, str, str]:
    return child, parent, columns, more


def found(
    *keys: tuple[str, str, str, str], coming: str, inherits: tuple[str, str] | None = None
) -> dict[str, Reference]:
    tables = sorted({name for child, parent, *_ in keys for name in (child, parent)} | set(inherits or ()))
    parts = [part(f"TABLE {name}") for name in tables]
    for at, (child, parent, columns, more) in enumerate(keys):
        definition = f"ALTER TABLE ONLY {child}\n    ADD CONSTRAINT k{at} FOREIGN KEY ({columns}) REFERENCES {parent}(id){more};\n"
        needs = dict.fromkeys((f"TABLE {child}", f"TABLE {parent}"))
        parts.append(part(f"FK CONSTRAINT {child}.k{at}", *needs, definition=definition))
    heirs = edges((f"table {inherits[0]}", f"table {inherits[1]}", "n")) if inherits else ()
    contents = snapshot(
        *parts, tables=tuple(rows(name, at + 1) for at, name in enumerate(tables)), catalog=CatalogFacts(edges=heirs)
    )
    made = references(contents, EntryGraph(contents), [rows(coming)])
    return {f"{one.child} {one.how}": one for one in made}


def test_a_key_to_what_comes_is_direct_and_one_to_its_table_is_not() -> None:
    made = found(refers("s.b", "s.a", "a"), refers("s.c", "s.b", "b"), coming="s.a")
    assert {name: (one.direct, one.asked, one.cuts_off, one.rows) for name, one in made.items()} == {
        "s.b refers to s.a": (True, False, "", 2),
        "s.c refers to s.b": (False, False, "", 3),
    }
    assert made["s.b refers to s.a"].columns == ("a",)
    assert [str(name) for name in made["s.c refers to s.b"].parents] == ["s.b"]


def test_a_key_that_acts_ends_the_way_of_deletes() -> None:
    acts = refers("s.b", "s.a", "a", " ON UPDATE CASCADE ON DELETE SET NULL")
    made = found(acts, refers("s.c", "s.b", "b"), coming="s.a")
    (one,) = made.values()
    assert one.cuts_off == "ON DELETE SET NULL"
    (both,) = found(refers("s.b", "s.a", "a", " ON UPDATE SET NULL ON DELETE SET NULL"), coming="s.a").values()
    assert both.cuts_off == "ON DELETE SET NULL and ON UPDATE SET NULL"
    assert (one.nulls, one.follows) == (True, True)


def test_a_key_that_sets_a_default_does_not_always_set_null() -> None:
    for action in ("ON DELETE SET DEFAULT", "ON UPDATE SET DEFAULT"):
        (one,) = found(refers("s.b", "s.a", "a", f" {action}"), coming="s.a").values()
        assert (one.nulls, one.cuts_off) == (False, action)


def test_a_table_that_refers_to_itself_is_asked_for_with_itself() -> None:
    made = found(refers("s.a", "s.a", "parent"), coming="s.a")
    assert {name: (one.direct, one.asked) for name, one in made.items()} == {"s.a refers to s.a": (True, True)}


def test_an_heir_is_reached_without_columns() -> None:
    made = found(inherits=("s.b", "s.a"), coming="s.a")
    assert {name: (one.columns, one.asked) for name, one in made.items()} == {"s.b inherits from s.a": ((), False)}


def test_what_refers_to_something_else_is_not_reached() -> None:
    assert found(refers("s.b", "s.a", "a"), coming="s.b") == {}


def test_what_is_reached_is_told_in_order_and_once_in_a_circle() -> None:
    made = found(
        *(refers("s.c", "s.b", "b"), refers("s.b", "s.c", "c"), refers("s.d", "s.a", "a"), refers("s.b", "s.a", "a")),
        coming="s.a",
    )
    assert list(made) == ["s.b refers to s.a", "s.b refers to s.c", "s.c refers to s.b", "s.d refers to s.a"]


KEY = "ALTER TABLE ONLY {}\n    ADD CONSTRAINT k FOREIGN KEY (x) REFERENCES s.a(id);\n"


def test_a_table_without_an_entry_is_left_aside_and_stops_no_other() -> None:
    """What an extension makes, and what inherits from the table there."""
    parts = [
        part("TABLE s.a"),
        part("FK CONSTRAINT s.member.k", "TABLE s.a", definition=KEY.format("s.member")),
        part("TABLE s.b"),
        part("FK CONSTRAINT s.b.k", "TABLE s.a", "TABLE s.b", definition=KEY.format("s.b")),
    ]
    heirs = CatalogFacts(edges=edges(("table s.heir", "table s.a", "n")))
    contents = snapshot(*parts, tables=(rows("s.a"), rows("s.b")), catalog=heirs)
    assert [one.child.name for one in references(contents, EntryGraph(contents), [rows("s.a")])] == ["b"]


def test_a_key_of_a_table_to_itself_needs_its_index_and_a_check_of_those_words_is_none() -> None:
    parts = [
        part("TABLE s.a"),
        part("CONSTRAINT s.a.pk", "TABLE s.a", definition="PRIMARY KEY (id)"),
        part("CHECK CONSTRAINT s.a.ck", "TABLE s.a", definition="CHECK (note <> 'FOREIGN KEY (note)')"),
        part("FK CONSTRAINT s.a.k", "TABLE s.a", "CONSTRAINT s.a.pk", definition=KEY.format("s.a")),
    ]
    contents = snapshot(*parts, tables=(rows("s.a"),))
    made = references(contents, EntryGraph(contents), [rows("s.a")])
    assert [(one.columns, one.how) for one in made] == [(("x",), "refers to s.a")]


@pytest.mark.parametrize(("coming", "asked"), [("a", False), ("a p1", False), ("a p1 p2", True)])
def test_a_partitioned_child_is_asked_for_with_all_its_partitions_and_is_not_without_rows(
    coming: str, asked: bool
) -> None:
    parts = [
        part("TABLE s.a"),
        part("TABLE s.root"),
        *(part(f"TABLE s.p{number}", "TABLE s.root") for number in (2, 1)),
        *(part(f"TABLE ATTACH s.p{number}", "TABLE s.root", f"TABLE s.p{number}") for number in (1, 2)),
        part("FK CONSTRAINT s.root.k", "TABLE s.a", "TABLE s.root", definition=KEY.format("s.root")),
    ]
    items = tuple(rows(f"s.{name}") for name in ("p2", "a", "p1"))
    names = coming.split()
    contents = snapshot(*parts, tables=items)
    (one,) = references(contents, EntryGraph(contents), [item for item in items if item.name.name in names])
    assert ([item.name.name for item in one.items], one.asked) == (["p1", "p2"], asked)
    bare = snapshot(*parts, tables=(rows("s.a"),))
    (one,) = references(bare, EntryGraph(bare), [rows("s.a")])
    assert (one.items, one.asked) == ((), False)
