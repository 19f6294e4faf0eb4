"""What became of one source's backup, for whoever asked for it: the command, a job, a schedule, the signals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from vault.cli.exit_codes import ExitCode


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """`snapshot`: its id in hex; `incomplete`: something selected is not in it, whatever else the code says; `why`: warnings, or why it failed; `skipped`: why none was taken; `line`: what --json prints of it."""

    code: ExitCode
    snapshot: str | None = None
    incomplete: bool = False
    why: str = ""
    skipped: str = ""
    line: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceEnd:
    """How a source's part of a run over several ended. `log`: of its job, if it has one."""

    source: str
    code: ExitCode
    snapshot: str | None
    why: str
    fix: str = ""
    log: Path | None = None
