"""Byte layouts, one module a spec chapter, as encode/decode pairs. Pure."""
