"""A repository without one whole key slot: damage, not a wrong passphrase."""

from __future__ import annotations

import pytest

from tests.small_repository import PASSPHRASE, new_repository
from vault.crypto import keyed
from vault.errors import AuthenticationFailed, Unsupported
from vault.format import codec
from vault.format.keyslot import slot_name
from vault.ids import SlotId
from vault.limits import FORMAT_VERSION, SLOT_BYTES_MAX
from vault.repo.keyring import unlock
from vault.store.memory import MemoryStore


def test_without_any_slot_no_passphrase_is_called_wrong() -> None:
    """Nobody should look for another passphrase, or give up the right one, for want of files."""
    store = MemoryStore()
    new_repository(store)
    (name,) = (name for name in store.files if name.startswith("keys/"))
    whole = store.files.pop(name)
    with pytest.raises(AuthenticationFailed, match="no key slot is there") as missing:
        unlock(store, PASSPHRASE)
    assert (missing.value.why, missing.value.file) == (f"keys/ of {store.url} holds none", "keys/")
    assert "recovery kit" in missing.value.hint
    store.files[name] = whole[:20]
    with pytest.raises(AuthenticationFailed, match="every key slot is damaged") as damaged:
        unlock(store, PASSPHRASE)
    assert (damaged.value.why, damaged.value.file) == (name, "keys/")
    assert damaged.value.hint == missing.value.hint
    value = codec.decode(whole[8:], what="slot", bytes_max=SLOT_BYTES_MAX)
    assert isinstance(value, dict)
    newer = whole[:8] + codec.encode({**value, "version": FORMAT_VERSION + 1})
    store.files[slot_name(SlotId(keyed.sha256(newer)))] = newer
    with pytest.raises(Unsupported):
        unlock(store, PASSPHRASE)
