"""What the user has configured: `values` are what is effective, `load` reads it, and each section has a module of its own."""

from vault.app.settings.load import (
    ReadSettings,
    config_to_write,
    load_settings,
    process_environment,
    read_settings,
    settings_without_files,
)
from vault.app.settings.source import SourceSettings
from vault.app.settings.values import Settings, ValueOrigin

__all__ = [
    "ReadSettings",
    "ValueOrigin",
    "Settings",
    "SourceSettings",
    "config_to_write",
    "load_settings",
    "process_environment",
    "read_settings",
    "settings_without_files",
]
