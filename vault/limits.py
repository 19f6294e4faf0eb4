"""Every number of the format and its reason. Spec 95-limits holds the same table; a test compares the two.

Names end in their unit. Nothing here is configuration.
"""

from __future__ import annotations

from typing import Final

KIB: Final = 1024
MIB: Final = 1024 * 1024

FORMAT_VERSION: Final = 1

# --- objects -------------------------------------------------------------------------------------
CHUNK_BYTES_MAX: Final = 1 * MIB
"""Row, file and large-object chunks. At 2 MiB the level-3 match tables overflow and deltas fail."""
META_BYTES_MAX: Final = 64 * MIB
"""Any other object: a schema entry, the schema order, a node."""
DELTA_DEPTH_MAX: Final = 64
"""Reading a chain costs 0.055 ms per MiB and step."""
DELTA_BASE_BYTES_MIN: Final = 8
"""Shorter prefixes are not taken by every zstd library, and gain nothing."""
EMPTY_FRAME_BYTES_MAX: Final = 64
"""Of a zstd frame without content, which may hold any number of empty blocks; nobody writes more than one."""
ZSTD_LEVEL: Final = 3
"""Files, definitions, and every delta: level 1 cannot index a delta's prefix."""
ZSTD_LEVEL_ROWS: Final = 1
"""Row chunks stored whole: smaller and 1.7 times faster than level 3 (spec/adr/0001)."""
DELTA_WINDOW_LOG: Final = 22
"""Window that covers a maximal chunk on a maximal base (2 MiB)."""

# --- cutting -------------------------------------------------------------------------------------
CUT_BYTES_MIN: Final = 128 * KIB
CUT_BYTES_AVERAGE: Final = 512 * KIB
CUT_BYTES_MAX: Final = 768 * KIB
"""Leaves 256 KiB to move a cut forward to a row end below CHUNK_BYTES_MAX."""
CUT_SEED_MAX: Final = 2**63 - 1
EXTENT_BLOCKS: Final = 1024
"""8 MiB of heap: small enough that a scattered day rereads little, large enough to cost one query row."""

# --- packs ---------------------------------------------------------------------------------------
PACK_BYTES_TARGET: Final = 16 * MIB
PACK_BYTES_MAX: Final = 96 * MIB
"""A target-sized pack plus one maximal metadata object, its tags and its trailer."""
PACK_OBJECTS_MAX: Final = 1 << 20
TRAILER_ORDINAL: Final = 2**32 - 1
OPEN_PACKS_PER_CLASS: Final = 2
"""Objects go to one of two open packs at random, so that sizes of neighbours cannot be read off."""
PACK_SPREAD_BYTES: Final = 1 * MIB
"""Before a class has so much, one pack takes it all: a small day makes few files."""
TAG_BYTES: Final = 16

# --- other files ---------------------------------------------------------------------------------
FRAGMENT_ENTRIES_MAX: Final = 1 << 17
FILE_BYTES_MAX: Final = 64 * MIB
"""Any enveloped file (fragment, snapshot, lease, ...) and its plaintext."""
NOTE_BYTES_MAX: Final = 4 * KIB
"""A text of a pin, a finding, an acknowledgement, a drill, in UTF-8: a line or two, shown on every listing."""
NOTES_MAX: Final = 1024
"""Findings of a snapshot, or lines of a drill."""
SLOT_BYTES_MAX: Final = 64 * KIB
CONFIG_BYTES_MAX: Final = 64 * KIB

# --- key derivation ------------------------------------------------------------------------------
KDF_PASSES: Final = 3
KDF_MEMORY_KIB: Final = 64 * KIB
KDF_LANES: Final = 4
KDF_PASSES_MIN: Final = 1
KDF_PASSES_MAX: Final = 64
KDF_MEMORY_KIB_MIN: Final = 8 * KIB
KDF_MEMORY_KIB_MAX: Final = 4 * MIB
"""4 GiB: a hostile slot may not exhaust the reader."""
KDF_LANES_MAX: Final = 64

# --- encoding ------------------------------------------------------------------------------------
NESTING_DEPTH_MAX: Final = 16

# --- lists ---------------------------------------------------------------------------------------
NODE_SPLIT_ONE_IN: Final = 48
"""Expected items a node: about 8 KiB of file, table or extent entries."""
NODE_ITEMS_MAX: Final = 512
TREE_LEVEL_MAX: Final = 12
INLINE_CHUNKS_MAX: Final = 8
PATH_BYTES_MAX: Final = 64 * KIB
"""A node of NODE_ITEMS_MAX files with such paths stays below META_BYTES_MAX."""
STAMP_BYTES_MAX: Final = 16 * KIB
"""Of what a bucket says of an object besides its bytes; S3 takes 2 KiB of a user's attributes and 8 KiB of headers."""

LOOK_AGAIN_S: Final = 600
"""So long after a writer began to name its packs in its lease, it names them and looks at the sweeps again before it commits
(80-leases, LEASE-12)."""
LEASE_AGE_S: Final = 86_400
"""A lease that names packs and is older, by the store's time, is a dead writer's (80-leases, LEASE-17)."""
SWEEP_AGE_S: Final = 600
"""On a network file system packs are deleted so long after their sweep (LEASE-21)."""
PRUNE_AGE_S: Final = 7 * 86_400
"""Younger packs are not swept unless somebody says so (LEASE-19)."""
