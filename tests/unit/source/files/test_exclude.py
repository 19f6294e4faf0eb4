"""Patterns of paths that are left out: what they match, and that nothing is dropped in silence."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from vault.errors import UsageError
from vault.model import State
from vault.source.files.directory import DirectoryFiles
from vault.source.files.exclude import Exclude

PATHS = [
    ".env",
    "a.log",
    "build/out",
    "deep/build/out",
    "deep/node_modules/left-pad/index.js",
    "keep.log",
    "node_modules/x/y",
    "odd\nname.log",
    "src/main.ts",
]


def taken(root: Path, *patterns: str) -> list[str]:
    """Files that a scan gives without a problem."""
    return [
        item.path.decode()
        for item in DirectoryFiles(root, patterns).scan()
        if item.problem is None and item.type == "f"
    ]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for path in PATHS:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(path)
    return tmp_path


@pytest.mark.parametrize(
    ("patterns", "left_out"),
    [
        ((), []),
        (("node_modules",), ["deep/node_modules/left-pad/index.js", "node_modules/x/y"]),
        (("/node_modules",), ["node_modules/x/y"]),
        (("/build/",), ["build/out"]),
        (("build/",), ["build/out", "deep/build/out"]),
        (("*.log", "!keep.log"), ["a.log", "odd\nname.log"]),
        (("!keep.log", "*.log"), ["a.log", "keep.log", "odd\nname.log"]),
        ((".env*", "nothing"), [".env"]),
        (("deep/**/index.js",), ["deep/node_modules/left-pad/index.js"]),
        (("node_modules", "!node_modules/x/y"), ["deep/node_modules/left-pad/index.js", "node_modules/x/y"]),
        (("a.log/",), []),
        (("*", "!*/", "!*.log"), [path for path in PATHS if not path.endswith(".log")]),
        (("deep/**", "!deep/build/", "!deep/build/**"), ["deep/node_modules/left-pad/index.js"]),
        (("node_modules/**/",), ["node_modules/x/y"]),
        (("deep/**/",), ["deep/build/out", "deep/node_modules/left-pad/index.js"]),
        (
            ("*/", "!deep"),
            ["build/out", "deep/build/out", "deep/node_modules/left-pad/index.js", "node_modules/x/y", "src/main.ts"],
        ),
    ],
)
def test_patterns_are_those_of_gitignore(project: Path, patterns: tuple[str, ...], left_out: list[str]) -> None:
    assert taken(project, *patterns) == sorted(set(PATHS) - set(left_out))


def test_each_path_that_is_left_out_is_given_with_its_pattern(project: Path) -> None:
    found = {
        item.path: item.problem for item in DirectoryFiles(project, ["*.log", "node_modules"]).scan() if item.problem
    }
    assert {path: problem.why for path, problem in found.items()} == {
        b"a.log": "*.log",
        b"deep/node_modules": "node_modules",
        b"keep.log": "*.log",
        b"node_modules": "node_modules",
        b"odd\nname.log": "*.log",
    }
    assert {problem.state for problem in found.values()} == {State.NOT_SELECTED}


@pytest.mark.parametrize(
    ("pattern", "matched", "others"),
    [
        ("foo  ", ["foo"], ["foo  "]),
        ("foo\\ ", ["foo "], ["foo"]),
        ("\\#a", ["#a", "d/#a"], ["a"]),
        ("\\!a", ["!a"], ["a"]),
        ("a?b", ["a*b", "ab/a.b"], ["ab", "a/b"]),
        ("a\\?b", ["a?b"], ["a.b"]),
        ("[!a]", ["b"], ["a", "ab"]),
        ("[^a-c]x", ["dx"], ["bx"]),
        ("[]a]", ["]", "a"], ["b"]),
        ("[a\\]b]", ["a", "]", "b"], ["\\"]),
        ("[a-]", ["a", "-"], ["b"]),
        ("[z-a]", ["z"], ["a", "m"]),
        ("[[:upper:]_]*", ["Foo", "_x"], ["foo"]),
        ("a[[]b", ["a[b"], ["ab"]),
        ("d/[!a]", ["d/b"], ["d/a", "d//"]),
        ("a/**/b", ["a/b", "a/x/b", "a/x/y/b"], ["ab", "a/xb", "x/a/b"]),
        ("**/a/b", ["a/b", "x/a/b"], ["xa/b"]),
        ("a/**", ["a/b", "a/b/c"], ["a", "ab"]),
        ("a**b", ["ab", "axb", "x/axb"], ["a/b"]),
        ("/*", ["a"], ["a/b"]),
        ("a/*", ["a/b"], ["a/b/c", "x/a/b"]),
        ("a//b", [], ["a/b"]),
        ("\udcff*", ["\udcffx"], ["ÿx"]),
    ],
)
def test_pattern_matches_the_path_itself_as_git_does(pattern: str, matched: list[str], others: list[str]) -> None:
    exclude = Exclude([pattern])
    found = [path for path in (*matched, *others) if exclude.pattern_for(os.fsencode(path), directory=False)]
    assert found == matched


def test_name_of_any_bytes_can_be_left_out(tmp_path: Path) -> None:
    assert Exclude(["*.log"]).pattern_for(b"\xff.log", directory=False) == "*.log"
    assert Exclude(["*.log"]).pattern_for(b"\xff.txt", directory=False) is None


@pytest.mark.parametrize(
    "pattern", ["", "   ", "# a comment", "!", "/", "a\\", "a\nb", "//", "a[", "[^a", "[[:none:]]"]
)
def test_what_is_no_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(UsageError, match="not a pattern"):
        Exclude(["good", pattern])
