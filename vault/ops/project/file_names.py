"""Names of the database as names of files. Pure.

A name is made safe: `%`, `/`, `.`, `~`, control characters and a leading `-` become %XX of their UTF-8.
Invariant: it is one-to-one; two tables never share a path, not even on a disk that ignores case.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from typing import Final

from vault.model import TableName

_UNSAFE: Final = re.compile(r"[%/.~\x00-\x1f\x7f-\x9f\u2028\u2029]|^-")


def encode_name(name: str) -> str:
    """One name of the database as a piece of a file name."""
    return _UNSAFE.sub(lambda unsafe: "".join(f"%{byte:02X}" for byte in unsafe[0].encode()), name)


def table_files(tables: Iterable[TableName]) -> dict[str, TableName]:
    """File name without its ending -> table. What differs in case alone gets `~` and 8 hex digits of its identity."""
    plain = {name: f"{encode_name(name.schema)}.{encode_name(name.name)}" for name in tables}
    seen = Counter(map(folded, plain.values()))
    return {path if seen[folded(path)] == 1 else f"{path}~{_identity(name)}": name for name, path in plain.items()}


def folded(path: str) -> str:
    """What a disk that ignores case, and how letters are composed, takes for the same."""
    return unicodedata.normalize("NFC", path).casefold()


def _identity(name: TableName) -> str:
    return hashlib.sha256(f"{name.schema}\0{name.name}".encode()).hexdigest()[:8]
