"""Damages, one for each file or object, with the tables, files and snapshots that each hits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from vault.errors import IntegrityError
from vault.ids import ObjectId

_AFFECTS_MAX: Final = 1000
"""Names kept for one damage; a lost pack of a large table would otherwise name every file of it."""


@dataclass(slots=True)
class Damage:
    """`kind`: the error's code. `object`: hex id, or None if it is a file's. `affects`: `SNAPSHOT:what`, bounded."""

    file: str
    kind: str
    object: str | None
    why: str
    affects: list[str] = field(default_factory=list)


class Damages:
    """Damages, one for each file or object. What a pack that is gone has lost is told with the pack, not object by object."""

    def __init__(self) -> None:
        self._damage: dict[tuple[str, str], Damage] = {}
        self._by_object: dict[str, Damage] = {}
        self._gone: dict[str, IntegrityError] = {}

    def expect(self, error: IntegrityError) -> None:
        """A pack that is gone: told when something is needed of it, in the place of each such error. A prune, or one that died
        after its deletions, leaves entries about packs that nobody needs."""
        self._gone[error.file] = error

    def add_gone(self, error: IntegrityError) -> None:
        self.expect(error)
        self.add(error)

    def add(self, error: IntegrityError, affects: str = "") -> None:
        error = self._gone.get(error.file, error)
        key = (error.file, error.object_id)
        damage = self._damage.get(key) or self._by_object.get(key[1])
        if damage is None:
            damage = Damage(error.file, error.code, key[1] or None, _why(error))
            self._damage[key] = damage
            if key[1]:
                self._by_object[key[1]] = damage
        if affects and len(damage.affects) < _AFFECTS_MAX and affects not in damage.affects:
            damage.affects.append(affects)

    def add_lost(self, error: IntegrityError, affects: str) -> None:
        """What went away is told apart from what is wrong with a file of its name."""
        self._damage[error.file, error.code] = Damage(error.file, error.code, None, _why(error), [affects])

    def so_far(self) -> dict[tuple[str, str], int]:
        """For `back_to`."""
        return {key: len(damage.affects) for key, damage in self._damage.items()}

    def back_to(self, earlier: Mapping[tuple[str, str], int]) -> None:
        """Take back what was added since."""
        self._damage = {key: damage for key, damage in self._damage.items() if key in earlier}
        for key, damage in self._damage.items():
            del damage.affects[earlier[key] :]
        self._by_object = {key[1]: damage for key, damage in self._damage.items() if key[1]}

    def objects(self) -> list[ObjectId]:
        """Every object of which a location is damaged."""
        return [ObjectId(bytes.fromhex(object_id)) for object_id in self._by_object]

    def all(self) -> tuple[Damage, ...]:
        return tuple(self._damage.values())


def _why(error: IntegrityError) -> str:
    return error.message + (f": {error.why}" if error.why else "")
