"""How a program ended, in words."""

from __future__ import annotations

import pytest

from vault.model.words import after, ended


@pytest.mark.parametrize(
    ("code", "words"),
    [(3, "exit code 3"), (137, "exit code 137"), (-15, "killed by SIGTERM"), (-63, "killed by signal 63")],
)
def test_end_is_a_code_or_a_signal(code: int, words: str) -> None:
    assert ended(code) == words
    assert not after(code)


def test_what_is_killed_may_have_lacked_memory() -> None:
    """The kernel and a container's limit end with SIGKILL whatever takes too much."""
    assert ended(-9).startswith("killed by SIGKILL")
    assert "memory" in ended(-9)
    assert "journalctl -k" in after(-9)
