"""What lies outside the database is told by rows that point there, and stays told when it is accepted."""

from __future__ import annotations

from vault.model import Counts, Coverage, Missing, State, TableName
from vault.ops.project.components import SUPABASE, Selectors
from vault.ops.project.counts import Captured, coverage
from vault.ops.project.files_outside import ROOT_KEY, accept, gaps, outside

OBJECTS = TableName(schema="storage", name="objects")
SECRETS = TableName(schema="vault", name="secrets")
FILES = "files of storage.objects"


def ledger(*accepted: str, directories: frozenset[str] = frozenset(), secrets: int = 1) -> dict[str, Coverage]:
    captured = Captured(
        counts=Counts(tables=2, records=8, encryption_functions=1),
        database=True,
        directories=directories,
        tables=[(OBJECTS, 7), (SECRETS, secrets)],
        accepted=accepted,
    )
    return coverage(captured)


def test_rows_that_point_outside_are_gaps_of_their_own() -> None:
    found = ledger()
    assert {gap.item for gap in gaps(found)} == {FILES, ROOT_KEY}
    assert found["dir:storage"].state is found["encryption"].state is State.NOT_EXPORTABLE
    assert "7 rows" in found["dir:storage"].missing[0].why
    assert "vault.secrets" in found["encryption"].missing[0].why
    assert "pgsodium" in found["encryption"].missing[0].fix
    assert found["data"].state is State.CAPTURED


def test_without_rows_nothing_lies_outside() -> None:
    assert list(outside([(OBJECTS, 0), (SECRETS, 0)], (), SUPABASE)) == []


def test_a_directory_with_the_files_closes_the_gap() -> None:
    found = ledger(directories=frozenset({"storage"}))
    assert [gap.item for gap in gaps(found)] == [ROOT_KEY]
    assert found["dir:storage"].state is State.CAPTURED


def test_an_accepted_gap_is_not_selected_and_stays_in_the_ledger_with_its_reason() -> None:
    before, after = ledger(), ledger(FILES, ROOT_KEY)
    assert gaps(after) == []
    assert after["dir:storage"].state is State.NOT_SELECTED
    assert after["encryption"].state is State.CAPTURED
    for component in ("dir:storage", "encryption"):
        old, new = before[component].missing[-1], after[component].missing[-1]
        assert (new.item, new.state, new.fix) == (old.item, State.NOT_SELECTED, old.fix)
        assert new.why == f"accepted in the configuration: {old.why}"


def test_accepting_one_gap_accepts_no_other() -> None:
    assert [gap.item for gap in gaps(ledger(FILES))] == [ROOT_KEY]
    assert {gap.item for gap in gaps(ledger("files", "*"))} == {FILES, ROOT_KEY}


def test_a_failure_cannot_be_accepted() -> None:
    failed = Missing(item="public.t", state=State.FAILED, why="a row above 1 GB")
    made = {"data": Coverage(state=State.FAILED, count=1, missing=(failed,))}
    assert accept(made, ["public.t"]) == made


def test_selectors_say_where_files_and_secrets_are() -> None:
    own = Selectors(file_tables=(SECRETS,), secret_tables=(), files_directory="uploads")
    assert [(component, gap.item) for component, gap in outside([(OBJECTS, 1), (SECRETS, 2)], (), own)] == [
        ("dir:uploads", "files of vault.secrets")
    ]
