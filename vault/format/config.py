"""The clear, MACed configuration file. Spec 20-keys.

Never computes the MAC. Invariant: nothing but version and features is used before the caller has checked the MAC.
"""

from __future__ import annotations

from typing import Final

from vault.errors import LimitExceeded, Malformed, Unsupported
from vault.format import codec
from vault.format.codec import Record
from vault.ids import RepositoryId
from vault.limits import CONFIG_BYTES_MAX, FORMAT_VERSION
from vault.model import RepositoryConfig

CONFIG_NAME: Final = "config"
MAC_BYTES: Final = 32

_MAGIC: Final = b"PGVAULTC"
_KNOWN_FEATURES: Final[frozenset[str]] = frozenset()


def encode_config(config: RepositoryConfig) -> bytes:
    """The signed part; the file is this || MAC. Raises as `decode_config`"""
    signed = _MAGIC + codec.encode(
        {
            "created": config.created_ms,
            "features": config.features,
            "repository": config.repository,
            "version": config.version,
        }
    )
    decode_config(signed)
    return signed


def split_config(data: bytes) -> tuple[bytes, bytes]:
    """(signed part, MAC) of a configuration file. Raises  LimitExceeded, Malformed: not one"""
    if len(data) > CONFIG_BYTES_MAX:
        raise LimitExceeded(f"config: {len(data)} bytes, the limit is {CONFIG_BYTES_MAX}")
    if not data.startswith(_MAGIC) or len(data) <= len(_MAGIC) + MAC_BYTES:
        raise Malformed("config: not the configuration of a pgvault repository")
    return data[:-MAC_BYTES], data[-MAC_BYTES:]


def decode_config(signed: bytes) -> RepositoryConfig:
    """Read the signed part, the version before anything else.

    Raises  Unsupported: newer version, unknown feature; Malformed; LimitExceeded
    """
    if not signed.startswith(_MAGIC):
        raise Malformed("config: not the configuration of a pgvault repository")
    fields = Record.decode(signed[len(_MAGIC) :], what="config", bytes_max=CONFIG_BYTES_MAX)
    version = fields.integer("version", 1)
    if version > FORMAT_VERSION:
        raise Unsupported(f"config: repository format {version}", hint="a newer pgvault made it: update this one")
    features = fields.texts("features")
    if not codec.ascend(features):
        raise Malformed("config: features do not ascend")
    for feature in features:
        if feature not in _KNOWN_FEATURES:
            raise Unsupported(
                f"config: unknown feature {feature[:40]!r}", hint="a newer pgvault made it: update this one"
            )
    config = RepositoryConfig(
        repository=RepositoryId(fields.blob("repository", 16)),
        version=version,
        features=features,
        created_ms=fields.integer("created"),
    )
    fields.finish()
    return config
