"""Which names a store accepts."""

from __future__ import annotations

import pytest

from vault.errors import StoreError
from vault.store.names import NAME_CHARACTERS_MAX, validate_name, validate_prefix


@pytest.mark.parametrize(
    "name",
    ["config", "packs/" + "f" * 64, "index/12-" + "0" * 64, "a.b-c_d", "a" * NAME_CHARACTERS_MAX, "tmp", "a/tmp/b"],
)
def test_name_of_the_format_is_accepted(name: str) -> None:
    validate_name(name)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "it is empty"),
        ("a" * (NAME_CHARACTERS_MAX + 1), "it has 256 characters, 255 are allowed"),
        ("/etc/passwd", "it is absolute"),
        ("a//b", "a segment between slashes is empty"),
        ("packs/", "a segment between slashes is empty"),
        ("../a", "a segment starts with a dot"),
        ("a/.b", "a segment starts with a dot"),
        ("Packs/Z", "the character 'P' is not in a-z 0-9 . _ -"),
        ("ba\0Z", r"the character '\x00' is not in a-z 0-9 . _ -"),
        ("tmp/a", "tmp/ is for files that are being written"),
    ],
)
def test_refusal_tells_its_reason(name: str, why: str) -> None:
    with pytest.raises(StoreError) as caught:
        validate_name(name)
    assert caught.value.why == why


@pytest.mark.parametrize("prefix", ["", "packs", "packs/", "packs/0", "a/b/", "tmp"])
def test_beginning_of_a_name_is_a_prefix(prefix: str) -> None:
    validate_prefix(prefix)
