"""One target under libFuzzer, in a process of its own: `python -m tests.fuzz.child TARGET CORPUS_DIRECTORY -OPTION=VALUE...`."""

from __future__ import annotations

import importlib
import random
import shlex
import sys
from collections.abc import Callable
from typing import Any

INSTRUMENTED = ["vault", "spec"]
Mutator = Callable[[bytes, int, int], bytes]


def main() -> None:
    """Never returns: libFuzzer ends the process."""
    name, *arguments = sys.argv[1:]
    atheris: Any = importlib.import_module("atheris")
    with atheris.instrument_imports(include=INSTRUMENTED, enable_loader_override=False):
        from tests.fuzz.targets import TARGETS
    target = TARGETS[name]
    options: dict[str, Mutator] = {}
    if target.magic is not None:
        # Atheris puts another `Mutate` in its place when it begins: it is looked up at each call.
        options["custom_mutator"] = mutator(target.magic, lambda data, bytes_max: atheris.Mutate(data, bytes_max))
    # libFuzzer begins itself anew to minimise, by a shell, with what it takes for its program.
    program = shlex.join([sys.executable, "-m", "tests.fuzz.child", name])
    atheris.Setup([program, *arguments], target.run, **options)
    atheris.Fuzz()


def mutator(magic: bytes, mutate_bytes: Callable[[bytes, int], bytes]) -> Mutator:
    """Every second time the value changes instead of its bytes, so that it stays canonical and the layouts are reached."""
    from tests.fuzz.values import changed

    def mutate(data: bytes, bytes_max: int, seed: int) -> bytes:
        choice = random.Random(seed)
        if choice.random() < 0.5:
            made = changed(data.removeprefix(magic), choice)
            if made is not None and len(magic) + len(made) <= bytes_max:
                return magic + made
        return mutate_bytes(data, bytes_max)

    return mutate


if __name__ == "__main__":
    main()
