"""Tests of one module each; directories mirror vault/."""
