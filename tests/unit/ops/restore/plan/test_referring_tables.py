"""Tables that refer to what comes, as far as deletes reach. No database."""

from __future__ import annotations

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
