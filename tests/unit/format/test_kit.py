"""The recovery kit: spec 20-keys."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.errors import AuthenticationFailed, IntegrityError, LimitExceeded, Malformed, Unsupported
from vault.format.keyslot import encode_slot
from vault.format.kit import decode_kit, encode_kit
from vault.ids import RepositoryId
from vault.model import Kdf, KeySlot

REPOSITORY = RepositoryId(bytes(range(16)))
SECRET = b"\xfe" * 32
KEY_SLOT = KeySlot(
    repository=REPOSITORY,
    kdf=Kdf(passes=1, memory_kib=8192, lanes=1, salt=b"s" * 32),
    label="kit",
    created_ms=1,
    wrapped=b"w" * 100,
)
SLOT = encode_slot(KEY_SLOT)
TEXT = encode_kit(REPOSITORY, SECRET, SLOT, comments=("Keep this.", "", "two\nlines"))


def resigned(text: str) -> str:
    """The same lines with a checksum that fits them."""
    lines = [line for line in text.splitlines() if not line.startswith("#")][:4]
    covered = "".join(f"{line}\n" for line in lines)
    return f"{covered}checksum {hashlib.sha256(covered.encode()).hexdigest()[:16]}\n"


@pytest.mark.spec("KEY-6")
def test_kit_has_the_layout_of_the_spec() -> None:
    lines = TEXT.splitlines()
    assert lines[:5] == ["# Keep this.", "#", "# two", "# lines", "pgvault-recovery-kit 1"]
    assert lines[5:7] == ["repository 000102030405060708090a0b0c0d0e0f", "secret " + "fe" * 32]
    assert lines[7].startswith("slot UEdWQVVMVEu")
    assert resigned(TEXT) == "".join(f"{line}\n" for line in lines[4:])


def test_kit_comes_back_with_comments_anywhere_and_without_last_line_end() -> None:
    kit = decode_kit(TEXT)
    assert (kit.repository, kit.secret, kit.slot) == (REPOSITORY, SECRET, SLOT)
    assert decode_kit(TEXT.replace("secret", "# a remark\nsecret") + "# the end\n") == kit
    assert decode_kit(TEXT.removesuffix("\n")) == kit


def test_a_slot_that_a_screen_broke_is_joined() -> None:
    head, slot, tail = TEXT.partition("slot " + TEXT.split("slot ")[1].split("\n")[0])
    for columns in (6, 60, 80):
        broken = "\n".join(slot[at : at + columns] for at in range(0, len(slot), columns))
        assert decode_kit(head + broken + tail) == decode_kit(TEXT)
        pieces = broken.split("\n")
        with pytest.raises(Malformed):
            decode_kit(head + "\n".join([pieces[0], *pieces[2:]]) + tail)


@pytest.mark.parametrize(
    "changed",
    [
        TEXT.replace("\n", "\r\n"),
        "\ufeff" + TEXT,
        TEXT.replace("\n", " \t\n\u00a0\n"),
        "".join(f"    {line}\n" for line in TEXT.splitlines()),
        TEXT.replace(" ", "\u00a0"),
        TEXT.replace("secret ", "secret\t "),
        "Dear Ada,\n\n" + TEXT.replace("# Keep this", "# Keep\nthis"),
        TEXT.replace("slot ", "slot\n"),
        TEXT.replace("slot ", "slot \r\n"),
    ],
)
def test_a_kit_is_read_as_a_mail_or_an_editor_hands_it_on(changed: str) -> None:
    assert decode_kit(changed) == decode_kit(TEXT)


def test_secret_does_not_show_in_repr() -> None:
    assert "xfe" not in repr(decode_kit(TEXT))
    assert "fefe" not in repr(decode_kit(TEXT))


@pytest.mark.parametrize(
    ("fault", "text", "error"),
    [
        ("empty", "", Malformed),
        ("only comments", "# a\n", Malformed),
        ("another title", resigned(TEXT.replace("recovery-kit", "recovery-kid")), Malformed),
        ("version 2", resigned(TEXT.replace("kit 1", "kit 2")), Unsupported),
        ("no version", resigned(TEXT.replace("kit 1", "kit")), Malformed),
        ("line missing", TEXT.replace("secret " + "fe" * 32 + "\n", ""), Malformed),
        ("line twice", TEXT.replace("secret", "secret 00\nsecret"), Malformed),
        ("repository is short", resigned(TEXT.replace("repository 00", "repository ")), Malformed),
        ("repository of another slot", resigned(TEXT.replace("repository 00", "repository 01")), AuthenticationFailed),
        ("hex in capitals", resigned(TEXT.replace("fe" * 32, "FE" * 32)), Malformed),
        ("slot is not base64", resigned(TEXT.replace("slot UEdW", "slot UE!W")), Malformed),
        ("slot is not a slot", resigned(TEXT.replace("slot UEdW", "slot UEdX")), Malformed),
        ("too long", "#" * 300_000, LimitExceeded),
    ],
)
def test_damaged_kit_is_refused(fault: str, text: str, error: type[IntegrityError]) -> None:
    with pytest.raises(error):
        decode_kit(text)


def test_a_slot_that_is_not_base64_is_told_from_one_that_is_not_standard() -> None:
    with pytest.raises(Malformed, match="is not base64"):
        decode_kit(resigned(TEXT.replace("slot UEdW", "slot !!!!")))


def test_base64_with_stray_bits_is_refused() -> None:
    seen = 0
    for length in (100, 101, 102):
        text = encode_kit(REPOSITORY, SECRET, encode_slot(replace(KEY_SLOT, wrapped=bytes(length))))
        decode_kit(text)
        if "=\n" in text:
            at = text.index("=")
            with pytest.raises(Malformed, match="standard base64"):
                decode_kit(resigned(text[: at - 1] + chr(ord(text[at - 1]) + 1) + text[at:]))
            seen += 1
    assert seen == 2


START = TEXT.index("pgvault")


@given(at=st.integers(START, len(TEXT) - 2), character=st.characters(codec="utf-8", exclude_characters="\n"))
def test_any_one_wrong_character_is_found(at: int, character: str) -> None:
    changed = TEXT[:at] + character + TEXT[at + 1 :]
    if TEXT[at] == " " and character in "\t\r\u00a0\ufeff":
        assert decode_kit(changed) == decode_kit(TEXT)
    elif changed != TEXT:
        with pytest.raises(IntegrityError):
            decode_kit(changed)


@given(text=st.text(max_size=300))
def test_noise_raises_nothing_but_integrity_errors(text: str) -> None:
    for candidate in (text, "pgvault-recovery-kit 1\n" + text, resigned(TEXT.replace("fe" * 32, text or "x"))):
        try:
            decode_kit(candidate)
        except IntegrityError:
            continue
        assert text == "fe" * 32
