"""What a forget is about: whose snapshots, under which policy, by which calendar. Flags stand in place of the configuration's policy."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from vault.app import wiring
from vault.app.settings import Settings
from vault.app.source_here import sources_here
from vault.errors import UsageError
from vault.model.words import counted
from vault.ops.retention.policy_words import RULES, read_policy
from vault.repo.state import no_such_source

if TYPE_CHECKING:
    from vault.ops.retention.policy import Policy
    from vault.repo.lineage import Known
    from vault.repo.state import Open


def chosen_policy(settings: Settings, words: Mapping[str, Any], ids: Sequence[str], opened: Open) -> Policy:
    """The rules typed, if there are any, else the configuration's. Raises  UsageError: there are none; NotThere: an id names nothing"""
    typed = {key: value for key, value in words.items() if key in RULES and value not in (None, ())}
    if typed or ids:
        policy = read_policy(typed)
    elif settings.retention is not None:
        policy = settings.retention
    else:
        raise UsageError(
            "no policy says which snapshots to keep",
            why="no --keep-... option and no --preset is given, and pgvault.toml has no [retention]",
            hint="pgvault forget --preset production --dry-run, or name snapshots",
        )
    return replace(policy, ids=tuple(wiring.named(settings, opened, one) for one in ids)) if ids else policy


def chosen_sources(settings: Settings, known: Sequence[Known], *, every: bool) -> set[str] | None:
    """Whose snapshots a policy is for: --source, else the configuration's; None for all of the repository.

    Raises  UsageError: several are there, and nothing says which are meant; NotThere: --source names none
    """
    there = {manifest.source for _, manifest in known}
    if every:
        if settings.source is not None:
            raise UsageError("--all-sources and --source exclude each other")
        return None
    if settings.source is not None and there and settings.source not in there:
        raise no_such_source(known, settings.source)
    if here := sources_here(settings, there):
        return set(here)
    if len(there) > 1:
        raise UsageError(
            f"the repository has {counted(len(there), 'source')}, and none is configured here",
            why=f"they are: {', '.join(sorted(there))}; a policy must not reach those of other machines by mistake",
            hint=f"add --source {shlex.quote(min(there))}, or another of them, or --all-sources if all are meant",
        )
    return there
