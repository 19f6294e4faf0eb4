"""Large objects: metadata from the catalog, content in slices [B3, C8]. One session in the snapshot, batch by batch.

Content comes through lo_get, which asks for SELECT on each object. Where the reader lacks it but may read pg_largeobject, as a
member of pg_read_all_data may, it comes from the pages there; where it may do neither, the object is a gap.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from vault.model import ChunkList, LargeObjectItem, Missing, State
from vault.source.postgres.connection.connect import Row, Session, translated

BATCH: Final = 32
SLICE_BYTES: Final = 256 * 1024
"""32 first slices at once take 8 MiB. A multiple of every size that a page of pg_largeobject can have."""

_PERMITTED: Final = """
       (current_setting('lo_compat_privileges')::bool OR (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
        OR EXISTS (SELECT FROM aclexplode(coalesce(m.lomacl, acldefault('L', m.lomowner))) AS a
                    WHERE a.privilege_type = 'SELECT' AND (a.grantee = 0 OR pg_has_role(a.grantee, 'USAGE'))))"""
"""As the server's check of lo_get; has_largeobject_privilege is new in 18."""

_PAGES_READABLE: Final = "has_table_privilege('pg_catalog.pg_largeobject', 'SELECT')"

_LIST: Final = f"""
SELECT m.oid::int8, pg_get_userbyid(m.lomowner)::text, m.lomacl::text[], obj_description(m.oid, 'pg_largeobject'), {_PERMITTED}
  FROM pg_largeobject_metadata m
 WHERE m.oid > %s::oid AND ({_PAGES_READABLE} OR {_PERMITTED}) ORDER BY m.oid LIMIT %s
"""
_UNREADABLE: Final = f"""
SELECT pg_get_userbyid(m.lomowner)::text, count(*), min(m.oid::int8)
  FROM pg_largeobject_metadata m WHERE NOT ({_PAGES_READABLE} OR {_PERMITTED}) GROUP BY 1 ORDER BY 1
"""
_SLICE: Final = "SELECT oid::int8, lo_get(oid, %s::int8, %s) FROM unnest(%s::oid[]) AS x(oid)"
_PAGES: Final = """
WITH page AS (SELECT current_setting('block_size')::int4 / 4 AS bytes)
SELECT x.oid::int8, string_agg(
         CASE WHEN p.number < ended.number THEN substr(coalesce(o.data, '') || decode(repeat('00', bytes), 'hex'), 1, bytes)
              ELSE o.data END, ''::bytea ORDER BY p.number)
  FROM page CROSS JOIN LATERAL (SELECT %s::int8 / bytes, %s::int8 / bytes) AS part(start, pages)
 CROSS JOIN unnest(%s::oid[]) AS x(oid)
 CROSS JOIN LATERAL (SELECT max(pageno)::int8 FROM pg_largeobject WHERE loid = x.oid) AS ended(number)
 CROSS JOIN LATERAL generate_series(start, least(start + pages - 1, ended.number)) AS p(number)
  LEFT JOIN pg_largeobject o ON o.loid = x.oid AND o.pageno = p.number
 GROUP BY 1
"""
"""A page that is absent, and the end of one that is short, are zeros; only the last page ends the object."""


class LargeObject:
    """One large object; implements ports.LargeObjectRows."""

    def __init__(self, session: Session, item: LargeObjectItem, query: str, first: bytes) -> None:
        self.item = item
        self._session = session
        self._query = query
        self._first = first

    def blocks(self) -> Iterator[bytes]:
        """Content in slices of at most SLICE_BYTES."""
        part, offset = self._first, 0
        while part:
            yield part
            offset += len(part)
            if len(part) < SLICE_BYTES:
                return
            part = _content(self._session, self._query, [self.item.oid], offset).get(self.item.oid, b"")


def read(session: Session) -> Iterator[LargeObject]:
    """All readable ones by ascending oid; each is consumed before the next is asked for. Raises SourceError"""
    last = 0
    while rows := session.rows(_LIST, [last, BATCH], doing="listing large objects"):
        queries = {row[0]: _SLICE if row[4] else _PAGES for row in rows}
        firsts: dict[int, bytes] = {}
        for query in set(queries.values()):
            firsts |= _content(session, query, [oid for oid, wanted in queries.items() if wanted == query])
        for oid, owner, acl, comment, _ in rows:
            item = LargeObjectItem(
                oid=oid,
                owner=owner,
                acl=None if acl is None else tuple(acl),
                comment=comment,
                size=0,
                chunks=ChunkList(),
            )
            yield LargeObject(session, item, queries[oid], firsts.get(oid, b""))
        last = rows[-1][0]


def missing(session: Session) -> Iterator[Missing]:
    """Those that cannot be read, one item an owner: there may be millions."""
    for owner, number, first in session.rows(_UNREADABLE, doing="looking for large objects that cannot be read"):
        yield Missing(
            item=f"large objects of {owner}",
            state=State.NOT_PERMITTED,
            why=f"{number} of them, from oid {first} on, may be read neither one by one nor in pg_largeobject",
            fix="GRANT pg_read_all_data TO the role of the backup, or GRANT SELECT ON LARGE OBJECT ... to it",
        )


def _content(session: Session, query: str, oids: list[int], offset: int = 0) -> dict[int, bytes]:
    """One slice of each; of an object that is empty there may be none."""
    with session.lock, translated("reading large objects"):
        rows: list[Row] = session.connection.execute(query, [offset, SLICE_BYTES, oids], binary=True).fetchall()
    return dict(rows)
