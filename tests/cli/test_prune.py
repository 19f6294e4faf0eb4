"""`pgvault prune` as it is typed, rightly and wrongly."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import jsonschema
import pytest

from tests.cli.command import PASSPHRASE, Command
from tests.cli.shapes import SHAPES
from tests.worlds import forget
from vault.repo.state import Closed, Open
from vault.store.local import LocalStore


def noise(number: int) -> bytes:
    return hashlib.shake_256(b"%d" % number).digest(300_000)


@pytest.fixture
def three(pgvault_ready: Command, tmp_path: Path) -> Command:
    """Three snapshots of a directory in which one file changes wholly."""
    documents = tmp_path / "documents"
    documents.mkdir()
    (documents / "same").write_bytes(noise(0))
    for number in range(1, 4):
        (documents / "other").write_bytes(noise(number))
        done = pgvault_ready("backup", "--dir", f"documents={documents}", "-q")
        assert done.code == 0, done.err
    return pgvault_ready


@pytest.fixture
def grown(three: Command) -> Command:
    """The same with two of them forgotten."""
    repo = opened(three)
    forget(repo, *(snapshot for snapshot, _ in repo.snapshots()[1:]))
    return three


def opened(pgvault: Command) -> Open:
    return Closed(LocalStore(pgvault.repository, lambda length: bytes(length))).open(PASSPHRASE)


def stored(pgvault: Command) -> set[str]:
    return {str(path.relative_to(pgvault.repository)) for path in pgvault.repository.rglob("*") if path.is_file()}


def test_a_dry_run_says_what_the_run_then_does(grown: Command) -> None:
    before = stored(grown)
    foreseen = grown("prune", "--dry-run", "--min-age", "0", "--json").json()
    jsonschema.validate(foreseen, SHAPES["prune"])
    assert stored(grown) == before
    assert foreseen["deleted_bytes"] > 550_000
    done = grown("prune", "--min-age", "0", "--json").json()
    jsonschema.validate(done, SHAPES["prune"])
    contract = ("deleted_bytes", "packs_deleted", "unused_bytes")
    assert [done[name] for name in contract] == [foreseen[name] for name in contract]
    assert grown("check", "--read-data").code == 0
    assert "nothing to delete" in grown("prune", "--min-age", "0").out


def test_the_plan_is_shown_before_it_is_carried_out(grown: Command) -> None:
    planned = grown("prune", "--dry-run", "--min-age", "0")
    assert "of which nothing is needed" in planned.out
    assert planned.out.splitlines()[-1] == "nothing was changed"
    done = grown("prune", "--min-age", "0")
    assert done.code == 0
    assert done.out.splitlines()[:2] == planned.out.splitlines()[:2]
    assert "freed" in done.out.splitlines()[-1]


def test_young_packs_stay_unless_somebody_says_otherwise(grown: Command) -> None:
    before = stored(grown)
    done = grown("prune")
    assert "younger than 7 d (--min-age)" in done.out
    assert stored(grown) >= {name for name in before if name.startswith("packs/")}


@pytest.mark.parametrize(
    ("options", "example"),
    [
        (("--min-age", "soon"), "--min-age 7d"),
        (("--min-age", "-1d"), "--min-age 7d"),
        (("--max-repack", "much"), "--max-repack 500M"),
        (("--max-unused", "101%"), "--max-unused 5%"),
        (("--max-unused", "-1"), "--max-unused 5%"),
    ],
)
def test_what_is_no_amount_is_refused_with_one_that_is(
    pgvault_ready: Command, options: tuple[str, str], example: str
) -> None:
    done = pgvault_ready("prune", *options)
    assert done.code == 2
    assert example in done.err


def test_a_damaged_snapshot_is_a_refusal_that_names_what_ends_it(grown: Command) -> None:
    manifest = next((grown.repository / "snapshots").iterdir())
    manifest.chmod(0o600)
    manifest.write_bytes(manifest.read_bytes()[:-1])
    before = stored(grown)
    for arguments in (("prune", "--dry-run"), ("prune",)):
        done = grown(*arguments)
        assert done.code == 8
        assert "nothing is pruned" in done.err
        assert "pgvault repair snapshots" in done.err
    assert stored(grown) == before


def test_a_forget_can_prune_and_say_before_what_that_frees(three: Command) -> None:
    for pack in (three.repository / "packs").iterdir():
        os.utime(pack, (1_700_000_000, 1_700_000_000))
    before = stored(three)
    policy = ("forget", "--keep-last", "1", "--all-sources", "--prune")
    foreseen = three(*policy, "--dry-run", "--json").json()
    jsonschema.validate(foreseen, SHAPES["forget"])
    assert stored(three) == before
    assert "copy" in three(*policy, "--dry-run").out
    done = three(*policy, "--json").json()
    assert done["freed_bytes"] > 550_000
    assert abs(done["freed_bytes"] - foreseen["freed_bytes"]) < 2_000
    assert three("check", "--read-data").code == 0
    assert three("forget", "--keep-last", "1", "--all-sources", "--json").json()["freed_bytes"] is None
