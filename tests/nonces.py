"""Every (key, nonce) of whole repositories: each file opened by spec/reader.py alone, and no pair found under two contents.

    python -m tests.nonces DIRECTORY...     repositories in directories, one passphrase for all in PGVAULT_PASSWORD; figures as JSON

AES-256-GCM under one key and nonce twice gives away the two plaintexts' difference and the key that authenticates. What is
looked at are the keys that were really used, derived from headers as the spec says, so that a mistake in what goes into a
derivation would be found like a salt that was drawn twice.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from spec import reader  # noqa: E402

NO_NONCE: Final = bytes(12)
"""Of envelopes and slots: their keys serve one encryption."""


class Reused(AssertionError):
    """Two contents were sealed under one key and nonce."""


@dataclass(slots=True)
class Pairs:
    """`kinds`: how many of what. The files may be of many repositories."""

    kinds: Counter[str] = field(default_factory=Counter)
    _seen: dict[bytes, tuple[bytes, str]] = field(default_factory=dict)
    _files: set[bytes] = field(default_factory=set)

    def __len__(self) -> int:
        return len(self._seen)

    def note(self, key: bytes, nonce: bytes, content: bytes, *, kind: str, where: str) -> None:
        """One sealing. The very same bytes once more are the same sealing, sent again. Raises  Reused"""
        pair, digest = hashlib.sha256(key + nonce).digest(), hashlib.sha256(content).digest()
        before = self._seen.setdefault(pair, (digest, where))
        if before[0] != digest:
            raise Reused(f"{kind}: {where} and {before[1]} have one key and nonce")
        if before[1] == where:
            self.kinds[kind] += 1

    def add_repository(self, files: Iterable[tuple[str, bytes]], keys: reader.Keys, passphrases: Iterable[str]) -> None:
        """Files of one repository by name, those of any moment of its life. Raises  Reused; reader.Refused: one does not open"""
        words = list(passphrases)
        for number, (name, data) in enumerate(files):
            digest = hashlib.sha256(data).digest()
            if digest not in self._files:
                self._files.add(digest)
                self._add(f"{name} ({number})", data, keys, words)

    def _add(self, where: str, data: bytes, keys: reader.Keys, passphrases: list[str]) -> None:
        match data[:8]:
            case b"PGVAULTF":
                reader.open_envelope(data, data[9], keys)
                kind = f"file of kind {data[9]}"
                self.note(keys.file_key(data[:44]), NO_NONCE, data[44:], kind=kind, where=where)
            case b"PGVAULTP":
                self._add_pack(where, data, keys)
            case b"PGVAULTK":
                self._add_slot(where, data, passphrases)
            case b"PGVAULTC":
                reader.check_config(data, keys)
            case _:
                raise reader.Refused("malformed", f"{where} is no file of a repository")

    def _add_pack(self, where: str, data: bytes, keys: reader.Keys) -> None:
        header, key = data[:68], keys.pack_key(data[:68])
        for one in reader.read_pack(data, keys):
            sealed = data[one.offset : one.offset + one.length]
            reader.unseal(sealed, header, one, keys)
            self.note(key, _ordinal(one.ordinal), sealed, kind="object", where=f"{where} #{one.ordinal}")
        length = reader.decode_footer(data[-12:], len(data))
        trailer = data[len(data) - 12 - length : -12]
        self.note(key, _ordinal(reader.TRAILER_ORDINAL), trailer, kind="trailer", where=where)

    def _add_slot(self, where: str, data: bytes, passphrases: list[str]) -> None:
        """Its key is what passphrase, salt and parameters give, and they are compared in its stead."""
        slot = reader.decode_slot(data)
        for passphrase in passphrases:
            try:
                reader.open_slot(data, passphrase)
            except reader.Refused:
                continue
            key = reader.encode(slot["kdf"]) + reader.password_bytes(passphrase)
            self.note(key, NO_NONCE, slot["wrapped"], kind="slot", where=where)
            return
        raise reader.Refused("authentication", f"{where} opens by none of the passphrases")

    def add_local(self, records: Mapping[str, bytes]) -> None:
        """Records that a client keeps outside of repositories: each begins with its nonce, which depends on all that is sealed."""
        for where, data in records.items():
            self.note(b"local", data[:12], data[12:], kind="local record", where=where)


def _ordinal(ordinal: int) -> bytes:
    return bytes(8) + ordinal.to_bytes(4)


def main() -> int:
    pairs, passphrase = Pairs(), os.environ["PGVAULT_PASSWORD"]
    for directory in map(Path, sys.argv[1:]):
        opened = reader.Repository.unlock(reader.Store(directory), lambda: passphrase)
        files = sorted(path for path in directory.rglob("*") if path.is_file() and path.parent.name != "tmp")
        named = ((str(path.relative_to(directory)), path.read_bytes()) for path in files)
        pairs.add_repository(named, opened.keys, [passphrase])
    print(json.dumps({"pairs": len(pairs), "repeated": 0, "kinds": dict(sorted(pairs.kinds.items()))}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
