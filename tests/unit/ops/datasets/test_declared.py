"""The type of a column for other engines follows from its declaration."""

from __future__ import annotations

import pytest

from vault.model import Identity, SchemaEntry, Section
from vault.ops.datasets.declared import TEXT, DataType, TypeKind, UserTypes, type_of


def entry(desc: str, name: str, definition: str) -> SchemaEntry:
    return SchemaEntry(
        identity=Identity(desc=desc, kind="type", names=(name,)),
        section=Section.PRE_DATA,
        tag=name,
        namespace="public",
        owner="",
        definition=definition,
        drop="",
        tablespace="",
        table_access_method="",
    )


KNOWN = UserTypes.read(
    [
        entry(
            "DOMAIN",
            "public.amount",
            "CREATE DOMAIN public.amount AS numeric(10,2)\n\tCONSTRAINT positive CHECK ((VALUE >= 0));\n",
        ),
        entry("DOMAIN", "public.price", "CREATE DOMAIN public.price AS public.amount DEFAULT 1;\n"),
        entry(
            "DOMAIN",
            'public."odd AS text;"',
            'CREATE DOMAIN public."odd AS text;" AS character varying(40) COLLATE pg_catalog."C" NOT NULL;\n',
        ),
        entry("DOMAIN", "public.quoted", 'CREATE DOMAIN public.quoted AS public."a DEFAULT b";\n'),
        entry("DOMAIN", "public.numbers", "CREATE DOMAIN public.numbers AS integer[];\n"),
        entry("DOMAIN", "public.round", "CREATE DOMAIN public.round AS public.round;\n"),
        entry("TYPE", "public.mood", "CREATE TYPE public.mood AS ENUM (\n    'sad'\n);\n"),
        entry("TYPE", "public.base", "CREATE TYPE public.base (\n    INTERNALLENGTH = 8,\n    DELIMITER = ';'\n);\n"),
    ]
)
LIST = TypeKind.LIST


@pytest.mark.parametrize(
    ("declared", "kind"),
    [
        ("boolean", TypeKind.BOOL),
        ("smallint", TypeKind.INT16),
        ("integer", TypeKind.INT32),
        ("bigint", TypeKind.INT64),
        ("oid", TypeKind.OID),
        ("real", TypeKind.FLOAT32),
        ("double precision", TypeKind.FLOAT64),
        ("date", TypeKind.DATE),
        ("timestamp(3) without time zone", TypeKind.TIMESTAMP),
        ("timestamp with time zone", TypeKind.TIMESTAMPTZ),
        ("bytea", TypeKind.BYTES),
        ("jsonb", TypeKind.JSON),
        ("time with time zone", TypeKind.TEXT),
        ("money", TypeKind.TEXT),
        ("public.mood", TypeKind.TEXT),
        ("public.json", TypeKind.TEXT),
        ('public."odd AS text;"', TypeKind.TEXT),
        ("public.quoted", TypeKind.TEXT),
        ("public.round", TypeKind.TEXT),
        ("xid8", TypeKind.TEXT),
        ('"char"', TypeKind.TEXT),
        ("box[]", TypeKind.TEXT),
        ("public.base[]", TypeKind.TEXT),
        ("public.geometry[]", TypeKind.TEXT),
        ("public.mood[]", LIST),
        ("public.numbers", LIST),
        ("public.numbers[]", TypeKind.TEXT),
        ("timestamp(0) with time zone[]", LIST),
        ("character varying(5)[]", LIST),
    ],
)
def test_kind_of_a_declaration(declared: str, kind: TypeKind) -> None:
    assert type_of(declared, KNOWN).kind is kind


@pytest.mark.parametrize(
    ("declared", "decimal"),
    [
        ("numeric(10,2)", (10, 2)),
        ("numeric(38,0)", (38, 0)),
        ("numeric(38,38)", (38, 38)),
        ("public.price", (10, 2)),
        ("numeric(39,0)", None),
        ("numeric(5,-2)", None),
        ("numeric(2,5)", None),
        ("numeric", None),
    ],
)
def test_only_numbers_that_every_engine_holds_are_decimals(declared: str, decimal: tuple[int, int] | None) -> None:
    found = type_of(declared, KNOWN)
    expected = None if decimal is None else DataType(kind=TypeKind.DECIMAL, precision=decimal[0], scale=decimal[1])
    assert found == (expected or (DataType(kind=TypeKind.TEXT, number=True) if "numeric" in declared else TEXT))


def test_elements_have_their_own_type() -> None:
    assert type_of("public.price[]", KNOWN).element == DataType(kind=TypeKind.DECIMAL, precision=10, scale=2)
