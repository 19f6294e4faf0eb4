"""References to lists and to chunks. Spec 60-snapshot.

Invariant: equal content has one form: short chunk lists are inline, longer ones are stored lists (TREE-7).
"""

from __future__ import annotations

from vault.errors import LimitExceeded, Malformed
from vault.format.codec import Row, Value, proven
from vault.ids import ObjectId
from vault.limits import CHUNK_BYTES_MAX, INLINE_CHUNKS_MAX
from vault.model import ChunkList, ChunkRef, ListRef, Sums


def encode_list_ref(ref: ListRef) -> Value:
    """Raises as `decode_list_ref`"""
    return proven((ref.root, ref.sums.items, ref.sums.rows, ref.sums.bytes), decode_list_ref)


def decode_list_ref(value: Value) -> ListRef:
    """Raises  Malformed: also if root and sums disagree (TREE-1)"""
    row = Row(value, length=4, what="list reference")
    root = row.optional_blob(32)
    sums = Sums(items=row.integer(), rows=row.integer(), bytes=row.integer())
    ref = ListRef(root=None if root is None else ObjectId(root), sums=sums)
    _check_list_ref(ref)
    return ref


def encode_chunk(chunk: ChunkRef) -> Value:
    """Raises as `decode_chunk`"""
    return proven((chunk.id, chunk.length, chunk.continues), decode_chunk)


def decode_chunk(value: Value) -> ChunkRef:
    """Raises  Malformed; LimitExceeded: longer than a chunk may be"""
    row = Row(value, length=3, what="chunk")
    chunk = ChunkRef(id=ObjectId(row.blob(32)), length=row.integer(), continues=row.flag())
    if chunk.length > CHUNK_BYTES_MAX:
        raise LimitExceeded(f"chunk: {chunk.length} bytes, the limit is {CHUNK_BYTES_MAX}")
    return chunk


def encode_chunk_list(chunks: ChunkList) -> Value:
    """Raises as `decode_chunk_list`"""
    more = None if chunks.more is None else encode_list_ref(chunks.more)
    return proven((tuple((ref.id, ref.length, ref.continues) for ref in chunks.inline), more), decode_chunk_list)


def decode_chunk_list(value: Value) -> ChunkList:
    """Raises  Malformed, LimitExceeded: also if it is not the one form of its content (TREE-7)"""
    row = Row(value, length=2, what="chunk list")
    inline, more = row.array(), row.value()
    if len(inline) > INLINE_CHUNKS_MAX:
        raise LimitExceeded(f"chunk list: {len(inline)} chunks inline, the limit is {INLINE_CHUNKS_MAX}")
    chunks = ChunkList(
        inline=tuple(decode_chunk(chunk) for chunk in inline),
        more=None if more is None else decode_list_ref(more),
    )
    _check_chunk_list(chunks)
    return chunks


def check_content(chunks: ChunkList, *, size: int, what: str) -> None:
    """Refuse chunks that do not sum to `size`, or whose last goes on. Raises  Malformed (TREE-10, TREE-11)"""
    held = sum(chunk.length for chunk in chunks.inline) if chunks.more is None else chunks.more.sums.bytes
    if held != size:
        raise Malformed(f"{what}: its chunks hold {held} bytes instead of {size}")
    check_ends(chunks, what=what)


def check_ends(chunks: ChunkList, *, what: str) -> None:
    """Refuse a last chunk that goes on, as far as it is inline. Raises  Malformed (TREE-11)"""
    if chunks.inline and chunks.inline[-1].continues:
        raise Malformed(f"{what}: its last chunk goes on in one that is not there")


def check_no_rows(chunks: ChunkList, *, what: str) -> None:
    """Refuse a chunk that continues a row where there are none. Raises  Malformed (TREE-11)"""
    if any(chunk.continues for chunk in chunks.inline):
        raise Malformed(f"{what}: a chunk that continues a row")


def _check_list_ref(ref: ListRef) -> None:
    sums = ref.sums
    if (ref.root is None) != (sums.items == 0) or (ref.root is None and (sums.rows or sums.bytes)):
        raise Malformed("list reference: root and sums disagree")


def _check_chunk_list(chunks: ChunkList) -> None:
    if chunks.more is not None and (chunks.inline or chunks.more.sums.items <= INLINE_CHUNKS_MAX):
        raise Malformed("chunk list: chunks that should be inline are in a list, or both")
