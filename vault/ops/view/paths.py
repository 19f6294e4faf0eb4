"""Names of the view, and paths of captured directories in it. Pure.

Names of the database are made safe by `ops.project.file_names`. A path of a captured directory stays what it was: only `%` and bytes
that are not UTF-8 become %XX.
"""

from __future__ import annotations

import re
from typing import Final

from vault.ops.project.file_names import encode_name as encode_name
from vault.ops.project.file_names import table_files as table_files

MANIFEST: Final = "BACKUP_MANIFEST.md"
RECORDS: Final = "data_records"
RESERVED_NAMES: Final = frozenset({MANIFEST, RECORDS})
"""Names of the view that a captured directory may not have; all others end in .sql, .csv, .dump or .sh."""

_ESCAPED: Final = re.compile(rb"%([0-9A-Fa-f]{2})")


def read_path(text: str) -> bytes:
    """The captured path that `source.paths.path_text` shows as `text`. A `%` that starts no escape stands for itself."""
    return _ESCAPED.sub(lambda escapes: bytes.fromhex(escapes[1].decode()), text.encode(errors="surrogateescape"))
