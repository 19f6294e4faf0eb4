"""Faults that would lose or leak data, planted one by one: each must be noticed by the fast tests named with it.

    python tests/planted_faults.py            all
    python tests/planted_faults.py barrier    those whose kind has the word

A fault replaces a text of the source that is there exactly once; a text that is no longer there is an error, so that the list
follows the code. Nothing is written: a child process imports the changed module and runs the tests. `tests/mutation.py` tries
every small change of one folder and expects a share to be noticed; these few were chosen, over all that a restore and a
commit rest on, and none may survive.
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.mutation import Changed, forget_modules, in_child, passes_in_child, pytest_of, survivors  # noqa: E402

PLAN: Final = "vault/ops/restore/plan"
UNIT: Final = "tests/unit/ops/restore/plan/test_"
FRESH: Final = ("vault", "tests")
"""Imported anew for every fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planted:
    """`old`, in the file `path`, becomes `new`; `tests` are what should notice."""

    kind: str
    path: str
    old: str
    new: str
    tests: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.kind} ({self.path}): {' '.join(self.old.split())} -> {' '.join(self.new.split()) or 'nothing'}"

    def source(self) -> str:
        """The file with the fault in it. Raises ValueError: what it replaces is not there once"""
        text = (ROOT / self.path).read_text(encoding="utf-8")
        if text.count(self.old) != 1:
            raise ValueError(f"{self}: there {text.count(self.old)} times; name what does this now")
        return text.replace(self.old, self.new)


def _of_plan(module: str, kind: str, old: str, new: str, *tests: str) -> Planted:
    named = tuple(f"{UNIT}{name}.py" for name in tests or (module,))
    return Planted(kind=kind, path=f"{PLAN}/{module}.py", old=old, new=new, tests=named)


def _of(path: str, kind: str, old: str, new: str, *tests: str) -> Planted:
    return Planted(kind=kind, path=path, old=old, new=new, tests=tests)


REFUSALS: Final = "tests/architecture/test_sqlstates.py"
DURABILITY: Final = "tests/unit/store/test_local_durability.py"
WRITER: Final = "tests/unit/repo/test_writer.py"
TYPES: Final = "tests/unit/source/postgres/rows/test_table_fingerprint_types.py"

FAULTS: Final = (
    # What a platform manages, or a target holds, is not touched unasked.
    _of_plan(
        "decide_entries",
        "platform guard: its entries are replaced",
        "entry.namespace in situation.selectors.platform_schemas and entry.identity.desc not in _OF_PROJECT",
        "not entry",
    ),
    _of_plan(
        "decide_entries",
        "platform guard: a project's policies there are never replaced",
        " and entry.identity.desc not in _OF_PROJECT",
        "",
    ),
    _of_plan(
        "decide_entries",
        "platform guard: owners of its tables change",
        "situation.contents.items[home].entry.namespace in situation.selectors.platform_schemas",
        "home < 0",
    ),
    _of_plan(
        "decide_entries",
        "platform guard: rows of its migrations come",
        "if is_platforms_own(item, situation.selectors):",
        "if not item:",
        "rows",
    ),
    _of_plan(
        "decide_privileges",
        "platform guard: privileges there are made exact",
        "if any(situation.contents.items[at].entry.namespace in situation.selectors.platform_schemas for at in own):",
        "if not own:",
    ),
    _of_plan(
        "unrecorded_policies",
        "platform guard: policies of its own are dropped",
        " or entry.namespace in situation.selectors.platform_schemas",
        "",
    ),
    _of_plan(
        "plan",
        "into the source: over what it should save",
        "contents.server.database_key == target.database_key and not options.into_source",
        "not contents",
    ),
    _of_plan(
        "plan",
        "into the source: over another source that is not empty",
        " and (part or target.in_the_way)",
        " and part",
    ),
    _of_plan(
        "plan",
        "-s into a full database",
        "part = options.replace or not (options.wanted.everything and options.wanted.definitions)",
        "part = options.replace or not (options.wanted.everything and options.wanted.definitions and options.wanted.data)",
    ),
    # Rows.
    _of_plan(
        "decide_entries",
        "key column: rows are merged without it",
        "lacking.intersection(item.key_columns)",
        "set[str]()",
        "rows",
    ),
    _of_plan(
        "decide_entries",
        "key column: rows are merged without any column",
        "(lacking if len(lacking) == len(item.columns) else set())",
        "set()",
        "rows",
    ),
    _of_plan(
        "decide_entries",
        "row triggers: replaced where they cannot be switched off",
        "if situation.replace and not situation.target.may_replicate:",
        "if not item:",
        "rows",
    ),
    _of_plan(
        "decide_entries",
        "partitions: rows of one replace those of all",
        "everyone == {item.name for item in items} and ",
        "",
        "rows",
    ),
    # What is dropped comes back.
    _of_plan(
        "exchange",
        "would lose rows: a table is dropped whose rows do not come",
        "if name in situation.present.columns and name not in {item.name for item in situation.picked.tables}:",
        "if not name:",
    ),
    _of_plan(
        "exchange",
        "partition obstacle: one that the target alone has is dropped",
        "(other := _unknown_partition(situation, group, name)) is not None",
        "(other := None) is not None",
    ),
    _of_plan(
        "exchange",
        "would lose the value of a sequence",
        "if valued and values is not None and identity.relation not in values:",
        "if not values and values:",
    ),
    _of_plan(
        "exchange",
        "would lose what may not be created again",
        "if at in decisions and decisions[at].action is Action.SKIP and _is_there(situation, at):",
        "if at < 0:",
    ),
    _of_plan(
        "exchange",
        "what stays away is created with what is exchanged, and fails it",
        "if at in gone or _stays_away(situation, decisions, at, gone):",
        "if at in gone:",
    ),
    _of_plan(
        "exchange",
        "row security stays away from a table that is made anew, because the old one was another's",
        "at in situation.picked.left or situation.graph.home(at) not in gone",
        "at in situation.picked.left or situation.graph.home(at) not in ()",
    ),
    _of_plan(
        "exchange",
        "dependents of what is dropped do not come back",
        "for other in situation.graph.dependents(at) if other in decisions",
        "for other in () if other in decisions",
    ),
    # A selection is whole, and no more than that.
    _of_plan(
        "comes_along",
        "partitions of a selection do not come",
        "{*wanted.names, *graph.below(wanted.names)}",
        "{*wanted.names}",
    ),
    _of_plan(
        "comes_along",
        "links of a selection: a foreign key to what is not there",
        "missing = [need for need in self._graph.needs(at) if not self._is_available(need)]",
        "missing: list[int] = []",
    ),
    _of_plan(
        "comes_along",
        "links of a selection: one that cannot come is not told",
        "elif self._belongs(at):",
        "elif at < 0:",
    ),
    _of_plan(
        "comes_along",
        "links of a selection: foreign keys of others to it do not come",
        "for part in (*parts, *self._graph.links_to(at)) if",
        "for part in parts if",
    ),
    # Privileges and policies are those recorded.
    _of_plan(
        "decide_privileges",
        "privileges beyond the recorded ones stay untold",
        "if not differing and not beyond:",
        "if not differing:",
    ),
    _of_plan(
        "decide_privileges",
        "privileges beyond: of an object without recorded ones",
        "        *_without_record(situation, decisions, recorded=recorded, there=there),\n",
        "",
    ),
    _of_plan(
        "decide_privileges",
        "privileges are taken back unasked",
        "(situation.replace or in_force.fit(address))",
        "True",
    ),
    _of_plan(
        "plan",
        "row security comes after the rows",
        'if identity.desc == "ROW SECURITY" and identity.names in tables:',
        "if not identity:",
    ),
    # One object is not another.
    _of_plan(
        "exchange",
        "identity: another owner counts as equal",
        "entry.owner != present.owner",
        "not entry",
        "decide_entries",
        "exchange",
    ),
    _of(
        "vault/model/database.py",
        "identity: functions of one name are one",
        "names=self.names if self.kind else (self.sub,), args=self.args)",
        "names=self.names if self.kind else (self.sub,))",
        f"{UNIT}decide_privileges.py",
        f"{UNIT}graph.py",
        "tests/unit/model/test_address.py",
    ),
    # No row in any message.
    _of(
        "vault/source/postgres/connection/psycopg_errors.py",
        "row data in errors: the server's words are shown",
        "if said and is_sayable(error):",
        "if said:",
        REFUSALS,
    ),
    _of(
        "vault/sql/sqlstate.py",
        "row data in errors: what PL/pgSQL raises is shown",
        "state[:2] not in _OF_THE_SERVER",
        'state[:2] in ("22", "23")',
        REFUSALS,
    ),
    _of(
        "vault/source/postgres/target/attempts.py",
        "row data in errors: details are shown",
        "error.sqlstate == DEPENDENT_OBJECTS_STILL_EXIST and detail and is_sayable(error)",
        "detail",
        REFUSALS,
    ),
    # Rows are taken over from an earlier snapshot only where their text is the same.
    _of(
        "vault/source/postgres/rows/table_fingerprint.py",
        "range subtypes are no part of the fingerprint",
        "for number in (element, base, subtype) if",
        "for number in (element, base) if",
        TYPES,
    ),
    # Nothing refers to what could be lost.
    _of(
        "vault/repo/writer.py",
        "barrier before the fragment",
        "        self._store.barrier()\n        fragment = ",
        "        fragment = ",
        WRITER,
    ),
    _of(
        "vault/repo/writer.py",
        "barrier before the snapshot",
        "            self._publish(due)\n        self._store.barrier()\n",
        "            self._publish(due)\n",
        WRITER,
    ),
    _of(
        "vault/repo/writer.py",
        "barrier after the snapshot",
        "            raise\n        self._store.barrier()\n",
        "            raise\n",
        WRITER,
    ),
    _of(
        "vault/repo/writer.py",
        "sealed bytes are not opened again",
        "if plain_again != plain:",
        "if not pack:",
        WRITER,
    ),
    _of(
        "vault/ops/retention/reclaim.py",
        "barrier between packs and their sweep",
        "        repo.store.barrier()  # a loss of power",
        "        # a loss of power",
        "tests/unit/ops/retention/test_reclaim.py",
    ),
    _of(
        "vault/store/local.py",
        "barrier over what was only found",
        "            self._mark(file.name)\n            yield file\n",
        "            yield file\n",
        DURABILITY,
    ),
    _of(
        "vault/store/local.py",
        "a name before its bytes are synced",
        "                self._disk.fsync(descriptor)\n",
        "                pass\n",
        DURABILITY,
    ),
    _of(
        "vault/store/local.py",
        "a mount that vanished is not noticed at the end",
        '                    raise self._poisoned(error, directory or ".") from error\n            self._held.require()\n',
        '                    raise self._poisoned(error, directory or ".") from error\n',
        "tests/unit/store/test_local.py",
    ),
)


def try_out(fault: Planted) -> int:
    """Process id of a child that runs its tests with the fault."""
    return in_child(Changed(ROOT / fault.path, fault.source), partial(pytest_of, *fault.tests, "-m", "not slow"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("word", nargs="?", default="", help="only faults whose kind has it")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="side by side")
    asked = parser.parse_args()
    os.chdir(ROOT)
    faults = [fault for fault in FAULTS if asked.word in fault.kind]
    for fault in faults:
        fault.source()
    files = sorted({file for fault in faults for file in fault.tests})
    tests = partial(pytest_of, *files, "-m", "not slow")
    if not faults or tests() != 0:
        print(f"without any fault: {len(faults)} faults to try, or their tests fail")
        return 1
    forget_modules(FRESH)
    if not passes_in_child(tests):
        print("without any fault: the tests fail in a child process, so that it would notice anything")
        return 1
    survived = 0
    for fault in survivors(faults, asked.jobs, try_out):
        survived += 1
        print(f"not noticed: {fault}", flush=True)
    print(f"{len(faults) - survived} of {len(faults)} planted faults noticed")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
