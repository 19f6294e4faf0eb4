"""The coverage ledger: what happened to every component. Spec 60-snapshot.

Never summarises: a state and a count are what the writer said.
"""

from __future__ import annotations

from typing import Final

from vault.errors import Malformed
from vault.format import codec
from vault.format.codec import Row, Value, map_of
from vault.limits import META_BYTES_MAX
from vault.model import Coverage, Ledger, Missing, State


def encode_ledger(ledger: Ledger) -> bytes:
    """Raises as `decode_ledger`"""
    return codec.encode_proven(
        {component: _encode_coverage(coverage) for component, coverage in ledger.items()}, decode_ledger
    )


def decode_ledger(data: bytes) -> Ledger:
    """Raises  Malformed, LimitExceeded"""
    components = map_of(codec.decode(data, what="ledger", bytes_max=META_BYTES_MAX), "ledger")
    return {component: _decode_coverage(value) for component, value in components.items()}


def decode_state(text: str) -> State:
    """Raises  Malformed: not a state"""
    state = _STATES.get(text)
    if state is None:
        raise Malformed("coverage: unknown state")
    return state


_STATES: Final = {state.value: state for state in State}
"""A list of ten thousand snapshots has a hundred thousand states."""


def _encode_coverage(coverage: Coverage) -> Value:
    missing: tuple[Value, ...] = tuple((item.item, item.state.value, item.why, item.fix) for item in coverage.missing)
    return (coverage.state.value, coverage.count, missing)


def _decode_coverage(value: Value) -> Coverage:
    row = Row(value, length=3, what="coverage")
    return Coverage(
        state=decode_state(row.text()),
        count=row.integer(),
        missing=tuple(_decode_missing(item) for item in row.array()),
    )


def _decode_missing(value: Value) -> Missing:
    row = Row(value, length=4, what="coverage: missing")
    return Missing(item=row.text(), state=decode_state(row.text()), why=row.text(), fix=row.text())
