"""The demo's story on stdout: what it says, with the marks of the nine lines; for programs as JSON Lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vault.cli.render import mark
from vault.model import Counts

if TYPE_CHECKING:
    from vault.cli.render import Renderer


class Teller:
    """Implements Progress; only what the story says is shown."""

    def __init__(self, out: Renderer) -> None:
        from vault.ops.project.summary import nine_lines

        self._out = out
        self._counted = {line.partition(":")[0] for line in nine_lines(Counts())}

    def stage(self, name: str, total_bytes: int | None = None) -> None:
        pass

    def advance(self, done_bytes: int, *, rows: int = 0, tables: int = 0) -> None:
        pass

    def event(self, kind: str, text: str) -> None:
        if self._out.json:
            self._out.json_line({"type": "event", "kind": kind, "text": text})
        elif text.strip().partition(":")[0] in self._counted:
            self._out.line(f"  {mark('captured')} {text.strip()}")
        else:
            self._out.line(text)
