"""`pgvault demo`, as a newcomer runs it."""

from __future__ import annotations

import json

import pytest

from tests.cli.command import Command
from tests.cli.test_journey import conforming

pytestmark = pytest.mark.postgres


def test_demo_restores_what_it_saved_and_shows_the_nine_lines(pgvault: Command) -> None:
    done = pgvault("demo", "--json", "--keep", "kept")
    assert done.code == 0, done.err
    result = conforming(done.json(), "demo")
    assert result["restored_equal"]
    assert result["counts"] == result["restored_counts"]
    numbers = {name: result["counts"][name] for name in ("tables", "rls_policies", "rpc_functions", "migrations")}
    assert numbers == {"tables": 23, "rls_policies": 88, "rpc_functions": 20, "migrations": 24}
    told = [json.loads(line)["text"] for line in done.out.splitlines()[:-1]]
    assert any("Edge Functions: 73 functions" in line for line in told)
    assert any("pgvault backup" in line for line in told)
    kept = pgvault("-r", "kept/repository", "snapshots", "--json", PGVAULT_PASSWORD="demo").json()
    assert len(kept["snapshots"]) == len(result["snapshots"])
    assert pgvault("demo", "--keep", "kept").code == 8
