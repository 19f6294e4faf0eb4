"""Names that must not be confused: distinct types over bytes and text. No behaviour."""

from __future__ import annotations

from typing import NewType

ObjectId = NewType("ObjectId", bytes)
"""32 bytes: keyed BLAKE3 of type byte and plaintext. Spec 30-object."""

SnapshotId = NewType("SnapshotId", bytes)
"""32 bytes: the keyed id of the manifest's plaintext; its hex is the file name. Spec 60-snapshot."""

PackId = NewType("PackId", bytes)
"""32 bytes: SHA-256 of a pack's bytes; its hex is the file name. Spec 40-pack."""

FragmentId = NewType("FragmentId", bytes)
"""32 bytes: SHA-256 of an index fragment's bytes. Spec 50-index."""

SlotId = NewType("SlotId", bytes)
"""32 bytes: SHA-256 of a key slot file's bytes. Spec 20-keys."""

FindingId = NewType("FindingId", bytes)
"""32 bytes: what an acknowledgement names; computed from snapshot, code and subject. Spec 60-snapshot."""

RepositoryId = NewType("RepositoryId", bytes)
"""16 random bytes drawn by `init`."""

KeyId = NewType("KeyId", bytes)
"""8 bytes derived from the root key; says which root sealed a file. Spec 20-keys."""
