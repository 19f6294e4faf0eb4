"""Large objects: metadata from the catalog, content in slices [B3, C8]. One session in the snapshot, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from vault.model import ChunkList, LargeObjectItem
from vault.source.postgres.connect import Row, Session, translated

BATCH: Final = 32
SLICE_BYTES: Final = 256 * 1024
"""32 first slices at once take 8 MiB."""

_LIST: Final = """
SELECT m.oid::int8, pg_get_userbyid(m.lomowner)::text, m.lomacl::text[], obj_description(m.oid, 'pg_largeobject')
  FROM pg_largeobject_metadata m WHERE m.oid > %s::oid ORDER BY m.oid LIMIT %s
"""
_FIRST: Final = "SELECT oid::int8, lo_get(oid, 0, %s) FROM unnest(%s::oid[]) AS x(oid)"
_SLICE: Final = "SELECT lo_get(%s::oid, %s::int8, %s)"


class LargeObject:
    """One large object; implements ports.LargeObjectRows."""

    def __init__(self, session: Session, item: LargeObjectItem, first: bytes) -> None:
        self.item = item
        self._session = session
        self._first = first

    def blocks(self) -> Iterator[bytes]:
        """Content in slices of at most SLICE_BYTES."""
        part, offset = self._first, 0
        while part:
            yield part
            offset += len(part)
            if len(part) < SLICE_BYTES:
                return
            part = _content(self._session, _SLICE, [self.item.oid, offset, SLICE_BYTES])[0][0]


def read(session: Session) -> Iterator[LargeObject]:
    """All of them by ascending oid; each is consumed before the next is asked for. Raises PermissionMissing, SourceError"""
    last = 0
    while rows := session.rows(_LIST, [last, BATCH], doing="listing large objects"):
        firsts: dict[int, bytes] = dict(_content(session, _FIRST, [SLICE_BYTES, [row[0] for row in rows]]))
        for oid, owner, acl, comment in rows:
            item = LargeObjectItem(
                oid=oid,
                owner=owner,
                acl=None if acl is None else tuple(acl),
                comment=comment,
                size=0,
                chunks=ChunkList(),
            )
            yield LargeObject(session, item, firsts[oid])
        last = rows[-1][0]


def _content(session: Session, query: str, parameters: list[object]) -> list[Row]:
    with session.lock, translated("reading large objects"):
        return session.connection.execute(query, parameters, binary=True).fetchall()
