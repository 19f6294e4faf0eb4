"""When do two sets of calls mean the same, and which objects may an entry's names be about?"""

from __future__ import annotations

import pytest

from tests.restore_values import edges
from tests.values import schema_entry
from vault.model import Address, Identity, read_address
from vault.model.meaning import Calls, are_counts_comparable, is_called, meanings, search_paths
from vault.sql.statements import closed_policy

EQUAL = "operator ext.=(ext.citext,ext.citext)"
EDGES = edges(
    ("policy p on public.t", EQUAL, "n"),
    ('table constraint c on "odd on".t', EQUAL, "n"),
    ("default value for public.g.x", EQUAL, "n"),
    ("function public.f(ext.citext)", "function public.other()", "n"),
    ("type public.d", "schema public", "n"),
    ("index public.i", "operator class ext.citext_ops USING btree", "n"),
    ("index public.t_excl", EQUAL, "n"),
    ("type public.e", "function public.f()", "n"),
    ('domain constraint c on public."E e"', "function public.f()", "n"),
    ("publication relation public.r in publication p", EQUAL, "n"),
)
COUNTED = [(read_address("policy p on public.t"), read_address(EQUAL), 2)]


def calls(found: dict[str, dict[str, int]]) -> dict[Address, Calls]:
    return {
        read_address(caller): {read_address(called): count for called, count in counts.items()}
        for caller, counts in found.items()
    }


@pytest.mark.parametrize(
    ("found", "changed"),
    [
        ({"policy p on public.t": {EQUAL: 2}}, False),
        ({"policy p on public.t": {EQUAL: 1}}, True),  # one place lost it, another one names it
        ({"policy p on public.t": {}}, True),
        ({"policy p on public.t": {EQUAL: 2, "function public.g()": 0}}, True),
        ({"policy q on public.t": {}}, False),
        ({"policy q on public.t": {EQUAL: 1}}, True),
        ({}, False),
    ],
)
def test_calls_are_compared_by_what_and_how_often(found: dict[str, dict[str, int]], changed: bool) -> None:
    assert bool(meanings(EDGES, COUNTED).changed(calls(found))) is changed


def test_counts_of_servers_that_count_otherwise_are_not_compared() -> None:
    recorded = meanings(EDGES, COUNTED, counted=are_counts_comparable(170005, 180001))
    assert recorded.changed(calls({"policy p on public.t": {EQUAL: 1}})) == {}
    assert recorded.changed(calls({"policy p on public.t": {}})) == calls({"policy p on public.t": {EQUAL: 2}})
    assert are_counts_comparable(130001, 170001)
    assert are_counts_comparable(180001, 190001)


@pytest.mark.parametrize(
    ("kind", "names", "about"),
    [
        ("table", ("public", "t"), ["policy p on public.t"]),
        ("policy", ("public", "t", "another"), ["policy p on public.t"]),
        ("table constraint", ("odd on", "t", "c"), ['table constraint c on "odd on".t']),
        ("table constraint", ("public", "t", "t_excl"), ["policy p on public.t", "index public.t_excl"]),
        ("table", ("public", "g"), ["table column public.g.x"]),
        ("default value", ("public", "g", "x"), ["table column public.g.x"]),
        ("function", ("public", "f"), ["function public.f(ext.citext)"]),
        ("index", ("public", "i"), []),
        ("schema", ("t",), []),
        ("type", ("public.d",), []),
        ("type", ("public.e",), ["type public.e"]),
        ("type", ('public."E e"',), ['domain constraint c on public."E e"']),
        ("publication relation", ("public", "r"), ["publication relation public.r in publication p"]),
    ],
)
def test_objects_are_found_by_the_name_that_they_lie_under(kind: str, names: tuple[str, ...], about: list[str]) -> None:
    assert list(map(str, meanings(EDGES, []).about(Address(kind=kind, names=names)))) == about


@pytest.mark.parametrize(
    ("name", "called"),
    [
        ("operator public.=(a,b)", True),
        ("operator class.=(a,b)", True),
        ("operator class public.x USING btree", False),
        ("operator family public.x USING btree", False),
        ("operator of access method operator 1 (a, a) of public.x USING hash", False),
        ("collation public.german", True),
        ("table public.t", False),
    ],
)
def test_what_can_be_called(name: str, called: bool) -> None:
    assert is_called(read_address(name)) is called


@pytest.mark.parametrize(
    ("operators", "paths"),
    [
        ([EQUAL], ["ext", "ext, pg_catalog"]),
        ([EQUAL, "operator b.<>(a,a)"], ["b, ext", "ext, b", "b, ext, pg_catalog", "ext, b, pg_catalog"]),
        (['operator "odd.""x".=(a,a)'], ['"odd.""x"', '"odd.""x", pg_catalog']),
        (['operator "user".=(a,a)'], ["user", "user, pg_catalog"]),
        (["function a.f()", "collation b.c"], []),
        ([], []),
    ],
)
def test_paths_lead_to_the_schemas_of_operators(operators: list[str], paths: list[str]) -> None:
    assert list(search_paths([dict.fromkeys(map(read_address, operators), 1)])) == paths


@pytest.mark.parametrize(
    ("definition", "closed"),
    [
        ("CREATE POLICY p ON public.t USING (true);", None),
        ("CREATE POLICY p ON public.t FOR SELECT USING ((x = 'as restrictive'::text));", None),
        (
            "CREATE POLICY p ON public.t AS RESTRICTIVE USING (f());",
            "create policy p on public . t as restrictive USING (false) WITH CHECK (false);",
        ),
        (
            'CREATE POLICY "p q" ON "S".t AS RESTRICTIVE FOR INSERT TO "A b", web WITH CHECK ((a > 1));',
            'create policy "p q" on "S" . t as restrictive for insert to "A b" , web WITH CHECK (false);',
        ),
        (
            "CREATE POLICY p ON public.t AS RESTRICTIVE FOR DELETE TO a USING (f());",
            "create policy p on public . t as restrictive for delete to a USING (false);",
        ),
        (
            "CREATE POLICY p ON public.t AS RESTRICTIVE FOR UPDATE USING (f()) WITH CHECK (g());",
            "create policy p on public . t as restrictive for update USING (false) WITH CHECK (false);",
        ),
    ],
)
def test_a_restrictive_policy_is_closed_for_its_command_and_roles(definition: str, closed: str | None) -> None:
    entry = schema_entry(Identity(desc="POLICY", kind="policy", names=("public", "t", "p")), definition)
    assert closed_policy(entry) == closed


def test_trigger_of_a_partition_means_what_its_roots_means() -> None:
    root, late = "trigger t on public.root", "trigger t on public.late"
    found = edges((root, "function public.f()", "n"), (late, "function public.f()", "n"), (late, root, "P"))
    counted = [(read_address(late), read_address("operator public.=(a,b)"), 1)]
    assert meanings(found, counted).of == calls({root: {"function public.f()": 0}})
    # a partition itself hangs on its root in the same way, and is no trigger
    found = edges(("table public.late", "table public.root", "P"), ("table public.late", "function public.f()", "n"))
    assert read_address("table public.late") in meanings(found, []).of
