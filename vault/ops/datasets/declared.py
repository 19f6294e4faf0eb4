"""What type a column has for other engines: by its declaration alone, never by its data, or a dataset would change type between snapshots.

Pure. Whatever is not known here is text, which every engine holds and nothing is lost in. A domain is its base. An array is a list
only where its elements are known to be parted by commas; a type of an extension may part them otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from vault.model import SchemaEntry

_DECIMAL_DIGITS_MAX: Final = 38
_NUMERIC: Final = re.compile(r"numeric\((\d+),(-?\d+)\)")
_DOMAIN_BASE: Final = re.compile(
    r'AS ((?:"(?:[^"]|"")*"|[^"])+?)(?: COLLATE | DEFAULT | NOT NULL|\s+CONSTRAINT |;)', re.DOTALL
)
"""pg_dump's own text, in which a name that could be taken for a word of SQL is quoted."""
_DOMAINS_DEEP: Final = 32
_BY_COMMA: Final = frozenset(
    [
        "bit",
        "bit varying",
        "boolean",
        "bytea",
        "character",
        "character varying",
        "cidr",
        "date",
        "double precision",
        "inet",
        "integer",
        "interval",
        "json",
        "jsonb",
        "macaddr",
        "macaddr8",
        "money",
        "name",
        "numeric",
        "oid",
        "pg_lsn",
        "real",
        "smallint",
        "bigint",
        "text",
        "time with time zone",
        "time without time zone",
        "timestamp with time zone",
        "timestamp without time zone",
        "tsquery",
        "tsvector",
        "uuid",
        "xid",
        "xid8",
        "cid",
        "xml",
        '"char"',
        "point",
        "line",
        "lseg",
        "path",
        "polygon",
        "circle",
        "int4range",
        "int8range",
        "numrange",
        "tsrange",
        "tstzrange",
        "daterange",
        "int4multirange",
        "int8multirange",
        "nummultirange",
        "tsmultirange",
        "tstzmultirange",
        "datemultirange",
    ]
)
"""Types whose arrays part their elements by commas; of PostgreSQL's own only those of `box` do not."""


class TypeKind(Enum):
    BOOL = "bool"
    INT16 = "int16"
    INT32 = "int32"
    INT64 = "int64"
    OID = "oid"
    FLOAT32 = "float32"
    FLOAT64 = "float64"
    DECIMAL = "decimal"
    DATE = "date"
    TIMESTAMP = "timestamp"
    TIMESTAMPTZ = "timestamptz"
    BYTES = "bytes"
    JSON = "json"
    TEXT = "text"
    LIST = "list"


@dataclass(frozen=True, slots=True, kw_only=True)
class DataType:
    """`precision` and `scale` of DECIMAL, `element` of LIST. `number`: what is text here because no engine holds all of it, but a number."""

    kind: TypeKind
    precision: int = 0
    scale: int = 0
    element: DataType | None = None
    number: bool = False

    @property
    def may_be_inexact(self) -> bool:
        """Whether PostgreSQL has values of it that the type does not."""
        return self.kind in _MAY_BE_INEXACT


TEXT: Final = DataType(kind=TypeKind.TEXT)
_MAY_BE_INEXACT: Final = frozenset(
    {TypeKind.DECIMAL, TypeKind.DATE, TypeKind.TIMESTAMP, TypeKind.TIMESTAMPTZ, TypeKind.LIST}
)
_PLAIN: Final[Mapping[str, DataType]] = {
    **{
        name: DataType(kind=kind)
        for name, kind in {
            "boolean": TypeKind.BOOL,
            "smallint": TypeKind.INT16,
            "integer": TypeKind.INT32,
            "bigint": TypeKind.INT64,
            "oid": TypeKind.OID,
            "xid": TypeKind.OID,
            "cid": TypeKind.OID,
            "real": TypeKind.FLOAT32,
            "double precision": TypeKind.FLOAT64,
            "date": TypeKind.DATE,
            "timestamp without time zone": TypeKind.TIMESTAMP,
            "timestamp with time zone": TypeKind.TIMESTAMPTZ,
            "bytea": TypeKind.BYTES,
            "json": TypeKind.JSON,
            "jsonb": TypeKind.JSON,
        }.items()
    },
    "numeric": DataType(kind=TypeKind.TEXT, number=True),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class UserTypes:
    """Of a snapshot: domain -> the type that it is declared over; `by_comma`: enums, composites and ranges. Names as `Column.type` has them."""

    domains: Mapping[str, str] = field(default_factory=dict)
    by_comma: frozenset[str] = frozenset()

    @classmethod
    def read(cls, entries: Iterable[SchemaEntry]) -> UserTypes:
        """Of the entries for types and domains. What cannot be read is left out, and so text."""
        domains: dict[str, str] = {}
        by_comma: set[str] = set()
        for entry in entries:
            name = entry.identity.names[0] if entry.identity.names else ""
            if entry.identity.desc == "DOMAIN" and entry.definition.startswith(f"CREATE DOMAIN {name} AS "):
                base = _DOMAIN_BASE.match(entry.definition, len(f"CREATE DOMAIN {name} "))
                if base is not None:
                    domains[name] = base[1]
            elif entry.identity.desc == "TYPE" and entry.definition.startswith(f"CREATE TYPE {name} AS "):
                by_comma.add(name)
        return cls(domains=domains, by_comma=frozenset(by_comma))

    def base(self, declared: str) -> str:
        """What a domain is over, through domains over domains; any other type as it is."""
        for _ in range(_DOMAINS_DEEP):
            if declared not in self.domains:
                break
            declared = self.domains[declared]
        return declared


def type_of(declared: str, known: UserTypes) -> DataType:
    """For a column that is `declared` so, in format_type's words."""
    declared = known.base(declared)
    if declared.endswith("[]"):
        element = known.base(declared.removesuffix("[]"))
        if element.endswith("[]") or not (_bare(element) in _BY_COMMA or element in known.by_comma):
            return TEXT
        return DataType(kind=TypeKind.LIST, element=type_of(element, known))
    if digits := _NUMERIC.fullmatch(declared):
        precision, scale = int(digits[1]), int(digits[2])
        if precision <= _DECIMAL_DIGITS_MAX and 0 <= scale <= precision:
            return DataType(kind=TypeKind.DECIMAL, precision=precision, scale=scale)
    return _PLAIN.get(_bare(declared), TEXT)


def _bare(declared: str) -> str:
    """Without its modifier, which stands at the end or before `with(out) time zone`."""
    before, opened, after = declared.partition("(")
    return before + after.partition(")")[2] if opened else before
