"""What is said before a restore, of what will not come as it was. No database."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from tests.restore_values import TARGET, only, owned, part, role, snapshot
from tests.values import SERVER
from vault.model import CatalogFacts, Roles, TargetFacts
from vault.ops.restore.plan.comes_along import pick
from vault.ops.restore.plan.contents import Contents
from vault.ops.restore.plan.only_words import Wanted
from vault.ops.restore.plan.roles import role_steps
from vault.ops.restore.plan.warnings import warnings

PARTS = [
    part("TABLE s.t", owner="boss", tablespace="fast"),
    part("TABLE s.u", owner="pg_read_all_data"),
    part("EXTENSION citext", owner=""),
    part("COMMENT app", kind="database"),
    part("ACL app", kind="database"),
    part("DATABASE app", owner="pg_monitor"),
    part("DATABASE PROPERTIES app", kind="database", owner=""),
    part("SECURITY LABEL app", kind="database"),
]
ROLES = Roles(roles=(role("boss"),))
RICH = replace(TARGET, tablespaces=("fast",))


def said(
    wanted: Wanted | None = None,
    *,
    source: Mapping[str, Any] | None = None,
    database: Mapping[str, str | None] | None = None,
    catalog: Mapping[str, Any] | None = None,
    roles: Roles = ROLES,
    target: TargetFacts = RICH,
) -> list[str]:
    contents: Contents = snapshot(
        *PARTS,
        roles=roles,
        server=replace(SERVER, **(source or {})),
        catalog=CatalogFacts(database=database or {}, **(catalog or {})),
    )
    picked = pick(contents, wanted or Wanted())
    steps = role_steps(roles, target)
    return list(warnings(contents, target, roles=steps, picked=picked))


ENTRIES = [
    f"not applied, because the target is a database of its own: {text}"
    for text in ("COMMENT DATABASE app", "ACL DATABASE app", "SECURITY LABEL DATABASE app")
]
SAID: dict[str, tuple[dict[str, Any], list[str]]] = {
    "nothing": ({}, []),
    "an older target": (
        {"source": {"version_num": 160000}},
        ["the target is PostgreSQL 15, the snapshot comes from 16: definitions that use newer features will fail"],
    ),
    "a newer target": ({"source": {"version_num": 140099}}, []),
    "the first of its major": ({"target": replace(RICH, version_num=150000)}, []),
    "another minor": ({"source": {"version_num": 150019}}, []),
    "another encoding": (
        {"source": {"encoding": "LATIN1"}},
        ["the target's encoding is UTF8, the snapshot's LATIN1: some characters may not convert"],
    ),
    "no such extension": (
        {"target": replace(RICH, extensions=())},
        ["extension citext cannot be installed on the target: what needs it will fail"],
    ),
    "an extension that will belong to another": (
        {"catalog": {"acls": owned(("extension citext", "boss", None), ("extension t", "boss", None))}},
        ["extension citext belonged to boss and will belong to postgres: an extension has no ALTER ... OWNER"],
    ),
    "no such tablespace": (
        {"target": TARGET},
        ["tablespace fast is not on the target: what was in it goes to the default one"],
    ),
    "nobody knows the owner": (
        {"roles": Roles()},
        ["role boss owns objects but is neither in the snapshot nor on the target"],
    ),
    "the target knows the owner": ({"roles": Roles(), "target": replace(RICH, roles=ROLES)}, []),
    "a role without a password": (
        {
            "roles": Roles(
                roles=(
                    *(role("boss", can_login=True), role("kept", can_login=True, verifier="x")),
                    *(role("group"), role("clerk", can_login=True)),
                )
            )
        },
        ["created without a password, because none was captured: boss, clerk"],
    ),
}


def test_what_is_said_of_several_is_said_in_order() -> None:
    names = tuple("hgfedcba")
    parts = [part(f"TABLE s.{name}", owner=name, tablespace=name) for name in names]
    contents = snapshot(*parts, *(part(f"EXTENSION {name}", owner="") for name in names))
    lines = list(
        warnings(contents, TARGET, roles=role_steps(Roles(), TARGET), picked=pick(contents, only("s.*", "schema")))
    )
    assert [line.split()[1] for line in lines] == [*"abcdefgh"] * 3


@pytest.mark.parametrize("case", SAID)
def test_what_does_not_come_as_it_was_is_said(case: str) -> None:
    fields, expected = SAID[case]
    assert said(**fields) == [*expected, *ENTRIES]


DATABASE: dict[str, tuple[dict[str, str | None], list[str]]] = {
    "as a new one": ({"owner": "postgres", "datacl": None, "datconnlimit": "-1", "tablespace": "pg_default"}, []),
    "owner": ({"owner": "boss"}, ["owner boss"]),
    "built-in privileges": ({"owner": "postgres", "datacl": json.dumps(["postgres=CTc/postgres", "=Tc/postgres"])}, []),
    "privileges": (
        {"owner": "postgres", "datacl": json.dumps(["x=C/postgres", "y=c/postgres"])},
        ["privileges x=C/postgres, y=c/postgres"],
    ),
    "limit": ({"datconnlimit": "5"}, ["connection limit 5"]),
    "template": ({"datistemplate": "true"}, ["the mark as a template"]),
    "no template": ({"datistemplate": "false"}, []),
    "tablespace": ({"tablespace": "fast"}, ["tablespace fast"]),
    "comment": ({"comment": "two\nlines"}, ["comment two lines"]),
    "initdb's comment": ({"datname": "postgres", "comment": "default administrative connection database"}, []),
    "initdb's comment on its template": (
        {"datname": "template1", "comment": "default template for new databases"},
        [],
    ),
    "that comment of another": (
        {"datname": "app", "comment": "default administrative connection database"},
        ["comment default administrative connection database"],
    ),
}


@pytest.mark.parametrize("case", DATABASE)
def test_what_the_database_has_besides_its_contents_is_said(case: str) -> None:
    database, expected = DATABASE[case]
    found = said(database=database)
    prefix = "not applied, because the target is a database of its own: "
    assert [one.removeprefix(prefix) for one in found] == ["SECURITY LABEL DATABASE app", *expected]
    assert said(only("s.t"), database=database) == [], "it was not asked for"


def test_text_that_sorts_in_another_way_is_said() -> None:
    source, there = ({"datcollate": name, "datctype": name} for name in ("C", "de_DE"))
    first, *_ = said(database=source, target=replace(RICH, properties=there))
    assert first.startswith("the target sorts text by libc de_DE, the source by libc C: ")


def test_what_the_target_has_too_is_not_lost() -> None:
    same = {
        "owner": "boss",
        "datacl": json.dumps(["x=C/boss", "boss=CTc/boss"]),
        "datconnlimit": "5",
        "datistemplate": "true",
        "tablespace": "fast",
        "comment": "mine",
    }
    turned = {**same, "datacl": json.dumps(["boss=CTc/boss", "x=C/boss"])}
    label = "not applied, because the target is a database of its own: SECURITY LABEL DATABASE app"
    assert said(database=same, target=replace(RICH, properties=turned)) == [label]
    assert len(said(database=same, target=replace(RICH, properties=dict.fromkeys(same)))) == 1 + len(same)


def test_what_the_target_alone_has_is_not_lost_either() -> None:
    source = {"datname": "postgres", "owner": "postgres", "datacl": None, "comment": None}
    there = {"datacl": json.dumps(["x=C/postgres"]), "comment": "mine"}
    label = "not applied, because the target is a database of its own: SECURITY LABEL DATABASE app"
    assert said(database=source, target=replace(RICH, properties=there)) == [label]


def test_of_a_part_only_what_comes_is_said() -> None:
    poor = replace(TARGET, extensions=())
    assert said(only("s.t"), target=poor) == [
        "tablespace fast is not on the target: what was in it goes to the default one"
    ]
