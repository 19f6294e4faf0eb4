"""What is asked of a backup."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from vault.model import ServerFacts
from vault.ops.guard.facts import DEFAULTS, Terms
from vault.ops.project.components import SUPABASE, Selectors


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupRequest:
    """`selection`: what was asked for, canonical text; equal text makes snapshots comparable. `jobs`: reading connections.

    `moved`: the source's database may be another one than before; `attended`: somebody is there to be asked which it is.
    `patterns`: options that narrow the database, for the ledger; `outside`: whether objects in no schema are taken all the same;
    `selectors`: what the project calls its things; `accepted`: names of gaps that are no reason to complain; `expected`: the
    database that `source` was made for; `accept_rollback`: that the source's newest snapshots went away is known; `guard`: what the
    guard takes for a ruin, None to have none.
    """

    source: str
    selection: str
    program: str
    tags: Mapping[str, str] = field(default_factory=dict)
    full: bool = False
    moved: bool = False
    accept_rollback: bool = False
    attended: bool = False
    patterns: tuple[str, ...] = ()
    outside: bool = True
    selectors: Selectors = SUPABASE
    accepted: tuple[str, ...] = ()
    expected: ServerFacts | None = None
    guard: Terms | None = DEFAULTS
    jobs: int = 2
    host: str = ""
    pid: int = 0
