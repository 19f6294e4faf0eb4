"""Two spellings of one endpoint, and two endpoints."""

from __future__ import annotations

import pytest

from vault.bucket.endpoints import storage_at


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://h", "https://h:443/"),
        ("https://h", "http://h:80"),
        ("https://H.example.", "https://h.example"),
        ("http://localhost:9000", "http://127.0.0.1:9000"),
        ("http://localhost:9000", "http://[::1]:9000"),
        ("http://[fe80:0::1]", "http://[fe80::1]"),
        ("https://s3.us-east-1.amazonaws.com", "https://s3.dualstack.eu-central-1.amazonaws.com"),
        ("https://ref.supabase.co/storage/v1/s3", "https://ref.storage.supabase.co/storage/v1/s3/"),
    ],
)
def test_one_storage(one: str, other: str) -> None:
    assert storage_at(one) == storage_at(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://h", "https://h:9000"),
        ("http://localhost:9000", "http://localhost:9001"),
        ("https://a.supabase.co/storage/v1/s3", "https://b.supabase.co/storage/v1/s3"),
        ("https://h/a", "https://h/b"),
        ("https://s3.eu-west-1.amazonaws.com", "https://s3.cn-north-1.amazonaws.com.cn"),
        ("https://notamazonaws.com", "https://s3.eu-west-1.amazonaws.com"),
    ],
)
def test_two_storages(one: str, other: str) -> None:
    assert storage_at(one) != storage_at(other)
