"""How the catalog facts name the object of an entry."""

from __future__ import annotations

import pytest

from vault.model import Identity
from vault.sql.catalog_names import may_belong_to, texts


@pytest.mark.parametrize(
    ("kind", "names", "args", "text"),
    [
        ("type", ("public.d",), (), "type public.d"),
        ("domain constraint", ('public."D d"',), ("later",), 'domain constraint later on public."D d"'),
        ("domain constraint", ("public.d",), ("check",), 'domain constraint "check" on public.d'),
        ("table constraint", ("public", "t", "Later on"), (), 'table constraint "Later on" on "public"."t"'),
        ("policy", ("public", "t", "p"), (), "policy p on public.t"),
        ("function", ("public", "f"), ("ext.citext",), "function public.f(ext.citext)"),
        ("view", ("public", "v"), (), "view public.v"),
    ],
)
def test_an_entry_is_found_by_the_name_in_the_facts(
    kind: str, names: tuple[str, ...], args: tuple[str, ...], text: str
) -> None:
    assert text in texts(Identity(desc="", kind=kind, names=names, args=args))


@pytest.mark.parametrize(
    ("name", "owner"),
    [
        ('rule "_RETURN" on public.v', "view public.v"),
        ("table constraint c on public.t", "table public.t"),
        ("domain constraint c on public.d", "type public.d"),
        ('table column public."a.b"."c.d"', 'table public."a.b"'),
    ],
)
def test_an_expression_belongs_to_itself_first_then_to_its_object(name: str, owner: str) -> None:
    assert next(iter(may_belong_to(name))) == name
    assert owner in may_belong_to(name)
