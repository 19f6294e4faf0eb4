"""What is left of an init that failed, and whether what opens it is kept."""

from __future__ import annotations

from pathlib import Path

from vault.app.settings import load_settings
from vault.app.stores import create_store, may_be_there

SLOT = f"keys/{'ab' * 32}"


def test_a_passphrase_is_kept_as_soon_as_a_slot_was_put(tmp_path: Path) -> None:
    """The put of `config` is the next one; it may land though nobody heard so."""
    settings = load_settings(repository=str(tmp_path / "repository"), source=None)
    assert not may_be_there(settings)
    store = create_store(settings)
    assert not may_be_there(settings)
    store.put(SLOT, b"slot")
    assert may_be_there(settings)
    store.delete(SLOT)
    store.put("config", b"config")
    assert may_be_there(settings)
