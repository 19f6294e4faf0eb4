"""`check` on the vectors that are whole repositories: it names what no reader may accept."""

from __future__ import annotations

import pytest

from tests.small_repository import damage
from tests.vectors.stored import Vector, load
from vault.errors import VaultError
from vault.repo.state import Closed
from vault.store.memory import MemoryStore

OF_CONTENT = ("repository/rows_", "repository/values_", "repository/chunk_of_a_file_continues")
"""Only who reads the content of all chunks in their order can see these."""
BAD = [
    vector
    for vector in load()
    if vector.kind == "repository" and vector.expect != "ok" and not vector.name.startswith(OF_CONTENT)
]


@pytest.mark.parametrize("vector", BAD, ids=[vector.name for vector in BAD])
def test_check_finds_what_a_reader_refuses(vector: Vector) -> None:
    inputs = vector.inputs()
    try:
        found = damage(Closed(MemoryStore(dict(inputs["files"]))).open(inputs["passphrase"]))
    except VaultError:
        return
    assert found
