"""What a person should know before saying yes to a restore: what will not come back as it was. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Final

from vault.model import TargetFacts
from vault.ops.restore.plan.collation import collation_warnings
from vault.ops.restore.plan.comes_along import Picked
from vault.ops.restore.plan.contents import Contents
from vault.ops.restore.plan.extensions import Extensions
from vault.ops.restore.plan.roles import RoleSteps

OF_THE_DATABASE: Final = frozenset({"DATABASE", "DATABASE PROPERTIES"})
"""Entries about the source database itself; the target is a database of its own."""
_NOT_APPLIED: Final = "not applied, because the target is a database of its own"
_OF_INITDB: Final[Mapping[str | None, str]] = {
    "postgres": "default administrative connection database",
    "template1": "default template for new databases",
}
"""Comments that these databases have from the start, in every major: nobody wrote them."""


def warnings(contents: Contents, target: TargetFacts, *, roles: RoleSteps, picked: Picked) -> Iterator[str]:
    """`roles`: what will be done to the cluster; `picked`: what comes."""
    server = contents.server
    coming = [contents.items[at].entry for at in picked.entries]
    if target.version_num // 10000 < server.version_num // 10000:
        yield (
            f"the target is PostgreSQL {target.version_num // 10000}, the snapshot comes from"
            f" {server.version_num // 10000}: definitions that use newer features will fail"
        )
    if target.encoding != server.encoding:
        yield f"the target's encoding is {target.encoding}, the snapshot's {server.encoding}: some characters may not convert"
    for extension in sorted({e.tag for e in coming if e.identity.desc == "EXTENSION"} - set(target.extensions)):
        yield f"extension {extension} cannot be installed on the target: what needs it will fail"
    for tablespace in sorted({e.tablespace for e in coming if e.tablespace} - set(target.tablespaces)):
        yield f"tablespace {tablespace} is not on the target: what was in it goes to the default one"
    known = {role.name for role in (*contents.roles.roles, *target.roles.roles)}
    for owner in sorted({e.owner for e in coming if e.owner and not e.owner.startswith("pg_")} - known):
        yield f"role {owner} owns objects but is neither in the snapshot nor on the target"
    silent = [role.name for role in roles.create if role.can_login and role.verifier is None]
    yield from Extensions.of(contents.catalog, target).warnings(
        target, frozenset(entry.tag for entry in coming if entry.identity.desc == "EXTENSION")
    )
    yield from collation_warnings(contents.database, target.properties)
    if silent:
        yield f"created without a password, because none was captured: {', '.join(silent)}"
    if picked.roles is not None:
        return
    told = OF_THE_DATABASE | ({"ACL", "COMMENT"} if contents.database else frozenset())
    for item in contents.items:
        if item.identity.kind == "database" and item.identity.desc not in told:
            yield f"{_NOT_APPLIED}: {item.entry.label}"
    yield from (f"{_NOT_APPLIED}: {text}" for text in _properties(contents.database, target))


def _properties(database: Mapping[str, str | None], target: TargetFacts) -> Iterator[str]:
    """What the source database has besides its contents, where neither the target nor a new database of the restoring role has it."""
    there = target.properties
    owner, acl = database.get("owner"), database.get("datacl")
    if owner not in (None, there.get("owner") or target.user):
        yield f"owner {owner}"
    if acl is not None and _granted(acl) not in (
        _granted(there.get("datacl")),
        [f"=Tc/{owner}", f"{owner}=CTc/{owner}"],
    ):
        yield f"privileges {', '.join(json.loads(acl))}"
    limit, tablespace, comment = (database.get(key) for key in ("datconnlimit", "tablespace", "comment"))
    if limit not in (None, "-1", there.get("datconnlimit")):
        yield f"connection limit {limit}"
    if database.get("datistemplate") == "true" and there.get("datistemplate") != "true":
        yield "the mark as a template"
    if tablespace not in (None, "pg_default", there.get("tablespace")):
        yield f"tablespace {tablespace}"
    if comment and comment not in (there.get("comment"), _OF_INITDB.get(database.get("datname"))):
        yield f"comment {' '.join(comment.split())}"


def _granted(acl: str | None) -> list[str]:
    return [] if acl is None else sorted(json.loads(acl))
