"""Files that look like a repository's and that nobody with its keys put there under that name. They stop nobody, so a check names them.

All sealed records of spec 60, and fragments under a name that no writer gives. Spec 70-store, 90-threats.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from vault.crypto import keyed
from vault.errors import ContentMismatch, IntegrityError, Malformed, NotFound
from vault.format import notes, upkeep
from vault.format.index import GENERATION_MAX, parse_fragment_name
from vault.model import FileKind
from vault.repo.keyring import unseal_file
from vault.repo.state import Open

_DECODERS: Final[Mapping[FileKind, Callable[[bytes], object]]] = {
    FileKind.LEASE: upkeep.decode_lease,
    FileKind.SWEEP: upkeep.decode_sweep,
    FileKind.CHECK: notes.decode_check,
    FileKind.PIN: notes.decode_pin,
    FileKind.FINDINGS: notes.decode_findings,
    FileKind.ACK: notes.decode_ack,
    FileKind.DRILL: notes.decode_drill,
}
"""Forgotten records are decoded by whoever looks for lost snapshots."""


def strays(repo: Open) -> Iterator[IntegrityError]:
    """What is wrong with each file, with its name. Raises  StoreError"""
    for stored in repo.store.list("index/"):
        parsed = parse_fragment_name(stored.name)
        if parsed is not None and parsed[0] == GENERATION_MAX:
            why = "no writer counts so far: somebody renamed it, or put it there"
            yield Malformed("index fragment under the last generation", why=why, file=stored.name)
    for kind, decode in _DECODERS.items():
        for stored in repo.store.list(f"{upkeep.DIRECTORIES[kind]}/"):
            parsed_name = upkeep.parse_upkeep_name(stored.name)
            if parsed_name is None:
                continue
            try:
                data = repo.store.get(stored.name)
                if keyed.sha256(data) != parsed_name[1]:
                    raise ContentMismatch(f"{kind.name.lower()} is damaged", why="its bytes do not match its name")
                decode(unseal_file(data, kind, repo.keys))
            except NotFound:
                continue
            except IntegrityError as error:
                error.file = stored.name
                yield error
