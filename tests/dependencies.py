"""What pgvault stands on: a bill of materials of the core's dependencies (CycloneDX), and known vulnerabilities of each.

    python tests/dependencies.py            both
    python tests/dependencies.py --sbom     the bill alone, on stdout

Versions and hashes are those of `.ci/requirements.lock`, so the bill is the same on every machine. The advisories come from
OSV; where that cannot be reached the check says that it was skipped, and never that all is well.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
LOCK: Final = ROOT / ".ci" / "requirements.lock"
ADVISORIES: Final = "https://api.osv.dev/v1/querybatch"
PATIENCE_S: Final = 20
_PINNED: Final = re.compile(r"^(?P<name>[A-Za-z0-9_.-]+)(?:\[[^\]]*\])?==(?P<version>[^\s;\\]+)")
_HASH: Final = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_REQUIRED: Final = re.compile(r"^(?P<name>[A-Za-z0-9_.-]+)\s*(?:\[(?P<extras>[^\]]*)\])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """`hashes`: SHA-256 of every file of this version that may be installed."""

    name: str
    version: str
    hashes: tuple[str, ...]

    @property
    def purl(self) -> str:
        return f"pkg:pypi/{self.name}@{self.version}"


def locked(text: str) -> dict[str, Component]:
    """Normal name -> what the lock pins."""
    found: dict[str, Component] = {}
    for block in re.split(r"\n(?=\S)", text):
        if (pinned := _PINNED.match(block)) is not None:
            name = normal(pinned["name"])
            hashes = tuple(_HASH.findall(block))
            found[name] = Component(name=name, version=pinned["version"], hashes=hashes)
    return found


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def core(project: Mapping[str, Any], pins: Mapping[str, Component]) -> list[Component]:
    """What an installation without extras consists of, with all that it needs, by name. Raises  KeyError: one is not pinned"""
    waiting, seen = [(name, extras) for name, extras in map(required, project["dependencies"])], set[str]()
    while waiting:
        name, extras = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        waiting += [one for one in needs(name, extras) if one[0] in pins]
    return [pins[name] for name in sorted(seen)]


def required(text: str) -> tuple[str, frozenset[str]]:
    found = _REQUIRED.match(text)
    assert found is not None, text
    return normal(found["name"]), frozenset(filter(None, (found["extras"] or "").replace(" ", "").split(",")))


def needs(name: str, extras: frozenset[str]) -> Iterator[tuple[str, frozenset[str]]]:
    """As the installed package says; what a marker leaves out everywhere but there is taken along, unless it is of another extra."""
    try:
        listed = metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        return  # of another Python than this one
    for text in listed:
        of_extra = re.search(r"extra\s*==\s*['\"]([^'\"]+)['\"]", text)
        if of_extra is None or of_extra[1] in extras:
            yield required(text)


def bill(version: str, components: Sequence[Component]) -> dict[str, Any]:
    """CycloneDX 1.5."""
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": {"type": "application", "name": "pgvault", "version": version, "bom-ref": "pgvault"}},
        "components": [
            {
                "type": "library",
                "bom-ref": one.purl,
                "name": one.name,
                "version": one.version,
                "purl": one.purl,
                "hashes": [{"alg": "SHA-256", "content": content} for content in one.hashes],
            }
            for one in components
        ],
        "dependencies": [{"ref": "pgvault", "dependsOn": [one.purl for one in components]}],
    }


def advisories(components: Sequence[Component]) -> list[str] | None:
    """Known vulnerabilities, a line each; None where the service does not answer."""
    queries = [{"package": {"purl": one.purl}} for one in components]
    request = urllib.request.Request(
        ADVISORIES, json.dumps({"queries": queries}).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            results = json.load(answer)["results"]
    except (OSError, ValueError, KeyError):
        return None
    return [
        f"{one.name} {one.version}: {found['id']}"
        for one, result in zip(components, results, strict=True)
        for found in result.get("vulns", ())
    ]


def main() -> int:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    components = core(project, locked(LOCK.read_text(encoding="utf-8")))
    if "--sbom" in sys.argv[1:]:
        print(json.dumps(bill(project["version"], components), indent=2))
        return 0
    unhashed = [one.name for one in components if not one.hashes]
    if unhashed:
        print(f"without a hash in {LOCK.name}: {', '.join(unhashed)}")
        return 1
    found = advisories(components)
    if found is None:
        print(
            f"SKIPPED: no advisory service ({ADVISORIES} does not answer): {len(components)} dependencies not audited"
        )
        return 0
    print("\n".join(found) if found else f"{len(components)} dependencies of the core without a known vulnerability")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
