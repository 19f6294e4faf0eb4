"""What was asked for: words of --only, as components, schemas and names of a snapshot. Pure. Spec 76-selection."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from vault.errors import NotThere, UsageError
from vault.model import Address, SchemaEntry, TableName
from vault.model.words import nearest
from vault.ops.project.components import COMPONENTS
from vault.ops.restore.plan.contents import Contents
from vault.sql.names import one_line, show_name, show_part, split_name

_NAMED: Final = frozenset(
    {"TABLE", "VIEW", "MATERIALIZED VIEW", "FUNCTION", "PROCEDURE", "AGGREGATE", "SEQUENCE", "TYPE", "DOMAIN"}
)
_PUBLIC: Final = Address(kind="schema", names=("public",))


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What was asked for; `everything` when nothing was named. `names`: (schema, name) of a table or another object.

    `definitions` is False for rows alone (-a), `data` is False for definitions alone (-s).
    """

    components: frozenset[str] = frozenset()
    schemas: frozenset[str] = frozenset()
    names: tuple[TableName, ...] = ()
    definitions: bool = True
    data: bool = True

    @property
    def everything(self) -> bool:
        return not (self.components or self.schemas or self.names)


def read_words(words: Sequence[str], contents: Contents) -> Wanted:
    """Words of --only: a component, a schema, or SCHEMA.NAME by psql's rules. Raises  NotThere; UsageError"""
    components, schemas, names = set(), set(), []
    known = {entry.namespace for entry in contents.entries if entry.namespace} | {
        table.name.schema for table in contents.tables
    }
    if any(address == _PUBLIC for address, _, _ in contents.catalog.acls):  # it may have privileges alone
        known.add("public")
    for word in words:
        if word in COMPONENTS:
            components.add(word)
            continue
        parts = split_name(word.removesuffix(".*"))
        if len(parts) == 1 and parts[0] in known:
            schemas.add(parts[0])
        elif len(parts) == 2 and _is_there(TableName(schema=parts[0], name=parts[1]), contents):
            names.append(TableName(schema=parts[0], name=parts[1]))
        elif len(parts) > 2:
            raise UsageError(f"not a name: {word}", hint="write a component, SCHEMA or SCHEMA.NAME")
        else:
            raise _unknown(word, contents, known)
    return Wanted(components=frozenset(components), schemas=frozenset(schemas), names=tuple(names))


def _unknown(word: str, contents: Contents, schemas: Iterable[str]) -> NotThere:
    """A word without a schema is compared with names without theirs: what all have makes nothing alike. What is proposed can be typed in a shell."""
    named = (one.identity.names for one in contents.entries if one.identity.desc in _NAMED)
    names = [
        *(table.name for table in contents.tables),
        *(TableName(schema=on[0], name=on[1]) for on in named if on[1:]),
    ]
    if "." in word:
        shown = {str(name): show_name(name) for name in reversed(names)}
    else:
        shown = {name.name: show_name(name) for name in reversed(names)}
    written = {component: component for component in COMPONENTS} | {one: show_part(one) for one in schemas}
    meant = (shown | written).get(nearest(word, [*written, *shown]) or "") if word not in shown else shown[word]
    hint = f"did you mean {shlex.quote(one_line(meant))}?" if meant else f"components are: {' '.join(COMPONENTS)}"
    return NotThere(f"--only {one_line(word)}: no such component, schema, table or object in the snapshot", hint=hint)


def _is_there(name: TableName, contents: Contents) -> bool:
    return any(table.name == name for table in contents.tables) or any(
        is_named(entry, name) for entry in contents.entries
    )


def is_named(entry: SchemaEntry, name: TableName) -> bool:
    """What has one text for an address, as a type has, is known by its tag."""
    identity = entry.identity
    own = entry.tag if len(identity.names) == 1 else "".join(identity.names[-1:])
    return entry.namespace == name.schema and len(identity.names) <= 2 and own == name.name and not identity.sub
