"""What of a directory was not captured, as lines of the ledger, bounded in number and length."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

from vault.errors import IntegrityError
from vault.format.lists import FILES
from vault.model import FileItem, Missing, State
from vault.model.files import path_text

_TOLD_MAX = 10_000
_SHOWN_MAX = 1_024
"""Lines of the ledger for one directory, and characters of a path in them: at most some 10 MiB of the 64 of an object."""
_MANY = "mend those that are named, then run the backup again"


@dataclass(slots=True)
class Gaps:
    """Collects them; `told` at the end."""

    _missing: list[Missing] = field(default_factory=list)
    _untold: Counter[State] = field(default_factory=Counter)
    _left_out: Counter[str] = field(default_factory=Counter)

    def storable(self, item: FileItem) -> bool:
        """Whether readers take the item; one that they refuse would make its neighbours in the list unreadable [ENC-13]."""
        try:
            FILES.encode(item)
        except IntegrityError as error:
            self.report(item.path, f"it cannot be stored ({error.message})", "bring it into the range of the format")
            return False
        return True

    def report(self, path: bytes, why: str, fix: str) -> None:
        self.tell(Missing(item=path_text(path), state=State.FAILED, why=why, fix=fix))

    def tell(self, problem: Missing) -> None:
        """Bounded in number and length: a ledger that is too large for an object would take the whole backup with it."""
        if problem.state is State.NOT_SELECTED:
            self._left_out[problem.why] += 1
            return
        if len(self._missing) >= _TOLD_MAX:
            self._untold[problem.state] += 1
            return
        shown = problem.item if len(problem.item) <= _SHOWN_MAX else f"{problem.item[:_SHOWN_MAX]}..."
        self._missing.append(replace(problem, item=shown))

    def told(self) -> tuple[Missing, ...]:
        """Every problem, those past the bound as one line for each state, what was left out as one for each pattern."""
        left_out = (
            Missing(
                item=f"what --exclude {pattern} leaves out",
                state=State.NOT_SELECTED,
                why=f"{count} {'path' if count == 1 else 'paths'}, a directory with all it holds as one",
                fix=f"back up without --exclude {pattern}",
            )
            for pattern, count in sorted(self._left_out.items())
        )
        rest = (
            Missing(item=f"({count} more)", state=state, why="the ledger names only the first", fix=_MANY)
            for state, count in self._untold.items()
        )
        return (*self._missing, *rest, *left_out)
