"""What a status is made of, as it was found, and what it says. Values only.

Of the database nothing is asked, and of the repository no row, no file and no index is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from vault.errors import IntegrityError, Misconfigured
from vault.ids import SnapshotId
from vault.model import CheckRecord, DrillRecord, Manifest
from vault.model.jobs import Job, JobState
from vault.ops.guard.ack import Waiting
from vault.ops.guard.way_back import Way
from vault.repo.freshness import Rollback
from vault.repo.lineage import Known
from vault.repo.remembered import Remembered


class Trouble(str, Enum):
    """Why something is not safe; each has an exit code of its own."""

    OVERDUE = "overdue"
    FAILED = "failed"
    NO_SNAPSHOT = "no_snapshot"
    INCOMPLETE = "incomplete"
    DAMAGE = "damage"
    FINDINGS = "findings"


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenJob:
    job: Job
    state: JobState


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """The lease of a writer that is gone: it holds up a prune. `why`: how that is known."""

    id: str
    purpose: str
    source: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NextRun:
    """When this machine saves a source next, and from which age on of its newest snapshot a run was missed."""

    next_ms: int
    overdue_after_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """known       all readable snapshots, oldest first; unreadable: what is wrong with the others, and with records
    wanted      sources that are judged: those of this project, or all
    unread      what is wrong with the projects that are to be saved
    jobs        of this machine in this repository, the newest first
    planned     by source: what this machine has scheduled
    ways        by source: where a restore of it goes
    undone      what scheduled runs of this machine left undone after their backups: (what, why, the line to type)
    max_age_ms  without a snapshot for so long a source is overdue; None: by the schedule, or by what is usual
    drill_ms    how often a drill is configured; None: never
    """

    known: tuple[Known, ...]
    wanted: tuple[str, ...]
    unreadable: tuple[IntegrityError, ...] = ()
    notes: Remembered = field(default_factory=Remembered)
    waiting: tuple[Waiting, ...] = ()
    rollbacks: tuple[Rollback, ...] = ()
    check: CheckRecord | None = None
    verify: CheckRecord | None = None
    unread: tuple[Misconfigured, ...] = ()
    jobs: tuple[SeenJob, ...] = ()
    leftovers: tuple[Leftover, ...] = ()
    stored_bytes: int = 0
    planned: Mapping[str, NextRun] = field(default_factory=dict)
    ways: Mapping[str, Way] = field(default_factory=dict)
    undone: tuple[tuple[str, str, str], ...] = ()
    max_age_ms: int | None = None
    drill_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """`source` is empty for what is about the whole repository; `fix`: the line to type; `meant`: that one instead, if it was meant."""

    trouble: Trouble
    source: str
    text: str
    fix: str
    meant: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a snapshot has more than `since`, an earlier one. None: not to be compared, as they hold other things.

    since    None: there is none before it
    is_next  whether no other snapshot of the source lies between the two
    """

    since: SnapshotId | None
    is_next: bool
    rows: int | None
    tables: int | None
    files: int | None
    new_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceStatus:
    """last         the newest whole snapshot, or the newest at all; None: there is none
    due_ms       when one is overdue
    drill        the last one of any of its snapshots
    verified_ms  when one of its snapshots was last found to be what its manifest says
    job          the newest of this machine
    """

    source: str
    last: tuple[SnapshotId, Manifest] | None
    change: Change | None
    due_ms: int | None
    is_overdue: bool
    next_run_ms: int | None
    drill: DrillRecord | None
    verified_ms: int | None
    job: SeenJob | None
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """`why`: empty if all is safe; gravest trouble first. `read_ms`: since when all data has been read, None if some never was.

    `others`: sources of the repository that are not judged, with their number of snapshots. `grown_bytes`: by the snapshots of 30 days.
    """

    why: tuple[Reason, ...]
    sources: tuple[SourceStatus, ...]
    others: Mapping[str, int]
    check: CheckRecord | None
    verify: CheckRecord | None
    read_ms: int | None
    leftovers: tuple[Leftover, ...]
    snapshots: int
    stored_bytes: int
    grown_bytes: int

    @property
    def is_safe(self) -> bool:
        return not self.why
