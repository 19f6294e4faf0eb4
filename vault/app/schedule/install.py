"""Install, look at and remove schedules: everything is foreseen as one value, shown, and only then written."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vault.app.conninfo import redacted
from vault.app.places import repository_place
from vault.app.schedule import known, rehearsal
from vault.app.schedule.known import KnownSchedule
from vault.app.schedule.plan import Here, carried_secrets, place_of, plan_task, sources_of
from vault.app.schedule.problem import ScheduleProblem
from vault.app.schedule.schedulers import Draft, Machine, Scheduler, chosen
from vault.app.schedule.task import NAME, Task
from vault.app.settings import Settings
from vault.app.signals.send import ping_endpoint, webhook_endpoint
from vault.app.state import StateDirectory
from vault.errors import UnsafeError, VaultError
from vault.ops.schedule.timetable import Timetable, next_due_ms
from vault.ops.schedule.upkeep import first_due_ms

_PASSING: Final = ("/uv/archive-", "/.cache/uv/", "/.cache/pipx/", "/pipx/.cache/")
"""Places of programs that `uvx` and `pipx run` clean up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallPlan:
    """`before`: what is installed under that name now; `other`: other schedulers that have it too, from an earlier installation."""

    task: Task
    scheduler: Scheduler
    drafts: Sequence[Draft]
    before: Sequence[Draft]
    other: str | None
    problems: Sequence[ScheduleProblem]

    @property
    def change(self) -> str:
        """installed, updated or unchanged: what `install` makes of it."""
        if not self.before:
            return "installed"
        return "unchanged" if list(self.before) == list(self.drafts) else "updated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where it is installed: `here`: where and by whom it was typed; `directory`: what remembers it."""

    machine: Machine
    here: Here
    directory: StateDirectory


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """As typed; None: by the configuration, or by what the machine has."""

    scheduler: str | None = None
    at: str | None = None
    every: str | None = None


def foresee(
    settings: Settings,
    site: Site,
    *,
    typed: Typed,
    rehearsed: bool,
) -> InstallPlan:
    """rehearsed  whether to try a run, which takes a few seconds. Raises  UsageError, UnsafeError, VaultError"""
    task = plan_task(settings, at=typed.at, every=typed.every, here=site.here)
    chosen_one = chosen(typed.scheduler, site.machine)
    problems = [*chosen_one.problems(), *_passing(task)]
    drafts = chosen_one.drafts(task)
    if any(problem.fatal for problem in problems):
        return InstallPlan(task=task, scheduler=chosen_one, drafts=drafts, before=(), other=None, problems=problems)
    before = chosen_one.installed(task.name)
    if rehearsed:
        left_behind = carried_secrets(settings.environment)
        problems += rehearsal.rehearse(task, chosen_one.environment(), left_behind=left_behind)
        problems += _unheard(settings, task)
    earlier = known.load(site.directory).found.get(task.name)
    other = earlier.scheduler if earlier is not None and earlier.scheduler != chosen_one.name else None
    return InstallPlan(task=task, scheduler=chosen_one, drafts=drafts, before=before, other=other, problems=problems)


def _unheard(settings: Settings, task: Task) -> list[ScheduleProblem]:
    """Signals whose address a run would not have."""
    problems = []
    for endpoint in (ping_endpoint(settings.signals), webhook_endpoint(settings.signals)):
        try:
            if endpoint is not None:
                endpoint.read(task.environment)
        except VaultError as error:
            problems.append(
                ScheduleProblem(what=redacted(error.message), why=redacted(f"{error.why}, in a run"), fix=error.hint)
            )
    return problems


def _passing(task: Task) -> list[ScheduleProblem]:
    program = task.words[0]
    passing = any(part in program for part in _PASSING) or program.startswith(tempfile.gettempdir() + os.sep)
    if not passing:
        return []
    why = f"{program} is in a place that is cleaned up"
    return [
        ScheduleProblem(
            what="the program may be gone tomorrow", why=why, fix="uv tool install pgvault, and install again"
        )
    ]


def install(
    plan: InstallPlan,
    site: Site,
    *,
    settings: Settings,
    now_ms: int,
) -> None:
    """Write what was foreseen. Raises  UnsafeError: no run could succeed; VaultError"""
    fatal = [problem for problem in plan.problems if problem.fatal]
    if fatal:
        raise UnsafeError(
            f"nothing was installed: {fatal[0].what}",
            why=fatal[0].why,
            hint=fatal[0].fix,
        )
    earlier = known.readable(site.directory).found.get(plan.task.name)
    plan.scheduler.install(plan.task)  # unchanged too: somebody may have switched it off
    if plan.other is not None:  # after it: if either fails one of the two still runs it, and doing it again goes on
        chosen(plan.other, site.machine).remove(plan.task.name)
    often = settings.schedule
    spread = int.from_bytes(
        hashlib.sha256(f"{site.here.host} {plan.task.name}".encode(errors="surrogateescape")).digest()[:8], "big"
    )
    known.add(
        site.directory,
        KnownSchedule(
            name=plan.task.name,
            scheduler=plan.scheduler.name,
            source=settings.source,
            sources=sources_of(settings),
            repository=repository_place(settings),
            place=place_of(settings, site.here),
            folder=plan.task.folder,
            program=plan.task.words[0],
            timetable=plan.task.timetable,
            installed_ms=now_ms if earlier is None else earlier.installed_ms,
            started_ms=0 if earlier is None else earlier.started_ms,
            pruned_ms=first_due_ms(often.prune, now_ms, spread=spread) if earlier is None else earlier.pruned_ms,
            checked_ms=first_due_ms(often.check, now_ms, spread=spread >> 32)
            if earlier is None
            else earlier.checked_ms,
        ),
    )


def next_ms(plan: InstallPlan, now_ms: int) -> int:
    """When it runs first, but for the delay by chance."""
    return next_due_ms(plan.task.timetable, now_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingSchedule:
    """A known schedule as it is now. `drafts`: what the scheduler has of it; `problems`: why its runs would not start."""

    schedule: KnownSchedule
    drafts: Sequence[Draft]
    problems: Sequence[ScheduleProblem]


def standing(schedule: KnownSchedule, machine: Machine) -> StandingSchedule:
    """Never raises: what cannot be looked at is a problem."""
    scheduler = chosen(schedule.scheduler, machine)
    problems = list(scheduler.problems())
    drafts: Sequence[Draft] = ()
    try:
        drafts = scheduler.installed(schedule.name)
        if not drafts:
            problems.append(
                ScheduleProblem(
                    what=f"{schedule.scheduler} has it no more",
                    why="it was taken away without pgvault",
                    fix="pgvault schedule install, or pgvault schedule remove",
                    fatal=True,
                )
            )
    except VaultError as error:
        problems.append(
            ScheduleProblem(what=redacted(error.message), why=redacted(error.why), fix=error.hint, fatal=True)
        )
    return StandingSchedule(schedule=schedule, drafts=drafts, problems=[*problems, *_gone(schedule)])


def _gone(schedule: KnownSchedule) -> list[ScheduleProblem]:
    """A project that moved, a program that was installed anew elsewhere."""
    named: Mapping[str, str] = {"its program": schedule.program, "its project": schedule.place}
    return [
        ScheduleProblem(
            what=f"{what} is gone: {path}",
            why="it was moved or removed since the schedule was installed",
            fix=f"pgvault schedule remove {schedule.name}, and install again where it is now",
            fatal=True,
        )
        for what, path in named.items()
        if not Path(path).exists()
    ]


def unknown(name: str, machine: Machine, *, scheduler: str | None) -> KnownSchedule | None:
    """A schedule that the state directory does not know, where the machine's scheduler has it. Raises  UsageError, VaultError"""
    asked = chosen(scheduler, machine)
    if NAME.fullmatch(name) is None or not asked.installed(name):
        return None
    return KnownSchedule(
        name=name,
        scheduler=asked.name,
        source=None,
        sources=(),
        repository="",
        place="/",
        folder="/",
        program="/",
        timetable=Timetable(minutes=(0,)),
        installed_ms=0,
    )


def remove(schedule: KnownSchedule, machine: Machine, directory: StateDirectory) -> None:
    """Raises  VaultError: part of it may be there still; doing it again goes on"""
    known.readable(directory)
    chosen(schedule.scheduler, machine).remove(schedule.name)
    known.forget(directory, schedule.name)
