"""Keys of a bucket as paths: for any keys, the paths are plain, in one tree, and lead back."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vault.format.files import encode_file, one_tree
from vault.limits import PATH_BYTES_MAX
from vault.model import ChunkList, FileItem, FileType
from vault.model.object_keys import PART_BYTES_MAX, key_of, path_of
from vault.source.files.paths import split_path

PIECES = st.sampled_from(
    [
        b"/",
        b"//",
        b".",
        b"..",
        b"%",
        b"%25",
        b"%~",
        b"%2E",
        b"a",
        b"A",
        b"-",
        b"0",
        b"\x00",
        b"\xff",
        b"\n",
        b"a" * 254,
        "ä".encode(),
        "é".encode(),
        "é".encode(),
        "😀".encode() * 80,
    ]
)
KEYS = st.lists(PIECES | st.binary(min_size=1, max_size=3), max_size=8).map(b"".join)


def in_one_bucket(keys: set[bytes]) -> dict[bytes, bytes]:
    """Path -> key, as a capture names them."""
    return {path_of(key, folder=any(other.startswith(key + b"/") for other in keys)): key for key in keys}


@pytest.mark.spec("FILE-5")
@given(st.sets(KEYS, min_size=1, max_size=12))
@example({b"a", b"a/", b"a//", b"a/%", b"a%", b"a%/b", b"a/b", b"/a", b"/", b"//"})
@example({b"x" * 300, b"x" * 300 + b"/y", b"x" * 253 + b"%~", b"x" * 253 + b"%~/" + b"x" * 47})
def test_every_key_has_a_path_of_its_own_in_one_tree(keys: set[bytes]) -> None:
    paths = in_one_bucket(keys)
    assert len(paths) == len(keys)
    items = [
        FileItem(path=path, type=FileType.FILE, mode=0o600, mtime_ns=0, chunks=ChunkList()) for path in sorted(paths)
    ]
    assert list(one_tree(items)) == items
    for item in items:
        encode_file(item)
        assert max(map(len, split_path(item.path))) <= PART_BYTES_MAX


@pytest.mark.spec("FILE-6")
@given(KEYS, st.booleans())
@example(b"%", True)
@example(b"a/", True)
def test_a_path_leads_back_to_its_key(key: bytes, folder: bool) -> None:
    assert key_of(path_of(key, folder=folder)) == key


@pytest.mark.spec("FILE-6")
@given(KEYS.filter(bool))
@example(b"%~")
@example(b"a%~/%~")
def test_what_is_no_keys_path_is_a_key_as_it_stands(path: bytes) -> None:
    key = key_of(path)
    assert path == key or path in (path_of(key), path_of(key, folder=True))


@pytest.mark.spec("FILE-5")
@pytest.mark.parametrize(
    ("key", "path"),
    [
        (b"folder/ph\xc3\xb6to 1.png", b"folder/ph\xc3\xb6to 1.png"),
        (b"a//b", b"a/%/b"),
        (b"/a", b"%/a"),
        (b"a/", b"a/%"),
        (b"../../etc/passwd", b"%2E%2E/%2E%2E/etc/passwd"),
        (b"", b"%"),
        (b"./...", b"%2E/..."),
        (b"100%", b"100%25"),
        (b"a\nb\x1b[31m", b"a\nb\x1b[31m"),
        (b"nul\0", b"nul%00"),
    ],
)
def test_paths_of_keys(key: bytes, path: bytes) -> None:
    assert path_of(key) == path


@pytest.mark.spec("FILE-5")
def test_a_long_part_is_cut_between_characters() -> None:
    key = ("ä" * 300).encode()
    path = path_of(key)
    first, *_, last = path.split(b"/")
    assert first.endswith(b"%~")
    assert first.removesuffix(b"%~").decode() == "ä" * 126
    assert last.decode()
    assert key_of(path) == key


def test_the_longest_key_fits_the_format() -> None:
    assert max(len(path_of(b"%" * 1024)), len(path_of(b"/" * 1024))) < PATH_BYTES_MAX
