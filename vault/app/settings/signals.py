"""`[signals]`: who is told what became of a run."""

from __future__ import annotations

from dataclasses import dataclass, field

from vault.app.toml.document import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalSettings:
    """The URLs are half secrets: never printed whole. A `_file` holds one; `prometheus_file` is written."""

    ping_url: str | None = field(default=None, repr=False)
    ping_url_file: str | None = None
    webhook_url: str | None = field(default=None, repr=False)
    webhook_url_file: str | None = None
    prometheus_file: str | None = None


def read_signals(section: Table) -> SignalSettings:
    section.only(*SignalSettings.__dataclass_fields__)
    return SignalSettings(
        ping_url=section.text("ping_url"),
        ping_url_file=section.path("ping_url_file"),
        webhook_url=section.text("webhook_url"),
        webhook_url_file=section.path("webhook_url_file"),
        prometheus_file=section.path("prometheus_file"),
    )
