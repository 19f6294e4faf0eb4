"""SQL text of a restore: owners, keys read from definitions, aclitems, settings. No database."""

from __future__ import annotations

import pytest

from tests.values import schema_entry
from vault.errors import Malformed
from vault.model import ChunkList, Identity, LargeObjectItem, Membership, RoleSetting, SchemaEntry, TableName
from vault.sql.roles import grant_role, set_setting
from vault.sql.statements import (
    AclItem,
    append_not_valid,
    large_object_access,
    plain_index,
    read_acl_item,
    read_key,
    set_owner,
)


def entry(desc: str, definition: str = "", *, tag: str = "t", drop: str = "DROP;", namespace: str = "s") -> SchemaEntry:
    return schema_entry(
        Identity(desc=desc, kind="", names=()), definition, tag=tag, namespace=namespace, owner='o"w', drop=drop
    )


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (entry("TABLE", tag='a"b'), 'ALTER TABLE "s"."a""b" OWNER TO "o""w";'),
        (entry("EVENT TRIGGER", namespace=""), 'ALTER EVENT TRIGGER "t" OWNER TO "o""w";'),
        (
            entry("FUNCTION", drop="DROP FUNCTION s.f(integer, x text);\n"),
            'ALTER FUNCTION s.f(integer, x text) OWNER TO "o""w";',
        ),
        (entry("OPERATOR", drop="DROP OPERATOR s.===(int, int);\n"), 'ALTER OPERATOR s.===(int, int) OWNER TO "o""w";'),
        (entry("TABLE", drop=""), None),
        (entry("INDEX"), None),
        (entry("EXTENSION"), None),
    ],
)
def test_owner_is_set_as_pg_restore_does(given: SchemaEntry, expected: str | None) -> None:
    assert set_owner(given) == expected


def test_not_valid_is_the_last_attribute() -> None:
    assert (
        append_not_valid("ALTER TABLE t ADD CONSTRAINT c CHECK (a = ';');\n")
        == "ALTER TABLE t ADD CONSTRAINT c CHECK (a = ';') NOT VALID;"
    )


@pytest.mark.parametrize(
    ("definition", "expected"),
    [
        ('ALTER TABLE ONLY s.t\n    ADD CONSTRAINT k PRIMARY KEY (a, "B c");\n', ("k", "t", ("a", "B c"))),
        (
            'ALTER TABLE s."T "" (x)"\n    ADD CONSTRAINT "k, 1" UNIQUE (a) INCLUDE (b) DEFERRABLE;\n',
            ("k, 1", 'T " (x)', ("a",)),
        ),
        ("ALTER TABLE ONLY s.t\n    ADD CONSTRAINT k UNIQUE NULLS NOT DISTINCT (a);\n", ("k", "t", ("a",))),
        ("ALTER TABLE ONLY s.t\n    ADD CONSTRAINT k PRIMARY KEY (a, b WITHOUT OVERLAPS);\n", None),
        ("ALTER TABLE ONLY s.t\n    ADD CONSTRAINT k EXCLUDE USING gist (a WITH =);\n", None),
        ("CREATE TABLE s.t ();", None),
        ("", None),
    ],
)
def test_key_is_read_or_refused(definition: str, expected: tuple[str, str, tuple[str, ...]] | None) -> None:
    key = read_key(entry("CONSTRAINT", definition))
    if expected is None:
        assert key is None
        assert plain_index(entry("CONSTRAINT", definition)) is None
    else:
        assert key is not None
        assert (key.name, key.table, key.columns) == (expected[0], TableName(schema="s", name=expected[1]), expected[2])


def test_plain_index_keeps_everything_else() -> None:
    unique = "CREATE UNIQUE INDEX i ON s.t USING btree (lower(a)) WHERE (b);\n\nALTER INDEX s.i ALTER COLUMN 1 SET STATISTICS 5;\n"
    assert plain_index(entry("INDEX", unique)) == unique.replace("CREATE UNIQUE INDEX", "CREATE INDEX")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a=rw*/b", AclItem(grantee="a", grantor="b", privileges=(("r", False), ("w", True)))),
        ("=r/b", AclItem(grantee="", grantor="b", privileges=(("r", False),))),
        ('"a=""/"=r/"b c"', AclItem(grantee='a="/', grantor="b c", privileges=(("r", False),))),
    ],
)
def test_aclitem_is_read(text: str, expected: AclItem) -> None:
    assert read_acl_item(text) == expected


@pytest.mark.parametrize("text", ["", "a", "a=r", "a/b"])
def test_what_is_no_aclitem_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        read_acl_item(text)


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        (
            RoleSetting(role="", here=True, name="work_mem", value="1 MB"),
            'ALTER DATABASE "d" SET "work_mem" TO \'1 MB\';',
        ),
        (
            RoleSetting(role="r", here=True, name="app.x", value="it's"),
            'ALTER ROLE "r" IN DATABASE "d" SET "app"."x" TO \'it\'\'s\';',
        ),
        (
            RoleSetting(role="r", here=False, name="search_path", value='"$user", public, "a ""b, c"'),
            "ALTER ROLE \"r\" SET \"search_path\" TO '$user', 'public', 'a \"b, c';",
        ),
        (
            RoleSetting(role="r", here=False, name="search_path", value='""'),
            'ALTER ROLE "r" SET "search_path" TO \'\';',
        ),
    ],
)
def test_lists_are_set_name_by_name(setting: RoleSetting, expected: str) -> None:
    assert set_setting(setting, database="d") == expected


def test_membership_options_follow_the_version() -> None:
    membership = Membership(role="a", member="b", grantor="c", admin=True, inherit=False, set=None)
    assert grant_role(membership, version_num=150000, grantor=False) == 'GRANT "a" TO "b" WITH ADMIN OPTION;'
    assert (
        grant_role(membership, version_num=160000, grantor=True)
        == 'GRANT "a" TO "b" WITH ADMIN TRUE, INHERIT FALSE GRANTED BY "c";'
    )


@pytest.mark.parametrize("acl", ["a=Q/o", "a=r*Q/o", "a=*/o", "no item"])
def test_privileges_that_no_large_object_has_are_refused(acl: str) -> None:
    item = LargeObjectItem(oid=1, owner="o", acl=(acl,), comment=None, size=0, chunks=ChunkList())
    with pytest.raises(Malformed):
        large_object_access(item)
