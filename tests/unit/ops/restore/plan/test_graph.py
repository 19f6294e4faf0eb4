"""Which entries belong together, from identities and recorded dependencies alone. No database."""

from __future__ import annotations

import pytest

from tests.restore_values import edges, label, labels, part, snapshot, table_name
from vault.model import CatalogFacts
from vault.ops.restore.plan.graph import EntryGraph

CONTENTS = snapshot(
    part("TABLE s.root"),
    part("TABLE s.mid", "TABLE s.root"),
    part("FOREIGN TABLE s.leaf", "TABLE s.mid"),
    part("TABLE ATTACH s.mid", "TABLE s.mid", "TABLE s.root", "FUNCTION s.n"),
    part("TABLE ATTACH s.gone", "TABLE s.root"),
    part("TABLE ATTACH s.leaf", "FOREIGN TABLE s.leaf", "TABLE s.mid", kind="foreign table"),
    part("SEQUENCE s.n"),
    part("SEQUENCE s.free"),
    part("SEQUENCE OWNED BY s.n", "SEQUENCE s.n", "TABLE s.root"),
    part("DEFAULT s.root.id", "TABLE s.root", "SEQUENCE s.n"),
    part("CONSTRAINT s.root.pk", "TABLE s.root"),
    part("CONSTRAINT s.mid.mid_pk", "TABLE s.mid"),
    part("INDEX s.root_i", "TABLE s.root"),
    part("INDEX s.mid_i", "TABLE s.mid"),
    part("INDEX ATTACH s.mid_i", "INDEX s.root_i", "INDEX s.mid_i"),
    part("INDEX ATTACH s.mid_pk", "CONSTRAINT s.root.pk", "CONSTRAINT s.mid.mid_pk"),
    part("STATISTICS s.st", "TABLE s.mid"),
    part("MATERIALIZED VIEW s.m", "TABLE s.root"),
    part("MATERIALIZED VIEW DATA s.m", "MATERIALIZED VIEW s.m"),
    part("INDEX s.m_i", "MATERIALIZED VIEW s.m"),
    part("RULE s.root.r", "TABLE s.root"),
    part("TRIGGER s.root.g", "TABLE s.root"),
    part("POLICY s.root.p", "TABLE s.root"),
    part("ROW SECURITY s.root", "TABLE s.root"),
    part("FK CONSTRAINT s.mid.fk", "TABLE s.mid", "TABLE s.root", "CONSTRAINT s.root.pk"),
    part("COMMENT s.root", "TABLE s.root"),
    part("ACL s.root", "TABLE s.root", sub="COLUMN root.v"),
    part("COMMENT s.root.pk", "CONSTRAINT s.root.pk", kind="table constraint"),
    part("SECURITY LABEL s.root", "TABLE s.root"),
    part("PUBLICATION TABLE s.root", "TABLE s.root", args=("pub",)),
    part("FUNCTION s.root"),
    part("FUNCTION s.n"),
    part("ACL s.root_fn", kind="function"),
    catalog=CatalogFacts(
        edges=edges(
            ("sequence s.n", "table column s.root.id", "a"),
            ("sequence s.of_identity", "table column s.leaf.id", "i"),
            ("sequence s.free", "table column s.root.id", "n"),
            ("table s.root", "table column s.x.id", "a"),
            ("sequence s.free", "table s.root", "i"),
        )
    ),
)
GRAPH = EntryGraph(CONTENTS)
PARTS = {
    "TABLE s.root": [
        *("SEQUENCE s.n", "SEQUENCE OWNED BY s.n", "DEFAULT s.root.id", "CONSTRAINT s.root.pk", "INDEX s.root_i"),
        *(
            "INDEX ATTACH s.mid_i",
            "INDEX ATTACH s.mid_pk",
            "RULE s.root.r",
            "TRIGGER s.root.g",
            "POLICY s.root.p",
            "ROW SECURITY s.root",
            "PUBLICATION TABLE s.root",
        ),
    ],
    "TABLE s.mid": [
        *("TABLE ATTACH s.mid", "CONSTRAINT s.mid.mid_pk", "INDEX s.mid_i", "INDEX ATTACH s.mid_i"),
        *("INDEX ATTACH s.mid_pk", "STATISTICS s.st", "FK CONSTRAINT s.mid.fk"),
    ],
    "FOREIGN TABLE s.leaf": ["TABLE ATTACH s.leaf"],
    "MATERIALIZED VIEW s.m": ["MATERIALIZED VIEW DATA s.m", "INDEX s.m_i"],
    "INDEX s.mid_i": [],
    "FUNCTION s.root": [],
    "FUNCTION s.n": [],
    "SEQUENCE s.free": [],
}
ABOUT = {
    "TABLE s.root": ["COMMENT s.root", "ACL s.root COLUMN root.v", "SECURITY LABEL s.root"],
    "CONSTRAINT s.root.pk": ["COMMENT s.root.pk"],
    "FUNCTION s.root": [],
    "COMMENT s.root": [],
    "TABLE s.mid": [],
}


def at(called: str) -> int:
    return labels(CONTENTS, range(len(CONTENTS.items))).index(called)


@pytest.mark.spec("SEL-1")
@pytest.mark.parametrize("called", PARTS)
def test_parts_make_a_relation_whole(called: str) -> None:
    found = labels(CONTENTS, GRAPH.parts(at(called)))
    assert found == PARTS[called]
    assert found == labels(CONTENTS, sorted(GRAPH.parts(at(called))))
    assert all(GRAPH.home(part) in (at(called), None) for part in GRAPH.parts(at(called)))


@pytest.mark.spec("SEL-1")
@pytest.mark.parametrize("called", ABOUT)
def test_what_is_about_an_object_has_its_identity(called: str) -> None:
    assert labels(CONTENTS, GRAPH.about(at(called))) == ABOUT[called]


def test_links_and_dependents_are_those_of_others() -> None:
    assert labels(CONTENTS, GRAPH.links_to(at("TABLE s.root"))) == ["FK CONSTRAINT s.mid.fk"]
    assert GRAPH.links_to(at("TABLE s.mid")) == []
    assert GRAPH.links_to(at("CONSTRAINT s.root.pk")) == []
    assert labels(CONTENTS, GRAPH.dependents(at("INDEX s.root_i"))) == ["INDEX ATTACH s.mid_i"]
    assert labels(CONTENTS, GRAPH.needs(at("INDEX ATTACH s.mid_i"))) == ["INDEX s.root_i", "INDEX s.mid_i"]
    assert GRAPH.dependents(at("FUNCTION s.root")) == []


def test_partitions_know_what_they_are_below() -> None:
    assert labels(CONTENTS, GRAPH.partitions(at("TABLE s.root"))) == ["TABLE s.mid"]
    assert labels(CONTENTS, GRAPH.partitions(at("TABLE s.mid"))) == ["FOREIGN TABLE s.leaf"]
    assert GRAPH.partitions(at("FOREIGN TABLE s.leaf")) == []
    below = [GRAPH.depth(at(called)) for called in ("TABLE s.root", "TABLE s.mid", "FOREIGN TABLE s.leaf")]
    assert below == [0, 1, 2]
    assert labels(CONTENTS, GRAPH.above(at("TABLE ATTACH s.leaf"))) == ["TABLE s.mid", "TABLE s.root"]
    assert labels(CONTENTS, GRAPH.above(at("TABLE ATTACH s.mid"))) == ["TABLE s.root"]


@pytest.mark.parametrize("called", ["INDEX ATTACH s.mid_i", "INDEX ATTACH s.mid_pk"])
def test_an_index_is_as_low_as_its_table(called: str) -> None:
    assert GRAPH.depth_of_index(at(called)) == 1


def test_an_index_of_a_table_that_nobody_knows_is_below_nothing() -> None:
    assert EntryGraph(snapshot(part("INDEX ATTACH s.i"))).depth_of_index(0) == 0


def test_sequences_of_columns_and_relations_by_name() -> None:
    owners = {"s.n": "s.root", "s.of_identity": "s.leaf"}
    assert GRAPH.owner_of_sequence == {table_name(sequence): table_name(owner) for sequence, owner in owners.items()}
    assert GRAPH.relation(table_name("s.leaf")) == at("FOREIGN TABLE s.leaf")
    assert GRAPH.relation(table_name("s.root_i")) is None


def test_a_routine_s_calls_are_those_of_other_routines() -> None:
    routines = [
        part(f"{desc} s.{name}", args=("integer",))
        for desc, name in (("FUNCTION", "f"), ("FUNCTION", "g"), ("PROCEDURE", "p"))
    ]
    of_f, of_g, of_p = "function s.f(integer)", "function s.g(integer)", "procedure s.p(integer)"
    found = snapshot(
        *routines,
        part("VIEW s.v"),
        part("TABLE s.t"),
        catalog=CatalogFacts(
            edges=edges(
                *((of_f, called, "n") for called in (of_f, of_g, of_p, "table s.t", "function s.gone(integer)")),
                (of_g, of_f, "n"),
                ("view s.v", of_f, "n"),
            )
        ),
    )
    graph = EntryGraph(found)
    assert {label(found.items[at].identity): labels(found, graph.calls(at)) for at in range(5)} == {
        "FUNCTION s.f": ["FUNCTION s.g", "PROCEDURE s.p"],
        "FUNCTION s.g": ["FUNCTION s.f"],
        "PROCEDURE s.p": [],
        "VIEW s.v": [],
        "TABLE s.t": [],
    }


def test_a_user_mapping_needs_the_server_that_its_tag_ends_with() -> None:
    found = snapshot(
        part("SERVER one"),
        part("SERVER two"),
        part("USER MAPPING a", tag="USER MAPPING a SERVER one"),
        part("USER MAPPING b", tag="USER MAPPING b SERVER two"),
        part("TABLE s.t", tag="t SERVER one"),
    )
    graph = EntryGraph(found)
    assert [labels(found, graph.dependents(at)) for at in (0, 1)] == [["USER MAPPING a"], ["USER MAPPING b"]]


@pytest.mark.parametrize("relation", ["TABLE", "VIEW", "MATERIALIZED VIEW", "FOREIGN TABLE"])
def test_whatever_has_rows_has_parts(relation: str) -> None:
    home = f"{relation} s.r"
    found = snapshot(part(home), part("TRIGGER s.r.g", home), part("RULE s.r.r", home), part("INDEX s.i", home))
    graph = EntryGraph(found)
    assert labels(found, graph.parts(0)) == ["TRIGGER s.r.g", "RULE s.r.r", "INDEX s.i"]
    assert graph.relation(table_name("s.r")) == 0
