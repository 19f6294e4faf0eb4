"""Rows as COPY text, rendered as csv, jsonl, sql, or left as they are. Pure; works on blocks, never on single bytes.

COPY text: rows end in `\\n`, fields are parted by `\\t`, `\\N` is NULL, a backslash escapes `\\b \\f \\n \\r \\t \\v \\\\`. In every
encoding that a server may have, these bytes never occur inside a longer character, so splitting bytes is sound.
Invariant: a renderer holds one block and at most one unfinished row; csv equals what `COPY ... CSV HEADER` prints.
Blocks may end anywhere. Spec 60-snapshot ("Rows of a table").
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from json.encoder import encode_basestring
from string import ascii_letters, digits
from typing import Final

from vault.errors import Malformed, UsageError
from vault.model import Column, TableName

FORMATS: Final = ("csv", "copy", "jsonl", "sql")

NULL: Final = b"\\N"
_SPECIAL: Final = re.compile(rb"[\\\b\f\n\r\t\v]")
_ESCAPE: Final = re.compile(rb"\\(.)", re.DOTALL)
_MEANING: Final = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}
_ESCAPED: Final = {b"\\": b"\\\\", **{meaning: b"\\" + letter for letter, meaning in _MEANING.items()}}
_NUMBER: Final = re.compile(rb"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_NUMBER_TYPES: Final = ("smallint", "integer", "bigint", "oid", "real", "double precision", "numeric")
_UNQUOTED_TYPES: Final = (*_NUMBER_TYPES, "boolean", "uuid", "date", "timestamp", "time")
_JSON_TYPES: Final = ("json", "jsonb")
_WITHOUT_QUOTES: Final = b"\t-+.: " + digits.encode() + ascii_letters.encode()
"""What fields of _UNQUOTED_TYPES are made of, and the tabs between them."""
_DIGITS: Final = b"\t." + digits.encode()
_NUMBERS: Final = re.compile(rb"\t(?:(?:\\N|NaN|-?Infinity|-?[0-9]+(?:\.[0-9]+)?(?:e[-+]?[0-9]+)?)\t)*+")
"""Fields, each with a tab behind it."""
_NO_SEPARATORS: Final = bytes(byte for byte in range(256) if byte not in b"\t\n")
"""What is neither between fields nor between rows."""
_ROWS_PER_INSERT: Final = 100
_FORMULA: Final = re.compile(rb"[=+\-@\t\r\n]|\xef\xbc[\x8b\x8d\x9d\xa0]")
"""What a spreadsheet takes for the beginning of a formula; the last are the full-width forms of the signs."""


def whole_rows(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Re-cut blocks so that each ends with a row end.

    Raises  Malformed: the last row has no end
    """
    unfinished: list[bytes] = []
    for block in blocks:
        cut = block.rfind(b"\n") + 1
        if cut == 0:
            unfinished.append(block)
            continue
        unfinished.append(block if cut == len(block) else block[:cut])
        yield unfinished[0] if len(unfinished) == 1 else b"".join(unfinished)
        unfinished = [block[cut:]] if cut < len(block) else []
    if any(unfinished):
        raise Malformed("the last row of a table has no end")


def to_utf8(blocks: Iterable[bytes], codec: str) -> Iterator[bytes]:
    """Convert blocks of whole rows; `codec` is Python's name of the server's encoding. UTF-8 passes unchecked.

    Raises  UsageError: a byte has no Unicode form
    """
    for block in blocks:
        try:
            yield block if codec == "utf-8" else block.decode(codec).encode()
        except UnicodeDecodeError as error:
            raise UsageError(
                "a row is not valid in the server's encoding", why=error.reason, hint="take the rows with --format copy"
            ) from error


def unescape(field: bytes) -> bytes:
    """The value of a field that is not NULL."""
    return _ESCAPE.sub(lambda escape: _MEANING.get(escape[1], escape[1]), field) if b"\\" in field else field


def escape(value: bytes) -> bytes:
    """Inverse of `unescape`."""
    return _SPECIAL.sub(lambda special: _ESCAPED[special[0]], value) if _SPECIAL.search(value) else value


def render(
    form: str, blocks: Iterable[bytes], table: TableName, columns: Sequence[Column], *, no_formulas: bool = False
) -> Iterator[bytes]:
    """Rows in one of FORMATS. `blocks`: COPY text in UTF-8, cut anywhere; `copy` passes any encoding through.

    no_formulas  of csv, for a spreadsheet: text is quoted, and has an apostrophe before it where it would be a formula
    Raises       UsageError: an unknown format; Malformed: the text does not fit the columns
    """
    if form == "copy":
        return iter(blocks)
    if form == "csv":
        return _csv(blocks, columns, no_formulas=no_formulas)
    if form == "jsonl":
        return _jsonl(blocks, columns)
    if form == "sql":
        return _sql(blocks, table, columns)
    raise UsageError(f"no such format: {form}", hint=f"choose one of {', '.join(FORMATS)}")


def by_columns(block: bytes, count: int) -> list[list[bytes]]:
    """Raw fields of a block of whole rows, one list a column. `count` >= 1.

    Raises  Malformed: a row has another number of fields
    """
    separators = (b"\t" * (count - 1) + b"\n") * block.count(b"\n")
    if not block.endswith(b"\n") or block.translate(None, _NO_SEPARATORS) != separators:
        raise Malformed("the rows of a table do not have as many fields as the table has columns")
    fields = block[:-1].replace(b"\n", b"\t").split(b"\t")
    return [fields[at::count] for at in range(count)]


def _rows_of_nothing(block: bytes) -> int:
    """How many rows of a table without columns. Raises  Malformed: one has something in it"""
    if block.strip(b"\n"):
        raise Malformed("the rows of a table do not have as many fields as the table has columns")
    return len(block)


def of_columns(blocks: Iterable[bytes], kept: Sequence[int], count: int) -> Iterator[bytes]:
    """Only the columns at the places `kept`, at least one, of blocks of whole rows with `count` columns."""
    for block in blocks:
        fields = by_columns(block, count)
        rows = zip(*(fields[at] for at in kept), strict=True)
        yield b"".join(b"\t".join(row) + b"\n" for row in rows)


def beside(left: Iterable[bytes], right: Iterable[bytes], from_right: Sequence[bool]) -> Iterator[bytes]:
    """Rows put together of two texts that have as many rows, cut anywhere.

    from_right  for each column of the result, whether it is the next of `right`, else of `left`; at least one is
    Raises  Malformed: other columns than that, or rows without a counterpart
    """
    counts = (len(from_right) - sum(from_right), sum(from_right))
    for blocks in _in_step(whole_rows(left), whole_rows(right)):
        sides = [iter(by_columns(block, count) if count else []) for block, count in zip(blocks, counts, strict=True)]
        columns = [next(sides[side]) for side in from_right]
        yield b"".join(b"\t".join(row) + b"\n" for row in zip(*columns, strict=True))


def _in_step(left: Iterator[bytes], right: Iterator[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Blocks with as many rows on both sides."""
    ours = theirs = b""
    while True:
        ours, theirs = ours or next(left, b""), theirs or next(right, b"")
        if not ours and not theirs:
            return
        rows = min(ours.count(b"\n"), theirs.count(b"\n"))
        if not rows:
            raise Malformed("a table has rows without their generated columns, or the other way round")
        head, ours = _parted(ours, rows)
        other, theirs = _parted(theirs, rows)
        yield head, other


def _parted(block: bytes, rows: int) -> tuple[bytes, bytes]:
    """The first rows of a block, and what follows."""
    if block.count(b"\n") == rows:
        return block, b""
    rest = block.split(b"\n", rows)[rows]
    return block[: len(block) - len(rest)], rest


def records(blocks: Iterable[bytes], columns: Sequence[Column]) -> Iterator[dict[str, str | None]]:
    """Rows as values by column name; `blocks` of whole rows in UTF-8. For tables that a person could read through."""
    for block in blocks:
        for row in zip(*by_columns(block, len(columns)), strict=True):
            yield {
                column.name: None if field == NULL else unescape(field).decode()
                for column, field in zip(columns, row, strict=True)
            }


# --- csv -----------------------------------------------------------------------------------------


def _csv(blocks: Iterable[bytes], columns: Sequence[Column], *, no_formulas: bool) -> Iterator[bytes]:
    title = _inert if no_formulas else partial(_csv_value, escape=b"", alone=len(columns) == 1)
    yield b",".join(title(column.name.encode()) for column in columns) + b"\n"
    ways = [_csv_way(column, alone=len(columns) == 1, no_formulas=no_formulas) for column in columns]
    for block in whole_rows(blocks):
        if not columns:
            yield b"\n" * _rows_of_nothing(block)
            continue
        ready = [way(fields) for fields, way in zip(by_columns(block, len(columns)), ways, strict=True)]
        yield b"\n".join(map(b",".join, zip(*ready, strict=True))) + b"\n"


def _csv_way(column: Column, *, alone: bool, no_formulas: bool) -> Callable[[list[bytes]], list[bytes]]:
    """How the fields of a column are written. A number may be negative in a spreadsheet too; nothing else may begin so."""
    text = _csv_inert if no_formulas else partial(_csv_text, alone=alone)
    if no_formulas and _is_type(column, _NUMBER_TYPES):
        return partial(_csv_plain, are_plain=_are_numbers, text=text)
    if not no_formulas and _is_type(column, _UNQUOTED_TYPES):
        return partial(_csv_plain, are_plain=_need_no_quotes, text=text)
    return text


def _csv_inert(fields: list[bytes]) -> list[bytes]:
    return [b"" if field == NULL else _inert(unescape(field)) for field in fields]


def _inert(value: bytes) -> bytes:
    """Quoted whatever it is: where another sign than the comma parts columns, a formula could begin behind one of them."""
    value = b"'" + value if _FORMULA.match(value) else value
    return b'"' + value.replace(b'"', b'""') + b'"'


def _csv_plain(
    fields: list[bytes], *, are_plain: Callable[[bytes, int], bool], text: Callable[[list[bytes]], list[bytes]]
) -> list[bytes]:
    """As they are, if they have the form of the column's type; else, as somebody else's repository may have it, as `text`."""
    together = b"\t" + b"\t".join(fields) + b"\t"
    nulls = together.count(b"\t\\N") and fields.count(NULL)
    if b"\t\t" in together or not are_plain(together, nulls):
        return text(fields)
    return [b"" if field == NULL else field for field in fields] if nulls else fields


def _need_no_quotes(together: bytes, nulls: int) -> bool:
    """Of fields between tabs, `nulls` of them NULL: whether no other has a sign that CSV quotes or COPY escapes."""
    return together.translate(None, _WITHOUT_QUOTES) == b"\\" * nulls


def _are_numbers(together: bytes, nulls: int) -> bool:
    """As `_need_no_quotes`. Looked at one by one only where more than digits, and signs before them, is there."""
    rest = together.translate(None, _DIGITS)
    only_signs = not nulls and rest == b"-" * together.count(b"\t-")
    return only_signs or _NUMBERS.fullmatch(together) is not None


def _csv_text(fields: list[bytes], alone: bool) -> list[bytes]:
    together = b"\t".join(fields)
    escaped = b"\\" in together or b"\r" in together  # the latter as it stands in nobody's rows but a forger's
    special = escaped or b'"' in together or b"," in together
    if not special and b"" not in fields:
        return fields
    if not escaped:
        return [
            b'"' + field.replace(b'"', b'""') + b'"' if b'"' in field or b"," in field or not field else field
            for field in fields
        ]
    return [b"" if field == NULL else _csv_value(field, b"\\", alone) for field in fields]


def _csv_value(field: bytes, escape: bytes, alone: bool) -> bytes:
    """`escape` is empty for text that is not escaped. A lone `\\.` is quoted, or readers take it for the end of rows."""
    value = unescape(field) if escape else field
    if b'"' in value or b"," in value or not value or b"\n" in value or b"\r" in value or (alone and value == b"\\."):
        return b'"' + value.replace(b'"', b'""') + b'"'
    return value


# --- jsonl ---------------------------------------------------------------------------------------


def _jsonl(blocks: Iterable[bytes], columns: Sequence[Column]) -> Iterator[bytes]:
    encoders = [_json_encoder(column) for column in columns]
    names = [encode_basestring(column.name).encode() + b":" for column in columns]
    for block in whole_rows(blocks):
        if not columns:
            yield b"{}\n" * _rows_of_nothing(block)
            continue
        ready = [
            [name + (b"null" if field == NULL else encode(field)) for field in fields]
            for fields, encode, name in zip(by_columns(block, len(columns)), encoders, names, strict=True)
        ]
        yield b"".join(b"{" + b",".join(row) + b"}\n" for row in zip(*ready, strict=True))


def _json_encoder(column: Column) -> Callable[[bytes], bytes]:
    if _is_type(column, _NUMBER_TYPES):
        return json_number
    if column.type == "boolean":
        return json_boolean
    if column.type in _JSON_TYPES:
        return json_native
    return json_string


def json_number(field: bytes) -> bytes:
    """A type of numbers says nothing of what its rows hold in a repository that somebody else wrote."""
    return field if _NUMBER.fullmatch(field) else json_string(field)


def json_boolean(field: bytes) -> bytes:
    return b"true" if field == b"t" else b"false" if field == b"f" else json_string(field)


def json_native(field: bytes) -> bytes:
    return unescape(field).replace(b"\n", b" ").replace(b"\r", b" ")


def json_string(field: bytes) -> bytes:
    try:
        return encode_basestring(unescape(field).decode()).encode()
    except UnicodeDecodeError as error:
        raise UsageError(
            "a row is not valid UTF-8, so it has no JSON form",
            hint="take its bytes: pgvault table --format copy, or pgvault export --format parquet",
        ) from error


# --- sql -----------------------------------------------------------------------------------------


def inserts(
    blocks: Iterable[bytes], table: TableName, columns: Sequence[Column], *, key: Sequence[str]
) -> Iterator[bytes]:
    """Rows as INSERT statements that leave a row alone whose `key` (columns of a unique index) is there already.

    Without a key every run inserts all rows. `blocks` and Raises as `render`.
    """
    named = ", ".join(_quoted(column) for column in key)
    return _sql(blocks, table, columns, after=f"\nON CONFLICT ({named}) DO NOTHING".encode() if key else b"")


def _sql(blocks: Iterable[bytes], table: TableName, columns: Sequence[Column], after: bytes = b"") -> Iterator[bytes]:
    target = f"{_quoted(table.schema)}.{_quoted(table.name)}"
    if not columns:
        statement = f"INSERT INTO {target} DEFAULT VALUES;\n".encode()
        yield from (statement * _rows_of_nothing(block) for block in whole_rows(blocks))
        return
    names = ", ".join(_quoted(column.name) for column in columns)
    head = f"INSERT INTO {target} ({names}) OVERRIDING SYSTEM VALUE VALUES\n".encode()
    encoders = [_sql_number if _is_type(column, _NUMBER_TYPES) else _sql_text for column in columns]
    for block in whole_rows(blocks):
        ready = [
            [b"NULL" if field == NULL else encode(field) for field in fields]
            for fields, encode in zip(by_columns(block, len(columns)), encoders, strict=True)
        ]
        rows = [b"  (" + b", ".join(row) + b")" for row in zip(*ready, strict=True)]
        for at in range(0, len(rows), _ROWS_PER_INSERT):
            yield head + b",\n".join(rows[at : at + _ROWS_PER_INSERT]) + after + b";\n"


def _sql_number(field: bytes) -> bytes:
    """Unquoted, -0 would be an integer, which has no sign."""
    return field if _NUMBER.fullmatch(field) and field != b"-0" else _sql_text(field)


def _sql_text(field: bytes) -> bytes:
    value = unescape(field).replace(b"'", b"''")
    return b"E'" + value.replace(b"\\", b"\\\\") + b"'" if b"\\" in value else b"'" + value + b"'"


def _quoted(name: str) -> str:
    """A name as an SQL identifier, always quoted."""
    return '"' + name.replace('"', '""') + '"'


def _is_type(column: Column, types: Sequence[str]) -> bool:
    """Modifiers do not matter: numeric(12,2) is numeric, `timestamp(3) with time zone` is timestamp. Arrays are no such type."""
    base = column.type.partition("(")[0].removesuffix(" with time zone").removesuffix(" without time zone")
    return base in types and not column.type.endswith("[]")
