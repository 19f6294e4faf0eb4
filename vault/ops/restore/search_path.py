"""The search path that names in a role's function bodies were found by. Pure.

pg_dump qualifies every name that it prints, and a restore has an empty search_path; inside a function's body names stay as
they were written. An index, a generated column or a CHECK that calls such a function fails then. It is tried again with the
path that its owner had in the source: bodies are never edited, and no other path is guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from vault.model import Roles
from vault.sql.names import quote
from vault.sql.roles import list_of_names

_DEFAULT = '"$user", public'


def search_paths(roles: Roles, owners: Iterable[str]) -> Mapping[str, str]:
    """Owner -> value of search_path: ALTER ROLE IN DATABASE, else ALTER ROLE, else ALTER DATABASE, else ROLE ALL, else the default."""
    known = {(setting.role, setting.here): setting.value for setting in roles.settings if setting.name == "search_path"}
    paths = {}
    for owner in owners:
        keys = ((owner, True), (owner, False), ("", True), ("", False))
        value = next((known[key] for key in keys if key in known), _DEFAULT)
        names = list_of_names(value)
        if names is not None:
            paths[owner] = ", ".join(quote(owner if name == "$user" else name) for name in names)
    return paths
