"""Fingerprint of everything that the text of a table's rows depends on, besides the rows [A8].

The fixed settings, columns, and recursively the types that they lead to: elements, domain bases, range subtypes, attributes
of composites, enum labels in order, output functions with source, settings and extension version. Equal fingerprints on one server
version mean that equal tuples give equal text. A table whose text depends on more (names of roles and relations, output
functions that nobody vouches for) has the empty fingerprint, which equals nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from vault.source.postgres.connection.connect import Row, Session
from vault.sql.settings import FIXED

FIRST_USER_OID: Final = 16384
NAME_DEPENDENT: Final = frozenset(
    name
    for base in (
        *("aclitem", "regclass", "regcollation", "regconfig", "regdatabase", "regdictionary", "regnamespace"),
        *("regoper", "regoperator", "regproc", "regprocedure", "regrole", "regtype"),
    )
    for name in (base, f"_{base}")
)
"""Built-in types that print names which can change without a change of the row."""
PURE_EXTENSIONS: Final = frozenset({"citext", "cube", "hstore", "intarray", "isn", "ltree", "seg", "vector"})
"""Their output functions depend on the value alone."""

_ATTRIBUTES: Final = """
SELECT attrelid::int8, atttypid::int8,
       concat_ws(' ', attnum, quote_ident(attname), atttypid, atttypmod, attisdropped, attgenerated, attmissingval::text)
  FROM pg_attribute WHERE attrelid = ANY(%s::oid[]) AND attnum > 0 ORDER BY attrelid, attnum
"""

_TYPES: Final = """
SELECT t.oid::int8, t.typname::text, t.typtype::text, coalesce(p.oid < 16384, false), coalesce(e.extname, '')::text,
       t.typelem::int8, t.typbasetype::int8, coalesce(r.rngsubtype, 0)::int8, t.typrelid::int8,
       concat_ws(' ', t.oid, t.typtype, t.typelem, t.typbasetype, t.typtypmod, t.typrelid, t.typdelim, r.rngsubtype,
                 p.oid, md5(p.prosrc), p.probin, p.proconfig::text, e.extname, e.extversion,
                 (SELECT string_agg(concat(v.oid, ' ', quote_literal(v.enumlabel)), ',' ORDER BY v.enumsortorder)
                    FROM pg_enum v WHERE v.enumtypid = t.oid))
  FROM pg_type t LEFT JOIN pg_proc p ON p.oid = t.typoutput
  LEFT JOIN pg_range r ON t.oid = r.rngtypid OR t.oid = (to_jsonb(r)->>'rngmultitypid')::oid
  LEFT JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
  LEFT JOIN pg_extension e ON e.oid = d.refobjid
 WHERE t.oid = ANY(%s::oid[])
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Type:
    """What a type's text depends on: its own description, other types, the columns of a relation."""

    text: str
    leads_to: tuple[int, ...]
    relation: int
    stable: bool


def fingerprints(session: Session, tables: Sequence[int]) -> dict[int, bytes]:
    """Table oid -> 32 bytes, or empty. Reads the catalogs as `session` sees them."""
    attributes = _attributes(session, tables)
    types: dict[int, _Type] = {}
    wanted = {number for columns in attributes.values() for number, _ in columns}
    while wanted:
        described = [_type(row) for row in session.rows(_TYPES, [sorted(wanted)], doing="reading types")]
        types.update(described)
        missing = {kind.relation for _, kind in described if kind.relation} - attributes.keys()
        attributes.update(_attributes(session, sorted(missing)))
        wanted = {number for _, kind in described for number in _next(kind, attributes)} - types.keys()
    return {table: _digest(table, attributes, types) for table in tables}


def _attributes(session: Session, relations: Sequence[int]) -> dict[int, list[tuple[int, str]]]:
    columns: dict[int, list[tuple[int, str]]] = {relation: [] for relation in relations}
    for relation, kind, text in session.rows(_ATTRIBUTES, [list(relations)], doing="reading columns"):
        columns[relation].append((kind, text))
    return columns


def _type(row: Row) -> tuple[int, _Type]:
    oid, name, sort, built_in, extension, element, base, subtype, relation, text = row
    if oid < FIRST_USER_OID:
        stable = name not in NAME_DEPENDENT and sort in {"b", "r", "m"}
        # An array of a catalog's rows is built in, and may hold what prints names.
        return oid, _Type(text=f"{oid}", leads_to=(element,) if element else (), relation=0, stable=stable)
    stable = built_in or extension in PURE_EXTENSIONS
    leads_to = tuple(number for number in (element, base, subtype) if number)
    return oid, _Type(text=text, leads_to=leads_to, relation=relation, stable=stable)


def _next(kind: _Type, attributes: dict[int, list[tuple[int, str]]]) -> Iterable[int]:
    yield from kind.leads_to
    for number, _ in attributes.get(kind.relation, ()):
        if number:
            yield number


def _digest(table: int, attributes: dict[int, list[tuple[int, str]]], types: dict[int, _Type]) -> bytes:
    reached: dict[int, _Type] = {}
    left = [number for number, _ in attributes[table] if number]
    while left:
        number = left.pop()
        if number in reached:
            continue
        if number not in types or not types[number].stable:
            return b""
        reached[number] = types[number]
        left.extend(_next(types[number], attributes))
    lines = [f"{name} {value}" for name, value in FIXED]
    lines.extend(text for _, text in attributes[table])
    for number in sorted(reached):
        lines.append(reached[number].text)
        lines.extend(text for _, text in attributes.get(reached[number].relation, ()))
    return hashlib.sha256("\n".join(lines).encode()).digest()
