"""The sources as a backup would be asked for them: their directories looked at, with what cannot be captured of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from vault.app import wiring
from vault.app.backup_request import BackupPlan
from vault.app.settings import Settings
from vault.errors import UsageError, VaultError
from vault.model import Missing
from vault.ops.doctor.database import Source

PATHS_MAX: Final = 10_000
"""Of a directory's paths, in their order: a look takes no longer than a glance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Directories:
    """`paths`: of those that can be read; `problems`: what a backup would be refused for; `missing`: as in a snapshot's ledger."""

    paths: Mapping[str, str] = field(default_factory=dict)
    problems: Sequence[VaultError] = ()
    missing: Mapping[str, Sequence[Missing]] = field(default_factory=dict)


def directories(settings: Settings, plan: BackupPlan) -> Directories:
    problems: list[VaultError] = []
    access = wiring.bucket_access(settings, plan.bucket_profiles)
    try:
        repository = wiring.repository_at(settings)
        wiring.refuse_own_repository(plan.directories, repository, access)
    except UsageError:
        pass  # no repository is named, which is a symptom of its own
    except VaultError as error:
        problems.append(error)
    missing: dict[str, Sequence[Missing]] = {}
    for name, path in plan.directories.items():
        try:
            if wiring.is_bucket(path):
                wiring.bucket_there(name, path, access)  # one page: whether it can be listed
                missing[name] = []
                continue
            scanned = wiring.directory_sources({name: path}, plan.exclude, access)[name].scan()
            missing[name] = [file.problem for file in islice(scanned, PATHS_MAX) if file.problem is not None]
        except VaultError as error:
            problems.append(error)
    return Directories(
        paths={name: plan.directories[name] for name in missing}, problems=tuple(problems), missing=missing
    )


def asked(settings: Settings, plan: BackupPlan, found: Directories) -> Source:
    return Source(
        name=plan.source,
        selectors=settings.selectors(plan.source),
        patterns=plan.patterns,
        outside=not (plan.include_schemas or plan.include_tables),
        accepted=plan.accepted_gaps,
        files=found.missing,
    )
