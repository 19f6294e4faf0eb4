"""Words of --only: which schema, function or view they mean. No database."""

from __future__ import annotations

import pytest

from tests.restore_values import edges, labels, only, owned, part, snapshot
from vault.errors import NotThere
from vault.model import CatalogFacts
from vault.ops.restore.plan.comes_along import pick
from vault.ops.restore.plan.only_words import read_words


@pytest.mark.parametrize(
    ("printed", "known"), [("schema public", True), ("schema other", False), ("table public.t", False)]
)
def test_public_can_be_named_though_nothing_but_its_privileges_is_recorded(printed: str, known: bool) -> None:
    contents = snapshot(part("TABLE s.t"), catalog=CatalogFacts(acls=owned((printed, "boss", None))))
    if known:
        assert read_words(["public"], contents) == only("public.*")
    else:
        with pytest.raises(NotThere):
            read_words(["public"], contents)


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
