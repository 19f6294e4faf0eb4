"""What the run under limits of memory takes for an end of Python's own, and what not."""

from __future__ import annotations

import subprocess
from collections import Counter
from pathlib import Path

import pytest

from tests.memory_limits import (
    BEGINNING,
    FIRST,
    SILENT_MAX,
    Lost,
    World,
    beginnings,
    count,
    is_before_us,
    limited,
    require_told,
)
from vault.cli.exit_codes import ExitCode
from vault.limits import MIB

_START = 'Traceback (most recent call last):\n  File "<frozen runpy>", line 198, in _run_module_as_main\n'
_OURS = '  File "/x/vault/__main__.py", line 8, in main\n'
_THREAD = 'Exception in thread a:\nTraceback (most recent call last):\n  File "/x/threading.py", line 9, in _bootstrap_inner\n'


def ended(code: int, said: str) -> subprocess.CompletedProcess[str]:
    return subprocess.CompletedProcess([], code, "", said)


def test_an_end_before_a_line_of_ours_is_pythons() -> None:
    done = ended(1, f"{_START}SystemError: error return without exception set\n")
    assert is_before_us(done)
    counts = Counter[str]()
    count(counts, "here", done)
    assert counts == {"exit 1 before a line of ours": 1}


def test_only_so_many_may_end_without_a_word() -> None:
    counts = Counter[str]()
    for _ in range(SILENT_MAX):
        count(counts, "here", ended(1, ""))
    with pytest.raises(Lost):
        count(counts, "here", ended(1, ""))


class _Place(World):
    """Where the first run ends in Python's own start, and all others well."""

    def run(self, *arguments: str, bytes_max: int = 0) -> subprocess.CompletedProcess[str]:
        is_first = bytes_max in (BEGINNING[0], FIRST)
        return ended(1, f"{_START}MemoryError\n") if is_first else ended(0, "")


def test_in_any_round_an_end_of_pythons_own_is_none_of_ours(tmp_path: Path) -> None:
    place = _Place(home=tmp_path, source="", target="")
    assert limited("snapshots", place, step_bytes=MIB)["exit 1 before a line of ours"] == 1
    assert beginnings(place, step_bytes=MIB)["exit 1 before a line of ours"] == 2


@pytest.mark.parametrize(
    "said",
    [f"{_START}{_OURS}MemoryError\n", f"{_THREAD}MemoryError\n", "pgvault: unexpected KeyError\n", ""],
    ids=["ours", "a thread", "not told", "nothing"],
)
def test_any_other_end_has_to_be_told(said: str) -> None:
    done = ended(1, said)
    assert not is_before_us(done)
    with pytest.raises(Lost):
        require_told("here", done)


def test_what_is_short_is_memory_and_nothing_else() -> None:
    with pytest.raises(Lost, match="something else"):
        require_told("here", ended(ExitCode.DAMAGE, "pgvault: memory\n"))
    require_told("here", ended(1, "pgvault: there is not enough memory\n"))
