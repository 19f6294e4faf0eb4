"""Names, encodings and settings: pure texts that reach the server."""

from __future__ import annotations

import pytest

from vault.errors import SourceError
from vault.model import Column, TableName
from vault.ports import ExtentJob, SourceTable
from vault.source.postgres.rows import extent_sql
from vault.sql.encoding import CODECS, codec_of, decode
from vault.sql.names import literal, qualified, quote
from vault.sql.settings import FIXED, TAKEN_IN, fixed


def test_names_are_quoted_always() -> None:
    assert quote('a"b') == '"a""b"'
    assert qualified(TableName(schema="s.", name="T")) == '"s."."T"'
    assert literal("it's") == "'it''s'"


def test_every_codec_exists() -> None:
    for encoding in CODECS:
        assert "".encode(codec_of(encoding)) == b""


def test_encodings_without_a_codec_are_refused() -> None:
    with pytest.raises(SourceError, match="MULE_INTERNAL are not supported"):
        codec_of("MULE_INTERNAL")


def test_text_is_decoded_exactly_or_refused_by_name() -> None:
    assert decode(b"\xe9", "LATIN1", what="x") == "é"
    for raw, encoding in ((b"\xe9", "UTF8"), (b"\xe9", "SQL_ASCII"), (b"\x81", "WIN1252")):
        with pytest.raises(SourceError, match="definition of TABLE a is not valid"):
            decode(raw, encoding, what="TABLE a")


def test_settings_are_local_to_the_transaction() -> None:
    statements = fixed({"transaction_timeout"}).rstrip(";").split(";")
    assert len(statements) == len(FIXED) + len(TAKEN_IN) + 1
    assert all(statement.startswith("SET LOCAL ") for statement in statements)
    assert "SET LOCAL row_security = 'off'" in statements


def table(condition: str = "") -> SourceTable:
    return SourceTable(
        name=TableName(schema="s", name='t"'),
        oid=1,
        filenode=2,
        kind="r",
        access_method="heap",
        columns=(Column(name="a", type="text", attnum=1), Column(name='b"', type="text", attnum=2)),
        key_columns=(),
        fingerprint=b"",
        load_via_root=None,
        condition=condition,
        blocks=3,
        bytes_estimate=0,
        ranges=not condition,
    )


def test_the_count_has_the_very_condition_of_the_copy() -> None:
    for job in (
        ExtentJob(table=table(), start=1024, blocks=1024),
        ExtentJob(table=table("WHERE a <> 'x'"), start=0, blocks=0),
    ):
        rows = extent_sql.source(job)
        assert rows in extent_sql.copy(job, "UTF8")
        assert rows in extent_sql.count(job)
    assert extent_sql.copy(ExtentJob(table=table(), start=0, blocks=8), "UTF8") == (
        'COPY (SELECT "a", "b""" FROM ONLY "s"."t""" WHERE ctid >= \'(0,0)\' AND ctid < \'(8,0)\') TO STDOUT (ENCODING \'UTF8\')'
    )


def test_a_count_that_differs_is_an_error_without_rows_in_it() -> None:
    job = ExtentJob(table=table(), start=0, blocks=8)
    extent_sql.require_equal(job, 5, 5)
    with pytest.raises(SourceError, match="gave 4 rows in blocks from 0 on, and has 5"):
        extent_sql.require_equal(job, 4, 5)
