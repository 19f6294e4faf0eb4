"""No key and nonce serve two contents, in whatever a repository goes through: every file that ever was, and every call of the cipher."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from spec import reader
from tests.faults import Crashed, Fault, FaultStore
from tests.nonces import Pairs, Reused
from tests.small_repository import CLOCK, PASSPHRASE, Quiet, quick_keys, rows, take
from tests.unit.ops.repair.support import DATABASE, EDITED, LEASE, chunks, spoil_object
from tests.unit.ops.repair.test_interrupted import STEPS
from vault.crypto import aead
from vault.errors import VaultError
from vault.format.kit import decode_kit
from vault.ops.check import run as checking
from vault.ops.check.amount import ALL
from vault.ops.copy import run as copying
from vault.ops.repository import keys
from vault.ops.retention import forget, pins, prune
from vault.ops.retention.prune_plan import PruneOptions
from vault.ports import ObjectStore
from vault.repo.freshness import Heads
from vault.repo.state import Closed, Open
from vault.source.files.directory import DirectoryFiles
from vault.store.memory import MemoryStore

OTHER = "another passphrase"


class Remembering(MemoryStore):
    """Keeps whatever was put, also what was deleted since."""

    def __init__(self) -> None:
        super().__init__()
        self.ever: list[tuple[str, bytes]] = []

    def put(self, name: str, data: bytes) -> None:
        super().put(name, data)
        self.ever.append((name, bytes(data)))


@dataclass
class Life:
    """A repository that everything happens to. `opened`: how it is seen by whoever comes next."""

    place: Path
    store: Remembering = field(default_factory=Remembering)
    copies: Remembering = field(default_factory=Remembering)
    kits: list[str] = field(default_factory=list)

    def begin(self) -> None:
        with quick_keys():
            self._create(self.store, None)
            self._create(self.copies, self.opened())
            self.kits.append(keys.make_kit(self.opened(), clock=CLOCK, entropy=os.urandom))

    def _create(self, store: ObjectStore, like: Open | None) -> None:
        made = keys.create_repository(
            store, passphrase=PASSPHRASE, label="one", clock=CLOCK, entropy=os.urandom, like=like
        )
        self.kits.append(made.kit)

    def opened(self, store: ObjectStore | None = None) -> Open:
        return Closed(self.store if store is None else store).open(PASSPHRASE)

    def backups(self, store: ObjectStore | None = None) -> None:
        files = {"files": DirectoryFiles(self.place / "files")}
        for database in (DATABASE, EDITED):
            repo = self.opened(store)
            heads = Heads(repo, self.place / "state", lambda _: None)
            take(repo, database, files, heads=heads, cache_dir=self.place / "cache")

    def interrupted_backups(self) -> None:
        """At some of the puts, before or after its effect."""
        for at in (1, 5, 9):
            for after in (False, True):
                store = FaultStore(self.store, [Fault(kind="put", at=at, error=Crashed(), crash=True, after=after)])
                with suppress(Crashed):
                    take(self.opened(store), replace(EDITED, tables={**EDITED.tables, "public.new": [rows(at, 600)]}))

    def change_keys(self) -> None:
        with quick_keys():
            keys.add_slot(self.opened(), passphrase=OTHER, label="two", clock=CLOCK, entropy=os.urandom)
            keys.add_slot(self.opened(), passphrase=PASSPHRASE, label="again", clock=CLOCK, entropy=os.urandom)
            keys.change_passphrase(self.opened(), old=OTHER, new=OTHER, clock=CLOCK, entropy=os.urandom)

    def copied(self) -> None:
        ends = copying.Ends(
            here=self.opened().indexed(None), there=self.opened(self.copies), cache_dir=None, host="host", pid=1
        )
        copying.run(ends, ends.here.open.snapshots(), clock=CLOCK, entropy=os.urandom, progress=Quiet())

    def repaired(self) -> None:
        repo = self.opened()
        spoil_object(self.store, chunks(repo)[0])
        self.store.ever.pop()  # nobody sealed that
        for step in STEPS.values():
            step(self.opened())

    def checked(self) -> None:
        checking.run(self.opened().indexed(self.place / "cache"), read_data=ALL, entropy=os.urandom, progress=Quiet())

    def pruned(self, store: ObjectStore | None = None) -> None:
        repo = self.opened(store)
        (first, _), *_, (last, _) = repo.snapshots()
        pins.pin(repo, last, reason="why", host="host", clock=CLOCK, entropy=os.urandom)
        planned = forget.plan_named(forget.take_stock(repo), [first], remove_all=False)
        forget.run(repo, planned, clock=CLOCK, entropy=os.urandom)
        prune.run(
            self.opened(store),
            options=PruneOptions(min_age_ms=0, max_unused=0.0),
            lease=LEASE,
            is_dead=lambda _: True,
            tell=lambda _: None,
            clock=CLOCK,
            entropy=os.urandom,
            progress=Quiet(),
        )

    def interrupted_prunes(self) -> None:
        for at in (1, 3):
            store = FaultStore(self.store, [Fault(kind="put", at=at, error=Crashed(), crash=True, after=True)])
            with suppress(Crashed, VaultError):
                self.pruned(store)

    def pairs(self) -> Pairs:
        found = Pairs()
        passphrases = [PASSPHRASE, OTHER, *(decode_kit(kit).secret.hex() for kit in self.kits)]
        for store in (self.store, self.copies):
            bundle = self.opened(store).bundle
            found.add_repository(store.ever, reader.Keys(bundle.id_key, bundle.root), passphrases)
            found.add_repository(
                (("kit", decode_kit(kit).slot) for kit in self.kits),
                reader.Keys(bundle.id_key, bundle.root),
                passphrases,
            )
        return found


@pytest.fixture
def every_call(monkeypatch: pytest.MonkeyPatch) -> Pairs:
    """What the cipher is really asked for, stored or not."""
    found, real = Pairs(), aead.seal

    def seal(key: bytes, *, nonce: bytes, plain: bytes | memoryview, aad: bytes) -> bytes:
        found.note(key, nonce, bytes(plain) + aad, kind="call", where=str(len(found)))
        return real(key, nonce=nonce, plain=plain, aad=aad)

    monkeypatch.setattr(aead, "seal", seal)
    return found


def test_no_key_and_nonce_serve_two_contents_in_a_whole_life(tmp_path: Path, every_call: Pairs) -> None:
    life = Life(place=tmp_path)
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "one").write_bytes(os.urandom(300_000))
    life.begin()
    for step in (
        life.backups,
        life.interrupted_backups,
        life.change_keys,
        life.checked,
        life.copied,
        life.interrupted_prunes,
        life.pruned,
        life.copied,
        life.repaired,
        life.backups,
    ):
        step()
    life.pruned(life.copies)
    found = life.pairs()
    kinds = {"object", "trailer", "slot", *(f"file of kind {kind}" for kind in (1, 2, 3, 4, 5, 7))}
    assert kinds <= found.kinds.keys()
    assert found.kinds["trailer"] > 15
    assert len(found) > 150
    assert len(every_call) >= len(found), "what is stored was sealed here"


@pytest.mark.parametrize("drawn", [32, 24])
def test_a_salt_that_is_drawn_twice_is_found(drawn: int, tmp_path: Path) -> None:
    """The other test would pass if nothing was compared: 32 bytes are a pack's salt, 24 that of an enveloped file."""

    def entropy(count: int) -> bytes:
        return bytes(count) if count == drawn else os.urandom(count)

    life = Life(place=tmp_path)
    life.begin()
    for database in (DATABASE, EDITED):
        take(life.opened(), database, entropy=entropy)
    with pytest.raises(Reused):
        life.pairs()
