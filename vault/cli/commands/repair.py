"""`pgvault repair index|packs|snapshots`: a plan, a question, then the mending; nothing is deleted in that step."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from vault.app import processes, wiring
from vault.cli import asking, jsonout, progress, render
from vault.cli.exit_codes import ExitCode
from vault.cli.options import Group, Invocation, command
from vault.model.words import counted

if TYPE_CHECKING:
    from vault.errors import IntegrityError
    from vault.model import Lease
    from vault.ops.repair.packs import DamagedPack
    from vault.ops.repair.snapshots import DamagedSnapshot, SnapshotsPlan

_SHOWN_MAX = 20


def _options(function: Callable[..., Any]) -> Callable[..., Any]:
    function = asking.YES(function)
    return click.option("--dry-run", is_flag=True, help="Show the plan; change nothing.")(function)


@command(
    "index",
    help="Tell anew where objects are, from the packs themselves, where fragments of the index are damaged or gone.",
    examples=["pgvault repair index --dry-run", "pgvault repair index --yes"],
)
@_options
def index(invocation: Invocation, yes: bool, dry_run: bool) -> int:
    from vault.ops.repair import index as operation

    out, opened = invocation.renderer(), wiring.open_repository(invocation.settings())
    with progress.shown(out) as drawn:
        planned = operation.plan(opened, progress=drawn)
    for error in planned.unreadable:
        out.talk(f"{error.file} cannot be read and will count no more: {error.message}")
    for error in planned.silent:
        out.talk(f"{error.file} does not say what is in it: {error.message}")
    if planned.packs:
        objects = counted(planned.objects, "object")
        out.talk(f"{counted(len(planned.packs), 'pack')} of {objects} that no readable index names")
    done = not planned.is_empty and confirmed(out, yes=yes, dry_run=dry_run)
    if done:
        operation.run(opened, planned, entropy=wiring.system_entropy)
    unreadable, silent = _damage(planned.unreadable), _damage(planned.silent)
    ended(invocation, f"{counted(planned.objects, 'object')} told anew", done=done, needed=not planned.is_empty, unreadable=unreadable, silent=silent, packs=len(planned.packs), objects=planned.objects)  # fmt: skip
    return _code(left=bool(planned.silent), needed=not planned.is_empty, done=done)


@command(
    "packs",
    help="Read every pack, save what opens in damaged ones, and announce that these go.\n\nThe next backup stores anew what it still "
    "finds in its sources, which heals earlier snapshots too. A prune deletes the damaged packs when nothing needs them.",
    examples=["pgvault repair packs --dry-run", "pgvault repair packs --yes"],
)
@_options
def packs(invocation: Invocation, yes: bool, dry_run: bool) -> int:
    from vault.ops.repair import packs as operation

    settings, out = invocation.settings(), invocation.renderer()
    opened = wiring.open_repository(settings)
    with progress.shown(out) as drawn:
        planned = operation.plan(opened.indexed(settings.cache_dir), progress=drawn)
        for damaged in planned.packs:
            out.talk(_pack_line(damaged))
        done = bool(planned.packs) and confirmed(out, yes=yes, dry_run=dry_run)
        if done:
            clock = wiring.SystemClock()
            lease = _lease("maintenance", clock.now_ms())
            operation.run(
                opened, planned, lease, is_dead=processes.is_dead, clock=clock, entropy=wiring.system_entropy, progress=drawn
            )  # fmt: skip
    shown = [
        {"file": f"packs/{damaged.pack.hex()}", "why": damaged.why, "saved": damaged.saved, "elsewhere": damaged.elsewhere, "lost": len(damaged.lost)}
        for damaged in planned.packs
    ]  # fmt: skip
    ended(invocation, f"{counted(planned.saved, 'object')} saved, {planned.lost} lost", done=done, needed=bool(shown), packs=shown, saved=planned.saved, lost=planned.lost, read_bytes=planned.read_bytes)  # fmt: skip
    if done and planned.lost:
        out.talk(
            "next: pgvault backup, which stores anew what is still there; then pgvault repair snapshots, for what is not"
        )
    return _code(left=bool(planned.lost), needed=bool(shown), done=done)


@command(
    "snapshots",
    help="Make new snapshots of damaged ones, without what they lost, and record those that are gone.\n\nRun `repair packs` first, and a "
    "backup, which may heal them. The damaged ones stay until you forget them.",
    examples=["pgvault repair snapshots --dry-run", "pgvault repair snapshots --yes"],
)
@_options
def snapshots(invocation: Invocation, yes: bool, dry_run: bool) -> int:
    from vault.ops.repair import snapshots as operation
    from vault.ops.repair.remake import remake
    from vault.repo.writing import writing

    settings, out, clock = invocation.settings(), invocation.renderer(), wiring.SystemClock()
    opened = wiring.open_repository(settings)
    with progress.shown(out) as drawn:
        planned = operation.plan(opened, progress=drawn)
    _draw(out, planned)
    done = not planned.is_empty and confirmed(out, yes=yes, dry_run=dry_run)
    made: dict[str, str] = {}
    if done:
        operation.record(opened, planned, now_ms=clock.now_ms(), entropy=wiring.system_entropy)
        warn = partial(out.insist)
        terms = _lease("repair", clock.now_ms())
        with writing(
            opened, terms, clock=clock, entropy=wiring.system_entropy, warn=warn, cache_dir=settings.cache_dir
        ) as target:
            for damaged in planned.to_make:
                made[damaged.id.hex()] = remake(target, damaged).id.hex()
    shown = [
        {
            "id": damaged.id.hex(),
            "source": damaged.manifest.source,
            "losses": [{"item": loss.item, "why": loss.why} for loss in damaged.losses],
            "hopeless": damaged.hopeless or None,
            "new": made.get(damaged.id.hex()),
        }
        for damaged in planned.damaged
    ]
    lost = [item.id.hex() for item in planned.lost]
    left = any(damaged.hopeless for damaged in planned.damaged)
    none = "nothing that can be repaired" if left else "nothing to repair"
    ended(invocation, f"{counted(len(made), 'snapshot')} made", done=done, needed=not planned.is_empty, none=none, damaged=shown, recorded=lost, removed=list(planned.leftovers))  # fmt: skip
    if made:
        out.talk("look at them; then forget the damaged ones: pgvault forget " + " ".join(old[:12] for old in made))
    if done and planned.lost:
        out.talk("what was recorded is removed by the next: pgvault repair snapshots")
    return _code(left=left, needed=not planned.is_empty, done=done)


def _draw(out: render.Renderer, planned: SnapshotsPlan) -> None:
    for damaged in planned.damaged:
        for line in _snapshot_lines(damaged, mended=damaged.id in planned.mended):
            out.talk(line)
    for item in planned.lost:
        out.talk(f"{item.id.hex()[:12]} is gone, or cannot be read: it will be recorded as forgotten")
    for name in planned.leftovers:
        out.talk(f"{name} cannot be read, and what it was is recorded: it will be removed")


def _snapshot_lines(damaged: DamagedSnapshot, *, mended: bool) -> Iterable[str]:
    head = f"{damaged.id.hex()[:12]} of {damaged.manifest.source}"
    if damaged.hopeless:
        yield f"{head}: no new one can be made: {damaged.hopeless}"
        yield f"  if no copy of the repository has it whole, give it up: pgvault forget {damaged.id.hex()[:12]} --yes"
        return
    state = "there is a new one already" if mended else "a new one will lack"
    yield f"{head}: {state}{'' if mended else ':'}"
    for loss in () if mended else damaged.losses[:_SHOWN_MAX]:
        yield f"  {loss.item}: {loss.why}"
    if not mended and len(damaged.losses) > _SHOWN_MAX:
        yield f"  and {len(damaged.losses) - _SHOWN_MAX} more (--json names them)"


def _pack_line(damaged: DamagedPack) -> str:
    what = f"{damaged.saved} saved, {damaged.elsewhere} also elsewhere, {len(damaged.lost)} lost"
    return f"packs/{damaged.pack.hex()}: {damaged.why}: {what}"


def _damage(errors: Iterable[IntegrityError]) -> list[dict[str, str]]:
    return [{"file": error.file, "why": error.message} for error in errors]


def _lease(purpose: str, now_ms: int) -> Lease:
    from vault.model import Lease

    return Lease(created_ms=now_ms, host=socket.gethostname(), pid=os.getpid(), purpose=purpose, source="", parent=None)


def confirmed(out: render.Renderer, *, yes: bool, dry_run: bool) -> bool:
    """Raises  as `asking.required`"""
    if not dry_run:
        asking.required(out, "Repair as shown?", yes=yes, nothing="nothing was repaired")
    return not dry_run


def ended(
    invocation: Invocation, text: str, *, done: bool, needed: bool, none: str = "nothing to repair", **shown: Any
) -> None:
    out = invocation.renderer()
    if invocation.json:
        out.json_line(jsonout.result(done=done, **shown))
    elif not needed:
        out.line(none)
    else:
        out.line(text if done else "nothing was changed")


def _code(*, left: bool, needed: bool, done: bool) -> int:
    """Damage, if some is left."""
    return ExitCode.DAMAGE if left or (needed and not done) else ExitCode.OK


COMMAND = Group(
    "repair", help="Mend a damaged repository: its index, its packs, its snapshots.", commands=[index, packs, snapshots]
)
