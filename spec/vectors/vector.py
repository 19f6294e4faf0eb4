"""One vector: an input, the demands that it proves, and what a reader must make of it. Written as JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

LAYERS = ("malformed", "limit", "unsupported", "authentication", "mismatch", "missing")


@dataclass(frozen=True)
class Repeat:
    """`unit` `count` times; keeps inputs that are too long out of the files."""

    unit: bytes
    count: int


@dataclass(frozen=True, kw_only=True)
class Vector:
    """`name` is `<kind>/<structure>_<fault>`. `input` values: bytes, lists of bytes and Repeat, maps, numbers, text."""

    name: str
    spec: list[str]
    comment: str
    input: dict[str, Any]
    expect: str = "ok"
    more: dict[str, Any] = field(default_factory=dict)

    def text(self) -> str:
        value = {
            "kind": self.name.split("/")[0],
            "spec": self.spec,
            "comment": self.comment,
            "input": _plain(self.input),
            "expect": self.expect,
            **_plain(self.more),
        }
        return json.dumps(value, indent=1, ensure_ascii=True) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Repeat):
        return {"repeat": value.unit.hex(), "count": value.count}
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


class Collection:
    """Vectors of one kind, with what their inputs share."""

    def __init__(self, kind: str, **shared: Any) -> None:
        self.kind = kind
        self.shared = shared
        self.vectors: list[Vector] = []

    def ok(self, name: str, spec: str, comment: str, more: dict[str, Any] | None = None, **inputs: Any) -> None:
        self.refuse(name, spec, "ok", comment, more, **inputs)

    def refuse(
        self, name: str, spec: str, layer: str, comment: str, more: dict[str, Any] | None = None, **inputs: Any
    ) -> None:
        if layer not in (*LAYERS, "ok"):
            raise ValueError(layer)
        self.vectors.append(
            Vector(
                name=f"{self.kind}/{name}",
                spec=spec.split(),
                comment=comment,
                input=self.shared | inputs,
                expect=layer,
                more=more or {},
            )
        )
