"""`[drill]`: what a project knows of itself, to be asked of a restored database."""

from __future__ import annotations

from dataclasses import dataclass

from vault.app.toml.document import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillSettings:
    """assertions  statements of SQL, each of which returns one row with one boolean that is true"""

    assertions: tuple[str, ...] = ()


def read_drill(section: Table) -> DrillSettings:
    section.only(*DrillSettings.__dataclass_fields__)
    assertions = section.texts("assertions")
    if any(not assertion.strip() for assertion in assertions):
        section.wrong("assertions", "statements of SQL", hint='assertions = ["select count(*) > 0 from auth.users"]')
    return DrillSettings(assertions=tuple(assertion for assertion in assertions if assertion.strip()))
