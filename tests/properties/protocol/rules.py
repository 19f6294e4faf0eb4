"""The rules of 80-leases that the model can do without, one by one. All of them are on unless a test takes one away."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Of writers first, then of pruners. The number in brackets is the demand in the spec."""

    lease_first: bool = True
    """Sweeps and index are read under the lease (LEASE-10)."""
    swept_packs_hidden: bool = True
    """A writer does not rely on packs that a sweep names (LEASE-10)."""
    packs_named: bool = True
    """The lease names every pack that the snapshot relies on (LEASE-7)."""
    named_before_look: bool = True
    """... before the sweeps are read (LEASE-1)."""
    look_at_sweeps: bool = True
    """... and they are read (LEASE-1)."""
    packs_looked_at: bool = True
    """... then the packs are listed, and are all there (LEASE-2)."""
    sweeps_looked_at_first: bool = True
    """... in this order: one listing of both, of which nobody knows what it saw first, is not enough (LEASE-2)."""
    earlier_lease_stays: bool = True
    """... and only then the earlier lease goes (LEASE-13)."""
    look_again: bool = True
    """A writer that slept names and looks again (LEASE-12)."""
    indexed_before_snapshot: bool = True
    """A fragment tells of the packs before the snapshot is put (STORE-7)."""
    lease_looked_for: bool = True
    """A writer whose lease is gone withdraws its snapshot (LEASE-3)."""
    lease_stays_unanswered: bool = True
    """A put without an answer leaves the lease (LEASE-9)."""

    swept_before_looking: bool = True
    """The sweep is published, then leases and snapshots are listed (LEASE-14)."""
    known_before_leases: bool = True
    """A sweep that came after the leases were listed is not carried out (LEASE-14)."""
    sweeps_after_leases: bool = True
    """... but its packs count as gone: a writer whose lease was not there any more may need what is left beside them (LEASE-14)."""
    leases_before_snapshots: bool = True
    """A writer that ends between two listings is seen in the second (LEASE-14)."""
    sweeps_before_packs: bool = True
    """What another pruner deletes is gone from the listing of packs, or its sweep was listed (LEASE-14)."""
    leases_pin: bool = True
    """Packs that a lease names stay (LEASE-15, LEASE-16)."""
    all_sweeps_count: bool = True
    """A place in a pack that any sweep names is none (LEASE-15)."""
    whole_chains: bool = True
    """A delta is there only if its base is (LEASE-15)."""
    depths_fall: bool = True
    """A base is only read at a smaller depth (OBJ-10, OBJ-12)."""
    found_sweep_is_looked_at: bool = True
    """A sweep is no permission to delete (LEASE-18)."""
    sweep_stays_for_packs: bool = True
    """A sweep is not taken back while packs of it are there (LEASE-4)."""
    sweep_stays_for_leases: bool = True
    """... nor while a lease is there that was seen with it (LEASE-6)."""
    old_leases_removed: bool = True
    """A lease that is too old is removed, not passed over (LEASE-17)."""
    merged_before_removed: bool = True
    """A merged fragment is durable before the old ones go (LEASE-22)."""
    merged_keeps_deltas: bool = True
    """... and tells of deltas whose base is gone: somebody may have stored it again (LEASE-22)."""
    only_indexed_counts: bool = True
    """A copy is there when a fragment tells of it (LEASE-15)."""
