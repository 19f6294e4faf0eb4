"""A restic repository that holds nothing but snapshots of any time: made in milliseconds, read by the real restic.

Written from restic's description of its repository format 1: AES-256-CTR, then Poly1305-AES; a file's name is the SHA-256 of its bytes.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR, ECB
from cryptography.hazmat.primitives.poly1305 import Poly1305

RESTIC = os.environ.get("PGVAULT_TEST_RESTIC") or shutil.which("restic")
PASSWORD = "restic"
SCRYPT_COST = 2
"""The least: nothing here is secret, and a hundred commands derive it."""
POLYNOMIAL = "3da3358b4dc173"
FOLDERS = ("data", "index", "keys", "locks", "snapshots")


@dataclass(frozen=True, slots=True)
class Keys:
    encrypt: bytes
    mac_k: bytes
    mac_r: bytes

    @classmethod
    def of(cls, data: bytes) -> Keys:
        return cls(data[:32], data[32:48], data[48:64])

    def seal(self, plain: bytes) -> bytes:
        nonce = os.urandom(16)
        cipher = Cipher(AES(self.encrypt), CTR(nonce)).encryptor()
        sealed = cipher.update(plain) + cipher.finalize()
        block = Cipher(AES(self.mac_k), ECB()).encryptor().update(nonce)
        return nonce + sealed + Poly1305.generate_tag(self.mac_r + block, sealed)


class ResticRepository:
    """In an empty directory."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._keys = Keys.of(os.urandom(64))
        for folder in FOLDERS:
            (root / folder).mkdir(parents=True)
        config = {"version": 1, "id": os.urandom(32).hex(), "chunker_polynomial": POLYNOMIAL}
        (root / "config").write_bytes(self._keys.seal(json.dumps(config).encode()))
        self._put("keys", json.dumps(self._slot()).encode())

    def add(self, time: datetime, *, host: str, tags: Sequence[str] = ()) -> str:
        """A snapshot; its id. `time` has its zone's offset."""
        snapshot = {
            "time": time.isoformat(),
            "tree": os.urandom(32).hex(),
            "paths": ["/x"],
            "hostname": host,
            "username": "u",
            **({"tags": list(tags)} if tags else {}),
        }
        return self._put("snapshots", self._keys.seal(json.dumps(snapshot).encode()))

    def forget(self, options: Iterable[str], *, zone: str) -> dict[str, set[str]]:
        """`forget --dry-run`: what is kept of each host."""
        assert RESTIC is not None
        command = [RESTIC, "forget", "--dry-run", "--json", "--no-lock", "--no-cache", "--group-by", "host", *options]
        environment = {
            "RESTIC_REPOSITORY": str(self.root),
            "RESTIC_PASSWORD": PASSWORD,
            "TZ": zone,
            "HOME": str(self.root),
        }
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        groups: list[dict[str, Any]] = json.loads(done.stdout)
        return {group["host"]: {kept["id"] for kept in group["keep"] or []} for group in groups}

    def _put(self, folder: str, data: bytes) -> str:
        name = hashlib.sha256(data).hexdigest()
        (self.root / folder / name).write_bytes(data)
        return name

    def _slot(self) -> dict[str, object]:
        salt = os.urandom(64)
        derived = hashlib.scrypt(PASSWORD.encode(), salt=salt, n=SCRYPT_COST, r=1, p=1, dklen=64)
        keys = {
            "mac": {"k": _text(self._keys.mac_k), "r": _text(self._keys.mac_r)},
            "encrypt": _text(self._keys.encrypt),
        }
        return {
            "created": "2020-01-01T00:00:00Z", "username": "u", "hostname": "h", "kdf": "scrypt", "N": SCRYPT_COST, "r": 1, "p": 1,
            "salt": _text(salt), "data": _text(Keys.of(derived).seal(json.dumps(keys).encode())),
        }  # fmt: skip


@cache
def keeps_the_oldest(rule: str) -> bool:
    """Whether this restic keeps the oldest snapshot of a group too, though it is of the same day as the newest: later ones than 0.14 do."""
    with tempfile.TemporaryDirectory() as folder:
        repository = ResticRepository(Path(folder) / "repository")
        for hour in (1, 2):
            repository.add(datetime(2020, 1, 1, hour, tzinfo=UTC), host="h")
        return len(repository.forget([rule], zone="UTC")["h"]) == 2


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
