"""Rows: who reads which range of which table, and the proof that all of it came."""
