"""The commands of the pages for users, run as they stand: each page is one shell session in a project of its own.

A page's blocks of `sh` are one script, stopped at the first command that fails; what is expected to fail says so in shell
(`|| test $? = 9`). Files that a page shows (`toml`, `yaml`, ...) are written where the line before the block says (`name`:).
Of `yaml` the steps (`run:`) and arguments (`args:`) are run too. What a page names of the world outside is replaced: the address of the
database, and what a runner expands by itself (`${{ ... }}`, `pip install pgvault`).
"""

from __future__ import annotations

import json
import os
import random
import re
import shlex
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bucket_servers import moto
from tests.fix_postgres import Cluster, server
from tests.tls_server import SERVER_PORT, Forwarder
from vault.demo.project import database_sql, edge_functions, migrations

LOCAL = "127.0.0.1:54322"
"""Where a local Supabase stack has its database."""
LOCAL_PARTS = "PGHOST=127.0.0.1 PGPORT=54322"
HOSTED = "postgres.abcdefghijklmnopqrst@aws-0-eu-central-1.pooler.supabase.com:5432"
BUCKETS = "https://s3.example.org"
BUCKET = "my-backups"
"""What a page calls an endpoint, and a bucket there."""
_STEP = re.compile(r"^(?P<indent> *)(?:- )?run: (?:\|\n(?P<lines>(?:(?P=indent) +.*\n)+)|(?P<line>.*)\n)", re.MULTILINE)
_ARGUMENTS = re.compile(r"^ *args: (\[.*\])\n", re.MULTILINE)
_NOT_HERE = "pip install pgvault"
_BLOCK = re.compile(
    r"(?:^`(?P<file>[^`\n]+)`[^\n]*:\n\n?)?^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
HANG_S = 900
CONFIG = 'project_id = "shop"\n\n[db]\nport = {port}\nmajor_version = 15\n'


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """`file`: the name that the line before it gives, or empty."""

    language: str
    text: str
    file: str


def blocks(page: str) -> list[Block]:
    return [
        Block(language=found["language"], text=found["text"], file=found["file"] or "")
        for found in _BLOCK.finditer(page)
    ]


def script(page: str) -> str:
    """All that a page says to type, in its order."""
    return "".join(block.text if block.language == "sh" else _steps(block) for block in blocks(page))


def _steps(block: Block) -> str:
    if block.language != "yaml":
        return ""
    arguments = "".join(f"pgvault {shlex.join(json.loads(found))}\n" for found in _ARGUMENTS.findall(block.text))
    steps = (textwrap.dedent(found["lines"] or "") + (found["line"] or "") for found in _STEP.finditer(block.text))
    return arguments + "".join(f"{step.rstrip()}\n" for step in steps if step.strip() != _NOT_HERE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A Supabase-like project in `home/project`, and its database on a server of its own."""

    home: Path
    cluster: Cluster
    address: str

    def play(self, page: str) -> subprocess.CompletedProcess[str]:
        """Write the page's files and run its script. Returns what it printed, errors among it"""
        if BUCKETS not in page:
            return self._play(page)
        with moto() as storage:
            storage.s3().create_bucket(Bucket=BUCKET)
            return self._play(page.replace(BUCKETS, storage.endpoint))

    def _play(self, page: str) -> subprocess.CompletedProcess[str]:
        for block in blocks(page):
            if block.file:
                place = self.home / "project" / block.file
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_text(self._here(block.text), encoding="utf-8")
        return subprocess.run(
            ["bash", "-e", "-u", "-x", "-o", "pipefail", "-c", self._here(script(page))],
            cwd=self.home / "project",
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=HANG_S,
            check=False,
        )

    def _here(self, text: str) -> str:
        here = text.replace(LOCAL, f"{self.address}:5432").replace(LOCAL_PARTS, f"PGHOST={self.address} PGPORT=5432")
        return here.replace(HOSTED, f"postgres@{self.address}:5432")

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": f"{self.home / 'bin'}:{self.cluster.bin}:{os.environ['PATH']}",
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "PYTHONWARNINGS": "error",
            "PGPASSWORD": "postgres",
        }


@contextmanager
def stage(home: Path) -> Iterator[Stage]:
    choose = random.SystemRandom()
    address = f"127.{choose.randint(2, 254)}.{choose.randint(0, 254)}.{choose.randint(1, 254)}"
    with (
        server(15, settings={"listen_addresses": address}) as cluster,
        Forwarder("127.0.0.1", (address, SERVER_PORT)) as forwarder,
    ):
        with cluster.connect() as connection:
            (found,) = connection.execute("SHOW hba_file").fetchone() or ("",)
            Path(found).write_text("local all all trust\nhost all all 127.0.0.0/8 trust\n", encoding="utf-8")
            connection.execute("SELECT pg_reload_conf()")
            for script in database_sql():
                connection.execute(script.encode())
        program = home / "bin" / "pgvault"
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m vault "$@"\n', encoding="utf-8")
        program.chmod(0o755)
        supabase = home / "project" / "supabase"
        for folder, files in (("migrations", migrations()), ("functions", edge_functions())):
            for name, content in files.items():
                place = supabase / folder / name
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(content)
        for name in ("functions/hello/index.ts", "storage/stub/stub/avatars/one.png"):
            place = home / "project" / "volumes" / name  # as docker compose has it
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(name, encoding="utf-8")
        (supabase / "config.toml").write_text(CONFIG.format(port=forwarder.port), encoding="utf-8")
        yield Stage(home=home, cluster=cluster, address=address)
