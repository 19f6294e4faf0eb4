"""The lock of the checks pins what pyproject.toml asks for, and nothing comes without a hash."""

from __future__ import annotations

import re
import tomllib

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.architecture.sources import ROOT

LOCK = (ROOT / ".ci" / "requirements.lock").read_text(encoding="utf-8")
PINS = {canonicalize_name(name): Version(pinned) for name, pinned in re.findall(r"(?m)^([\w.-]+)==([\w.]+)", LOCK)}


def asked_for() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    return [Requirement(text) for text in (*project["dependencies"], *(one for name in extras for one in extras[name]))]


def test_every_requirement_is_pinned_within_its_bounds() -> None:
    wrong = [
        str(wanted) for wanted in asked_for()
        if (pinned := PINS.get(canonicalize_name(wanted.name))) is None or pinned not in wanted.specifier
    ]  # fmt: skip
    assert wrong == []


def test_every_pin_has_a_hash() -> None:
    blocks = re.split(r"(?m)^(?=[\w.-]+==)", LOCK)[1:]
    assert len(blocks) == len(PINS) > 30
    assert [block.split()[0] for block in blocks if "--hash=sha256:" not in block] == []
