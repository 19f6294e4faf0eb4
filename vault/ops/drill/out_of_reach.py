"""What a server cannot have as it was, because an extension, or its version, is not at hand there. Pure.

Told by recorded dependencies, never by the text of a definition.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from vault.model import Address, TargetFacts
from vault.ops.restore.plan.contents import Contents
from vault.sql.sqlstate import is_of_rows_or_machine

MEMBER: Final = "e"
"""pg_depend's letter for members of extensions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutOfReach:
    """What is not at hand, and what needs it. What needs it and came all the same is checked like anything else.

    extensions  that are not there, or there otherwise; `stubs`: those of them that something else stands in for
    own         they and their members, each with the reason
    labels      what a restore calls the steps of all that needs them -> the objects
    reasons     object -> reason, of all that needs them
    dependents  object -> what needs it directly
    """

    extensions: frozenset[str] = frozenset()
    stubs: frozenset[str] = frozenset()
    own: Mapping[Address, str] = field(default_factory=dict)
    labels: Mapping[str, frozenset[Address]] = field(default_factory=dict)
    reasons: Mapping[Address, str] = field(default_factory=dict)
    dependents: Mapping[Address, Collection[Address]] = field(default_factory=dict)

    def why_failed(self, label: str, state: str = "") -> str:
        """Why a step of a restore may fail; empty: it has no excuse, as where rows violate a constraint. `state`: its SQLSTATE"""
        if is_of_rows_or_machine(state):
            return ""
        return next((self.reasons[address] for address in sorted(self.labels.get(label, ()))), "")

    def lacking(self, labels: Collection[str]) -> dict[Address, str]:
        """What is not there after these steps failed, with all that needs it."""
        roots = {address: self.reasons[address] for label in labels for address in self.labels.get(label, ())}
        return _closure(roots, self.dependents)


def out_of_reach(contents: Contents, target: TargetFacts, *, stubs: Collection[str] = ()) -> OutOfReach:
    """`stubs`: extensions of which the server has no more than the names."""
    roots = dict(_extensions(contents, target, stubs))
    dependents = _dependents(contents)
    reasons = _closure(roots, dependents)
    members = {
        dependent: roots[extension]
        for dependent, extension, letter in contents.catalog.edges
        if letter == MEMBER and extension in roots
    }
    return OutOfReach(
        extensions=frozenset(address.names[0] for address in roots),
        stubs=frozenset(stubs),
        own={**members, **roots},
        labels=_labels(contents, reasons),
        reasons=reasons,
        dependents=dependents,
    )


def _closure(roots: Mapping[Address, str], dependents: Mapping[Address, Collection[Address]]) -> dict[Address, str]:
    reached: dict[Address, str] = {}
    waiting = list(roots.items())
    while waiting:
        address, why = waiting.pop()
        if address not in reached:
            reached[address] = why
            waiting += [(dependent, why) for dependent in dependents.get(address, ())]
    return reached


def _extensions(contents: Contents, target: TargetFacts, stubs: Collection[str]) -> Iterable[tuple[Address, str]]:
    offered = set(target.extension_versions)
    recorded = {name: version for name, version, _ in contents.catalog.extensions}
    for name in sorted({item.entry.tag for item in contents.items if item.identity.desc == "EXTENSION"}):
        address = Address(kind="extension", names=(name,))
        if name in stubs:
            yield address, f"the extension {name} is not on this machine; a stub with its name stood in for it"
        elif name not in target.extensions:
            yield address, f"the extension {name} is not on this machine"
        elif (name, recorded.get(name)) not in offered:
            yield (
                address,
                f"the extension {name} is here in another version than {recorded.get(name, 'the one recorded')}",
            )


def _dependents(contents: Contents) -> dict[Address, set[Address]]:
    """Object -> what needs it directly. What a column needs, its relation needs."""
    dependents: dict[Address, set[Address]] = {}
    for dependent, referenced, _ in contents.catalog.edges:
        dependents.setdefault(referenced.whole, set()).add(dependent.whole)
    addresses = [item.identity.address for item in contents.items]
    for address, item in zip(addresses, contents.items, strict=True):
        for need in item.needs:
            if item.identity.desc != "EXTENSION" and addresses[need] != address:
                dependents.setdefault(addresses[need].whole, set()).add(address.whole)
    return dependents


def _labels(contents: Contents, reasons: Mapping[Address, str]) -> dict[str, frozenset[Address]]:
    """A label that some other entry has too excuses nothing."""
    labels: dict[str, set[Address]] = {}
    free: set[str] = set()
    for item in contents.items:
        address = item.identity.address.whole
        if address in reasons:
            labels.setdefault(item.entry.label, set()).add(address)
        else:
            free.add(item.entry.label)
    for table in contents.tables:
        address = Address(kind="table", names=(table.name.schema, table.name.name))
        if address in reasons:
            labels[f"TABLE DATA {table.name}"] = {address}
    for address in reasons:
        if address.kind == "sequence":
            labels[f"SEQUENCE SET {address.relation}"] = {address}
    return {label: frozenset(addresses) for label, addresses in labels.items() if label not in free}
