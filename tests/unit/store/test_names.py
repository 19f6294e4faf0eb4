"""Which names a store accepts."""

from __future__ import annotations

import pytest

from vault.errors import StoreError
from vault.store.names import NAME_CHARACTERS_MAX, validate_name, validate_prefix


@pytest.mark.parametrize("name", ["config", "packs/" + "f" * 64, "index/12-" + "0" * 64, "a.b-c_d", "tmp", "a/tmp/b"])
def test_name_of_the_format_is_accepted(name: str) -> None:
    validate_name(name)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "empty"),
        ("a" * (NAME_CHARACTERS_MAX + 1), "256 characters, 255"),
        ("/etc/passwd", "absolute"),
        ("a//b", "between slashes is empty"),
        ("packs/", "between slashes is empty"),
        ("../a", "starts with a dot"),
        ("a/.b", "starts with a dot"),
        ("Packs/a", "'P'"),
        ("a\0", r"'\x00'"),
        ("tmp/a", "being written"),
    ],
)
def test_refusal_tells_its_reason(name: str, why: str) -> None:
    with pytest.raises(StoreError) as caught:
        validate_name(name)
    assert why in caught.value.why


@pytest.mark.parametrize("prefix", ["", "packs", "packs/", "packs/0", "a/b/", "tmp"])
def test_beginning_of_a_name_is_a_prefix(prefix: str) -> None:
    validate_prefix(prefix)
