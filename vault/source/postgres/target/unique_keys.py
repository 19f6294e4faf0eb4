"""Unique keys and exclusion constraints of a table that gets rows, and the SQL by which its indexes call two rows the same.

Text is not what an index compares: numeric 1.0 and 1.00, citext, interval '1 day' and '24:00:00', and what a collation calls equal
are one key. Expressions and predicates are the target's own, which inserting evaluates as well.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final, LiteralString

from vault.model import TableName
from vault.source.postgres.connection.connect import Connection
from vault.sql.names import qualified, quote

_KEYS: Final[LiteralString] = """
select coalesce(c.conname, x.relname)::text, i.indisprimary, not i.indimmediate,
       coalesce((pg_catalog.to_jsonb(i)->>'indnullsnotdistinct')::bool, false),
       pg_catalog.pg_get_expr(i.indpred, i.indrelid),
       array(select distinct a.attname::text from pg_catalog.pg_depend d
               join pg_catalog.pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
              where d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.refobjid = i.indrelid and d.refobjsubid > 0
                and ((d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objid = i.indexrelid)
                  or (d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass and d.objid = c.oid))),
       array(select a.attname::text from pg_catalog.generate_subscripts(i.indkey, 1) k left join pg_catalog.pg_attribute a
                 on a.attrelid = i.indrelid and a.attnum = i.indkey[k] and a.attnum > 0 where k < i.indnkeyatts order by k),
       array(select pg_catalog.pg_get_indexdef(i.indexrelid, k, false) from pg_catalog.generate_series(1, i.indnkeyatts) k order by k),
       array(select pg_catalog.format('operator(%%I.%%s)', n.nspname, o.oprname)
               from pg_catalog.generate_series(0, i.indnkeyatts - 1) k
               join pg_catalog.pg_opclass oc on oc.oid = i.indclass[k]
               left join pg_catalog.pg_amop s on s.amopfamily = oc.opcfamily and s.amoplefttype = oc.opcintype
                    and s.amoprighttype = oc.opcintype and s.amopstrategy = 3 and s.amoppurpose = 's' and oc.opcmethod = 403
               join pg_catalog.pg_operator o on o.oid = coalesce(c.conexclop[k + 1], s.amopopr)
               join pg_catalog.pg_namespace n on n.oid = o.oprnamespace order by k),
       array(select case when l.oid is null then '' else pg_catalog.format(' collate %%I.%%I', n.nspname, l.collname) end
               from pg_catalog.generate_series(0, i.indnkeyatts - 1) k
               left join pg_catalog.pg_collation l on l.oid = i.indcollation[k] and l.collprovider <> 'd'
               left join pg_catalog.pg_namespace n on n.oid = l.collnamespace order by k)
  from pg_catalog.pg_index i join pg_catalog.pg_class x on x.oid = i.indexrelid
  left join pg_catalog.pg_constraint c on c.conindid = i.indexrelid and c.conrelid = i.indrelid and c.contype in ('p', 'u', 'x')
 where i.indrelid = pg_catalog.to_regclass(%s) and (i.indisunique or i.indisexclusion) and i.indisready
 order by i.indisprimary desc, i.indimmediate desc, x.relname
"""
"""Strategy 3 of btree (403) is equality; exclusion constraints name their operators, and so do keys WITHOUT OVERLAPS (18)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UniqueKey:
    """No two rows for which `elements` are equal by `operators`. Elements and predicate are SQL over bare column names.

    `columns`: of each element, None for an expression; `needs`: columns that elements and predicate read.
    """

    name: str
    primary: bool
    deferrable: bool
    nulls_equal: bool
    predicate: str | None
    needs: frozenset[str]
    columns: tuple[str | None, ...]
    elements: tuple[str, ...]
    operators: tuple[str, ...]
    collations: tuple[str, ...]

    def same(self, one: str, other: str) -> str:
        """SQL: rows `one` and `other` (aliases) have this key in common."""
        terms = [self._equal(at, one, other) for at in range(len(self.elements))]
        if self.predicate is not None:
            terms += [_over(row, f"({self.predicate})") for row in (one, other)]
        return " AND ".join(terms)

    def _equal(self, at: int, one: str, other: str) -> str:
        left, right = self._element(at, one), self._element(at, other)
        equal = f"{left}{self.collations[at]} {self.operators[at]} {right}{self.collations[at]}"
        return f"({equal} OR ({left} IS NULL AND {right} IS NULL))" if self.nulls_equal else f"({equal})"

    def _element(self, at: int, row: str) -> str:
        column = self.columns[at]
        return f"{row}.{quote(column)}" if column is not None else _over(row, self.elements[at])


def _over(row: str, expression: str) -> str:
    return f'(SELECT {expression} FROM (SELECT {row}.*) "pgvault of one")'


def unique_keys(connection: Connection, table: TableName) -> list[UniqueKey]:
    """Of the table itself, the primary key first. Raises psycopg.Error"""
    return [
        UniqueKey(
            name=name,
            primary=primary,
            deferrable=deferrable,
            nulls_equal=nulls_equal,
            predicate=predicate,
            needs=frozenset(needs),
            columns=tuple(columns),
            elements=tuple(elements),
            operators=tuple(operators),
            collations=tuple(collations),
        )
        for name, primary, deferrable, nulls_equal, predicate, needs, columns, elements, operators, collations in (
            connection.execute(_KEYS, (qualified(table),)).fetchall()
        )
    ]


def key_of(keys: Sequence[UniqueKey], columns: Collection[str]) -> UniqueKey | None:
    """The key over exactly `columns`, whatever their order; None: the table has none, and text has to do."""
    wanted = set(columns)
    for key in keys:
        if key.predicate is None and wanted and set(key.columns) == wanted and len(key.operators) == len(key.columns):
            return key
    return None
