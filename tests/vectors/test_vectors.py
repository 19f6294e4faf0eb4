"""Every vector, through spec/reader.py and through vault: accepted, or refused at the layer that the vector names."""

from __future__ import annotations

import subprocess
import sys

import pytest

from spec import reader
from tests.vectors import by_reader, by_vault
from tests.vectors.stored import ROOT, Vector, load
from vault.errors import VaultError

VECTORS = load()
by_name = pytest.mark.parametrize("vector", VECTORS, ids=[vector.name for vector in VECTORS])


def test_every_kind_of_vector_has_a_reader() -> None:
    kinds = {vector.kind for vector in VECTORS}
    assert kinds == set(by_reader.READERS) == set(by_vault.READERS)


def test_vectors_are_what_the_generator_writes() -> None:
    done = subprocess.run([sys.executable, str(ROOT / "generate.py"), "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@by_name
def test_reader_of_the_spec_agrees_with_vector(vector: Vector) -> None:
    try:
        made, layer = by_reader.READERS[vector.kind](vector.inputs()), "ok"
    except reader.Refused as refused:
        made, layer = str(refused), refused.layer
    assert layer == vector.expect, made
    assert layer != "ok" or not vector.promises or made == vector.promises


@by_name
def test_vault_agrees_with_vector(vector: Vector) -> None:
    try:
        made, layer = by_vault.READERS[vector.kind](vector.inputs()), "ok"
    except VaultError as refused:
        made, layer = f"{refused.message}: {refused.why}", by_vault.layer_of(refused)
    assert layer == vector.expect, made
    assert layer != "ok" or not vector.promises or made == vector.promises
