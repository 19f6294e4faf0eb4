"""Every vector, through spec/reader.py and through vault: accepted, or refused at the layer that the vector names."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import pytest

from spec import reader
from tests.vectors import by_reader, by_vault
from tests.vectors.stored import ROOT, Vector, load
from vault.errors import VaultError

VECTORS = load()
OF_WRITERS = {"cut"}
"""Kinds that no reader needs."""
FOR_READERS = [vector for vector in VECTORS if vector.kind not in OF_WRITERS]


def test_every_kind_of_vector_has_a_reader() -> None:
    kinds = {vector.kind for vector in VECTORS}
    assert kinds == set(by_vault.READERS) == set(by_reader.READERS) | OF_WRITERS


def test_vectors_are_what_the_generator_writes() -> None:
    done = subprocess.run([sys.executable, str(ROOT / "generate.py"), "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("vector", FOR_READERS, ids=[vector.name for vector in FOR_READERS])
def test_reader_of_the_spec_agrees_with_vector(vector: Vector) -> None:
    try:
        made, layer = by_reader.READERS[vector.kind](vector.inputs()), "ok"
    except reader.Refused as refused:
        made, layer = str(refused), refused.layer
    assert layer == vector.expect, made
    assert layer != "ok" or not vector.promises or made == vector.promises


@pytest.mark.parametrize("vector", VECTORS, ids=[vector.name for vector in VECTORS])
def test_vault_agrees_with_vector(vector: Vector) -> None:
    try:
        made, layer = by_vault.READERS[vector.kind](vector.inputs()), "ok"
    except VaultError as refused:
        made, layer = f"{refused.message}: {refused.why}", by_vault.layer_of(refused)
    assert layer == vector.expect, made
    assert layer != "ok" or not vector.promises or made == vector.promises


@pytest.mark.spec("IDX-9")
def test_reader_of_the_spec_takes_from_trailers_what_a_damaged_fragment_told() -> None:
    (whole,) = (vector for vector in VECTORS if vector.name == "repository/full")
    inputs = whole.inputs()
    (name,) = (name for name in inputs["files"] if name.startswith("index/"))
    data = inputs["files"].pop(name)
    damaged = data[:-1] + bytes([data[-1] ^ 1])
    inputs["files"][f"index/00000001-{hashlib.sha256(damaged).hexdigest()}"] = damaged
    assert by_reader.READERS["repository"](inputs) == whole.promises
