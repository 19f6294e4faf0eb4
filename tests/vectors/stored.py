"""The vectors of spec/vectors as values: bytes for hex, recipes expanded. Zero found is a failure of `load`."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2] / "spec" / "vectors"
TEXT_FIELDS = {"passphrase"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Vector:
    """`value`: what else the vector promises about a good input (`output_sha256`, `value`, `outputs`)."""

    name: str
    kind: str
    expect: str
    stored_input: dict[str, Any]
    promises: dict[str, Any]

    def inputs(self) -> dict[str, Any]:
        """A new copy; long recipes are expanded only here."""
        return {name: value if name in TEXT_FIELDS else _expand(value) for name, value in self.stored_input.items()}


def _expand(value: Any) -> Any:
    if isinstance(value, str):
        return bytes.fromhex(value)
    if isinstance(value, list):
        return b"".join(_expand(part) for part in value)
    if isinstance(value, dict) and set(value) == {"repeat", "count"}:
        return bytes.fromhex(value["repeat"]) * value["count"]
    if isinstance(value, dict) and set(value) == {"shake256", "count", "line"}:
        return _shaken(bytes.fromhex(value["shake256"]), value["count"], value["line"])
    return {name: _expand(item) for name, item in value.items()} if isinstance(value, dict) else value


def _shaken(name: bytes, count: int, line: int) -> bytes:
    data = hashlib.shake_256(name).digest(count)
    if not line:
        return data
    data = data.replace(b"\n", b" ")
    return b"".join(
        data[at : at + line - 1] + b"\n" if at + line <= count else data[at:] for at in range(0, count, line)
    )


def load() -> list[Vector]:
    manifest = json.loads((ROOT / "manifest.json").read_text(encoding="ascii"))
    assert manifest["count"] == len(manifest["sha256"]) > 0, "no vectors"
    assert sum(manifest["kinds"].values()) == manifest["count"]
    found = {path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.json")} - {"manifest.json"}
    assert found == set(manifest["sha256"]), "the manifest names other files than there are"
    vectors = []
    for name, digest in manifest["sha256"].items():
        data = (ROOT / name).read_bytes()
        assert hashlib.sha256(data).hexdigest() == digest, f"{name} differs from its manifest"
        value = json.loads(data)
        promises = {key: value[key] for key in ("output_sha256", "value", "outputs") if key in value}
        vectors.append(
            Vector(
                name=name.removesuffix(".json"),
                kind=value["kind"],
                expect=value["expect"],
                stored_input=value["input"],
                promises=promises,
            )
        )
    return vectors
