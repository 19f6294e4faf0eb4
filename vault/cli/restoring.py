"""What a restore says: the plan, the question, and at the end what came, what is missing, and the counts of the target."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from vault.cli import about, render
from vault.cli.beside import told
from vault.model.words import counted

if TYPE_CHECKING:
    from vault.app.restore import PlannedRestore, Restored
    from vault.cli.render import Renderer
    from vault.model import MergedRows
    from vault.ops.restore.referring_rows import Beside
    from vault.ops.restore.standing_paths import Differing
    from vault.ports import DirectorySource
    from vault.ports_of_buckets import BucketSource
    from vault.repo.snapshot import Snapshot

LACKING_NAMED_MAX: Final = 20
LEFT: Final = "are left as they are (-c replaces them)"


def show(out: Renderer, planned: PlannedRestore, *, now_ms: int) -> None:
    from vault.ops.restore.dry_run import lines as foreseen_lines
    from vault.ops.restore.plan.show import lines as plan_lines

    lines = [] if planned.plan is None else list(plan_lines(planned.plan))
    for name, path in planned.request.directories.items():
        listed = planned.snapshot.directory(name)
        lines.append(
            f"directory {name} into {path}: {counted(listed.sums.items, 'path')}, {render.size(listed.sums.bytes)}"
        )
        if name in planned.there:
            lines += _standing(planned, name, planned.there[name])
    lines += _directories_left(planned)
    lines += foreseen_lines(planned.foreseen)
    lines += (f"beside it: {line}" for line in _told(planned, planned.beside))
    lines += _lacking(planned.snapshot)
    manifest = planned.snapshot.manifest
    if out.json:
        out.json_line(
            {"type": "plan", "snapshot": planned.snapshot.id.hex(), **about.fields(manifest, now_ms), "lines": lines}
        )
    else:
        for line in (*about.header(planned.snapshot.id, manifest, now_ms), *lines):
            margin = line[: len(line) - len(line.lstrip())]
            out.text(line.lstrip(), first=margin, rest=margin + "    ")


def _directories_left(planned: PlannedRestore) -> Iterator[str]:
    """Those that a restore of everything leaves out, because nobody said where to."""
    if planned.plan is None or not planned.plan.options.wanted.everything:
        return
    for name, listed in sorted(planned.snapshot.manifest.directories.items()):
        if name not in planned.request.directories:
            paths = counted(listed.sums.items, "path")
            yield f"not asked for: directory {name}, {paths}; with it: --dir {name}=TARGET"


def _standing(planned: PlannedRestore, name: str, there: DirectorySource | BucketSource) -> Iterator[str]:
    from vault.ops.restore.bucket import compare_bucket
    from vault.ops.restore.standing_paths import compare_directory
    from vault.ports_of_buckets import BucketSource

    if isinstance(there, BucketSource):
        compared = compare_bucket(planned.snapshot, name, there)
    else:
        compared = compare_directory(planned.snapshot, name, there)
    yield f"  {compared.missing} missing there, which come; {compared.equal} there and equal, which stay"
    if compared.differing:
        yield f"  {len(compared.differing)} differ there, which {'are replaced' if planned.request.flags.clean else LEFT}:"
        yield from _differing(compared.differing)


def _told(planned: PlannedRestore, beside: Sequence[Beside]) -> Iterator[str]:
    options = planned.request.flags
    named = (
        f"-d {shlex.quote(options.database)}" if options.database is not None else "--local" if options.local else ""
    )
    words = [named or ("--linked" if options.linked else ""), "--into-source" if options.into_source else ""]
    return told(beside, planned.snapshot.id, into=" ".join(word for word in words if word))


def draw(out: Renderer, planned: PlannedRestore, done: Restored, duration_s: float) -> None:
    from vault.ops.restore.failures import folded

    for line in folded(done.failed):
        out.text(f"missing or different: {line}")
    for name, rows in done.merged.items():
        out.text(f"{name}: {_merged(rows)}")
    if done.files_left:
        out.line(f"{counted(len(done.files_left), 'path')} differ and {LEFT}:")
        for line in _differing(done.files_left):
            out.line(line)
    for line in _told(planned, done.beside):
        out.line(line)
    out.text(
        f"restored {counted(done.rows, 'row')}, "
        f"{counted(done.entries, 'definition')}, {counted(done.large_objects, 'large object')}, {counted(done.files, 'file')}, "
        f"{duration_s:.1f} s"
    )
    if set(done.states.values()) != {"not_selected"}:
        out.line()
        out.summary(done.counts, done.states, every_line=done.states["schema"] != "not_selected")


def _merged(rows: MergedRows) -> str:
    words = [f"{counted(rows.added, 'row')} added"] if rows.added or not (rows.changed or rows.removed) else []
    if rows.changed:
        words.append(f"{rows.changed} replaced" if words else f"{counted(rows.changed, 'row')} replaced")
    if rows.removed:
        words.append(f"{rows.removed} removed")
    if rows.differing:
        words.append(f"{rows.differing} that have other values now were left (-c makes the table as in the snapshot)")
    return ", ".join(words)


def _differing(differing: Sequence[Differing]) -> Iterator[str]:
    for difference in differing[:LACKING_NAMED_MAX]:
        yield f"  {difference.path}: {difference.why}"
    if len(differing) > LACKING_NAMED_MAX:
        yield f"  and {len(differing) - LACKING_NAMED_MAX} more"


def _lacking(snapshot: Snapshot) -> Iterator[str]:
    """What no restore brings back, because the backup did not get it."""
    from vault.ops.project.files_outside import gaps

    missing = gaps(snapshot.ledger())
    for gap in missing[:LACKING_NAMED_MAX]:
        yield f"warning: not in this snapshot: {gap.item}: {gap.why}"
    if len(missing) > LACKING_NAMED_MAX:
        yield f"warning: not in this snapshot: {len(missing) - LACKING_NAMED_MAX} items more, which pgvault show names"
