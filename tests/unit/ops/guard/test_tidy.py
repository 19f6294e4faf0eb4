"""Records of findings go when they hold nothing any more, and not before (spec 60-snapshot)."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.small_repository import CLOCK, new_repository, opened, take
from tests.unit.ops.guard.test_judge import GOOD, RUIN, answer
from vault.limits import LEASE_AGE_S
from vault.ops.guard.ack import waiting
from vault.ops.guard.tidy import tidy
from vault.ops.retention import forget
from vault.ports import StoredFile
from vault.repo.state import Open
from vault.store.memory import MemoryStore

LATER_MS = 4_000_000_000_000


def names(repo: Open, kind: str) -> list[str]:
    return [stored.name for stored in repo.store.list(f"{kind}/")]


@pytest.mark.spec("NOTE-8")
def test_answered_findings_of_a_forgotten_snapshot_go_with_their_answers() -> None:
    repo = new_repository(MemoryStore())
    take(repo, GOOD)
    ruin = take(repo, RUIN)
    take(repo, GOOD)
    tidy(repo, now_ms=LATER_MS)
    assert len(waiting(repo, None)) == 1, "it waits"
    inventory = forget.take_stock(repo)
    forget.run(repo, forget.plan_named(inventory, [ruin.id], remove_all=False), clock=CLOCK, entropy=os.urandom)
    tidy(repo, now_ms=LATER_MS)
    assert len(waiting(repo, None)) == 1, "it waits though its snapshot is gone"
    answer(repo, waiting(repo, None))
    tidy(repo, now_ms=LATER_MS)
    assert names(repo, "findings") == names(repo, "acks") == []


@pytest.mark.spec("NOTE-8")
def test_answers_stay_while_their_snapshot_does() -> None:
    repo = new_repository(MemoryStore())
    take(repo, GOOD)
    take(repo, RUIN)
    answer(repo, waiting(repo, None))
    tidy(repo, now_ms=LATER_MS)
    assert (len(names(repo, "findings")), len(names(repo, "acks"))) == (1, 1)
    assert waiting(repo, None) == ()


@pytest.mark.spec("NOTE-8")
def test_findings_of_a_snapshot_that_never_came_go_after_a_day() -> None:
    repo = new_repository(MemoryStore())
    take(repo, GOOD)
    ruin = take(repo, RUIN)
    repo.store.delete(f"snapshots/{ruin.id.hex()}")
    (stored,) = repo.store.list("findings/")
    tidy(repo, now_ms=stored.modified_ms + LEASE_AGE_S * 1000 - 1)
    assert len(names(repo, "findings")) == 1
    tidy(repo, now_ms=stored.modified_ms + LEASE_AGE_S * 1000)
    assert names(repo, "findings") == []


class _ForgetComesBetween(MemoryStore):
    """A forget removes everything after the first of the two listings by which is told what never came."""

    armed = False

    def list(self, prefix: str) -> Iterator[StoredFile]:
        found = tuple(super().list(prefix))
        if self.armed and prefix in ("snapshots/", "forgotten/"):
            self.armed = False
            inventory = forget.take_stock(opened(self))
            planned = forget.plan_named(inventory, [one for one, _ in inventory.known], remove_all=True)
            forget.run(opened(self), planned, clock=CLOCK, entropy=os.urandom)
        return iter(found)


@pytest.mark.spec("NOTE-8")
def test_findings_of_a_snapshot_that_is_forgotten_meanwhile_wait() -> None:
    store = _ForgetComesBetween()
    repo = new_repository(store)
    take(repo, GOOD)
    take(repo, RUIN)
    store.armed = True
    tidy(repo, now_ms=LATER_MS)
    assert not store.armed
    assert names(repo, "snapshots") == []
    assert len(waiting(repo, None)) == 1


def test_while_a_forgotten_record_cannot_be_read_nothing_goes() -> None:
    """What it names looks as if it never came."""
    repo = new_repository(MemoryStore())
    take(repo, GOOD)
    ruin = take(repo, RUIN)
    repo.store.delete(f"snapshots/{ruin.id.hex()}")
    repo.store.put("forgotten/" + "ab" * 32, b"junk")
    tidy(repo, now_ms=LATER_MS)
    assert len(names(repo, "findings")) == 1


def test_what_cannot_be_read_stays_and_every_answer_with_it() -> None:
    repo = new_repository(MemoryStore())
    take(repo, GOOD)
    take(repo, RUIN)
    answer(repo, waiting(repo, None))
    (stored,) = repo.store.list("findings/")
    repo.store.delete(stored.name)
    repo.store.put(stored.name, b"nothing")
    tidy(repo, now_ms=LATER_MS)
    assert (len(names(repo, "findings")), len(names(repo, "acks"))) == (1, 1)
