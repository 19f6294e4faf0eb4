"""What is said about roles that exist, and which settings a restore makes [RST-3]. No database."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.restore_values import FULL, TARGET, only, part, planned, role, snapshot, there
from vault.model import Membership, ParameterAcl, Roles, RoleSetting, Tablespace
from vault.ops.restore.plan.only_words import Wanted
from vault.ops.restore.plan.role_differences import differences
from vault.ops.restore.plan.roles import role_steps


def member(of: str, who: str, **fields: Any) -> Membership:
    values: dict[str, Any] = {"grantor": "boss", "admin": False, "inherit": True, "set": True, **fields}
    return Membership(role=of, member=who, **values)


def setting(who: str, name: str, value: str, *, here: bool = False) -> RoleSetting:
    return RoleSetting(role=who, here=here, name=name, value=value)


ROLES = (role("a"), role("b"), role("boss", superuser=True))
CASES: dict[str, tuple[dict[str, Any], dict[str, Any], list[str]]] = {
    "nothing": ({}, {}, []),
    "setting missing": (
        {"settings": (setting("a", "pgrst.db_schemas", "x"),)},
        {},
        ["role a: setting pgrst.db_schemas is not set"],
    ),
    "setting differs": (
        {"settings": (setting("a", "app.key", "secret"),)},
        {"settings": (setting("a", "app.key", "hidden"),)},
        ["role a: setting app.key has another value"],
    ),
    "setting of all roles": (
        {"settings": (setting("", "work_mem", "1MB"),)},
        {},
        ["all roles: setting work_mem is not set"],
    ),
    "setting of the target alone": (
        {},
        {"settings": (setting("a", "role", "boss"), setting("", "x.y", "1", here=True), setting("other", "x", "1"))},
        ["the database: setting x.y is set here, and was not", "role a: setting role is set here, and was not"],
    ),
    "membership missing": ({"memberships": (member("a", "b"),)}, {}, ["b is not a member of a"]),
    "granted by others": (
        {
            "memberships": (
                member("a", "b"),
                member("a", "b", grantor="ann"),
                member("b", "a", grantor="ann"),
                member("b", "a"),
            )
        },
        {"memberships": (member("a", "b", grantor="me"), member("b", "a", grantor="me"))},
        ["2 memberships granted by ann, boss are granted by me here"],
    ),
    "membership of the target alone": (
        {},
        {"memberships": (member("a", "b"), member("a", "y"), member("x", "y"))},
        ["b is a member of a here, and was not", "y is a member of a here, and was not"],
    ),
    "membership in what the target alone has, and of it in what the server brings": (
        {},
        {"memberships": (member("x", "a"), member("pg_read_all_data", "x"), member("pg_write_all_data", "pg_monitor"))},
        [
            "x is a member of pg_read_all_data here, and was not",
            "pg_monitor is a member of pg_write_all_data here, and was not",
            "a is a member of x here, and was not",
        ],
    ),
    "a setting in two spellings": (
        {"settings": (setting("a", "app.key", "secret"),)},
        {"settings": (setting("a", "App.Key", "hidden"), setting("a", "app.key", "secret"))},
        ["role a: setting app.key has another value"],
    ),
    "admin option": (
        {"memberships": (member("a", "b", admin=True),)},
        {"memberships": (member("a", "b"),)},
        ["b is a member of a without the option ADMIN"],
    ),
    "inherit and set": (
        {"memberships": (member("a", "b", inherit=False, set=False),)},
        {"memberships": (member("a", "b"),)},
        ["b is a member of a with the option INHERIT", "b is a member of a with the option SET"],
    ),
    "options that one server does not know": (
        {"memberships": (member("a", "b", inherit=False, set=None),)},
        {"memberships": (member("a", "b", inherit=None, set=True),)},
        [],
    ),
    "options of several grantors add up": (
        {"memberships": (member("a", "b", admin=True), member("a", "b", grantor="c"))},
        {"memberships": (member("a", "b"), member("a", "b", grantor="c", admin=True))},
        [],
    ),
    "grantors are told once": (
        {"memberships": (member("a", "b"), member("b", "c"))},
        {"memberships": (member("a", "b", grantor="x"), member("b", "c", grantor="x"))},
        ["2 memberships granted by boss are granted by x here"],
    ),
    "grantors are told in order": (
        {"memberships": (member("a", "b", grantor="two"), member("b", "c", grantor="one"))},
        {"memberships": (member("a", "b", grantor="x"), member("b", "c", grantor="x"))},
        [
            "1 memberships granted by one are granted by x here",
            "1 memberships granted by two are granted by x here",
        ],
    ),
    "parameters": (
        {"parameter_acls": (ParameterAcl(name="log_min_messages", acl=("boss=sA/boss", "a=s/boss")),)},
        {
            "parameter_acls": (
                ParameterAcl(name="work_mem", acl=("b=A*/boss", "=s/boss", "other=s/boss", "pg_monitor=s/boss")),
            )
        },
        [
            "role a may not SET log_min_messages here, and might",
            "PUBLIC may SET work_mem here, and might not",
            "role b may ALTER SYSTEM SET work_mem and grant it here, and might not",
            "role pg_monitor may SET work_mem here, and might not",
        ],
    ),
    "comments are not shown": (
        {"roles": (role("a", comment="one"),)},
        {"roles": (role("a", comment="two"),)},
        ["role a: its comment is another"],
    ),
    "a comment on one side": (
        {"roles": (role("a", comment="one"), role("b"))},
        {"roles": (role("a"), role("b", comment="one"))},
        ["role a: its comment is missing", "role b: its comment is set here"],
    ),
    "tablespaces": (
        {"tablespaces": (Tablespace(name="fast", owner="a", location="/x", acl=("b=C/a",), options=()),)},
        {"tablespaces": (Tablespace(name="fast", owner="b", location="/y", acl=None, options=()),)},
        ["tablespace fast: owner is not as recorded", "tablespace fast: privileges are not as recorded"],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_existing_roles_are_compared_in_all_that_makes_them(case: str) -> None:
    source, target, expected = CASES[case]
    sides = [Roles(**{"roles": ROLES, **fields}) for fields in (source, target)]
    assert list(differences(*sides)) == expected
    assert role_steps(sides[0], replace(TARGET, roles=sides[1])).create == ()


PASSWORDS: dict[str, tuple[str | None, dict[str, str] | None, list[str]]] = {
    "equal": ("SCRAM-1", {"a": "SCRAM-1"}, []),
    "another": ("SCRAM-1", {"a": "SCRAM-2"}, ["role a: its password is another here, or the same set once more"]),
    "none here": ("SCRAM-1", {"b": "SCRAM-1"}, ["role a: it has no password here, and had one"]),
    "none before": (None, {"a": "SCRAM-1"}, ["role a: it has a password here, and had none"]),
    "none": (None, {}, []),
    "not known here": ("SCRAM-1", None, []),
}


@pytest.mark.parametrize("case", PASSWORDS)
def test_passwords_are_compared_where_both_can_be_read(case: str) -> None:
    before, here, expected = PASSWORDS[case]
    source, target = (Roles(roles=(role("a", verifier=verifier),)) for verifier in (before, None))
    told = list(differences(source, target, verifiers=here))
    assert told == expected
    assert role_steps(source, replace(TARGET, roles=target, verifiers=here)).differences == tuple(expected)
    assert not any("SCRAM" in line for line in told)
    assert list(differences(replace(source, verifiers_read=False), target, verifiers=here)) == []
    assert "SCRAM" not in repr(replace(TARGET, verifiers=here))


SETTINGS = {
    "missing": (None, False, (1, 0)),
    "equal": ("1", False, (0, 0)),
    "other": ("2", False, (0, 1)),
    "other, replaced": ("2", True, (1, 0)),
}


@pytest.mark.parametrize("case", SETTINGS)
@pytest.mark.parametrize("who", ["", "a"])
def test_a_setting_of_the_database_is_replaced_on_request_alone(case: str, who: str) -> None:
    value, replacing, expected = SETTINGS[case]
    there = () if value is None else (setting(who, "app.x", value, here=True),)
    wanted = Roles(roles=ROLES, settings=(setting(who, "app.x", "1", here=True),))
    asked: dict[str, Any] = {"replace": True} if replacing else {}
    steps = role_steps(wanted, replace(TARGET, roles=Roles(roles=ROLES, settings=there)), **asked)
    assert (len(steps.settings), len(steps.kept)) == expected
    assert all("1" not in why and "2" not in why for _, why in steps.kept), "values can be secrets"


def test_roles_that_only_entries_name_say_nothing_of_the_cluster() -> None:
    wanted = Roles(roles=ROLES, settings=(setting("", "app.x", "1", here=True), setting("a", "x", "1")))
    steps = role_steps(wanted, replace(TARGET, roles=Roles(roles=ROLES)), only=frozenset({"a"}))
    assert (steps.settings, steps.kept, steps.differences) == ((), (), ())


def test_privileges_on_parameters_come_with_the_roles_that_are_made() -> None:
    acls = (
        ParameterAcl(name="log_min_messages", acl=("a=s/boss", "b=sA/boss", "=s/boss")),
        ParameterAcl(name="work_mem", acl=("a=s/boss",)),
    )
    steps = role_steps(
        Roles(roles=ROLES, parameter_acls=acls), replace(TARGET, roles=Roles(roles=(role("a"), ROLES[2])))
    )
    assert [one.name for one in steps.create] == ["b"]
    assert steps.parameters == (ParameterAcl(name="log_min_messages", acl=("b=sA/boss",)),), "those that exist stay"


def test_a_setting_that_is_the_same_is_not_told() -> None:
    settings = (setting("a", "x.y", "1"), setting("", "work_mem", "1MB"), setting("a", "z.z", "1", here=True))
    same = Roles(roles=ROLES, settings=settings)
    assert role_steps(same, replace(TARGET, roles=same)).differences == ()


def test_of_some_roles_come_memberships_of_what_is_there_or_is_made() -> None:
    """That of a role that is neither would fail; roles of PostgreSQL's own are there whether or not the target tells of them."""
    wanted = Roles(
        roles=ROLES, memberships=(member("b", "a"), member("boss", "a"), member("a", "b"), member("pg_monitor", "a"))
    )
    target = replace(TARGET, roles=Roles(roles=(role("boss"),)))
    some = role_steps(wanted, target, only=frozenset({"a"}))
    assert [one.role for one in some.memberships] == ["boss", "pg_monitor"]
    assert role_steps(wanted, target).memberships == wanted.memberships


def test_memberships_of_roles_that_are_there_come_on_request_alone() -> None:
    wanted = Roles(roles=ROLES, memberships=(member("a", "b"),))
    target = replace(TARGET, roles=Roles(roles=ROLES))
    assert role_steps(wanted, target).memberships == ()
    assert role_steps(wanted, target, add_memberships=True).memberships == wanted.memberships
    joined = replace(target, roles=Roles(roles=ROLES, memberships=(member("a", "b", grantor="other"),)))
    assert role_steps(wanted, joined, add_memberships=True).memberships == ()
    assert role_steps(wanted, replace(target, roles=Roles(roles=ROLES[1:]))).memberships == wanted.memberships


@pytest.mark.parametrize(
    ("wanted", "memberships", "settings"),
    [(Wanted(), 0, 1), (only("roles"), 1, 1), (only("s.t"), 0, 0), (Wanted(definitions=False), 0, 0)],
)
def test_what_exists_is_joined_where_roles_were_named_and_the_database_set_anew_on_request(
    wanted: Wanted, memberships: int, settings: int
) -> None:
    roles = Roles(roles=ROLES, memberships=(member("a", "b"),), settings=(setting("", "work_mem", "1MB", here=True),))
    target = replace(FULL, roles=Roles(roles=ROLES, settings=(setting("", "work_mem", "2MB", here=True),)))
    shop = snapshot(part("TABLE s.t"), roles=roles)
    steps = planned(shop, there(), target=target, wanted=wanted, replace=True).roles
    assert (len(steps.memberships), len(steps.settings)) == (memberships, settings)
    unasked = planned(shop, there(), target=target, wanted=only("roles")).roles
    assert (len(unasked.memberships), len(unasked.settings), len(unasked.kept)) == (1, 0, 1)
