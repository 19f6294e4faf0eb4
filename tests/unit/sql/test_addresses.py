"""What stands for the object of an entry, and what an expression belongs to."""

from __future__ import annotations

import pytest

from vault.model import Identity, read_address
from vault.sql.addresses import may_belong_to, with_own


def test_an_index_stands_for_a_constraint_as_well() -> None:
    constraint = Identity(desc="CONSTRAINT", kind="table constraint", names=("public", "t", "Later on"))
    assert [*with_own(constraint)] == [
        read_address('table constraint "Later on" on public.t'),
        read_address('index public."Later on"'),
    ]


@pytest.mark.parametrize(
    ("printed", "owner"),
    [
        ('rule "_RETURN" on public.v', "view public.v"),
        ("table constraint c on public.t", "table public.t"),
        ("domain constraint c on public.d", "type public.d"),
        ('table column public."a.b"."c.d"', 'table public."a.b"'),
    ],
)
def test_an_expression_belongs_to_itself_first_then_to_its_object(printed: str, owner: str) -> None:
    owners = [*may_belong_to(read_address(printed))]
    assert owners[0] == read_address(printed)
    assert read_address(owner) in owners
