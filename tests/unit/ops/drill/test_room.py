"""The room that a drill needs follows from what the snapshot says of itself."""

from __future__ import annotations

from pathlib import Path

from tests.fix_views import ViewRepository
from vault.ops.drill.room import room_needed


def test_files_alone_need_their_size(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"x" * 1000)
    manifest = ViewRepository().take({"files": tmp_path}).manifest
    assert room_needed(manifest, server=False) == room_needed(manifest, server=True) == 1000
