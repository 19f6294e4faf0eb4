"""Foreign keys that were off while rows came, verified by an exported script itself. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from vault.model import TableName
from vault.ops.view.executed.fence import dollar_quoted
from vault.repo.snapshot import Snapshot
from vault.sql.names import literal, qualified

_CHECK: Final = """
DECLARE
    one record;
    orphans bigint;
BEGIN
    FOR one IN
        SELECT c.conname, c.conrelid::pg_catalog.regclass AS child, c.confrelid::pg_catalog.regclass AS parent,
               pg_catalog.string_agg(pg_catalog.format('c.%I IS NOT NULL', a.attname), ' AND ') AS given,
               pg_catalog.string_agg(
                   pg_catalog.format('p.%I OPERATOR(%s) c.%I', f.attname, k.operator::pg_catalog.regoper, a.attname), ' AND ') AS equal
          FROM pg_catalog.pg_constraint c,
               LATERAL ROWS FROM (pg_catalog.unnest(c.conkey), pg_catalog.unnest(c.confkey), pg_catalog.unnest(c.conpfeqop))
                   AS k(child, parent, operator)
          JOIN pg_catalog.pg_attribute a ON a.attnum = k.child
          JOIN pg_catalog.pg_attribute f ON f.attnum = k.parent
         WHERE c.contype = 'f' AND c.convalidated AND a.attrelid = c.conrelid AND f.attrelid = c.confrelid
           AND c.conrelid = ANY (ARRAY[%s]::pg_catalog.regclass[])
         GROUP BY c.oid, c.conname, c.conrelid, c.confrelid
    LOOP
        EXECUTE pg_catalog.format('SELECT count(*) FROM %s c WHERE %s AND NOT EXISTS (SELECT FROM %s p WHERE %s)',
                                  one.child, one.given, one.parent, one.equal) INTO orphans;
        IF orphans > 0 THEN
            RAISE EXCEPTION '% rows of % have no counterpart in % (%)',
                orphans, one.child, one.parent, one.conname;
        END IF;
    END LOOP;
END
"""


def check_keys(snapshot: Snapshot, tables: Iterable[TableName]) -> str:
    """A statement that ends in an error if a row of `tables` has no counterpart in what it refers to."""
    names = ", ".join(literal(qualified(name)) for name in tables)
    return f"DO {dollar_quoted(_CHECK.replace('ARRAY[%s]', f'ARRAY[{names}]'), snapshot, 'check')};\n"
