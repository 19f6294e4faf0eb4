"""Local records: authentic, bound to kind, repository and name, with nonces that repeat only with the bytes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.crypto.keys import Keys
from vault.errors import AuthenticationFailed
from vault.ids import RepositoryId
from vault.model import KeyBundle, LocalKind
from vault.repo import local, private

KEYS = Keys.derive(KeyBundle(id_key=b"i" * 32, root=b"r" * 32, cut_seed=1))
OTHER_KEYS = Keys.derive(KeyBundle(id_key=b"i" * 32, root=b"s" * 32, cut_seed=1))
HERE, THERE = RepositoryId(bytes(16)), RepositoryId(bytes(15) + b"1")
SEALER = local.Sealer(KEYS, LocalKind.HEADS, HERE)


@pytest.mark.spec("KEY-12")
def test_record_opens_only_where_it_was_made_for() -> None:
    sealed = SEALER.seal(b"plain", name=b"one")
    assert local.Sealer(KEYS, LocalKind.HEADS, HERE).unseal(sealed, name=b"one") == b"plain"
    for other in (
        local.Sealer(OTHER_KEYS, LocalKind.HEADS, HERE),
        local.Sealer(KEYS, LocalKind.MANIFESTS, HERE),
        local.Sealer(KEYS, LocalKind.HEADS, THERE),
    ):
        with pytest.raises(AuthenticationFailed):
            other.unseal(sealed, name=b"one")
    for name, data in (
        (b"two", sealed),
        (b"one", sealed[:-1]),
        (b"one", sealed[:5]),
        (b"one", b""),
        (b"one", sealed + b"x"),
    ):
        with pytest.raises(AuthenticationFailed):
            SEALER.unseal(data, name=name)


@pytest.mark.spec("KEY-12")
@given(st.binary(max_size=40), st.binary(max_size=40), st.binary(max_size=9), st.binary(max_size=9))
def test_nonce_comes_twice_only_with_the_same_bytes(first: bytes, second: bytes, name: bytes, other: bytes) -> None:
    same = (first, name) == (second, other)
    nonces = [SEALER.seal(plain, name=word)[:12] for plain, word in ((first, name), (second, other))]
    assert (nonces[0] == nonces[1]) == same


def test_file_is_private_and_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    assert private.load(path) is None
    for data in (b"one", b"two"):
        private.save(path, data)
        assert private.load(path) == data
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert os.listdir(path.parent) == ["file"]


def test_file_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(IsADirectoryError):
        private.save(tmp_path / "taken", b"x")
    assert os.listdir(tmp_path) == ["taken"]
