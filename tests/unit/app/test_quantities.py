"""Ages, sizes and percentages as people write them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from vault.app.quantities import age_ms, share, size_bytes
from vault.errors import UsageError


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (age_ms, "0", 0),
        (age_ms, "90s", 90_000),
        (age_ms, "30m", 1_800_000),
        (age_ms, "12h", 43_200_000),
        (age_ms, "7d", 604_800_000),
        (age_ms, "2w", 1_209_600_000),
        (size_bytes, "0", 0),
        (size_bytes, "1048576", 1_048_576),
        (size_bytes, "500M", 524_288_000),
        (size_bytes, "2g", 2_147_483_648),
        (size_bytes, "3KiB", 3_072),
        (share, "5%", 0.05),
        (share, "12.5", 0.125),
        (share, "100%", 1.0),
        (share, "0", 0.0),
    ],
)
def test_an_amount_is_read(read: Callable[..., float], text: str, value: float) -> None:
    assert read(text, option="--option") == value


@pytest.mark.parametrize(
    ("read", "text"),
    [(age_ms, "7"), (age_ms, "d"), (age_ms, ""), (size_bytes, "1.5G"), (size_bytes, "G"), (share, "101"), (share, "x")],
)
def test_what_is_none_is_refused_with_an_example(read: Callable[..., float], text: str) -> None:
    with pytest.raises(UsageError) as refusal:
        read(text, option="--option")
    assert refusal.value.hint.startswith("--option ")
