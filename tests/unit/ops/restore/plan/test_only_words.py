"""Words of --only: which schema, function or view they mean. No database."""

from __future__ import annotations

import shlex
from dataclasses import replace

import pytest

from tests.restore_values import edges, labels, only, owned, part, rows, snapshot
from vault.errors import NotThere
from vault.model import CatalogFacts
from vault.ops.project.components import COMPONENTS
from vault.ops.restore.plan.comes_along import pick
from vault.ops.restore.plan.only_words import Wanted, read_words


@pytest.mark.parametrize(
    ("printed", "known"), [("schema public", True), ("schema other", False), ("table public.t", False)]
)
def test_public_can_be_named_though_nothing_but_its_privileges_is_recorded(printed: str, known: bool) -> None:
    contents = snapshot(
        part("TABLE s.t"), catalog=CatalogFacts(acls=owned((printed, "boss", None), ("table s.t", "boss", None)))
    )
    if known:
        assert read_words(["public"], contents) == only("public.*")
    else:
        with pytest.raises(NotThere):
            read_words(["public"], contents)


HINTS = {
    "shcema": "did you mean schema?",
    "user": "did you mean users?",
    "orders": "did you mean shop.orders?",
    "ordrs": "did you mean shop.orders?",
    "shop.ordrs": "did you mean shop.orders?",
    "shpo": "did you mean shop?",
}


@pytest.mark.parametrize("word", [*HINTS, "nothing_alike", "x"])
def test_a_word_that_means_nothing_is_refused_with_what_may_be_meant(word: str) -> None:
    """A component goes before a table of its name; a table that is named without its schema is told with it."""
    contents = snapshot(part("SCHEMA shop"), part("TABLE shop.t"), tables=(rows("shop.orders"), rows("crm.users")))
    with pytest.raises(NotThere) as caught:
        read_words([word], contents)
    assert caught.value.hint == HINTS.get(word, f"components are: {' '.join(COMPONENTS)}")


def test_a_type_is_named_by_its_tag() -> None:
    """Its address is one text, with the schema in it."""
    mood = part("TYPE mood", kind="type", namespace="s", tag="mood")
    mood = replace(mood, entry=replace(mood.entry, identity=replace(mood.entry.identity, names=("s.mood",))))
    contents = snapshot(mood)
    assert read_words(["s.mood"], contents) == only("s.mood")
    assert pick(contents, only("s.mood")).explicit == {0}


def test_a_table_with_its_schema_s_name_brings_no_publication_of_the_schema() -> None:
    published = part("PUBLICATION TABLES IN SCHEMA s", kind="publication namespace", args=("pub",), tag="pub s")
    contents = snapshot(part("TABLE s.s"), published)
    assert contents.items[1].entry.namespace == "s"
    assert pick(contents, only("s.s")).entries == {0}


PARTS = [
    part("FUNCTION public.encrypt_key", args=("text",)),
    part("FUNCTION public.other", args=("text",)),
    part("FUNCTION public.touched"),
    part("VIEW public.v", "FUNCTION public.encrypt_key"),
    part("VIEW public.over_v", "VIEW public.v"),
    part("VIEW public.apart", "FUNCTION public.other"),
    part("TABLE public.t"),
    part("TRIGGER public.t.g", "TABLE public.t", "FUNCTION public.encrypt_key"),
]
CATALOG = CatalogFacts(
    edges=edges(
        ('rule "_RETURN" on public.v', "view public.v", "i"),
        ('rule "_RETURN" on public.v', "function public.encrypt_key(text)", "n"),
        ('rule "_RETURN" on public.over_v', "view public.over_v", "i"),
        ('rule "_RETURN" on public.over_v', "view public.v", "n"),
        ('rule "_RETURN" on public.apart', "view public.apart", "i"),
        ('rule "_RETURN" on public.apart', "function public.other(text)", "n"),
        ("trigger g on public.t", "function public.encrypt_key(text)", "n"),
    ),
    functions=(("public", "touched", "", True, False), ("public", "other", "text", False, False)),
)


def asked(word: str) -> set[str]:
    contents = snapshot(*PARTS, catalog=CATALOG)
    return set(labels(contents, pick(contents, only(word)).explicit))


def test_encryption_means_its_functions_and_what_calls_them_at_any_depth() -> None:
    assert asked("encryption") == {
        "FUNCTION public.encrypt_key",
        "VIEW public.v",
        "VIEW public.over_v",
        "TRIGGER public.t.g",
    }


def test_functions_that_can_be_called_are_those_that_are_no_trigger_s() -> None:
    assert asked("rpc_functions") == {"FUNCTION public.encrypt_key", "FUNCTION public.other"}


SHOP = snapshot(
    part("TABLE s.t"), part("POLICY s.t.p", "TABLE s.t"), part("ACL s.t", "TABLE s.t"), tables=(rows("s.t"),)
)
FLAGS: dict[str, tuple[Wanted, bool, bool]] = {
    "everything": (Wanted(), True, True),
    "all rows": (Wanted(definitions=False), False, False),
    "all definitions": (Wanted(data=False), True, True),
    "the schema": (only("schema"), True, True),
    "rows of the schema": (only("schema", definitions=False), False, False),
    "who may what": (only("user_roles"), True, False),
    "policies": (only("rls_policies"), False, True),
    "a table": (only("s.t"), False, False),
}


@pytest.mark.parametrize("case", FLAGS)
def test_privileges_and_policies_of_all_that_is_there_come_with_what_means_them(case: str) -> None:
    wanted, privileges, policies = FLAGS[case]
    found = pick(SHOP, wanted)
    assert (found.privileges, found.policies) == (privileges, policies)
    assert wanted.definitions or (found.entries, found.explicit) == (frozenset(), frozenset())


COMPUTED = [part("MATERIALIZED VIEW s.m"), part("MATERIALIZED VIEW DATA s.m", "MATERIALIZED VIEW s.m")]


@pytest.mark.parametrize("word", ["", "schema", "s.*"])
def test_what_a_materialized_view_holds_is_computed_where_rows_come(word: str) -> None:
    contents = snapshot(*COMPUTED)
    for data in (True, False):
        wanted = only(word, data=data) if word else Wanted(data=data)
        found = pick(contents, wanted)
        assert labels(contents, sorted(found.entries)) == [one.label for one in COMPUTED[: 2 if data else 1]]
        assert found.explicit == found.entries


def test_a_table_whose_rows_alone_were_asked_for_is_needed_and_not_asked_for() -> None:
    contents = snapshot(part("SCHEMA auth"), part("TABLE auth.users", "SCHEMA auth"), tables=(rows("auth.users"),))
    found = pick(contents, only("data"))
    assert labels(contents, sorted(found.entries)) == ["SCHEMA auth", "TABLE auth.users"]
    assert found.explicit == frozenset()


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("OddSchema", '"OddSchema"'),
        ("odd-shema", '"OddSchema"'),
        ("public.Odd", 'public."Odd"'),
        ("public.Odd-Function", 'public."Odd-Function"'),
        ("Odd-Function", 'public."Odd-Function"'),
        ("shcema", "schema"),
    ],
)
def test_what_is_proposed_can_be_typed(typed: str, meant: str) -> None:
    contents = snapshot(part("TABLE OddSchema.t"), part("TABLE public.Odd"), part("FUNCTION public.Odd-Function"))
    with pytest.raises(NotThere) as refused:
        read_words([typed], contents)
    (proposed,) = shlex.split(refused.value.hint.removeprefix("did you mean ").removesuffix("?"))
    assert proposed == meant
    read_words([proposed], contents)
