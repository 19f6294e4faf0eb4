"""What is kept of rendered files, how long, and how a stream answers whoever jumps about."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from vault.cli.mount.contents import ContentSpool, Handle
from vault.errors import Malformed
from vault.limits import KIB, MIB


class Rendered:
    """Counts how often it is rendered."""

    def __init__(self, size: int) -> None:
        self.text = bytes(range(256)) * (size // 256 + 1)
        self.text = self.text[:size]
        self.times = 0

    def __call__(self) -> Iterator[bytes]:
        self.times += 1
        return (self.text[at : at + 50_000] for at in range(0, len(self.text), 50_000))


@pytest.fixture
def spool(tmp_path: Path) -> ContentSpool:
    return ContentSpool(tmp_path, spool_bytes=8 * MIB)


@pytest.mark.parametrize("size", [0, 1, 256 * KIB, 256 * KIB + 1, 2 * MIB])
def test_what_fits_is_rendered_once_and_read_from_there(spool: ContentSpool, tmp_path: Path, size: int) -> None:
    made = Rendered(size)
    assert spool.size("a", made) == size
    kept = spool.kept("a", made)
    assert kept is not None
    assert kept.read(0, size + 1) == made.text
    assert kept.read(size // 2, 10) == made.text[size // 2 : size // 2 + 10]
    assert made.times == 1
    assert list(tmp_path.iterdir()) == []


def test_what_is_too_long_is_counted_once_and_not_kept(spool: ContentSpool) -> None:
    made = Rendered(2 * MIB + 1)
    assert spool.size("a", made) == 2 * MIB + 1
    assert spool.kept("a", made) is None
    assert spool.size("a", made) == 2 * MIB + 1
    assert made.times == 1


def test_the_oldest_go_and_their_sizes_stay(spool: ContentSpool) -> None:
    made = [Rendered(2 * MIB) for _ in range(6)]
    held = [spool.kept(at, one) for at, one in enumerate(made)]
    assert spool.size(0, made[0]) == 2 * MIB
    assert made[0].times == 1
    assert held[0] is not None
    assert held[0].read(0, 10) == made[0].text[:10]
    spool.kept(0, made[0])
    assert made[0].times == 2
    spool.kept(5, made[5])
    assert made[5].times == 1


def test_two_who_want_the_same_wait_for_one_rendering(spool: ContentSpool) -> None:
    made = Rendered(1 * MIB)
    threads = [threading.Thread(target=spool.kept, args=("a", made)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made.times == 1


def test_what_cannot_be_rendered_leaves_nothing(spool: ContentSpool) -> None:
    def broken() -> Iterator[bytes]:
        yield bytes(MIB)
        raise Malformed("broken")

    with pytest.raises(Malformed):
        spool.size("a", broken)
    made = Rendered(10)
    assert spool.size("a", made) == 10


def test_a_stream_starts_anew_only_for_who_goes_far_back() -> None:
    text = bytes(range(251)) * 80_000
    starts: list[int] = []

    def start(offset: int) -> tuple[int, Iterator[bytes]]:
        starts.append(offset)
        begin = offset // 1_000_000 * 1_000_000
        return begin, (text[at : at + 70_000] for at in range(begin, len(text), 70_000))

    handle = Handle(kept=None, start=start)
    for offset in range(0, 9_000_000, 131_072):
        assert handle.read(offset, 131_072) == text[offset : offset + 131_072]
    assert handle.read(8_000_000, 10) == text[8_000_000:8_000_010]
    assert starts == [0]
    assert handle.read(100, 10) == text[100:110]
    assert handle.read(len(text) - 5, 100) == text[-5:]
    assert handle.read(len(text) + 5, 100) == b""
    assert len(starts) == 4
