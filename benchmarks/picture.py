"""A terminal with `pgvault demo` as an SVG, for the README.

python -m benchmarks.picture
"""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

PLACE = Path(__file__).parent / "plots" / "demo.svg"
COLUMNS = 112
_FORM = """<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>.{unique_id}-matrix {{ font-family: ui-monospace, Menlo, Consolas, monospace; font-size: {char_height}px;
line-height: {line_height}px; }} {styles}</style>
<defs><clipPath id="{unique_id}-clip-terminal"><rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/></clipPath>{lines}</defs>
{chrome}<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">{backgrounds}
<g class="{unique_id}-matrix">{matrix}</g></g></svg>
"""
"""rich's own, without fonts from elsewhere."""


def main() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "vault", "demo"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True
    )
    console = Console(record=True, width=COLUMNS, file=io.StringIO())
    console.print(Text.assemble(("$ ", "green"), ("pgvault demo", "bold")))
    for line in shown.stdout.splitlines():
        console.print(Text(line, style=_style(line)), soft_wrap=True, no_wrap=True, overflow="ellipsis", crop=True)
    PLACE.write_text(console.export_svg(title="pgvault demo", code_format=_FORM, unique_id="demo"), encoding="utf-8")
    print(PLACE)


def _style(line: str) -> str:
    if line.startswith("  gone:") or "a bad afternoon" in line:
        return "red"
    return "bold green" if "equal in every" in line or " are stored in " in line else ""


if __name__ == "__main__":
    main()
