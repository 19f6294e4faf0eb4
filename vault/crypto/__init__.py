"""Keyed ids, authenticated encryption, key derivation. Pure: salts and nonces are arguments. Knows no byte layouts."""
