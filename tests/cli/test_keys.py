"""Passphrases and recovery kits, through the real command."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

from tests.cli.command import PASSPHRASE, Command
from tests.cli.terminal import answered
from tests.cli.test_journey import conforming
from vault.repo.state import Closed
from vault.store.local import LocalStore


def test_init_without_terminal_needs_a_word_on_the_kit(pgvault: Command) -> None:
    assert pgvault("init").code == 2
    assert not pgvault.repository.exists()


def test_init_writes_a_private_kit_that_opens_the_repository(pgvault: Command) -> None:
    done = pgvault("init", "--recovery-kit", "kit.txt", "--json")
    assert conforming(done.json(), "init")["kit"] == "kit.txt"
    kit = pgvault.home / "kit.txt"
    assert kit.stat().st_mode & 0o777 == 0o600
    assert pgvault("snapshots", PGVAULT_PASSWORD="", PGVAULT_RECOVERY_KIT_FILE=str(kit)).code == 0
    kit.chmod(0o644)
    assert pgvault("snapshots", PGVAULT_PASSWORD="", PGVAULT_RECOVERY_KIT_FILE=str(kit)).code == 13


def test_kit_never_overwrites_and_never_lies_in_the_repository(pgvault: Command) -> None:
    (pgvault.home / "kit.txt").write_text("mine")
    assert pgvault("init", "--recovery-kit", "kit.txt").code == 8
    assert (pgvault.home / "kit.txt").read_text() == "mine"
    assert pgvault("init", "--recovery-kit", "repository/kit.txt").code == 8
    assert not pgvault.repository.exists()


def test_failed_init_leaves_no_empty_kit(pgvault: Command) -> None:
    pgvault.repository.mkdir()
    (pgvault.repository / "notes.txt").write_text("not a repository")
    assert pgvault("init", "--recovery-kit", "kit.txt").code == 8
    assert not (pgvault.home / "kit.txt").exists()


def test_second_init_is_refused(pgvault_ready: Command) -> None:
    assert pgvault_ready("init", "--no-recovery-kit").code == 8
    assert pgvault_ready("snapshots").code == 0


def test_init_like_shares_what_deduplication_needs(pgvault_ready: Command) -> None:
    done = pgvault_ready("-r", "other", "init", "--no-recovery-kit", "--like", str(pgvault_ready.repository))
    assert done.code == 0, done.err
    with_ids = [
        Closed(LocalStore(path, os.urandom)).open(PASSPHRASE).bundle
        for path in (pgvault_ready.repository, pgvault_ready.home / "other")
    ]
    assert with_ids[0].id_key == with_ids[1].id_key
    assert with_ids[0].cut_seed == with_ids[1].cut_seed
    assert with_ids[0].root != with_ids[1].root


def test_init_like_nothing_leaves_nothing(pgvault: Command) -> None:
    done = pgvault("init", "--recovery-kit", "kit.txt", "--like", "nowhere")
    assert done.code == pgvault("snapshots").code
    assert "nowhere" in done.err
    assert not pgvault.repository.exists()
    assert not (pgvault.home / "kit.txt").exists()


def test_init_warns_inside_a_git_work_tree(pgvault: Command) -> None:
    (pgvault.home / ".git").mkdir()
    assert ".gitignore" in pgvault("init", "--no-recovery-kit").err


def test_added_passphrase_opens_and_removed_one_does_not(pgvault_ready: Command) -> None:
    assert pgvault_ready("key", "add", "--label", "ci", PGVAULT_NEW_PASSWORD="second").code == 0
    keys = conforming(pgvault_ready("key", "list", "--json").json(), "key list")["keys"]
    assert [key["label"] for key in keys] == ["first", "ci"]
    assert pgvault_ready("snapshots", PGVAULT_PASSWORD="second").code == 0
    assert pgvault_ready("key", "remove", keys[0]["id"][:10], PGVAULT_PASSWORD="second").code == 0
    assert pgvault_ready("snapshots").code == 12
    assert pgvault_ready("key", "remove", keys[1]["id"], PGVAULT_PASSWORD="second").code == 8


def test_every_change_of_keys_tells_what_there_is_now(pgvault_ready: Command) -> None:
    def keys(*arguments: str, new: str = "", passphrase: str = PASSPHRASE) -> list[dict[str, object]]:
        done = pgvault_ready("key", *arguments, "--json", PGVAULT_NEW_PASSWORD=new, PGVAULT_PASSWORD=passphrase)
        found = conforming(done.json(), "key")["keys"]
        assert found == pgvault_ready("key", "list", "--json").json()["keys"]
        assert isinstance(found, list)
        return found

    (first,) = keys("list")
    both = keys("add", "--label", "ci", new="second")
    assert [key["label"] for key in both] == ["first", "ci"]
    assert keys("recovery-kit", "kit.txt") == both
    changed = keys("passwd", new="third")
    assert first not in changed
    assert len(changed) == 2
    assert keys("remove", str(both[1]["id"]), passphrase="third") == [key for key in changed if key != both[1]]


def test_changed_passphrase_replaces_the_old_one(pgvault_ready: Command) -> None:
    done = pgvault_ready("key", "passwd", PGVAULT_NEW_PASSWORD="second")
    assert done.code == 0
    assert "still opens with the old passphrase" in done.err
    assert "next: set PGVAULT_PASSWORD to the new passphrase" in done.err
    assert pgvault_ready("snapshots").code == 12
    assert pgvault_ready("snapshots", PGVAULT_PASSWORD="second").code == 0


def test_a_changed_passphrase_is_to_be_written_where_the_old_one_is_read_from(pgvault_ready: Command) -> None:
    file = pgvault_ready.home / "pw"
    file.write_text(PASSPHRASE + "\n")
    file.chmod(0o600)
    (pgvault_ready.home / "pgvault.toml").write_text('[repository]\npassword_file = "pw"\n')
    done = pgvault_ready("key", "passwd", PGVAULT_PASSWORD="", PGVAULT_NEW_PASSWORD="second")
    assert "write the new passphrase into" in done.err
    assert str(file) in done.err
    assert "second" not in done.err
    lost = pgvault_ready("snapshots", PGVAULT_PASSWORD="")
    assert lost.code == 12
    assert "pgvault.toml" in lost.err


def test_advice_for_a_lost_passphrase_file_can_be_followed(pgvault_ready: Command) -> None:
    assert pgvault_ready("key", "recovery-kit", "kit.txt").code == 0
    lost = pgvault_ready("snapshots", PGVAULT_PASSWORD="", PGVAULT_PASSWORD_FILE="nowhere")
    assert lost.code == 13
    assert "PGVAULT_RECOVERY_KIT_FILE=kit.txt pgvault key add" in " ".join(lost.err.split())
    kit = {"PGVAULT_PASSWORD": "", "PGVAULT_RECOVERY_KIT_FILE": "kit.txt", "PGVAULT_NEW_PASSWORD": "second"}
    added = pgvault_ready("key", "add", PGVAULT_PASSWORD_FILE="nowhere", **kit)
    assert added.code == 0
    assert "next: write the new passphrase into nowhere (PGVAULT_PASSWORD_FILE)" in added.err
    assert pgvault_ready("snapshots", PGVAULT_PASSWORD="second").code == 0


def test_passphrase_may_come_from_a_command_or_a_file(pgvault_ready: Command) -> None:
    (pgvault_ready.home / "pw").write_text(PASSPHRASE + "\n")
    (pgvault_ready.home / "pw").chmod(0o600)
    assert pgvault_ready("snapshots", PGVAULT_PASSWORD="", PGVAULT_PASSWORD_COMMAND="cat pw").code == 0
    (pgvault_ready.home / "pgvault.toml").write_text('[repository]\npassword_file = "pw"\n')
    assert pgvault_ready("snapshots", PGVAULT_PASSWORD="").code == 0


def test_kit_is_shown_on_a_terminal(pgvault: Command) -> None:
    shown = on_a_terminal(pgvault, "init")
    assert "pgvault-recovery-kit 1" in shown
    assert "checksum " in shown
    kit = Path(pgvault.home / "typed.txt")
    kit.touch(0o600)
    lines = shown.replace("\r\n", "\n").splitlines()
    start = lines.index("pgvault-recovery-kit 1")
    kit.write_text("\n".join(lines[start : start + 5]) + "\n")
    assert pgvault("snapshots", PGVAULT_PASSWORD="", PGVAULT_RECOVERY_KIT_FILE=str(kit)).code == 0


def on_a_terminal(pgvault: Command, *arguments: str) -> str:
    """What the command prints when stdin, stdout and stderr are one terminal."""
    ours, theirs = pty.openpty()
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(pgvault.home),
        "PGVAULT_REPOSITORY": str(pgvault.repository),
        "PGVAULT_PASSWORD": PASSPHRASE,
        "LANG": "C.UTF-8",
    }
    command = [sys.executable, "-m", "vault", *arguments]
    with subprocess.Popen(command, cwd=pgvault.home, env=environment, stdin=theirs, stdout=theirs, stderr=theirs):
        os.close(theirs)
        shown = b""
        while piece := _read(ours):
            shown += piece
    os.close(ours)
    return shown.decode()


def _read(descriptor: int) -> bytes:
    """Empty at the end: Linux reports a closed terminal as an error."""
    try:
        return os.read(descriptor, 65536)
    except OSError:
        return b""


def test_a_short_passphrase_gets_a_remark_and_is_taken(pgvault: Command) -> None:
    """Nobody is refused: who has a reason for it knows it better."""
    said = "note: the passphrase has 5 characters, and whoever gets hold of the repository can try others"
    done = pgvault("init", "--no-recovery-kit", PGVAULT_PASSWORD="horse")
    assert (done.code, said in done.err) == (0, True)
    added = pgvault("key", "add", PGVAULT_PASSWORD="horse", PGVAULT_NEW_PASSWORD="apple")
    assert (added.code, said in added.err) == (0, True)
    changed = pgvault("key", "passwd", PGVAULT_PASSWORD="horse", PGVAULT_NEW_PASSWORD=PASSPHRASE)
    assert (changed.code, "characters" in changed.err) == (0, False)
    assert (
        "characters"
        not in pgvault(
            "-r", "other", "init", "--no-recovery-kit", "--generate-passphrase", "../pw", PGVAULT_PASSWORD=""
        ).err
    )


def test_who_removes_the_passphrase_in_use_is_told_and_asked(pgvault_ready: Command) -> None:
    (first,) = pgvault_ready("key", "list", "--json").json()["keys"]
    assert pgvault_ready("key", "add", "--label", "ci", PGVAULT_NEW_PASSWORD="another-long-one").code == 0
    code, shown = answered(pgvault_ready, "key", "remove", first["id"][:8], answers=["n"])
    assert (code, "no key slot was removed" in shown) == (1, True)
    assert "it is the only one that your passphrase opens" in shown
    assert f"Remove key slot {first['id'][:12]} (first)? [y/N] " in shown
    other = next(key for key in pgvault_ready("key", "list", "--json").json()["keys"] if key["label"] == "ci")
    done = pgvault_ready("key", "remove", other["id"])
    assert (done.code, "warning" in done.err) == (0, False)
