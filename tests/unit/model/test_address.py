"""The text in which a server names an object is read by its grammar: no name is taken for punctuation, or for a kind."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.model import Address, Identity, read_address

READ = {
    "table public.t": ("table", ("public", "t"), ()),
    'table "public"."t"': ("table", ("public", "t"), ()),
    'table "a.b"."c ""d"" on e"': ("table", ("a.b", 'c "d" on e'), ()),
    'table column s.t."column"': ("table column", ("s", "t", "column"), ()),
    'table "column".t': ("table", ("column", "t"), ()),
    "type public.d": ("type", ("public.d",), ()),
    'type public."d, e"[]': ("type", ('public."d, e"[]',), ()),
    'domain constraint "check" on public."D d"': ("domain constraint", ('public."D d"',), ("check",)),
    'table constraint "Later on" on public.t': ("table constraint", ("public", "t", "Later on"), ()),
    "policy p on public.t": ("policy", ("public", "t", "p"), ()),
    'trigger " on " on " on "." on "': ("trigger", (" on ", " on ", " on "), ()),
    'rule "_RETURN" on public.v': ("rule", ("public", "v", "_RETURN"), ()),
    "default value for s.t.c": ("default value", ("s", "t", "c"), ()),
    "function public.f()": ("function", ("public", "f"), ()),
    'function public.f(integer,ext."a,b"[],"char",timestamp with time zone)': (
        "function",
        ("public", "f"),
        ("integer", 'ext."a,b"[]', '"char"', "timestamp with time zone"),
    ),
    'aggregate "f(x"."y)"(integer)': ("aggregate", ("f(x", "y)"), ("integer",)),
    "operator class.=(a,b)": ("operator", ("class", "="), ("a", "b")),
    'operator "odd.""x".@@(NONE,integer)': ("operator", ('odd."x', "@@"), ("integer",)),
    "operator class public.x USING btree": ("operator class", ("btree", "public", "x"), ()),
    "extension citext": ("extension", ("citext",), ()),
    'extension "uuid-ossp"': ("extension", ("uuid-ossp",), ()),
    "publication relation s.t in publication p": ("publication relation", ("s", "t"), ("p",)),
    "large object 12": ("large object", ("12",), ()),
    "cast (integer AS s.t)": ("cast", ("(integer AS s.t)",), ()),
    "table s.t and more": ("", ("table s.t and more",), ()),
    "table Upper.t": ("", ("table Upper.t",), ()),
    "function s.f(integer": ("", ("function s.f(integer",), ()),
    "new kind s.t": ("", ("new kind s.t",), ()),
    "table": ("", ("table",), ()),
}


@pytest.mark.parametrize("printed", READ)
def test_the_text_of_an_object_is_its_address(printed: str) -> None:
    kind, names, args = READ[printed]
    address = read_address(printed)
    assert address == Address(kind=kind, names=names, args=args)
    assert address.printed == str(address) == printed


NAMES = st.text(min_size=1, max_size=8) | st.text(alphabet='ab_1". on()', min_size=1, max_size=8)


def quoted(name: str, *, keyword: bool) -> str:
    """As quote_identifier prints it: bare if it may be, unless it is a keyword."""
    bare = name.isascii() and name.replace("_", "a").isalnum() and name == name.lower() and not name[0].isdigit()
    return name if bare and not keyword else '"' + name.replace('"', '""') + '"'


@given(names=st.lists(NAMES, min_size=3, max_size=3), keyword=st.booleans())
def test_any_name_is_read_as_it_was_printed(names: list[str], keyword: bool) -> None:
    schema, relation, own = (quoted(name, keyword=keyword) for name in names)
    whole = tuple(names)
    texts = {
        f"table {schema}.{relation}": Address(kind="table", names=whole[:2]),
        f"view column {schema}.{relation}.{own}": Address(kind="view column", names=whole),
        f"table constraint {own} on {schema}.{relation}": Address(kind="table constraint", names=whole),
        f"default value for {schema}.{relation}.{own}": Address(kind="default value", names=whole),
        f"domain constraint {own} on {schema}.{relation}": Address(
            kind="domain constraint", names=(f"{schema}.{relation}",), args=whole[2:]
        ),
        f"function {schema}.{relation}({schema}.{own},{schema}.{own}[])": Address(
            kind="function", names=whole[:2], args=(f"{schema}.{own}", f"{schema}.{own}[]")
        ),
    }
    assert {text: read_address(text) for text in texts} == texts


def test_a_column_belongs_to_its_relation() -> None:
    column = read_address("materialized view column s.m.c")
    assert (column.is_column, column.whole) == (True, read_address("materialized view s.m"))
    table = read_address("table s.t")
    assert (table.is_column, table.whole) == (False, table)


def test_an_entry_has_the_address_of_its_object_else_its_tag() -> None:
    policy = Identity(desc="POLICY", kind="policy", names=("s", "t", "p"))
    assert policy.address == read_address("policy p on s.t")
    assert Identity(desc="ACL", kind="", names=(), sub="TYPE x").address == Address(kind="", names=("TYPE x",))


def test_functions_of_one_name_are_several_objects_each_with_its_privileges() -> None:
    first, second = (
        Identity(desc="FUNCTION", kind="function", names=("s", "f"), args=(one,)) for one in ("int", "text")
    )
    assert first.address != second.address
    assert first.address == replace(first, desc="ACL", sub="FUNCTION f(int)").address
