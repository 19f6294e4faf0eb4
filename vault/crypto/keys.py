"""Every key of an unlocked repository, derived from its key bundle. Never shows a key in text. Spec 20-keys.

Invariant: each purpose has its own label, so no key ever serves two purposes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from vault.ids import KeyId
from vault.model import FileKind, KeyBundle, LocalKind, PackClass

_KEY_BYTES: Final = 32
_KEY_ID_BYTES: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Keys:
    """Thread-safe: nothing changes. `root` is for this module only."""

    id_key: bytes = field(repr=False)
    cut_seed: int = field(repr=False)
    key_id: KeyId
    config_mac_key: bytes = field(repr=False)
    root: bytes = field(repr=False)

    @classmethod
    def derive(cls, bundle: KeyBundle) -> Keys:
        return cls(
            id_key=bundle.id_key,
            cut_seed=bundle.cut_seed,
            key_id=KeyId(_hkdf(bundle.root, info=b"pgvault/1/key-id", length=_KEY_ID_BYTES)),
            config_mac_key=_hkdf(bundle.root, info=b"pgvault/1/config"),
            root=bundle.root,
        )

    def file_key(self, kind: FileKind, header: bytes, salt: bytes) -> bytes:
        """Key of one enveloped file; used for one encryption, because `salt` is fresh."""
        purpose = _hkdf(self.root, info=b"pgvault/1/file\0" + bytes((kind,)))
        return _hkdf(purpose, salt=salt, info=b"pgvault/1/file-key\0" + header)

    def pack_key(self, pack_class: PackClass, header: bytes, salt: bytes) -> bytes:
        """Key of one pack; its nonces are the ordinals of its objects."""
        class_key = _hkdf(self.root, info=b"pgvault/1/pack\0" + bytes((pack_class,)))
        return _hkdf(class_key, salt=salt, info=b"pgvault/1/pack-key\0" + header)

    def local_key(self, kind: LocalKind) -> tuple[bytes, bytes]:
        """(key, nonce key) of what a client keeps outside of the repository: the second makes the nonces of the first."""
        both = _hkdf(self.root, info=b"pgvault/1/local\0" + bytes((kind,)), length=2 * _KEY_BYTES)
        return both[:_KEY_BYTES], both[_KEY_BYTES:]


def _hkdf(key: bytes, *, info: bytes, salt: bytes = b"", length: int = _KEY_BYTES) -> bytes:
    return HKDF(algorithm=SHA256(), length=length, salt=salt, info=info).derive(key)
