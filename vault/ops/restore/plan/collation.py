"""What sorts differently on the target: locale, provider, and version of the library behind the default and other collations. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Final

Properties = Mapping[str, str | None]
"""Of a database, as in CatalogFacts."""

_PROVIDERS: Final = {"c": "libc", "i": "icu", "b": "builtin"}


def collation_warnings(source: Properties, target: Properties) -> Iterator[str]:
    """One line a difference; nothing where a side does not say."""
    if "datcollate" not in source or "datcollate" not in target:
        return
    there, here = _locale(source), _locale(target)
    if there != here:
        yield f"the target sorts text by {here}, the source by {there}: order, keys and ranges of text may differ"
    known, now = _version(source), target.get("collversion")
    if there == here and None not in (known, now) and known != now:
        yield f"the target sorts text by version {now} of {here}, the source by version {known}: {_MAY_DIFFER}"
    created = source.get("datcollversion")
    if created is not None and created != known:  # `known` is not less than that
        yield f"the source was created with version {created} of its collation and ran with {known}: {_MAY_DIFFER}"
    ours = _named(target)
    for name, version in sorted(_named(source).items()):
        if name in ours and ours[name] != version:
            yield f"collation {name} has version {ours[name]} on the target, {version} on the source: {_MAY_DIFFER}"


_MAY_DIFFER: Final = "keys that were unique, and ranges of text, may not be so any more"


def _locale(database: Properties) -> str:
    provider = database.get("datlocprovider") or "c"
    own = database.get("datlocale") or database.get("daticulocale")
    names = [own] if own else dict.fromkeys((database.get("datcollate"), database.get("datctype")))
    rules = database.get("daticurules")
    return " ".join([_PROVIDERS.get(provider, provider), *(name or "?" for name in names), *([rules] if rules else ())])


def _version(database: Properties) -> str | None:
    return database.get("collversion") or database.get("datcollversion")


def _named(database: Properties) -> Mapping[str, str]:
    versions: Mapping[str, str] = json.loads(database.get("collations") or "{}")
    return versions
