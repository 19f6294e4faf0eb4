"""Whatever becomes of a database, what was lost and nobody answered for is told, and is in a snapshot that is there (82-retention, RET-13).

Days of a few small tables and a directory, of several selections, sound ones and others, with forks and wrong clocks; the policy keeps as
little as it may. A copy of some of the snapshots, in any order, keeps the same promise. No store: the guard's and the policy's own
decisions, over values.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import pytest

from tests.fake_source import FakeDatabase
from tests.small_repository import new_repository, take
from vault.format.notes import finding_id
from vault.ids import FindingId, SnapshotId
from vault.model import Finding, Findings, Manifest, State, Sums, TableName
from vault.ops.guard import codes
from vault.ops.guard.ack import chosen, listed
from vault.ops.guard.compare import compare
from vault.ops.guard.facts import DEFAULTS, ROWS_LOST_MIN, DatabaseFacts, Facts, TableFact
from vault.ops.guard.judge import held, recorded, weighed
from vault.ops.project.backup_selection import encode, narrowed
from vault.ops.retention.policy import Candidate, Policy, Span, judge
from vault.ops.retention.time_zone import named_zone
from vault.repo.lineage import Known, in_order
from vault.repo.remembered import Remembered
from vault.store.memory import MemoryStore

TEMPLATE: Final = take(new_repository(MemoryStore()), FakeDatabase(tables={"public.t": [b"1\tx\n"]})).manifest
WHOLE, WITH_FILES, PART = encode(True, [], {}), encode(True, ["lib"], {}), encode(True, [], {"include_tables": ["t"]})
LINES: Final = ((WHOLE,), (WHOLE, WITH_FILES), (WHOLE, PART), (WHOLE, WITH_FILES, PART))
POLICIES: Final = (Policy(last=1), Policy(daily=1), Policy(monthly=2), Policy(within=Span(days=2)))
NAMES: Final = "tuvw"
FIRST_MS, DAY_MS, LAST_MS = 1_700_000_000_000, 86_400_000, 2**45
FILES: Final = "lib"


@dataclass(frozen=True)
class Thing:
    """A table with its rows, or a directory with its files. `life`: what it holds from when it was filled until it is empty."""

    oid: int
    life: int
    count: int

    def is_lost_in(self, now: Thing | None) -> bool:
        if now is None or not now.count:
            return self.count > 0
        return DEFAULTS.is_lost(self.count, now.count, at_least=ROWS_LOST_MIN)


Contents = dict[str, Thing]
"""Tables by name, and the directory, if it was asked for."""


def facts(before: Known, after: Known, of: dict[SnapshotId, Contents]) -> tuple[Facts, Facts]:
    """As `gather` finds them, in what both were asked for."""
    both = [of[before[0]], of[after[0]]]
    alike = narrowed(before[1].selection) == narrowed(after[1].selection)
    files = all(FILES in one for one in both)
    sides = [
        Facts(
            database=_tables(one) if alike else None,
            directories={FILES: Sums(items=one[FILES].count, rows=0, bytes=one[FILES].count)} if files else {},
        )
        for one in both
    ]
    return sides[0], sides[1]


def _tables(contents: Contents) -> DatabaseFacts:
    tables = {
        TableName(schema="public", name=name): TableFact(oid=one.oid, rows=one.count, bytes=one.count)
        for name, one in contents.items()
        if name != FILES
    }
    return DatabaseFacts(key=("1", 1), rows=sum(one.rows for one in tables.values()), tables=tables)


@dataclass
class Repository:
    """What is there, was there, and was said of it."""

    policy: Policy
    contents: dict[SnapshotId, Contents]
    known: list[Known] = field(default_factory=list)
    findings: list[Findings] = field(default_factory=list)
    answered: set[FindingId] = field(default_factory=set)
    forgotten: set[SnapshotId] = field(default_factory=set)
    lost: list[tuple[SnapshotId, str, Thing]] = field(default_factory=list)
    """Next to which snapshot what is gone."""

    def notes(self) -> Remembered:
        waiting: dict[SnapshotId, tuple[tuple[FindingId, Finding], ...]] = {}
        for told in self.findings:
            numbered = ((finding_id(told.snapshot, one.code, one.subject), one) for one in told.findings)
            if left := tuple(pair for pair in numbered if pair[0] not in self.answered):
                waiting[told.snapshot] = left
        its = [told for told in self.findings if told.snapshot in waiting]
        return Remembered(
            open=waiting,
            places={told.snapshot: (told.source, told.sequence) for told in its},
            holders={told.snapshot: frozenset(told.holders) for told in its},
        )

    def forget(self) -> None:
        notes = self.notes()
        stay = held(self.known, notes, self.forgotten)
        candidates = [
            Candidate(
                id=id,
                source=manifest.source,
                selection=manifest.selection,
                sequence=manifest.sequence,
                time_ms=manifest.created_ms,
                whole=not narrowed(manifest.selection),
                sound=notes.is_sound(id, manifest),
                held="held" if id in stay else "",
            )
            for id, manifest in self.known
        ]
        verdicts = judge(candidates, self.policy, calendar=named_zone("UTC"), now_ms=LAST_MS)
        self.forgotten |= {verdict.candidate.id for verdict in verdicts if not verdict.reasons}
        self.known = [pair for pair in self.known if pair[0] not in self.forgotten]

    def broken(self) -> str:
        """What was promised and is not so; empty: nothing."""
        open_ = self.notes().open
        for ruin, name, was in self.lost:
            told = [one for record in self.findings if record.snapshot == ruin for one in record.findings]
            its = [one for one in told if _is_about(one, name)]
            if not its:
                return f"{name} of {was} is lost and not told"
            waits = any(one in its for _, one in open_.get(ruin, ()))
            if waits and not any(self._has(name, was, id) for id, _ in self.known):
                return f"{name} of {was} is in no snapshot, and nobody answered"
        return ""

    def _has(self, name: str, was: Thing, id: SnapshotId) -> bool:
        there = self.contents[id].items()
        return any(
            one.life == was.life and not was.is_lost_in(one)
            for other, one in there
            if (other == FILES) == (name == FILES)
        )


def _is_about(one: Finding, name: str) -> bool:
    if name == FILES:
        return one.subject == name
    return one.subject == f"public.{name}" or one.code in (codes.DATABASE_EMPTY, codes.MORE)


class World:
    """Days that chance decides. `state`: of the database and the directory."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.lines = chance.choice(LINES)
        self.repository = Repository(chance.choice(POLICIES), {})
        self.state: Contents = {FILES: Thing(0, 0, 0)}
        self.newest: dict[str, Known] = {}
        self._lives = 0

    def live(self) -> None:
        for _ in range(self.chance.choice((0, 1, 1, 2))):
            name = self.chance.choice((*NAMES, *NAMES, FILES))
            one = self.state.get(name)
            what = self.chance.choice(("grow", "grow", "shrink", "empty", "drop", "rename"))
            if one is None or (what == "grow" and not one.count):
                self._lives += 1
                self.state[name] = Thing(self._lives, self._lives, self.chance.choice((5, 40, 400)))
            elif what == "grow":
                self.state[name] = replace(one, count=one.count + self.chance.choice((20, 300)))
            elif what == "shrink":
                self.state[name] = replace(one, count=one.count * self.chance.choice((20, 45, 80)) // 100)
            elif what == "empty" or name == FILES:
                self.state[name] = replace(one, count=0)
            else:
                del self.state[name]
                if what == "rename":
                    self.state.setdefault(self.chance.choice(NAMES), one)

    def back_up(self) -> Known:
        repository, chance = self.repository, self.chance
        selection = chance.choice(self.lines)
        seen = list(repository.known)
        if seen and chance.random() < 0.15:  # somebody else's was not there yet
            newest = max(manifest.sequence for _, manifest in seen)
            seen = [pair for pair in seen if pair[1].sequence < newest]
        contents = {name: one for name, one in self.state.items() if _is_asked_for(name, selection)}
        new = SnapshotId(chance.randbytes(32)), self._manifest(selection, seen, contents)
        repository.contents[new[0]] = contents
        judgement = weighed(
            new, seen, repository.notes(), lambda one: compare(*facts(one, new, repository.contents), DEFAULTS)
        )
        repository.known = in_order([*repository.known, new])
        if judgement.found:
            repository.findings.append(recorded(new, judgement, now_ms=0))
        self._note_losses(new, seen)
        return new

    def _manifest(self, selection: str, seen: Sequence[Known], contents: Contents) -> Manifest:
        chance = self.chance
        time_ms = FIRST_MS + len(self.repository.contents) * DAY_MS
        made = replace(
            TEMPLATE,
            selection=selection,
            sequence=max((manifest.sequence for _, manifest in seen), default=0) + 1,
            created_ms=time_ms if chance.random() < 0.9 else chance.choice((1, time_ms - 3 * DAY_MS, 2 * LAST_MS)),
        )
        tables = sorted(contents.keys() - {FILES})
        kind = chance.random()
        if kind < 0.1:
            return replace(made, suspect="reuse")
        if kind < 0.2 and tables:
            del contents[chance.choice(tables)]
            return replace(made, coverage={**made.coverage, "data": (State.FAILED, 1)})
        return made

    def _note_losses(self, new: Known, seen: Iterable[Known]) -> None:
        """Next to the snapshots of the selection that came right before."""
        alike = [pair for pair in seen if pair[1].selection == new[1].selection]
        newest = max((manifest.sequence for _, manifest in alike), default=0)
        now = self.repository.contents[new[0]]
        for id, manifest in alike:
            if manifest.sequence == newest:
                for name, was in self.repository.contents[id].items():
                    same = [one for other, one in now.items() if other == name or one.oid == was.oid != 0]
                    if was.is_lost_in(max(same, key=lambda one: one.count, default=None)):
                        self.repository.lost.append((new[0], name, was))

    def answer(self) -> None:
        repository = self.repository
        rows = listed(repository.known, repository.notes(), repository.forgotten, source=None)
        if rows:
            row = self.chance.choice(rows)
            word = self.chance.choice((row.id, row.snapshot)).hex()
            repository.answered |= {one.id for one in chosen(rows, word, snapshot_named=_nothing)}


def _is_asked_for(name: str, selection: str) -> bool:
    return selection == WITH_FILES if name == FILES else selection != PART or name == "t"


def _nothing(word: str) -> Known:
    raise AssertionError(word)


@pytest.mark.spec("NOTE-6", "RET-13")
@pytest.mark.parametrize("seed", range(0, 300, 20))
def test_what_is_lost_is_told_and_stays_until_somebody_answers(seed: int) -> None:
    for number in range(seed, seed + 20):
        world = World(random.Random(number))
        for _ in range(9):
            world.live()
            world.back_up()
            if world.chance.random() < 0.12:
                world.answer()
            if world.chance.random() < 0.8:
                world.repository.forget()
            assert world.repository.broken() == "", f"seed {number}"
        repository = world.repository
        repository.answered |= {id for found in repository.notes().open.values() for id, _ in found}
        assert held(repository.known, repository.notes(), repository.forgotten) == {}


@pytest.mark.spec("RET-13", "SNAP-25")
@pytest.mark.parametrize("seed", range(0, 240, 20))
def test_a_copy_of_some_days_in_any_order_keeps_what_it_has_of_what_is_lost(seed: int) -> None:
    for number in range(seed, seed + 20):
        world = World(random.Random(number))
        here = world.repository
        there = Repository(world.chance.choice(POLICIES), here.contents)
        for _ in range(9):
            world.live()
            world.back_up()
            if world.chance.random() < 0.3:
                here.forget()
            for pair in world.chance.sample(here.known, min(len(here.known), world.chance.choice((0, 1, 2)))):
                copy(pair, here, there)
            if world.chance.random() < 0.6:
                there.forget()
            assert there.broken() == "", f"seed {number}"


def copy(pair: Known, here: Repository, there: Repository) -> None:
    if pair not in there.known and pair[0] not in there.forgotten:
        had = [id for id, _ in there.known]
        there.known = in_order([*there.known, pair])
        there.findings += [told for told in here.findings if told.snapshot == pair[0]]
        there.lost += [
            one for one in here.lost if one[0] == pair[0] and any(there._has(one[1], one[2], id) for id in had)
        ]
