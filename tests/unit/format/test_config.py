"""The configuration file: spec 20-keys."""

from __future__ import annotations

from typing import Any

import pytest

from vault.errors import IntegrityError, LimitExceeded, Malformed, Unsupported
from vault.format import codec, config
from vault.ids import RepositoryId
from vault.limits import CONFIG_BYTES_MAX
from vault.model import RepositoryConfig

CONFIG = RepositoryConfig(repository=RepositoryId(b"\x22" * 16), version=1, features=(), created_ms=1_700_000_000_000)
MAC = b"\x99" * 32


def signed(**changes: Any) -> bytes:
    fields = {"created": 1_700_000_000_000, "features": (), "repository": b"\x22" * 16, "version": 1, **changes}
    return b"PGVAULTC" + codec.encode({key: value for key, value in fields.items() if value is not ...})


def test_config_has_the_layout_of_the_spec() -> None:
    assert config.CONFIG_NAME == "config"
    assert config.encode_config(CONFIG) == signed()
    assert config.split_config(signed() + MAC) == (signed(), MAC)
    assert config.decode_config(signed()) == CONFIG


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", Malformed),
        (b"PGVAULTC" + MAC, Malformed),
        (b"PGVAULTK" + signed()[8:] + MAC, Malformed),
        (signed() + bytes(CONFIG_BYTES_MAX), LimitExceeded),
    ],
)
def test_file_that_is_no_config_is_refused(data: bytes, error: type[IntegrityError]) -> None:
    with pytest.raises(error):
        config.split_config(data)


@pytest.mark.spec("KEY-7")
@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"version": 2}, Unsupported),
        ({"version": 2, "features": 5, "repository": ..., "new": 1}, Unsupported),
        ({"version": 0}, Malformed),
        ({"version": ...}, Malformed),
        ({"features": ("write-only",)}, Unsupported),
        ({"features": ("b", "a")}, Malformed),
        ({"features": ("a", "a")}, Malformed),
        ({"features": (1,)}, Malformed),
        ({"repository": bytes(15)}, Malformed),
        ({"new": 1}, Unsupported),
    ],
)
def test_config_of_another_kind_is_refused(changes: dict[str, Any], error: type[IntegrityError]) -> None:
    with pytest.raises(error):
        config.decode_config(signed(**changes))


def test_ancillary_field_is_ignored() -> None:
    assert config.decode_config(signed(_note=1)) == CONFIG
