"""A disk that does what it is told, writes it down, and fails on request; and the disk that a power loss leaves."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from vault.store.disk import OsDisk


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One call that succeeded. `path` is the file's path at the time its descriptor was opened."""

    kind: str
    path: str
    new: str = ""
    data: bytes = b""


class RecordingDisk(OsDisk):
    """`failing(kind, path)` returns an errno to raise instead of the call, or 0."""

    def __init__(self, failing: Callable[[str, str], int] = lambda kind, path: 0) -> None:
        self.steps: list[Step] = []
        self.failing = failing
        self._open: dict[int, str] = {}

    def _step(self, kind: str, path: str) -> None:
        number = self.failing(kind, path)
        if number:
            raise OSError(number, os.strerror(number))

    def open(self, path: str, flags: int, mode: int = 0o600) -> int:
        self._step("open", path)
        descriptor = super().open(path, flags, mode)
        self._open[descriptor] = path
        if flags & os.O_CREAT:
            self.steps.append(Step(kind="create", path=path))
        return descriptor

    def write(self, descriptor: int, data: memoryview) -> int:
        self._step("write", self._open[descriptor])
        written = super().write(descriptor, data[: max(1, len(data) // 2)])
        self.steps.append(Step(kind="write", path=self._open[descriptor], data=bytes(data[:written])))
        return written

    def fsync(self, descriptor: int) -> None:
        self._step("fsync", self._open[descriptor])
        self.steps.append(Step(kind="fsync", path=self._open[descriptor]))

    def close(self, descriptor: int) -> None:
        super().close(descriptor)
        del self._open[descriptor]

    def mkdir(self, path: str, mode: int) -> None:
        self._step("mkdir", path)
        super().mkdir(path, mode)
        self.steps.append(Step(kind="mkdir", path=path))

    def link(self, path: str, new: str) -> None:
        self._step("link", path)
        super().link(path, new)
        self.steps.append(Step(kind="link", path=path, new=new))

    def rename_new(self, path: str, new: str) -> None:
        self._step("rename", path)
        super().rename_new(path, new)
        self.steps.append(Step(kind="rename", path=path, new=new))

    def unlink(self, path: str) -> None:
        self._step("unlink", path)
        super().unlink(path)
        self.steps.append(Step(kind="unlink", path=path))

    def note(self, kind: str, text: str) -> None:
        """Write down what the test did between the calls."""
        self.steps.append(Step(kind=kind, path=text))


@dataclass
class _Node:
    """A file or directory: as the kernel has it, and as the platter has it."""

    entries: dict[str, _Node] | None
    data: bytes = b""
    synced_data: bytes = b""
    synced_entries: dict[str, _Node] = field(default_factory=dict)


class PowerLoss:
    """Replays steps below `root`, which is durable and empty, and tells what can be found after a power loss."""

    def __init__(self, root: str, steps: Sequence[Step]) -> None:
        self._root = root
        self._top = _Node(entries={})
        for step in steps:
            self._replay(step)

    def pessimistic(self) -> dict[str, bytes]:
        """Only what was synced: names in synced directories, bytes of synced files."""
        return dict(_files(self._top, "", synced_names=True))

    def eager_names(self) -> dict[str, bytes]:
        """Every name reached the platter at once; bytes only if synced."""
        return dict(_files(self._top, "", synced_names=False))

    def _replay(self, step: Step) -> None:
        if step.kind in {"mkdir", "create"}:
            parent, name = self._place(step.path)
            parent[name] = _Node(entries={} if step.kind == "mkdir" else None)
        elif step.kind == "write":
            self._node(step.path).data += step.data
        elif step.kind == "fsync":
            node = self._node(step.path)
            node.synced_data = node.data
            node.synced_entries = dict(node.entries or {})
        elif step.kind in {"link", "rename"}:
            parent, name = self._place(step.new)
            parent[name] = self._node(step.path)
        if step.kind in {"unlink", "rename"}:
            parent, name = self._place(step.path)
            del parent[name]

    def _node(self, path: str) -> _Node:
        node = self._top
        for part in os.path.relpath(path, self._root).split("/"):
            if part != ".":
                assert node.entries is not None
                node = node.entries[part]
        return node

    def _place(self, path: str) -> tuple[dict[str, _Node], str]:
        entries = self._node(os.path.dirname(path)).entries
        assert entries is not None
        return entries, os.path.basename(path)


def _files(node: _Node, above: str, *, synced_names: bool) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    for name, child in (node.synced_entries if synced_names else node.entries or {}).items():
        if child.entries is None:
            found.append((above + name, child.synced_data))
        else:
            found.extend(_files(child, above + name + "/", synced_names=synced_names))
    return found
