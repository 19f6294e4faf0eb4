"""Names of the database and of files as paths of the view. Pure.

A name of the database is made safe: `%`, `/`, `.`, `~`, control characters and a leading `-` become %XX of their UTF-8.
A path of a captured directory stays what it was: only `%` and bytes that are not UTF-8 become %XX.
Invariant: both are one-to-one; two tables never share a path, not even on a disk that ignores case.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from typing import Final

from vault.model import TableName

MANIFEST: Final = "BACKUP_MANIFEST.md"
RECORDS: Final = "data_records"
RESERVED_NAMES: Final = frozenset({MANIFEST, RECORDS})
"""Names of the view that a captured directory may not have; all others end in .sql, .csv, .dump or .sh."""

_UNSAFE: Final = re.compile(r"[%/.~\x00-\x1f\x7f-\x9f\u2028\u2029]|^-")
_ESCAPED: Final = re.compile(rb"%([0-9A-Fa-f]{2})")


def encode_name(name: str) -> str:
    """One name of the database as a piece of a file name."""
    return _UNSAFE.sub(lambda unsafe: "".join(f"%{byte:02X}" for byte in unsafe[0].encode()), name)


def table_files(tables: Iterable[TableName]) -> dict[str, TableName]:
    """File name without its ending -> table. What differs in case alone gets `~` and 8 hex digits of its identity."""
    plain = {name: f"{encode_name(name.schema)}.{encode_name(name.name)}" for name in tables}
    seen = Counter(map(_folded, plain.values()))
    return {path if seen[_folded(path)] == 1 else f"{path}~{_identity(name)}": name for name, path in plain.items()}


def _folded(path: str) -> str:
    return unicodedata.normalize("NFC", path).casefold()


def _identity(name: TableName) -> str:
    return hashlib.sha256(f"{name.schema}\0{name.name}".encode()).hexdigest()[:8]


def read_path(text: str) -> bytes:
    """The captured path that `source.paths.path_text` shows as `text`. A `%` that starts no escape stands for itself."""
    return _ESCAPED.sub(lambda escapes: bytes.fromhex(escapes[1].decode()), text.encode(errors="surrogateescape"))
