"""What every form of a dataset shares: where files go, what is counted on the way, which types a snapshot declares."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from vault.ops.datasets.declared import UserTypes
from vault.ports import Progress
from vault.repo.snapshot import Snapshot


class DatasetTarget(Protocol):
    def write(self, path: str, blocks: Iterator[bytes]) -> int:
        """A file has its name only with all of `blocks`; returns their bytes. Raises  UnsafeError: it is there; SourceError"""


@dataclass(slots=True, kw_only=True)
class ExportedRows:
    """What was written; `notes`: what is otherwise than somebody who knows the database would think."""

    files: int = 0
    bytes: int = 0
    tables: int = 0
    rows: int = 0
    notes: list[str] = field(default_factory=list)


class CountedBlocks:
    """The same blocks, counted and told as they pass."""

    def __init__(self, blocks: Iterator[bytes], progress: Progress) -> None:
        self.rows = 0
        self._blocks = blocks
        self._progress = progress

    def __iter__(self) -> Iterator[bytes]:
        for block in self._blocks:
            rows = block.count(b"\n")
            self.rows += rows
            self._progress.advance(len(block), rows=rows)
            yield block


def user_types(snapshot: Snapshot) -> UserTypes:
    items = (item for item in snapshot.entry_items() if item.identity.desc in {"DOMAIN", "TYPE"})
    return UserTypes.read(snapshot.entries(items))
