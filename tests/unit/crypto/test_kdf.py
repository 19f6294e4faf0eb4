"""Argon2id and its bounds: spec 20-keys."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from vault import limits
from vault.crypto.kdf import derive_kek, without_line_end
from vault.errors import KeyUnavailable, LimitExceeded, Malformed, UsageError
from vault.model import Kdf
from vault.model.words import MORE_THREADS

CHEAP = Kdf(passes=1, memory_kib=limits.KDF_MEMORY_KIB_MIN, lanes=1, salt=bytes(range(32)))


def test_kek_is_stable() -> None:
    """t=1, m=8192, p=1; a change would lock every user out."""
    assert (
        derive_kek("correct horse", CHEAP).hex() == "d9f907c38ffad8182ae0653155eb966a4affc033d935f74b20fa9c569812134f"
    )


def test_kek_depends_on_passphrase_salt_and_parameters() -> None:
    variants = [
        CHEAP,
        replace(CHEAP, passes=2),
        replace(CHEAP, lanes=2),
        replace(CHEAP, memory_kib=CHEAP.memory_kib * 2),
        replace(CHEAP, salt=bytes(32)),
    ]
    keys = {derive_kek("p", kdf) for kdf in variants} | {derive_kek("P", CHEAP)}
    assert len(keys) == len(variants) + 1


def test_passphrases_equal_in_nfc_open_the_same_slot() -> None:
    plain = Argon2id(salt=CHEAP.salt, length=32, iterations=1, lanes=1, memory_cost=CHEAP.memory_kib)
    expected = plain.derive("caf\u00e9".encode())
    assert derive_kek("caf\u00e9", CHEAP) == derive_kek("cafe\u0301", CHEAP) == expected


@pytest.mark.spec("KEY-10")
@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("p", "p"),
        ("p\n", "p"),
        ("p\r\n", "p"),
        ("p\n\n", "p\n"),
        ("p\r", "p\r"),
        (" p \n", " p "),
        ("\n", ""),
        ("", ""),
    ],
)
def test_one_line_end_is_no_part_of_a_passphrase(given: str, kept: str) -> None:
    assert without_line_end(given) == kept


def test_passphrase_that_is_not_unicode_is_a_usage_error() -> None:
    with pytest.raises(UsageError) as caught:
        derive_kek("secret\udcff", CHEAP)
    assert "secret" not in str(caught.value)


@pytest.mark.spec("KEY-4")
@pytest.mark.parametrize(
    ("kdf", "named"),
    [
        (replace(CHEAP, passes=0), "passes is 0,"),
        (replace(CHEAP, passes=limits.KDF_PASSES_MAX + 1), "passes"),
        (replace(CHEAP, memory_kib=limits.KDF_MEMORY_KIB_MIN - 1), "memory is 8191,"),
        (replace(CHEAP, memory_kib=limits.KDF_MEMORY_KIB_MAX + 1), "memory"),
        (replace(CHEAP, memory_kib=2**62), "memory"),
        (replace(CHEAP, lanes=0), "lanes is 0,"),
        (replace(CHEAP, lanes=limits.KDF_LANES_MAX + 1), "lanes"),
    ],
)
def test_parameters_out_of_bounds_are_refused_before_memory_is_taken(kdf: Kdf, named: str) -> None:
    with pytest.raises(LimitExceeded, match=f"^key derivation: {named}"):
        derive_kek("p", kdf)


@pytest.mark.spec("KEY-4")
def test_parameters_at_their_ceiling_are_taken() -> None:
    """Of the three this is the cheap one."""
    assert len(derive_kek("p", replace(CHEAP, lanes=limits.KDF_LANES_MAX))) == 32


def test_salt_of_another_length_is_refused() -> None:
    with pytest.raises(Malformed):
        derive_kek("p", replace(CHEAP, salt=bytes(16)))


@pytest.mark.skipif(sys.platform != "linux", reason="no limit of address space")
def test_without_memory_it_says_what_it_takes_and_what_to_do() -> None:
    """A thread for each lane, too: the library gives one answer for want of either."""
    program = """
import resource
from vault.crypto.kdf import derive_kek
from vault.errors import KeyUnavailable
from vault.model import Kdf
resource.setrlimit(resource.RLIMIT_AS, (2**29, 2**29))
try:
    derive_kek("correct horse", Kdf(passes=1, memory_kib=2**20, lanes=4, salt=bytes(32)))
except KeyUnavailable as error:
    print(error.message, error.why, error.hint, sep="\\n")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    message, why, hint = done.stdout.splitlines()
    assert "not enough memory, or there are too many threads" in message
    assert why == "it takes 1.0 GiB and 4 threads"
    assert "ulimit -v" in hint
    assert "TasksMax" in hint


def test_what_the_library_lacks_is_told_as_what_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    class Without:
        def __init__(self, **_: object) -> None: ...

        def derive(self, secret: bytes) -> bytes:
            raise MemoryError

    monkeypatch.setattr("vault.crypto.kdf.Argon2id", Without)
    with pytest.raises(KeyUnavailable) as told:
        derive_kek("p", replace(CHEAP, memory_kib=2**20 - 512, lanes=4))
    assert (told.value.why, told.value.hint) == ("it takes 1023.5 MiB and 4 threads", MORE_THREADS)
