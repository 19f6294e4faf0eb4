"""Memory for an index: a share of what Linux says is free, bounded, and nothing where nobody says it."""

from __future__ import annotations

import pytest

from vault.source.postgres.target.index_memory import BYTES_MAX, SHARE, index_kib


@pytest.mark.parametrize(
    ("lines", "kib"),
    [
        (["MemTotal: 1 kB", "MemAvailable:    1600000 kB"], 1600000 // SHARE),
        (["MemAvailable: 99999999999 kB"], BYTES_MAX // 1024),
        (["MemAvailable: 15 kB"], 0),
        (["MemAvailable: many kB"], None),
        (["MemAvailable: 5 MB"], None),
        (["MemAvailable:"], None),
        (["MemFree: 5 kB"], None),
        ([], None),
    ],
)
def test_memory_of_an_index(lines: list[str], kib: int | None) -> None:
    assert index_kib(lines) == kib
