"""Any one byte of a repository changed, any file cut or gone: both readers refuse, or still deliver what is right."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from spec import reader
from tests.vectors import by_reader, by_vault
from tests.vectors.stored import load
from vault.errors import VaultError

WHOLE = next(vector for vector in load() if vector.name == "repository/full")
STEPS = 9
"""Places of damage in each file; the first, the last, and some between."""


def damaged() -> Iterator[dict[str, bytes]]:
    files: dict[str, bytes] = WHOLE.inputs()["files"]
    for name, data in files.items():
        yield {other: content for other, content in files.items() if other != name}
        for step in range(STEPS):
            at = step * (len(data) - 1) // (STEPS - 1)
            yield files | {name: data[:at] + bytes([data[at] ^ (1 << step % 8)]) + data[at + 1 :]}
            yield files | {name: data[:at]}
        yield files | {name: data + b"\0"}


@pytest.mark.parametrize(
    ("read", "refusal"),
    [(by_reader.repository, reader.Refused), (by_vault.open_repository, VaultError)],
    ids=["reader of the spec", "vault"],
)
def test_damage_is_refused_or_harmless(read: Callable[[dict[str, Any]], Any], refusal: type[Exception]) -> None:
    refused = 0
    for files in damaged():
        try:
            made = read(WHOLE.inputs() | {"files": files})
        except refusal:
            refused += 1
        else:
            assert made == WHOLE.promises or not any(name.startswith("snapshots/") for name in files)
    assert refused > 50
