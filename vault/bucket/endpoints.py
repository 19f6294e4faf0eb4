"""Which endpoints are one storage, however they are written. Pure: no name is looked up."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

Storage = tuple[str, int, str]
GOOGLE: Final = "https://storage.googleapis.com"
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_AMAZON: Final = ("amazonaws.com", "amazonaws.com.cn")
_SUPABASE: Final = ".storage.supabase.co"


def storage_at(endpoint: str) -> Storage:
    """Host, port and path: equal for two endpoints where a bucket of one name is one bucket, as far as their texts can tell.

    With and without TLS a host's own port is that of one storage. Amazon's buckets have their names to themselves over all regions.
    """
    parts = urlsplit(endpoint)
    try:
        port = parts.port or 0
    except ValueError:
        port = 0
    if port == _DEFAULT_PORTS.get(parts.scheme):
        port = 0
    return _host((parts.hostname or "").rstrip(".")), port, parts.path.rstrip("/")


def _host(name: str) -> str:
    for amazon in _AMAZON:
        if name.endswith(f".{amazon}"):
            return amazon
    if name.endswith(_SUPABASE):
        return name.removesuffix(_SUPABASE) + ".supabase.co"
    if name == "localhost" or name.endswith(".localhost"):
        return "localhost"
    try:
        address = ip_address(name)
    except ValueError:
        return name
    return "localhost" if address.is_loopback or address.is_unspecified else str(address)
