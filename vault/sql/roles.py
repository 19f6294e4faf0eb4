"""SQL text about roles, memberships, parameters and settings that a restore sends, from values. Pure. Spec 75-restore."""

from __future__ import annotations

from collections.abc import Sequence

from vault.model import Membership, ParameterAcl, Role, RoleSetting
from vault.sql.names import literal, quote, unquoted, words
from vault.sql.statements import read_acl_item

_LIST_SETTINGS = frozenset(
    {
        "local_preload_libraries",
        "search_path",
        "session_preload_libraries",
        "shared_preload_libraries",
        "temp_tablespaces",
        "unix_socket_directories",
    }
)
"""Settings flagged GUC_LIST_QUOTE: their stored text is a list of quoted names, not one literal."""

_UNLOGGED = (
    "SET LOCAL log_statement TO 'none';",
    "SET LOCAL log_min_duration_statement TO -1;",
    "SET LOCAL log_min_error_statement TO 'panic';",
)
"""A verifier shall not end up in the target's log."""


def create_role(role: Role, *, unlogged: bool = True) -> list[str]:
    """CREATE ROLE with every attribute named, so that nothing depends on the server's defaults.

    unlogged  keep the verifier out of the server's log, which only a superuser may
    """
    flags = (
        (role.superuser, "SUPERUSER"),
        (role.inherit, "INHERIT"),
        (role.create_role, "CREATEROLE"),
        (role.create_db, "CREATEDB"),
        (role.can_login, "LOGIN"),
        (role.replication, "REPLICATION"),
        (role.bypass_rls, "BYPASSRLS"),
    )
    attributes = [word if on else f"NO{word}" for on, word in flags]
    attributes.append(f"CONNECTION LIMIT {role.connection_limit}")
    if role.verifier is not None:
        attributes.append(f"PASSWORD {literal(role.verifier)}")
    if role.valid_until is not None:
        attributes.append(f"VALID UNTIL {literal(role.valid_until)}")
    statements = [*(_UNLOGGED if unlogged else ()), f"CREATE ROLE {quote(role.name)} WITH {' '.join(attributes)};"]
    if role.comment is not None:
        statements.append(f"COMMENT ON ROLE {quote(role.name)} IS {literal(role.comment)};")
    return statements


def grant_role(membership: Membership, *, version_num: int, grantor: bool) -> str:
    """`grantor`: name the recorded one (it must hold the admin option already)."""
    if version_num >= 160000:
        options = (("ADMIN", membership.admin), ("INHERIT", membership.inherit), ("SET", membership.set))
        named = [f"{word} {'TRUE' if on else 'FALSE'}" for word, on in options if on is not None]
    else:
        named = ["ADMIN OPTION"] if membership.admin else []
    clause = f" WITH {', '.join(named)}" if named else ""
    by = f" GRANTED BY {quote(membership.grantor)}" if grantor else ""
    return f"GRANT {quote(membership.role)} TO {quote(membership.member)}{clause}{by};"


def in_granting_order(memberships: Sequence[Membership]) -> list[Membership]:
    """Those first that give their grantors the right to grant; among equals, as recorded."""
    left, ordered = list(memberships), list[Membership]()
    while left:
        giving = {(grant.role, grant.member) for grant in left if grant.admin}
        ready = [
            grant for grant in left if (grant.role, grant.grantor) not in giving or grant.grantor == grant.member
        ] or left
        taken = set(map(id, ready))
        ordered += ready
        left = [grant for grant in left if id(grant) not in taken]
    return ordered


def grant_parameter(parameter: ParameterAcl) -> list[str]:
    """Grants on a setting, as the restoring role."""
    grants: list[str] = []
    for item in map(read_acl_item, parameter.acl):
        for letter, grantable in item.privileges:
            word = {"s": "SET", "A": "ALTER SYSTEM"}[letter]
            option = " WITH GRANT OPTION" if grantable else ""
            name = _setting_name(parameter.name)
            grants.append(f"GRANT {word} ON PARAMETER {name} TO {quote(item.grantee)}{option};")
    return grants


def standard_public(version_num: int) -> list[str]:
    """Schema public as initdb makes it."""
    owner = ["ALTER SCHEMA public OWNER TO pg_database_owner;"] if version_num >= 150000 else []
    return [
        "CREATE SCHEMA IF NOT EXISTS public;",
        *owner,
        "COMMENT ON SCHEMA public IS 'standard public schema';",
    ]


def set_setting(setting: RoleSetting, *, database: str) -> str:
    """ALTER ROLE / ALTER DATABASE ... SET for the database of the target."""
    if setting.role:
        here = f" IN DATABASE {quote(database)}" if setting.here else ""
        subject = f"ROLE {quote(setting.role)}{here}"
    else:
        subject = f"DATABASE {quote(database)}" if setting.here else "ROLE ALL"
    return f"ALTER {subject} SET {_setting_name(setting.name)} TO {_setting_value(setting)};"


def setting_here(setting: RoleSetting) -> tuple[str, str]:
    """What stands before and after the quoted name of the database in the statement of a setting that is of one."""
    subject = f"ROLE {quote(setting.role)} IN DATABASE " if setting.role else "DATABASE "
    return f"ALTER {subject}", f" SET {_setting_name(setting.name)} TO {_setting_value(setting)};"


def set_routine(name: str, *, definer: bool, settings: Sequence[str]) -> str:
    """ALTER ROUTINE to exactly these `settings` (name=value, as in pg_proc). `name` is a regprocedure's text."""
    subject = f"ALTER ROUTINE {name}"
    lines = [f"{subject} SECURITY {'DEFINER' if definer else 'INVOKER'} RESET ALL;\n"]
    for setting in settings:
        key, _, value = setting.partition("=")
        text = _setting_value(RoleSetting(role="", here=False, name=key, value=value))
        lines.append(f"{subject} SET {_setting_name(key)} TO {text};\n")
    return "".join(lines)


def _setting_name(name: str) -> str:
    """Extensions' settings have dots; each part is a name."""
    return ".".join(quote(part) for part in name.split("."))


def _setting_value(setting: RoleSetting) -> str:
    if setting.name.lower() not in _LIST_SETTINGS:
        return literal(setting.value)
    names = list_of_names(setting.value)
    if names is None:
        return literal(setting.value)
    return ", ".join(literal(name) for name in names) or "''"


def list_of_names(value: str) -> list[str] | None:
    """Elements of a list setting, unquoted; None if it is no such list."""
    names: list[str] = []
    expect = True
    for word in _list_words(value):
        if word == ",":
            expect = True
        elif expect:
            names.append(word)
            expect = False
        else:
            return None
    return names


def _list_words(text: str) -> Sequence[str]:
    """Elements of a SplitIdentifierString list, unquoted, and the commas between them."""
    parts: list[str] = []
    at = 0
    while at < len(text):
        if text[at] in ", ":
            if text[at] == ",":
                parts.append(",")
            at += 1
        elif text[at] == '"':
            word = next(words(text[at:]))
            parts.append(unquoted(word))
            at += len(word)
        else:
            end = next((place for place in range(at, len(text)) if text[place] in ', "'), len(text))
            parts.append(text[at:end])
            at = end
    return parts
