"""An empty repository in memory, its store, and a snapshot to write once more."""

from __future__ import annotations

import pytest

from tests.fake_source import FakeDirectory
from tests.small_repository import new_repository, take
from vault.model import Manifest
from vault.repo.state import Open
from vault.store.memory import MemoryStore


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def repo(store: MemoryStore) -> Open:
    return new_repository(store)


@pytest.fixture
def manifest(store: MemoryStore) -> Manifest:
    """Of a snapshot that is there, to be written once more under other numbers."""
    return take(new_repository(store), None, {"lib": FakeDirectory({b"f": b"x"})}).manifest


@pytest.fixture
def warned() -> list[str]:
    return []
