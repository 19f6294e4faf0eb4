"""Byte layouts: one module a chapter of the spec, each with encode and decode side by side. Pure; knows no keys."""
