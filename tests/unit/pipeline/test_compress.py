"""What the decompressor refuses, and that it refuses before it takes memory."""

from __future__ import annotations

import os
import resource
import subprocess
import sys

import pytest
import zstandard

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

from vault.errors import IntegrityError, LimitExceeded, Malformed
from vault.limits import CHUNK_BYTES_MAX, DELTA_BASE_BYTES_MIN, META_BYTES_MAX
from vault.model import Codec
from vault.pipeline.compress import compress, compress_delta, decompress, frame_length

PLAIN = b"abc" * 10_000
GIB = 2**30


def frame_claiming(length: int) -> bytes:
    """A frame header with an 8-byte content size and one raw block of a byte."""
    single_segment_8_bytes = 0b1110_0000
    block = (1 << 3 | 1).to_bytes(3, "little") + b"a"
    return zstandard.FRAME_HEADER + bytes((single_segment_8_bytes,)) + length.to_bytes(8, "little") + block


def test_raw_object_of_another_length_is_refused() -> None:
    with pytest.raises(Malformed):
        decompress(PLAIN, Codec.RAW, plain_length=len(PLAIN) + 1)


@pytest.mark.parametrize("length", [len(PLAIN) - 1, len(PLAIN) + 1, 0, 2**31])
def test_frame_of_another_length_than_its_record_is_refused(length: int) -> None:
    with pytest.raises(Malformed):
        decompress(compress(PLAIN)[1], Codec.ZSTD, plain_length=length)


@pytest.mark.parametrize("claimed", [META_BYTES_MAX + 1, GIB, 2**40, 2**63])
def test_claim_above_any_object_is_refused(claimed: int) -> None:
    with pytest.raises(LimitExceeded):
        decompress(frame_claiming(claimed), Codec.ZSTD, plain_length=claimed)
    with pytest.raises(IntegrityError):
        decompress(frame_claiming(claimed), Codec.ZSTD, plain_length=1000)
    with pytest.raises(LimitExceeded):
        frame_length(frame_claiming(claimed))


def test_claim_of_gibibytes_takes_no_memory() -> None:
    """In a process that could not allocate what the frame claims."""
    program = f"""
import resource
from vault.errors import IntegrityError
from vault.model import Codec
from vault.pipeline.compress import decompress
resource.setrlimit(resource.RLIMIT_AS, ({GIB}, {GIB}))
for claimed in (2 * {GIB}, {META_BYTES_MAX} + 1):
    frame = {frame_claiming(0)[:5]!r} + claimed.to_bytes(8, "little") + {frame_claiming(0)[13:]!r}
    for expected in (claimed, 100):
        try:
            decompress(frame, Codec.ZSTD, plain_length=expected)
        except IntegrityError:
            continue
        raise SystemExit("not refused")
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) * 1024 < GIB // 4
    assert resource.getpagesize()


@pytest.mark.skipif(sys.platform != "linux", reason="no limit of address space")
def test_without_memory_neither_a_defect_nor_damage_is_told() -> None:
    """At any limit from where nothing can be allocated to where all can be."""
    program = """
import os, random, resource
from vault.model import Codec
from vault.pipeline.compress import compress, compress_delta, decompress

def tried(work, least):
    for more in range(0, 12 * 2**20, 2**18):
        if os.fork() == 0:
            resource.setrlimit(resource.RLIMIT_AS, (least + more, least + more))
            try:
                work()
                said = "done"
            except BaseException as error:
                said = type(error).__name__
            os.write(1, f"{work.__name__} {said}\\n".encode())
            os._exit(0)
        os.wait()

plain = random.Random(1).randbytes(900_000)
half = plain[:450_000].hex().encode()
small = compress(half)[1]
delta = compress_delta(plain, plain)
works = (
    lambda: compress(plain),
    lambda: compress_delta(plain, plain),
    lambda: decompress(small, Codec.ZSTD, plain_length=len(half)),
    lambda: decompress(delta, Codec.ZSTD_DELTA, plain_length=len(plain), base=plain),
)
least = 1024 * int(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmSize")))
for name, work in zip(("compress", "compress_delta", "decompress", "decompress_delta"), works):
    work.__name__ = name
    tried(work, least)
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "MALLOC_MMAP_THRESHOLD_": "32768"},  # what is freed goes back to the system
        capture_output=True,
        text=True,
        check=True,
    )
    ends = {tuple(line.split()) for line in done.stdout.splitlines()}
    assert {end for _, end in ends} == {"done", "MemoryError"}, ends
    assert ("compress", "MemoryError") in ends


def test_frame_with_a_large_window_is_refused() -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=27, compression_level=1)
    stored = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    frame = stored.compress(PLAIN) + stored.flush()
    with pytest.raises(IntegrityError):
        decompress(frame, Codec.ZSTD, plain_length=len(PLAIN))


def unknown_size() -> bytes:
    stream = zstandard.ZstdCompressor().compressobj()
    return stream.compress(PLAIN) + stream.flush()


@pytest.mark.parametrize(
    "stored",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"no frame at all", id="no frame"),
        pytest.param(compress(PLAIN)[1][:-1], id="cut off"),
        pytest.param(compress(PLAIN)[1][:5], id="header only"),
        pytest.param(compress(PLAIN)[1] + b"\0", id="byte behind"),
        pytest.param(compress(PLAIN)[1] * 2, id="two frames"),
        pytest.param(unknown_size(), id="no content size"),
        pytest.param(zstandard.ZstdCompressor(write_checksum=True).compress(PLAIN), id="checksum"),
        pytest.param(b"\x50\x2a\x4d\x18\x04\0\0\0abcd", id="skippable frame"),
        pytest.param(b"\x50\x2a\x4d\x18\x04\0\0\0abcd" + compress(PLAIN)[1], id="skippable frame before"),
    ],
)
def test_anything_but_one_plain_frame_is_refused(stored: bytes) -> None:
    with pytest.raises(IntegrityError):
        decompress(stored, Codec.ZSTD, plain_length=len(PLAIN))


@pytest.mark.parametrize("behind", [b"", b"\0", b"junk"])
def test_frame_of_nothing_with_bytes_behind_it_is_refused(behind: bytes) -> None:
    frame = zstandard.ZstdCompressor(write_content_size=True).compress(b"")
    if not behind:
        assert decompress(frame, Codec.ZSTD, plain_length=0) == b""
        return
    with pytest.raises(Malformed):
        decompress(frame + behind, Codec.ZSTD, plain_length=0)


def test_delta_without_a_base_is_refused() -> None:
    with pytest.raises(Malformed):
        decompress(compress_delta(PLAIN, b"the base"), Codec.ZSTD_DELTA, plain_length=len(PLAIN))


@pytest.mark.parametrize("length", [0, DELTA_BASE_BYTES_MIN - 1, CHUNK_BYTES_MAX + 1])
def test_base_outside_the_bounds_of_a_chunk_is_refused(length: int) -> None:
    stored = compress_delta(PLAIN, b"the base")
    with pytest.raises(LimitExceeded):
        decompress(stored, Codec.ZSTD_DELTA, plain_length=len(PLAIN), base=bytes(length))


def test_delta_on_a_wrong_base_never_crashes() -> None:
    base = os.urandom(50_000)
    plain = base[:20_000] + b"changed" + base[20_000:]
    stored = compress_delta(plain, base)
    for wrong in (os.urandom(50_000), base[::-1], b"xxxxxxxx"):
        try:
            assert decompress(stored, Codec.ZSTD_DELTA, plain_length=len(plain), base=wrong) != plain
        except IntegrityError:
            continue


@pytest.mark.parametrize("size", range(4))
@pytest.mark.parametrize("single", [0, 1])
@pytest.mark.parametrize("id_", range(4))
def test_content_size_is_read_from_every_form_of_a_header(size: int, single: int, id_: int) -> None:
    """Another reader of the format says what it is."""
    start = zstandard.FRAME_HEADER + bytes((size << 6 | single << 5 | id_,)) + (b"" if single else b"\x08")
    data = start + bytes(range(1, (0, 1, 2, 4)[id_] + 1)) + b"\x05" + bytes(10)
    declared = zstandard.get_frame_parameters(data).content_size
    if declared == zstandard.CONTENTSIZE_UNKNOWN:
        with pytest.raises(Malformed, match="without content size"):
            frame_length(data)
    else:
        assert frame_length(data) == declared
    length = len(start) + (0, 1, 2, 4)[id_] + ((1 if single else 0), 2, 4, 8)[size]
    with pytest.raises(Malformed, match="not a zstd frame"):
        frame_length(data[: max(length - 1, 5)])


def test_longest_object_is_taken_and_a_longer_one_is_not() -> None:
    assert frame_length(frame_claiming(META_BYTES_MAX)) == META_BYTES_MAX
    with pytest.raises(Malformed, match=r"does not decode|not exactly one"):
        decompress(frame_claiming(META_BYTES_MAX), Codec.ZSTD, plain_length=META_BYTES_MAX)
    with pytest.raises(LimitExceeded):
        frame_length(frame_claiming(META_BYTES_MAX + 1))


def test_windows_up_to_the_longest_object_are_taken() -> None:
    """Those that another reader knows: up to 2 GiB."""
    for coded in range(21 << 3):
        header = zstandard.FRAME_HEADER + bytes((0b1000_0000, coded)) + (1).to_bytes(4, "little")
        frame = header + (1 << 3 | 1).to_bytes(3, "little") + b"a"
        if zstandard.get_frame_parameters(frame).window_size <= META_BYTES_MAX:
            assert decompress(frame, Codec.ZSTD, plain_length=1) == b"a"
        else:
            with pytest.raises(LimitExceeded):
                decompress(frame, Codec.ZSTD, plain_length=1)


@pytest.mark.parametrize("length", [DELTA_BASE_BYTES_MIN, CHUNK_BYTES_MAX])
def test_shortest_and_longest_base_are_taken(length: int) -> None:
    base = bytes(length)
    stored = compress_delta(PLAIN, base)
    assert decompress(stored, Codec.ZSTD_DELTA, plain_length=len(PLAIN), base=base) == PLAIN


@pytest.mark.parametrize(
    ("flags", "id_", "taken"), [(1, b"\0", True), (1, b"\1", False), (0, b"", True), (4, b"", False)]
)
def test_a_frame_names_no_dictionary_and_has_no_checksum(flags: int, id_: bytes, taken: bool) -> None:
    """The id 0 is none."""
    checksum = (0x85CBA61E).to_bytes(4, "little") if flags & 4 else b""
    stored = (
        zstandard.FRAME_HEADER + bytes((1 << 5 | flags,)) + id_ + b"\x01" + (1 << 3 | 1).to_bytes(3, "little") + b"a"
    )
    if taken:
        assert decompress(stored, Codec.ZSTD, plain_length=1) == b"a"
    else:
        with pytest.raises(Malformed, match="dictionary id or a checksum"):
            decompress(stored + checksum, Codec.ZSTD, plain_length=1)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("Unable to decompress: Allocation error : not enough memory", MemoryError),
        ("Data corruption detected", Malformed),
    ],
)
def test_what_zstd_says_of_memory_is_no_damage(
    monkeypatch: pytest.MonkeyPatch, said: str, told: type[Exception]
) -> None:
    class Without:
        def decompress(self, stored: bytes, max_length: int) -> bytes:
            raise zstd.ZstdError(said)

    monkeypatch.setattr("vault.pipeline.compress._decompressor", lambda *_: Without())
    with pytest.raises(told):
        decompress(compress(PLAIN)[1], Codec.ZSTD, plain_length=len(PLAIN))
