"""Hooks and shared fixtures of the tests; each family of fixtures lives in a file `fix_*.py` of its own."""

from __future__ import annotations

from pathlib import Path

pytest_plugins = [f"tests.{path.stem}" for path in sorted(Path(__file__).parent.glob("fix_*.py"))]
