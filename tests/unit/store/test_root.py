"""The held directory, where the first free descriptor is 0: services are started with standard input closed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from vault.errors import StoreError
from vault.store.root import Root


@pytest.fixture
def without_standard_input() -> Iterator[None]:
    kept = os.dup(0)
    os.close(0)
    try:
        yield
    finally:
        os.dup2(kept, 0)
        os.close(kept)


@pytest.mark.usefixtures("without_standard_input")
def test_another_directory_is_noticed_by_a_process_without_standard_input(tmp_path: Path) -> None:
    place = tmp_path / "root"
    place.mkdir()
    root = Root(str(place))
    root.require()
    assert os.path.samestat(os.fstat(0), place.stat()), "it is held by the first descriptor that was free"
    place.rename(tmp_path / "gone")
    place.mkdir()
    with pytest.raises(StoreError, match="is another directory"):
        root.require()
    del root


def test_what_is_no_directory_is_not_held(tmp_path: Path) -> None:
    place = tmp_path / "root"
    place.write_bytes(b"")
    root = Root(str(place))
    root.hold()
    place.unlink()
    place.mkdir()
    root.require()
