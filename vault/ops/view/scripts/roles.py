"""`roles.sql` and `database_settings.sql`: the cluster's roles, and the settings of one database, for psql on any server.

A restore by pgvault looks and decides; a script carries the decision: roles that are there stay as they are, what belongs to
roles that the script creates follows, and what could not be done is counted and ends the script in an error.
Invariant: no statement names the database that was saved. Spec 75-restore.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from vault.model import Membership, ParameterAcl, Role, RoleSetting
from vault.ops.project.components import Selectors
from vault.ops.view.executed.failure_count import COUNT, COUNT_UNDONE, FAIL_IF_UNDONE
from vault.ops.view.executed.fence import dollar_quoted
from vault.ops.view.scripts.parts import entries, foot, head, version_of, without_new_privileges
from vault.repo.snapshot import Snapshot
from vault.sql.names import literal, one_line
from vault.sql.roles import create_role, grant_parameter, grant_role, in_granting_order, set_setting, setting_here
from vault.sql.statements import read_acl_item

_OPTIONS_VERSION: Final = 160000
"""First server whose memberships have INHERIT and SET."""
_BEFORE: Final = "pgvault.roles_before"
_OF_A_SUPERUSER: Final = ("superuser", "replication", "bypass_rls")

_REMEMBER: Final = (
    f"DO $$BEGIN PERFORM pg_catalog.set_config('{_BEFORE}',"
    " (SELECT pg_catalog.string_agg(oid::pg_catalog.text, ',') FROM pg_catalog.pg_roles), false); END$$;\n"
)
_LOGGED: Final = ("log_statement", "log_min_duration_statement", "log_min_error_statement")
_UNLOGGED: Final = """DO $$BEGIN IF pg_catalog.current_setting('is_superuser') = 'on' THEN
  SET log_statement TO 'none'; SET log_min_duration_statement TO -1; SET log_min_error_statement TO 'panic';
ELSE
  RAISE WARNING 'role % is no superuser: the log of the server may show password verifiers', current_user;
END IF; END$$;
"""
_LOGGED_AGAIN: Final = "DO $$BEGIN IF pg_catalog.current_setting('is_superuser') = 'on' THEN {}END IF; END$$;\n".format(
    "".join(f"RESET {name}; " for name in _LOGGED)
)


def roles_sql(snapshot: Snapshot, selectors: Selectors) -> Iterator[bytes]:
    """Roles, memberships, grants on parameters, settings. What belongs to roles that exist on the target is not touched."""
    roles = snapshot.roles()
    yield head(
        snapshot,
        "Roles of the cluster with memberships, settings and grants on parameters, read in the same moment as the rows.",
        "For any cluster: psql -X -d postgres -f roles.sql. Roles that exist are named and stay as they are, with all that is theirs.",
        "A role that is no superuser creates them without SUPERUSER, REPLICATION and BYPASSRLS, and ends in an error that says so.",
        "What roles have in one database alone comes with that: database_settings.sql.",
    )
    if not roles.verifiers_read:
        yield b"-- Password verifiers could not be read; these roles are created without a password.\n\n"
    yield f"{COUNT_UNDONE}{_REMEMBER}".encode()
    if any(role.verifier is not None for role in roles.roles):
        yield _UNLOGGED.encode()
    for role in roles.roles:
        if not role.name.startswith("pg_"):
            yield _create(role, snapshot)
    yield b"\n-- Memberships\n\n"
    for membership in in_granting_order(roles.memberships):
        yield _grant(membership, snapshot)
    yield b"\n-- Grants on parameters\n\n"
    for parameter in roles.parameter_acls:
        for item in parameter.acl:
            grant = ParameterAcl(name=parameter.name, acl=(item,))
            lines = grant_parameter(grant)
            yield _if_created(snapshot, (read_acl_item(item).grantee,), attempt(snapshot, parameter.name, lines))
    yield b"\n-- Settings\n\n"
    for setting in roles.settings:
        if setting.role and not setting.here:
            lines = [set_setting(setting, database="")]
            yield _if_created(snapshot, (setting.role,), attempt(snapshot, setting.name, lines))
    yield f"\n{_LOGGED_AGAIN}{FAIL_IF_UNDONE}".encode()
    yield foot(snapshot)


def settings_sql(snapshot: Snapshot, selectors: Selectors) -> Iterator[bytes]:
    """What an archive for pg_restore does not bring into a database of another name or version."""
    yield head(
        snapshot,
        "Settings of the database and of roles in it, for the database in which this runs, after complete_database_with_data.dump:",
        "psql -X -d DATABASE -f database_settings.sql. The .sql form has them already.",
        "Privileges that servers before 17 did not know are taken back from roles to which GRANT ALL of 17 gives them.",
    )
    yield COUNT_UNDONE.encode()
    version = version_of(snapshot)
    for entry in entries(snapshot):
        yield without_new_privileges(entry, version)
    yield from database_settings(snapshot)
    yield FAIL_IF_UNDONE.encode()
    yield foot(snapshot)


def database_settings(snapshot: Snapshot) -> Iterator[bytes]:
    """Blocks for the database in which they run, between COUNT_UNDONE and FAIL_IF_UNDONE."""
    yield b"\n-- Settings of the database\n\n"
    for setting in snapshot.roles().settings:
        if setting.here:
            before, after = setting_here(setting)
            named = f"{_quoted(before, snapshot)} || pg_catalog.quote_ident(current_database()) || {_quoted(after, snapshot)}"
            yield _do(snapshot, _attempted(snapshot, _about(setting), [f"EXECUTE {named};"]))


# --- blocks --------------------------------------------------------------------------------------


def attempt(snapshot: Snapshot, what: str, statements: Sequence[str]) -> str:
    """PL/pgSQL that executes `statements`, or warns and counts: the script goes on."""
    return _attempted(snapshot, what, [f"EXECUTE {_quoted(line, snapshot)};" for line in statements])


def _attempted(snapshot: Snapshot, what: str, lines: Sequence[str]) -> str:
    return (
        f"BEGIN\n{_joined(lines)}EXCEPTION WHEN OTHERS THEN\n"
        f"RAISE WARNING '%: %', {literal(one_line(what))}, SQLERRM;\n{COUNT}END;\n"
    )


def _create(role: Role, snapshot: Snapshot) -> bytes:
    """With every attribute; who may not give all of them away gives the others."""
    create, *about = create_role(role, unlogged=False)
    less = replace(role, superuser=False, replication=False, bypass_rls=False)
    lost = ", ".join(name.replace("_", " ") for name in _OF_A_SUPERUSER if getattr(role, name))
    name = literal(one_line(role.name))
    body = (
        f"IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = {literal(role.name)}) THEN\n"
        f"RAISE WARNING 'role % exists and stays as it is', {name}; RETURN;\nEND IF;\n"
    )
    statements = [f"EXECUTE {_quoted(create, snapshot)};"]
    if lost:
        statements = [
            *("BEGIN", *statements, "EXCEPTION WHEN insufficient_privilege THEN"),
            f"EXECUTE {_quoted(create_role(less, unlogged=False)[0], snapshot)};",
            f"RAISE WARNING 'role % is created without %: only a superuser may give it', {name}, {literal(lost)};",
            *(COUNT.rstrip(), "END;"),
        ]
    statements += [f"EXECUTE {_quoted(line, snapshot)};" for line in about]
    return f"\n-- Role: {one_line(role.name)}\n".encode() + _do(
        snapshot, body + _attempted(snapshot, role.name, statements)
    )


def _grant(membership: Membership, snapshot: Snapshot) -> bytes:
    """As the recorded grantor, who must be allowed to; else as the role that runs the script, which is said."""
    lines = {
        (since, grantor): grant_role(membership, version_num=since, grantor=grantor)
        for since in (0, _OPTIONS_VERSION)
        for grantor in (True, False)
    }

    def execute(*, grantor: bool) -> str:
        old, new = (_quoted(lines[since, grantor], snapshot) for since in (0, _OPTIONS_VERSION))
        since = f"pg_catalog.current_setting('server_version_num')::pg_catalog.int4 >= {_OPTIONS_VERSION}"
        return f"IF {since} THEN EXECUTE {new}; ELSE EXECUTE {old}; END IF;"

    what = f"{membership.member} in {membership.role}"
    tried = [
        *("BEGIN", execute(grantor=True), "EXCEPTION WHEN OTHERS THEN", execute(grantor=False)),
        f"RAISE WARNING '%: granted by %, not by %', {literal(one_line(what))}, current_user, {literal(one_line(membership.grantor))};",
        "END;",
    ]
    return _if_created(snapshot, (membership.role, membership.member), _attempted(snapshot, what, tried))


def _if_created(snapshot: Snapshot, roles: Sequence[str], body: str) -> bytes:
    """The block, if the script has created one of `roles`."""
    names = ", ".join(map(literal, roles))
    created = (
        f"EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname IN ({names})"
        f" AND oid::pg_catalog.text <> ALL (pg_catalog.string_to_array(pg_catalog.current_setting('{_BEFORE}'), ',')))"
    )
    return _do(snapshot, f"IF {created} THEN\n{body}END IF;\n")


def _do(snapshot: Snapshot, body: str) -> bytes:
    return f"DO {dollar_quoted(f'{chr(10)}BEGIN{chr(10)}{body}END{chr(10)}', snapshot, 'do')};\n".encode()


def _quoted(statement: str, snapshot: Snapshot) -> str:
    return dollar_quoted(statement, snapshot, "sql")


def _joined(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _about(setting: RoleSetting) -> str:
    return f"{setting.name} of {setting.role or 'all'}"
