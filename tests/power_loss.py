"""What a disk may hold after a loss of power, from the calls that were made. Pure; POSIX promises nothing beyond this.

Of a file's bytes there is what was synced, or what was written, or a part of it, or zeros in its place. Of a directory there is what
it held when it was synced; of each name that changed since, any of its changes may be there, whatever became of other names: a file
system writes them in the order that it likes, the two ends of a rename as well. A killed process leaves everything.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, product
from math import prod
from typing import Final, TypeAlias

from tests.recording_disk import Step

Files: TypeAlias = Mapping[str, bytes | None]
"""Path below the root -> bytes, None for a directory."""
_TEMPORARY: Final = "tmp"
_BYTES: Final = ""
"""In place of a name: what became of a file's bytes. The ways: as synced, torn, zeros, as written."""
_WAYS_OF_BYTES: Final = 4


@dataclass(eq=False, slots=True)
class _Node:
    """A file or a directory: as the kernel has it, and as the platter has it. `changes`: of its names since it was synced."""

    is_directory: bool
    data: bytes = b""
    synced: bytes = b""
    now: dict[str, _Node] = field(default_factory=dict)
    durable: dict[str, _Node] = field(default_factory=dict)
    changes: list[tuple[str, _Node | None]] = field(default_factory=list)

    def set(self, name: str, node: _Node | None) -> None:
        self.changes.append((name, node))
        if node is None:
            del self.now[name]
        else:
            self.now[name] = node

    def sync(self) -> None:
        self.synced, self.durable, self.changes = self.data, dict(self.now), []

    def entries(self, changes_there: Callable[[str], int]) -> dict[str, _Node]:
        """`changes_there`: how many of a name's changes reached the platter, counted from the first."""
        there = dict(self.durable)
        seen: dict[str, int] = {}
        for name, node in self.changes:
            seen[name] = seen.get(name, 0) + 1
            if seen[name] > changes_there(name):
                continue
            if node is None:
                there.pop(name, None)
            else:
                there[name] = node
        return there

    def bytes(self, way: int) -> bytes:
        if self.data == self.synced:
            return self.data
        torn = self.data[: (len(self.synced) + len(self.data)) // 2]
        return (self.synced, torn, bytes(len(self.data)), self.data)[way]


_Way: TypeAlias = Callable[[_Node, str], int]


class DiskModel:
    """Replays steps below `root`, whose parent is durable; so is `files`, what the root holds at first. None: there is no root yet."""

    def __init__(self, root: str, files: Files | None) -> None:
        self._above, self._name = os.path.split(root)
        self._top = _Node(is_directory=True)
        if files is not None:
            self._top.set(self._name, _Node(is_directory=True))
            for path, data in sorted(files.items()):
                self._add(os.path.join(root, path), data)
            _sync_all(self._top)

    def replay(self, step: Step) -> None:
        directory, name = os.path.split(step.path)
        if step.kind in {"mkdir", "create"}:
            self._node(directory).set(name, _Node(is_directory=step.kind == "mkdir"))
        elif step.kind == "write":
            self._node(step.path).data += step.data
        elif step.kind == "fsync":
            self._node(step.path).sync()
        elif step.kind in {"link", "rename"}:
            self._node(os.path.dirname(step.new)).set(os.path.basename(step.new), self._node(step.path))
        if step.kind in {"unlink", "rename"}:
            self._node(directory).set(name, None)

    def states(self, *, most: int, choice: random.Random) -> Iterator[Files | None]:
        """Every state that may be found now, if they are at most so many; else those at the edges, and some that `choice` takes.

        Some may be equal. None: there is no root. In `tmp/`, which is nobody's, is always all that was written.
        """
        undecided = self._undecided()
        counts = [count for _, _, count in undecided]
        every = product(*map(range, counts)) if prod(counts) <= most else islice(_some(counts, choice), most)
        for decisions in every:
            decided = {(id(node), name): way for (node, name, _), way in zip(undecided, decisions, strict=True)}
            yield self._state(lambda node, name, decided=decided: decided.get((id(node), name), 0))  # type: ignore[misc]

    def pessimistic(self) -> Files | None:
        """Only what was synced."""
        return self._state(lambda node, name: 0)

    def as_written(self) -> Files | None:
        """All of it, as the end of a process leaves it."""
        return self._state(lambda node, name: _WAYS_OF_BYTES - 1 if name == _BYTES else len(node.changes))

    def _state(self, way: _Way) -> Files | None:
        found: dict[str, bytes | None] = {}
        root = self._top.entries(lambda name: way(self._top, name)).get(self._name)
        waiting = [] if root is None else [("", root)]
        while waiting:
            above, node = waiting.pop()
            is_tmp = above == f"{_TEMPORARY}/"
            entries = node.now if is_tmp else node.entries(lambda name, node=node: way(node, name))  # type: ignore[misc]
            for name, child in entries.items():
                if child.is_directory:
                    found[above + name] = None
                    waiting.append((f"{above}{name}/", child))
                else:
                    found[above + name] = child.data if is_tmp else child.bytes(way(child, _BYTES))
        return None if root is None else found

    def _undecided(self) -> list[tuple[_Node, str, int]]:
        """What of which nodes may be one way or another, and how many ways there are."""
        found: list[tuple[_Node, str, int]] = []
        seen: set[int] = set()
        waiting = [("", self._top)]
        while waiting:
            path, node = waiting.pop()
            if id(node) in seen or path == f"/{self._name}/{_TEMPORARY}":
                continue
            seen.add(id(node))
            if node.data != node.synced:
                found.append((node, _BYTES, _WAYS_OF_BYTES))
            names = [name for name, _ in node.changes]
            found += [(node, name, 1 + names.count(name)) for name in dict.fromkeys(names)]
            children = [*node.durable.items(), *((name, child) for name, child in node.changes if child is not None)]
            waiting += [(f"{path}/{name}", child) for name, child in children]
        return found

    def _add(self, path: str, data: bytes | None) -> None:
        directory, name = os.path.split(path)
        if not self._exists(directory):
            self._add(directory, None)
        if not self._exists(path):
            self._node(directory).set(name, _Node(is_directory=data is None, data=data or b""))

    def _exists(self, path: str) -> bool:
        try:
            self._node(path)
        except KeyError:
            return False
        return True

    def _node(self, path: str) -> _Node:
        node = self._top
        for part in os.path.relpath(path, self._above).split("/"):
            node = node if part == "." else node.now[part]
        return node


def _sync_all(node: _Node) -> None:
    node.sync()
    for child in node.now.values():
        _sync_all(child)


def _some(counts: Sequence[int], choice: random.Random) -> Iterator[tuple[int, ...]]:
    """None and all; each alone, and all but each; those before each moment, and those after it; then any, for ever."""
    none, every = (0,) * len(counts), tuple(count - 1 for count in counts)
    yield from (none, every)
    for at in range(len(counts)):
        yield none[:at] + every[at : at + 1] + none[at + 1 :]
        yield every[:at] + none[at : at + 1] + every[at + 1 :]
        yield every[:at] + none[at:]
        yield none[:at] + every[at:]
    while True:
        yield tuple(choice.randrange(count) for count in counts)
