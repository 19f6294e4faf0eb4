"""Retention and reclaim: which snapshots stay, what they need, and what goes. Spec 80-leases."""
