"""Keyed ids, AEAD, key derivation. Pure: nonces and randomness are arguments. Spec 20-keys, 30-object."""
