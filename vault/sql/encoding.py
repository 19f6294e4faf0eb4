"""PostgreSQL's encodings as Python's codecs, for definitions; rows stay the server's bytes. Pure.

SQL_ASCII promises nothing, so its definitions must be valid UTF-8 to become text; anything else is refused by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from vault.errors import SourceError

CODECS: Final[Mapping[str, str]] = {
    "UTF8": "utf-8",
    "SQL_ASCII": "utf-8",
    "EUC_CN": "gb2312",
    "EUC_JP": "euc_jp",
    "EUC_JIS_2004": "euc_jis_2004",
    "EUC_KR": "euc_kr",
    "ISO_8859_5": "iso8859_5",
    "ISO_8859_6": "iso8859_6",
    "ISO_8859_7": "iso8859_7",
    "ISO_8859_8": "iso8859_8",
    "KOI8R": "koi8_r",
    "KOI8U": "koi8_u",
    "LATIN1": "iso8859_1",
    "LATIN2": "iso8859_2",
    "LATIN3": "iso8859_3",
    "LATIN4": "iso8859_4",
    "LATIN5": "iso8859_9",
    "LATIN6": "iso8859_10",
    "LATIN7": "iso8859_13",
    "LATIN8": "iso8859_14",
    "LATIN9": "iso8859_15",
    "LATIN10": "iso8859_16",
    "WIN866": "cp866",
    "WIN874": "cp874",
    **{f"WIN{page}": f"cp{page}" for page in range(1250, 1259)},
}


ASCII: Final = "SQL_ASCII"


def client_encoding(*servers: str) -> str:
    """Of a script with rows of such servers: UTF8, into which they were converted, but for bytes that nobody converts."""
    return ASCII if ASCII in servers else "UTF8"


def codec_of(encoding: str) -> str:
    """Python's codec for a server encoding. Raises SourceError for one that has none"""
    try:
        return CODECS[encoding]
    except KeyError:
        raise SourceError(f"databases in encoding {encoding} are not supported") from None


def decode(raw: bytes, encoding: str, *, what: str) -> str:
    """Text of a definition, reversibly. Raises SourceError naming `what` if the bytes are not valid"""
    codec = codec_of(encoding)
    try:
        text = raw.decode(codec)
        exact = text.encode(codec) == raw
    except UnicodeError:
        exact = False
    if not exact:
        raise SourceError(
            f"the definition of {what} is not valid {encoding}",
            why="its bytes cannot become text exactly",
            hint="define it again with text in the database's encoding; for SQL_ASCII that is UTF-8",
        )
    return text
