"""Measurements, each beside its peer in one run. Nothing here is asserted; results go to benchmarks/results/."""
