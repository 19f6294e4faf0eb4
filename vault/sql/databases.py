"""CREATE DATABASE for what shall be as another database was: its encoding and locale, where the server can have them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from vault.sql.names import literal, quote

_PROVIDERS: Final = {"c": "libc", "i": "icu", "b": "builtin"}
_LOCALE_OF_BUILTIN: Final = 170_000
_ICU: Final = 150_000
"""Servers from which on a database can have such a locale."""


def create_database(
    name: str, properties: Mapping[str, str | None], *, encoding: str, version_num: int
) -> Iterator[str]:
    """Statements of which the first that works is the nearest. `properties`: as in CatalogFacts, of the database that it shall be like."""
    start = f"CREATE DATABASE {quote(name)} TEMPLATE template0 ENCODING {literal(encoding)}"
    collate, ctype = properties.get("datcollate"), properties.get("datctype")
    libc = f" LC_COLLATE {literal(collate)} LC_CTYPE {literal(ctype)}" if collate and ctype else ""
    provider = _PROVIDERS.get(properties.get("datlocprovider") or "c", "libc")
    locale = properties.get("datlocale") or properties.get("daticulocale")
    since = {"libc": 0, "icu": _ICU, "builtin": _LOCALE_OF_BUILTIN}[provider]
    if provider != "libc" and locale and version_num >= since:
        word = "ICU_LOCALE" if provider == "icu" else "BUILTIN_LOCALE"
        rules = properties.get("daticurules")
        last = f" ICU_RULES {literal(rules)}" if rules and provider == "icu" else ""
        yield f"{start} LOCALE_PROVIDER {provider} {word} {literal(locale)}{libc}{last}"
        yield f"{start} LOCALE_PROVIDER {provider} {word} {literal(locale)} LC_COLLATE 'C' LC_CTYPE 'C'{last}"
    plain = " LOCALE_PROVIDER libc" if version_num >= _ICU else ""
    if libc:
        yield f"{start}{plain}{libc}"
    yield f"{start}{plain} LC_COLLATE 'C' LC_CTYPE 'C'"
