"""Who may import what. The contracts are in pyproject.toml; here each is seen red with a planted import."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.sources import ROOT, imports, modules

ALLOWED = {
    "backports": "vault.pipeline.compress",
    "blake3": "vault.crypto",
    "boto3": "vault.bucket.client",
    "compression": "vault.pipeline.compress",
    "click": "vault.cli",
    "cryptography": "vault.crypto",
    "duckdb": "vault.source.duckdb_engine",
    "mfusepy": "vault.cli.mount.fuse",
    "msgpack": "vault.format.codec",
    "obstore": "vault.bucket.client",
    "psycopg": "vault.source.postgres",
    "pyarrow": "vault.ops.datasets.arrow",
    "pyfastcdc": "vault.pipeline.cut",
    "rich": "vault.cli.progress",
}
"""Every third party, and the one package or module that may know it."""

PURE = (
    "vault.format",
    "vault.crypto",
    "vault.sql",
    "vault.ops.restore.plan",
    "vault.pipeline",
    "vault.model",
    "vault.ports",
    "vault.ids",
    "vault.limits",
)
THREAD_STARTERS = {"Thread", "Timer", "ThreadPoolExecutor", "ProcessPoolExecutor", "Process", "Pool"}
FORKS = {"fork", "forkpty"}


def inside(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def test_third_parties_are_imported_only_where_they_are_allowed() -> None:
    wrong = [
        f"{module} imports {name}"
        for module, tree in modules()
        for name in imports(tree)
        if (top := name.partition(".")[0]) not in sys.stdlib_module_names
        and top != "vault"
        and not inside(module, ALLOWED.get(top, "nowhere"))
    ]
    assert wrong == []


def callers(names: set[str]) -> set[str]:
    """Modules that call something of one of the names."""
    return {
        module
        for module, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and (node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")) in names
    }


def test_threads_start_in_repo_workers_alone() -> None:
    assert callers(THREAD_STARTERS) == {"vault.repo.workers"}


def test_processes_fork_in_app_detached_alone() -> None:
    """Before any thread was started, and apart from all that a caller may still wait for."""
    assert callers(FORKS) == {"vault.app.detached"}


def test_pure_packages_open_no_file_and_ask_nobody() -> None:
    wrong = [
        f"{module}:{node.lineno}"
        for module, tree in modules()
        if any(inside(module, package) for package in PURE)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in {"open", "input", "print", "eval", "exec"}
    ]
    assert wrong == []


def test_every_module_says_what_it_is() -> None:
    assert [module for module, tree in modules() if not ast.get_docstring(tree)] == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("contract", "module", "line"),
    [
        ("layers", "vault/format/codec.py", "import vault.pipeline.seal"),
        ("layers", "vault/somewhere.py", "import vault.errors"),
        ("layers", "vault/crypto/keyed.py", "import vault.format.codec"),
        ("blind-adapters", "vault/store/local.py", "import vault.crypto.keyed"),
        ("purity", "vault/pipeline/seal.py", "import time"),
        ("composition-root", "vault/app/backup.py", "import vault.store.local"),
        ("ports-only", "vault/repo/state.py", "import vault.store.local"),
        ("ports-only", "vault/ops/view/tree.py", "import vault.source.files.paths"),
        ("layers-of-ops", "vault/ops/project/counts.py", "import vault.ops.view.tree"),
        ("layers-of-ops", "vault/ops/somewhere.py", "import vault.errors"),
        (
            "layers-of-postgres",
            "vault/source/postgres/rows/extent_sql.py",
            "import vault.source.postgres.capture.reach",
        ),
        ("restore-plan", "vault/ops/restore/plan/decide_entries.py", "import vault.ops.restore.run"),
        ("purity", "vault/ops/restore/plan/decide_entries.py", "import threading"),
        ("purity", "vault/sql/names.py", "import os"),
        ("only-msgpack", "vault/format/pack.py", "import msgpack"),
        ("only-crypto", "vault/repo/keyring.py", "import cryptography"),
        ("only-zstandard", "vault/pipeline/seal.py", "import zstandard"),
        ("only-psycopg", "vault/ops/backup/run.py", "import psycopg"),
        ("only-fuse", "vault/app/history.py", "import mfusepy"),
        ("only-obstore", "vault/store/object_storage.py", "import obstore"),
        ("only-duckdb", "vault/app/large_scans.py", "import duckdb"),
        ("only-pyarrow", "vault/ops/datasets/parquet.py", "import pyarrow"),
        ("adapters-over-buckets", "vault/app/places.py", "import vault.bucket.client"),
        ("blind-adapters", "vault/bucket/place.py", "import vault.crypto.keyed"),
        ("only-click", "vault/ops/backup/run.py", "import click"),
        ("one-concurrency", "vault/store/local.py", "import multiprocessing"),
        ("stands-alone", "vault/ops/backup/run.py", "import pytest"),
        ("acyclic", "vault/ids.py", "import vault.model"),
    ],
)
def test_planted_import_turns_its_contract_red(tmp_path: Path, contract: str, module: str, line: str) -> None:
    shutil.copytree(ROOT / "vault", tmp_path / "vault", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    lint = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache", "--contract", contract]
    with (tmp_path / module).open("a", encoding="utf-8") as file:
        file.write(f"\n{line}\n")
    done = subprocess.run(lint, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "BROKEN" in done.stdout, done.stdout + done.stderr
