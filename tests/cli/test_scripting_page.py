"""What programs may rely on is written down for them: schemas of the results, and the exit codes.

python -m tests.cli.test_scripting_page        writes vault/docs/schemas.json anew
"""

from __future__ import annotations

import json

from tests.architecture.sources import ROOT
from tests.cli.shapes import SHAPES
from vault.cli.exit_codes import MEANING

DOCS = ROOT / "vault" / "docs"
SCHEMAS = DOCS / "schemas.json"


def test_schemas_are_those_that_results_are_compared_with() -> None:
    assert json.loads(SCHEMAS.read_text(encoding="utf-8")) == SHAPES, "python -m tests.cli.test_scripting_page"


def test_exit_codes_are_all_on_the_page() -> None:
    page = (DOCS / "scripting.md").read_text(encoding="utf-8")
    rows = {f"| {int(code)} | {meaning} |" for code, meaning in MEANING.items()}
    assert rows <= set(page.splitlines())


if __name__ == "__main__":
    SCHEMAS.write_text(json.dumps(SHAPES, indent=1, sort_keys=True) + "\n", encoding="utf-8")
