"""The recovery kit: a text that opens a repository without its `keys/` and `config`. Spec 20-keys.

Never unwraps the slot. Its checksum finds typing errors; it authenticates nothing. hashlib is allowed here, because
format does not know crypto.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from vault.errors import AuthenticationFailed, LimitExceeded, Malformed, Unsupported
from vault.format.keyslot import decode_slot
from vault.ids import RepositoryId
from vault.limits import SLOT_BYTES_MAX

_TITLE: Final = "pgvault-recovery-kit"
_VERSION: Final = "1"
_LABELS: Final = ("repository", "secret", "slot", "checksum")
_CHECKSUM_BYTES: Final = 8
_REPOSITORY_BYTES: Final = 16
_SECRET_BYTES: Final = 32
_TEXT_CHARACTERS_MAX: Final = 4 * SLOT_BYTES_MAX
_HEX: Final = re.compile(r"(?:[0-9a-f]{2})+")
_PIECE: Final = re.compile(r"[A-Za-z0-9+/=]+")
_BLANKS: Final = " \t\r\u00a0\ufeff"
"""What a mail, an editor or a word processor adds to a line, or puts in place of a space."""
_GAP: Final = re.compile(f"[{_BLANKS}]+")
_HINT: Final = "copy the kit again, every line of it as it was written"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kit:
    """`slot`: a whole key slot file, whose passphrase is the hex text of `secret`."""

    repository: RepositoryId
    secret: bytes = field(repr=False)
    slot: bytes = field(repr=False)


def encode_kit(repository: RepositoryId, secret: bytes, slot: bytes, *, comments: Sequence[str] = ()) -> str:
    """`comments`: lines for people, without `#`. Raises as `decode_kit`"""
    remarks = [f"# {line}".rstrip() for comment in comments for line in comment.split("\n")]
    lines = [
        f"{_TITLE} {_VERSION}",
        f"repository {repository.hex()}",
        f"secret {secret.hex()}",
        f"slot {base64.b64encode(slot).decode('ascii')}",
    ]
    lines.append(f"checksum {_checksum(lines)}")
    text = "".join(f"{line}\n" for line in remarks + lines)
    decode_kit(text)
    return text


def decode_kit(text: str) -> Kit:
    """Read a kit, also as a mail, an editor or a screen hands it on.

    Raises  Unsupported: a newer kit; LimitExceeded: too long; Malformed: damaged or not a kit;
            AuthenticationFailed: the slot belongs to another repository
    """
    if len(text) > _TEXT_CHARACTERS_MAX:
        raise LimitExceeded("recovery kit: the text is too long")
    lines = _joined(_written(text))
    title, _, version = lines[0].partition(" ") if lines else ("", "", "")
    if title != _TITLE:
        raise Malformed("recovery kit: not a recovery kit", hint=_HINT)
    if version != _VERSION:
        if re.fullmatch("[1-9][0-9]{0,5}", version):
            raise Unsupported(f"recovery kit: version {version}", hint="a newer pgvault wrote it: update this one")
        raise Malformed("recovery kit: no version", hint=_HINT)
    if len(lines) != 1 + len(_LABELS):
        raise Malformed("recovery kit: lines are missing or too many", hint=_HINT)
    values = [_value(line, label) for line, label in zip(lines[1:], _LABELS, strict=True)]
    if values[3] != _checksum(lines[:4]):
        raise Malformed("recovery kit: the checksum does not match, a character is wrong", hint=_HINT)
    kit = Kit(
        repository=RepositoryId(_hex(values[0], "repository", _REPOSITORY_BYTES)),
        secret=_hex(values[1], "secret", _SECRET_BYTES),
        slot=_base64(values[2]),
    )
    if decode_slot(kit.slot).repository != kit.repository:
        raise AuthenticationFailed("recovery kit: its slot belongs to another repository")
    return kit


def _written(text: str) -> list[str]:
    """The lines from the title on, without those for people and without the blanks around and within them."""
    trimmed = (line.strip(_BLANKS) for line in text.split("\n"))
    kept = [_GAP.sub(" ", line, count=1) for line in trimmed if line and not line.startswith("#")]
    first = next((at for at, line in enumerate(kept) if line.partition(" ")[0] == _TITLE), len(kept))
    return ["slot " if line == "slot" else line for line in kept[first:]]


def _joined(lines: Iterable[str]) -> list[str]:
    """The lines; a `slot` that a screen broke is one again. A wrong piece is found by the checksum."""
    whole: list[list[str]] = []
    for line in lines:
        if whole and whole[-1][0].startswith("slot ") and _PIECE.fullmatch(line) is not None:
            whole[-1].append(line)
        else:
            whole.append([line])
    return ["".join(pieces) for pieces in whole]


def _value(line: str, label: str) -> str:
    head, _, value = line.partition(" ")
    if head != label:
        raise Malformed(f"recovery kit: the line `{label}` is not where it should be", hint=_HINT)
    return value


def _hex(value: str, label: str, length: int) -> bytes:
    if len(value) != 2 * length or _HEX.fullmatch(value) is None:
        raise Malformed(f"recovery kit: `{label}` is not {length} bytes in hex", hint=_HINT)
    return bytes.fromhex(value)


def _base64(value: str) -> bytes:
    try:
        data = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise Malformed("recovery kit: `slot` is not base64", hint=_HINT) from None
    if base64.b64encode(data).decode("ascii") != value:
        raise Malformed("recovery kit: `slot` is not standard base64", hint=_HINT)
    if len(data) > SLOT_BYTES_MAX:
        raise LimitExceeded(f"recovery kit: a slot of {len(data)} bytes, the limit is {SLOT_BYTES_MAX}")
    return data


def _checksum(lines: Sequence[str]) -> str:
    covered = "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogatepass")
    return hashlib.sha256(covered).digest()[:_CHECKSUM_BYTES].hex()
