"""Write the vectors, or prove that the files are what this program writes.

    python spec/vectors/generate.py           writes spec/vectors/<kind>/<name>.json and manifest.json
    python spec/vectors/generate.py --check   compares; exit code 1 and the names that differ

Imports neither `vault` nor `spec/reader.py`. Same input, same bytes: keys and salts are fixed.
"""

from __future__ import annotations

import collections
import hashlib
import itertools
import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from spec.vectors import cutting, fragments, generated, keys, packs, repositories, stamps, trees, upkeep  # noqa: E402


def generate() -> dict[str, str]:
    """File name below spec/vectors -> text."""
    files: dict[str, str] = {}
    kinds: collections.Counter[str] = collections.Counter()
    made = (
        module.vectors() for module in (keys, packs, fragments, generated, trees, stamps, upkeep, repositories, cutting)
    )
    for vector in itertools.chain.from_iterable(made):
        name = f"{vector.name}.json"
        if name in files:
            raise ValueError(f"two vectors are named {vector.name}")
        files[name] = vector.text()
        kinds[name.split("/")[0]] += 1
    sums = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in sorted(files.items())}
    manifest = {"count": len(files), "kinds": dict(sorted(kinds.items())), "sha256": sums}
    return files | {"manifest.json": json.dumps(manifest, indent=1) + "\n"}


def stored() -> dict[str, str]:
    return {path.relative_to(HERE).as_posix(): path.read_text(encoding="ascii") for path in HERE.rglob("*.json")}


def main(arguments: list[str]) -> int:
    files, found = generate(), stored()
    differing = sorted(name for name in files.keys() | found.keys() if files.get(name) != found.get(name))
    if arguments == ["--check"]:
        print("\n".join(differing) or f"{len(files) - 1} vectors are up to date")
        return 1 if differing or len(files) < 2 else 0
    for name in differing:
        path = HERE / name
        if name in files:
            path.parent.mkdir(exist_ok=True)
            path.write_text(files[name], encoding="ascii")
        else:
            path.unlink()
    print(f"{len(files) - 1} vectors, {len(differing)} files changed")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
