"""Store a row chunk as a delta against yesterday's chunk, where that pays.

A delta is taken if it is at most half of the full frame that is expected from the base's own ratio, so that nothing is compressed twice
without need, and while the frames of its chain sum to at most one full frame. Depth is one more than that of the base's location, and
readers resolve a base only at a smaller depth: whatever two writers do in opposite order, a chain ends. Spec 30-object, "Deltas".
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from vault.errors import IntegrityError
from vault.ids import ObjectId, PackId
from vault.limits import DELTA_BASE_BYTES_MIN, DELTA_DEPTH_MAX, TAG_BYTES, ZSTD_LEVEL, ZSTD_LEVEL_ROWS
from vault.model import Codec, ObjectType
from vault.pipeline.compress import compress, compress_delta
from vault.repo.index import Index
from vault.repo.reader import Reader

_SHARE_OF_FULL_MAX = 0.5
_MISSES_MAX = 6
_TRIED_OF_MISSED = 4
"""After so many chunks in a row that no delta fitted (a table was rewritten in another order), one of so many is still tried:
a try costs twice what storing it whole does. The first that fits ends it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """How an object is to be sealed. `packs`: those that reading it will need beside its own."""

    codec: Codec
    stored: bytes
    depth: int = 0
    base: ObjectId | None = None
    base_plain: bytes | None = None
    packs: frozenset[PackId] = frozenset()


def whole(plain: bytes, object_type: ObjectType) -> Stored:
    rows = object_type is ObjectType.ROW_CHUNK
    codec, stored = compress(plain, level=ZSTD_LEVEL_ROWS if rows else ZSTD_LEVEL)
    return Stored(codec=codec, stored=stored)


class Deltas:
    """Bases come from the index only, never from packs that are still being filled. Thread-safe."""

    def __init__(self, index: Index, reader: Reader) -> None:
        self._index = index
        self._reader = reader
        self._lock = threading.Lock()
        self._misses = 0

    def encode(self, plain: bytes, base: ObjectId) -> Stored:
        """The chunk as a delta against `base`, or whole if that is better or the base cannot be had."""
        if not self._is_worth_a_try():
            return whole(plain, ObjectType.ROW_CHUNK)
        return self._delta(plain, base) or whole(plain, ObjectType.ROW_CHUNK)

    def _is_worth_a_try(self) -> bool:
        with self._lock:
            if self._misses < _MISSES_MAX:
                return True
            self._misses += 1
            return self._misses % _TRIED_OF_MISSED == 0

    def _tried(self, *, fitted: bool) -> None:
        with self._lock:
            if fitted:
                self._misses = 0
            elif self._misses < _MISSES_MAX:
                self._misses += 1

    def _delta(self, plain: bytes, base: ObjectId) -> Stored | None:
        chain = self._index.lasting_chain(base)
        if not chain or chain[0].record.depth >= DELTA_DEPTH_MAX:
            return None
        root = chain[-1].record
        expected = (root.length - TAG_BYTES) / max(1, root.plain_length) * len(plain)
        room = expected - sum(place.record.length - TAG_BYTES for place in chain[:-1])
        if room <= 0:
            return None  # nothing has no room either
        try:
            base_plain = self._reader.get(base, ObjectType.ROW_CHUNK)
        except IntegrityError:
            return None  # a damaged base must not stop a backup; storing whole heals it for this chunk
        if len(base_plain) < DELTA_BASE_BYTES_MIN or self._index.lasting_chain(base) != chain:
            return None  # a location failed while it was read: the depth that it promised is no longer to be had
        frame = compress_delta(plain, base_plain)
        fitted = len(frame) <= expected * _SHARE_OF_FULL_MAX
        self._tried(fitted=fitted)
        if not fitted or len(frame) > room:
            return None
        return Stored(
            codec=Codec.ZSTD_DELTA,
            stored=frame,
            depth=chain[0].record.depth + 1,
            base=base,
            base_plain=base_plain,
            packs=frozenset(place.pack for place in chain),
        )
