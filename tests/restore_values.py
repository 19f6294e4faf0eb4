"""Snapshots and targets of a restore as values, written down in a line an entry: what plans are made of, without a server.

An entry is called by its label: pg_dump's word and the object's names, "TABLE s.t", "POLICY s.t.own", "ACL s.t", and for the
privileges of a column "ACL s.t COLUMN t.c".
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from tests.values import SERVER, table_item
from vault.model import (
    Identity,
    Present,
    Role,
    Roles,
    SchemaEntry,
    Section,
    TableItem,
    TableName,
    TargetFacts,
    TargetSchema,
    read_address,
)
from vault.model.database import Edge, Owned
from vault.ops.restore.plan.contents import Contents, Item
from vault.ops.restore.plan.only_words import Wanted
from vault.ops.restore.plan.plan import plan
from vault.ops.restore.plan.steps import RestoreOptions, RestorePlan

TARGET: Final = TargetFacts(
    version_num=150018,
    version="PostgreSQL 15.18",
    system_id="2",
    database="new",
    database_oid=5,
    encoding="UTF8",
    user="postgres",
    superuser=True,
    roles=Roles(),
    in_the_way=(),
    extensions=("citext",),
    extensions_installed=("plpgsql",),
    tablespaces=("pg_default", "pg_global"),
)
FULL: Final = replace(TARGET, in_the_way=("table s.t",))
"""A target that holds something."""

POOR: Final = replace(
    FULL,
    user="me",
    superuser=False,
    acts_as=("me", "mine"),
    may_create_schemas=False,
    schemas=(
        TargetSchema(name="s", owner="me", may_create=True),
        TargetSchema(name="closed", owner="them", may_create=False),
    ),
)
"""The same, to a role that is no superuser."""

_KINDS: Final = {
    **dict.fromkeys(("TABLE", "ROW SECURITY", "TABLE ATTACH"), "table"),
    **dict.fromkeys(("CONSTRAINT", "FK CONSTRAINT", "CHECK CONSTRAINT"), "table constraint"),
    **dict.fromkeys(("INDEX", "INDEX ATTACH"), "index"),
    **dict.fromkeys(("SEQUENCE", "SEQUENCE OWNED BY"), "sequence"),
    "DEFAULT": "default value",
    "PUBLICATION TABLE": "publication relation",
    "STATISTICS": "statistics object",
    "MATERIALIZED VIEW DATA": "materialized view",
    "DEFAULT ACL": "default acl",
}
_AFTER: Final = frozenset({"CONSTRAINT", "FK CONSTRAINT", "INDEX", "INDEX ATTACH", "TRIGGER", "POLICY", "RULE"}) | {
    *("ROW SECURITY", "PUBLICATION", "PUBLICATION TABLE", "EVENT TRIGGER", "STATISTICS", "DEFAULT ACL"),
    *("MATERIALIZED VIEW DATA",),
}
_ABOUT: Final = frozenset({"ACL", "COMMENT", "SECURITY LABEL"})
_NEVER_DROPPED: Final = _ABOUT | {"ROW SECURITY", "TABLE ATTACH", "INDEX ATTACH", "SEQUENCE OWNED BY", "DEFAULT ACL"}
_WITHOUT_SCHEMA: Final = frozenset({"SCHEMA", "EXTENSION", "PUBLICATION", "EVENT TRIGGER"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """An entry and the labels of those that it needs."""

    entry: SchemaEntry
    needs: tuple[str, ...]

    @property
    def label(self) -> str:
        return label(self.entry.identity)


def label(identity: Identity) -> str:
    names = " ".join(word for word in (identity.desc, ".".join(identity.names)) if word)
    return f"{names} {identity.sub}" if identity.sub.startswith("COLUMN ") or not identity.names else names


def part(
    called: str,
    *needs: str,
    kind: str = "",
    sub: str = "",
    args: tuple[str, ...] = (),
    definition: str = "",
    **fields: Any,
) -> Part:
    """`called`: its label. `kind`: of the object that an ACL or COMMENT is about, a table's unless it is said."""
    desc, _, name = called.rpartition(" ")
    names = tuple(name.split("."))
    kind = kind or ("table" if desc in _ABOUT else _KINDS.get(desc, desc.lower()))
    if desc in _ABOUT and not sub:
        sub = f"{kind.upper()} {names[-1]}"
    identity = Identity(desc=desc, kind=kind, names=names, args=args, sub=sub)
    values: dict[str, Any] = {
        "tag": sub if desc in _ABOUT else " ".join(names[1:] or names),
        "namespace": "" if desc in _WITHOUT_SCHEMA or kind == "schema" else names[0],
        "owner": "" if desc in _ABOUT else "boss",
        "definition": definition or f"{called} as recorded",
        "drop": "" if desc in _NEVER_DROPPED else f"DROP {called};",
        "tablespace": "",
        "table_access_method": "",
        "section": Section.NONE if desc in _ABOUT else Section.POST_DATA if desc in _AFTER else Section.PRE_DATA,
        **fields,
    }
    return Part(entry=SchemaEntry(identity=identity, **values), needs=needs)


def owned(*acls: tuple[str, str, tuple[str, ...] | None]) -> tuple[Owned, ...]:
    """Catalog facts about objects as a server prints them: text, owner, ACL."""
    return tuple((read_address(printed), owner, acl) for printed, owner, acl in acls)


def edges(*found: tuple[str, str, str]) -> tuple[Edge, ...]:
    return tuple((read_address(dependent), read_address(referenced), letter) for dependent, referenced, letter in found)


def snapshot(*parts: Part, **fields: Any) -> Contents:
    places = {one.label: at for at, one in enumerate(parts)}
    assert len(places) == len(parts), "two parts have one label"
    items = tuple(Item(entry=one.entry, needs=tuple(sorted(places[need] for need in one.needs))) for one in parts)
    values: dict[str, Any] = {
        "server": SERVER,
        "roles": Roles(),
        "tables": (),
        "sequences": 0,
        "large_objects": 0,
        **fields,
    }
    return Contents(items=items, **values)


def there(*parts: Part, columns: Mapping[str, Collection[str]] | None = None, **fields: Any) -> Present:
    """What a target has: these entries, and by name its tables' columns; `id` and `v` of every TABLE among the entries else."""
    own = {one.label.removeprefix("TABLE "): ("id", "v") for one in parts if one.entry.identity.desc == "TABLE"}
    return Present(
        entries={one.entry.identity: one.entry for one in parts},
        columns={table_name(name): frozenset(found) for name, found in (own if columns is None else columns).items()},
        **fields,
    )


def but(parts: Iterable[Part], *without: str) -> list[Part]:
    """`parts`, less those of the labels `without`."""
    return [one for one in parts if one.label not in without]


def changed(parts: Iterable[Part], *labels: str, **fields: Any) -> list[Part]:
    """`parts`, those of `labels` with another definition, or what `fields` say."""
    fields = fields or {"definition": "as the target has it"}
    return [replace(one, entry=replace(one.entry, **fields)) if one.label in labels else one for one in parts]


def table_name(name: str) -> TableName:
    schema, _, own = name.partition(".")
    return TableName(schema=schema, name=own)


def rows(
    name: str, count: int = 3, *, columns: tuple[str, ...] = ("id", "v"), key: tuple[str, ...] = ("id",), root: str = ""
) -> TableItem:
    """Rows of a table, ten bytes each; `root`: the partitioned table through which they come."""
    return table_item(
        table_name(name), *columns, rows=count, key_columns=key, load_via_root=table_name(root) if root else None
    )


def role(name: str, **fields: Any) -> Role:
    attributes = ("superuser", "create_role", "create_db", "can_login", "replication", "bypass_rls")
    values: dict[str, Any] = {
        **dict.fromkeys(attributes, False),
        "inherit": True,
        "connection_limit": -1,
        "valid_until": None,
        "verifier": None,
        "comment": None,
        **fields,
    }
    return Role(name=name, **values)


def only(*words: str, **fields: bool) -> Wanted:
    """A component, a schema as `s.*`, or a name as `s.t`."""
    dotted = [word for word in words if "." in word]
    return Wanted(
        components=frozenset(word for word in words if "." not in word),
        schemas=frozenset(word.removesuffix(".*") for word in dotted if word.endswith(".*")),
        names=tuple(table_name(word) for word in dotted if not word.endswith(".*")),
        **fields,
    )


def planned(
    contents: Contents,
    present: Present | None = None,
    *,
    target: TargetFacts = FULL,
    wanted: Wanted | None = None,
    replace: bool = False,
) -> RestorePlan:
    """The plan for a target that holds `present`; of everything, unless `wanted` says less."""
    return plan(contents, target, RestoreOptions(wanted=wanted or Wanted(), replace=replace), present=present)


def labels(made: RestorePlan | Contents, positions: Iterable[int]) -> list[str]:
    contents = made if isinstance(made, Contents) else made.contents
    return [label(contents.items[at].identity) for at in positions]


def decided(made: RestorePlan) -> dict[str, str]:
    """Label -> what is done with the entry; `!` where the user asked for it and will not have it."""
    found = {at: f"{one.action.value}{'!' if one.lacking else ''}" for at, one in sorted(made.decisions.items())}
    return dict(zip(labels(made, found), found.values(), strict=True))


def reason(made: RestorePlan, called: str) -> str:
    """Why nothing is done with an entry."""
    return next(one.why for at, one in made.decisions.items() if labels(made, [at]) == [called])
