"""The codec of pg_dump's archives: inverse of itself, equal to what every pg_dump here writes, strict on damage."""

from __future__ import annotations

import subprocess
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fix_postgres import Cluster
from vault.errors import Malformed, Unsupported
from vault.sql.archive import (
    CUSTOM,
    NO_DATA,
    Archive,
    Entry,
    Header,
    decode,
    encode,
    encode_int,
    encode_string,
)

TEXT = st.none() | st.binary(max_size=20)
NUMBER = st.integers(min_value=-(2**31), max_value=2**31)


def archives(version: tuple[int, int]) -> st.SearchStrategy[Archive]:
    header = st.builds(
        Header,
        version=st.just(version),
        revision=st.integers(0, 255),
        format=st.just(CUSTOM),
        compression=st.integers(0, 3),
        created=st.tuples(*[NUMBER] * 7),
        database=TEXT,
        server_version=TEXT,
        dump_version=TEXT,
    )
    entry = st.builds(
        Entry,
        dump_id=st.integers(1, 2**31),
        had_dumper=st.booleans(),
        table_oid=TEXT,
        oid=TEXT,
        tag=TEXT,
        desc=TEXT,
        section=st.integers(1, 4),
        definition=TEXT,
        drop=TEXT,
        copy=TEXT,
        namespace=TEXT,
        tablespace=TEXT,
        access_method=TEXT if version >= (1, 14) else st.none(),
        relation_kind=NUMBER if version >= (1, 16) else st.just(0),
        owner=TEXT,
        needs=st.lists(st.binary(min_size=1, max_size=5), max_size=4).map(tuple),
        offset_flag=st.sampled_from([1, 2, NO_DATA]),
        offset=st.integers(0, 2**63),
    )
    return st.builds(Archive, header=header, entries=st.lists(entry, max_size=4).map(tuple))


@pytest.mark.parametrize("minor", [12, 13, 14, 15, 16])
def test_decode_is_the_inverse_of_encode_in_every_version(minor: int) -> None:
    @given(archives((1, minor)))
    def inverse(archive: Archive) -> None:
        assert decode(encode(archive)) == archive

    inverse()


def test_integers_and_strings_have_the_layout_of_pg_dump() -> None:
    assert encode_int(258) == b"\0\x02\x01\0\0"
    assert encode_int(-1) == b"\x01\x01\0\0\0"
    assert encode_string(None) == b"\x01\x01\0\0\0"
    assert encode_string(b"ab") == b"\0\x02\0\0\0ab"


def sample() -> Archive:
    header = Header(
        version=(1, 14),
        revision=0,
        format=CUSTOM,
        compression=0,
        created=(0,) * 7,
        database=b"d",
        server_version=b"15.18",
        dump_version=b"15.18",
    )
    return Archive(header=header, entries=())


def test_decode_refuses_an_archive_cut_anywhere() -> None:
    whole = encode(sample())
    for length in range(len(whole)):
        with pytest.raises(Malformed):
            decode(whole[:length])


def test_decode_refuses_what_is_no_archive() -> None:
    with pytest.raises(Malformed, match="not an archive"):
        decode(b"-- PostgreSQL database dump")


@pytest.mark.parametrize("version", [(1, 11), (1, 17), (2, 0)])
def test_decode_refuses_versions_that_it_does_not_know(version: tuple[int, int]) -> None:
    archive = sample()
    with pytest.raises(Unsupported, match="not supported"):
        decode(encode(replace(archive, header=replace(archive.header, version=version))))


@pytest.mark.parametrize("place", [8, 9])
def test_decode_refuses_integers_of_another_width(place: int) -> None:
    whole = bytearray(encode(sample()))
    whole[place] = 2
    with pytest.raises(Unsupported, match="width"):
        decode(bytes(whole))


def test_decode_refuses_a_number_of_entries_that_cannot_be() -> None:
    whole = encode(sample())
    with pytest.raises(Malformed, match="impossible number"):
        decode(whole[:-5] + encode_int(2**31))


def test_decode_refuses_what_encode_never_writes() -> None:
    """So that what was read is written again byte for byte, whatever somebody changed in it."""
    entry = Entry(
        dump_id=777, had_dumper=True, table_oid=None, oid=b"8", tag=None, desc=None, section=1, definition=None, drop=None,
        copy=None, namespace=None, tablespace=None, access_method=None, relation_kind=0, owner=None, needs=(),
    )  # fmt: skip
    whole = encode(replace(sample(), entries=(entry,)))
    number, flag = encode_int(777), encode_int(1)
    for old, new in (
        (number + flag, number + encode_int(2)),
        (number, b"\1" + bytes(4)),
        (flag + encode_string(None), flag + encode_int(-2)),
    ):
        assert old in whole
        with pytest.raises(Malformed):
            decode(whole.replace(old, new, 1))


@pytest.mark.postgres
def test_header_and_contents_of_a_real_archive_are_reproduced_byte_for_byte(postgres: Cluster) -> None:
    name = postgres.createdb()
    with postgres.connect(name) as connection:
        connection.execute(
            "CREATE TABLE t (a integer PRIMARY KEY); COMMENT ON TABLE t IS 'x'; GRANT SELECT ON t TO PUBLIC"
        )
    command = [str(postgres.bin / "pg_dump"), "-Fc", "-Z0", "-s", "-d", postgres.dsn(name)]
    whole = subprocess.run(command, capture_output=True, check=True).stdout
    found = decode(whole)
    assert encode(found) == whole
    assert found.header.version == ((1, 14) if postgres.major == 15 else (1, 16))
    assert {entry.desc for entry in found.entries} >= {b"TABLE", b"CONSTRAINT", b"COMMENT", b"ACL"}
    postgres.dropdb(name)
