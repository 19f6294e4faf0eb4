"""Every command of the pages for users is run, on a real server, as somebody would who reads from the top."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.architecture.sources import ROOT
from tests.documentation import blocks, script, stage

PAGES = sorted((ROOT / "vault" / "docs").glob("*.md"))
pytestmark = pytest.mark.postgres


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_of_a_page_does_what_it_says(page: Path, tmp_path: Path) -> None:
    text = page.read_text(encoding="utf-8")
    if not script(text):
        pytest.skip("a page without commands")
    with stage(tmp_path) as ready:
        done = ready.play(text)
    assert done.returncode == 0, done.stdout[-4000:]
    assert "Traceback" not in done.stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_command_stands_where_it_is_run(page: Path) -> None:
    """In a block that is a script, or in a file that a script uses."""
    shown = blocks(page.read_text(encoding="utf-8"))
    elsewhere = [block for block in shown if block.language not in ("sh", "yaml") and not block.file]
    assert [block.text for block in elsewhere if re.search(r"^\s*pgvault ", block.text, re.MULTILINE)] == []
