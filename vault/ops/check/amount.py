"""How much of the packs a check reads, and which first: those that nobody has read for longest. Pure but for the draw among equals."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from vault.ids import PackId
from vault.ops.check.parts import WHOLE, Part
from vault.ports import Entropy

Sized = tuple[PackId, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """`part`: of the packs by their names, the same on every machine; of these a share of the bytes, above 0 and up to 1, and so many at most.

    in_turn   not all of it may be read: those first that were not read for longest, also where all are wanted
    """

    part: Part = WHOLE
    share: float = 1.0
    bytes_max: int | None = None
    in_turn: bool = False

    @property
    def is_all(self) -> bool:
        return self.part.is_whole and self.share >= 1 and self.bytes_max is None


ALL: Final = Amount()


def chosen(
    packs: Iterable[Sized], amount: Amount, read_ms: Mapping[PackId, int | None], entropy: Entropy
) -> list[Sized]:
    """At least one pack, if the part has any, in the order in which they are read.

    read_ms  when each was last read and found whole; those of which nothing is said were not
    """
    own = [pack for pack in packs if amount.part.has(pack[0])]
    own.sort(key=lambda pack: (read_ms.get(pack[0]) or 0, entropy(8)))
    total = sum(size for _, size in own)
    wanted = total * amount.share if amount.share < 1 else total
    if amount.bytes_max is not None:
        wanted = min(wanted, amount.bytes_max)
    return list(_up_to(own, wanted))


def _up_to(packs: Iterable[Sized], wanted: float) -> Iterator[Sized]:
    taken = 0
    for pack in packs:
        if taken and taken >= wanted:
            return
        yield pack
        taken += pack[1]
