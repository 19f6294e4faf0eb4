"""The table of providers' codes in the spec is the one that is used."""

from __future__ import annotations

import re

from tests.architecture.sources import ROOT
from vault.bucket.errors import CODES, STATUS
from vault.cli.exit_codes import exit_code_of

ROW = re.compile(r"^\| ((?:`\w+` ?)+) \| ([A-Z_]+) \| (\d+) \| ([^|]+) \|$", re.MULTILINE)


def test_the_spec_s_table_is_the_program_s() -> None:
    text = (ROOT / "spec" / "70-store.md").read_text(encoding="utf-8")
    said = {
        code: (error, int(exit_code), why)
        for codes, error, exit_code, why in ROW.findall(text)
        for code in re.findall(r"`(\w+)`", codes)
    }
    used = {
        str(code): (meaning.error.code, int(exit_code_of(meaning.error)), meaning.why)
        for table in (CODES, STATUS)
        for code, meaning in table.items()
    }
    assert len(used) == len(CODES) + len(STATUS)
    assert said == used
