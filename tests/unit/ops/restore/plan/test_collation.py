"""What is said before a restore about text that sorts in another way."""

from __future__ import annotations

import json

from vault.ops.restore.plan.collation import Properties, collation_warnings


def libc(version: str | None, locale: str = "en_US.utf8", **more: str | None) -> Properties:
    found = {"datcollate": locale, "datctype": locale, "datlocprovider": "c", "datcollversion": version}
    return {**found, "collversion": version, **more}


def said(source: Properties, target: Properties) -> list[str]:
    return list(collation_warnings(source, target))


def test_nothing_is_said_of_equal_collations_or_of_what_is_not_known() -> None:
    assert said(libc("2.36"), libc("2.36")) == []
    assert said({}, libc("2.36")) == said(libc("2.36"), {}) == []
    assert said(libc("2.36", datcollversion=None), libc("2.36")) == []
    assert said(libc(None), libc("2.36")) == []


def test_another_version_or_locale_is_named() -> None:
    assert "version 2.41 of libc en_US.utf8, the source by version 2.36" in said(libc("2.36"), libc("2.41"))[0]
    old = libc("2.31", collversion=None)
    assert "version 2.36 of libc en_US.utf8, the source by version 2.31" in said(old, libc("2.36"))[0]
    assert "libc C, the source by libc en_US.utf8" in said(libc("2.36"), libc(None, "C"))[0]
    icu = {"datcollate": "C", "datctype": "C", "datlocprovider": "i", "datlocale": "de", "daticurules": "&a < b"}
    assert "icu de &a < b, the source by libc C" in said(libc(None, "C"), icu)[0]
    old = {**icu, "daticulocale": "de", "datlocale": None}
    assert said(old, icu) == []
    assert "libc C, the source by libc C ?" in said({"datcollate": "C", "datctype": None}, libc(None, "C"))[0]


def test_a_source_whose_library_moved_under_it_is_named() -> None:
    moved = libc("2.36", datcollversion="2.31")
    assert "created with version 2.31 of its collation and ran with 2.36" in said(moved, libc("2.36"))[0]


def test_collations_in_use_are_compared_by_name() -> None:
    source = libc("1", collations=json.dumps({'"de-x-icu"': "153.1", '"only-here"': "3"}))
    target = libc("1", collations=json.dumps({'"de-x-icu"': "153.2"}))
    assert ['"de-x-icu" has version 153.2 on the target, 153.1' in line for line in said(source, target)] == [True]


def test_collations_in_use_whose_versions_agree_are_not_named_beside_one_whose_does_not() -> None:
    source = libc("1", collations=json.dumps({'"c"': "1", '"b"': "1", '"a"': "1"}))
    target = libc("1", collations=json.dumps({'"c"': "2", '"b"': "1", '"a"': "2", '"more"': "1"}))
    assert said(source, source) == []
    assert [line.split()[1] for line in said(source, target)] == ['"a"', '"c"']


def test_one_line_tells_of_another_locale_and_its_provider_whatever_its_version() -> None:
    def by(provider: str, locale: str) -> dict[str, str | None]:
        return {"datcollate": "C", "datctype": "C", "datlocprovider": provider, "datlocale": locale, "collversion": "2"}

    words = {"c": "libc", "i": "icu", "b": "builtin", "z": "z"}
    for letter, word in words.items():
        (line,) = said(libc("1"), by(letter, "x"))
        assert line.startswith(f"the target sorts text by {word} x, the source by libc en_US.utf8: ")
