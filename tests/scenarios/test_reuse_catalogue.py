"""Which test proves which counter-example: everything known that could make changed rows look unchanged (spec 85-reuse).

A counter-example without a test, or a test that went away, fails here. Numbers are the conditions of the rule; what "not closed" is
said of there has its tests under "trust".
"""

from __future__ import annotations

import re
from importlib import import_module

import pytest

CHANGES = "tests.scenarios.test_reuse_counterexamples"
CLONES = "tests.scenarios.test_reuse_clones"
HISTORY = "tests.scenarios.test_reuse_history"
RECOVERY = "tests.scenarios.test_reuse_recovery"
READING = "tests.scenarios.test_reuse_reading"
CAPTURE = "tests.scenarios.test_capture_changes"
FAILURES = "tests.scenarios.test_capture_failures"
TRUST = "tests.unit.ops.backup.test_trust"
RULE = "tests.unit.ops.backup.test_reuse"
WRITES = f"{CHANGES}::test_only_extents_with_changed_rows_are_read"
READ = f"{CHANGES}::test_other_storage_or_other_text_is_read_again"
REUSED = f"{CHANGES}::test_what_writes_no_row_leaves_all_reused"
RANGES = f"{RULE}::test_a_server_without_ranges_never_reuses"
FACTS = f"{RULE}::test_each_fact_of_the_server_alone_turns_reuse_off"

PROOFS: dict[str, tuple[str, ...]] = {
    # 1-3: rows
    "a subtransaction is open at the snapshot": (
        f"{CHANGES}::test_a_subtransaction_that_is_open_at_the_snapshot_is_seen_later",
    ),
    "rolled back to a savepoint": (f"{WRITES}[rolled back to a savepoint]",),
    "a transaction is prepared at the snapshot": (
        f"{HISTORY}::test_a_transaction_that_was_prepared_at_the_snapshot_is_seen_when_it_commits",
    ),
    "one row deleted, one inserted in the same extent": (
        f"{WRITES}[one gone and one new in the same extent]",
        f"{WRITES}[gone and new in one statement]",
    ),
    "a table that shrinks": (f"{WRITES}[end of the table gone]",),
    "the horizon's age as a number": (f"{READING}::test_ids_used_between_the_snapshot_and_the_question_hide_no_row",),
    "check and rows in different snapshots": (f"{READING}::test_rows_are_asked_for_in_the_snapshot_that_is_read",),
    "rows of an inheriting table": (f"{CHANGES}::test_rows_of_an_inheriting_table_are_not_its_parents",),
    "a reader whom row-level security filters": (
        f"{FAILURES}::test_a_reader_whom_row_level_security_filters_is_refused",
        f"{READING}::test_a_reader_who_becomes_filtered_between_two_days_is_refused",
        f"{READING}::test_a_reader_who_becomes_filtered_while_the_backup_runs_ends_it",
        f"{CHANGES}::test_a_role_that_sees_other_rows_does_not_matter",
    ),
    "privileges on columns only": (f"{READING}::test_a_reader_who_may_read_some_columns_only_is_refused",),
    "sequences change in place": (f"{READING}::test_sequences_are_read_every_day",),
    # 4-5: storage
    "VACUUM FULL": (f"{READ}[vacuum full]", f"{READ}[vacuum full of the same rows]"),
    "CLUSTER": (f"{READ}[cluster]",),
    "TRUNCATE": (f"{READ}[truncate]",),
    "SET LOGGED, SET UNLOGGED": (f"{READ}[set logged]", f"{READ}[set unlogged]"),
    "SET TABLESPACE": (
        f"{CHANGES}::test_a_table_that_moved_to_another_tablespace_and_back_is_read_again",
        f"{CHANGES}::test_a_database_that_moved_as_a_whole_is_read_once_and_then_reused",
    ),
    "a rewriting ALTER TABLE": (f"{READ}[set access method]",),
    "another access method": (f"{READ}[other access method]",),
    "created again under the same name": (f"{READ}[created again]", f"{READ}[swapped names]"),
    "an unlogged table after a crash": (f"{HISTORY}::test_an_unlogged_table_is_empty_after_a_crash",),
    "partition attached, detached": (
        f"{REUSED}[attach]",
        f"{REUSED}[detach]",
        f"{CHANGES}::test_what_a_reused_table_is_besides_its_rows_is_told_as_it_is_now",
    ),
    "a server without range scans": (RANGES,),
    # 6-8: text
    "enum label renamed": (f"{READ}[enum label renamed]",),
    "enum labels swapped": (f"{READ}[enum labels swapped]",),
    "labels below arrays, domains, ranges": (
        f"{READ}[label of an array's enum]",
        f"{READ}[label below a domain]",
        f"{READ}[label below a range]",
    ),
    "attribute of a composite": (f"{READ}[attribute of a composite]", f"{READ}[attribute of a composite dropped]"),
    "row types as columns": (f"{READ}[column of a row type]",),
    "timestamptz to timestamp": (f"{READ}[timestamptz to timestamp]",),
    "wider type modifiers": (f"{READ}[longer varchar]", f"{READ}[wider numeric]"),
    "regclass renamed": (f"{READ}[regclass]",),
    "role renamed below an aclitem": (
        f"{READ}[role below an aclitem]",
        f"{READ}[role below an array of catalog rows]",
    ),
    "output function replaced": (f"{READ}[output function replaced]",),
    "setting of an output function": (f"{READ}[setting of an output function]",),
    "extension updated": (f"{READ}[extension updated]",),
    "fast default": (f"{READ}[fast default]",),
    "column dropped, added, renamed": (
        f"{READ}[column dropped]",
        f"{READ}[column dropped and added]",
        f"{READ}[column renamed]",
    ),
    "settings of sessions": (f"{READING}::test_settings_of_the_database_change_no_text",),
    "definitions change while rows are read": (
        f"{READING}::test_definitions_that_change_once_are_printed_as_they_are_at_the_end",
        f"{TRUST}::test_a_snapshot_under_which_definitions_changed_is_no_base",
        f"{CAPTURE}::test_definitions_that_change_meanwhile_are_named",
    ),
    "another version, another encoding": (FACTS,),
    # 9-14, 16: history
    "a renamed clone of the database": (
        f"{CHANGES}::test_a_clone_that_was_given_the_databases_name_is_another_database",
    ),
    "a clone that was given the database's oid": (
        f"{CLONES}::test_a_clone_that_was_given_the_databases_oid_is_another_database",
    ),
    "what touches the database's own row and copies nothing": (
        f"{CLONES}::test_what_happens_to_a_database_every_day_costs_no_full_read",
    ),
    "asynchronous commit and a crash": (f"{HISTORY}::test_commits_that_a_crash_took_back_were_flushed_by_the_backup",),
    "promotion, stale control file; a standby": (
        f"{HISTORY}::test_a_standby_never_reuses_and_its_promotion_is_noticed",
    ),
    "recovery to a point in time": (
        f"{RECOVERY}::test_recovery_to_a_point_in_time_is_another_history_each_time",
        f"{RECOVERY}::test_a_recovery_that_stopped_at_its_target_is_read_and_is_no_base",
    ),
    "a copied-back data directory": (f"{HISTORY}::test_a_data_directory_that_was_copied_back_is_read_again",),
    "wraparound distance": (
        f"{HISTORY}::test_rows_older_than_half_of_all_transaction_ids_are_old",
        f"{RULE}::test_bounds_themselves_are_sound",
    ),
    # 15: order
    "a parent newer than the snapshot": (
        f"{CHANGES}::test_a_parent_that_is_newer_than_the_snapshot_is_not_taken_over",
    ),
    "locked after the export": (f"{CAPTURE}::test_a_new_table_emptied_between_export_and_lock_starts_again",),
    "names resolved anew": (f"{CAPTURE}::test_schemas_that_are_swapped_by_name_are_noticed",),
    "sizes read before the export": (f"{CAPTURE}::test_sizes_are_those_after_the_export",),
    "the exporter is lost": (f"{CAPTURE}::test_loss_of_the_exporter_is_an_error_and_not_an_empty_table",),
    # 17-18: trust
    "pg_surgery": (
        f"{READING}::test_one_row_that_surgery_took_or_brought_back_is_seen",
        f"{READING}::test_rows_that_surgery_exchanged_are_found_by_the_sample",
    ),
    "a suspect base": (f"{TRUST}::test_after_a_suspect_snapshot_everything_is_read_and_then_reuse_goes_on",),
    "chunks that are gone": ("tests.unit.ops.backup.test_run::test_extents_of_which_something_is_gone_are_read_again",),
}
"""Counter-example -> tests, as pytest names them."""


@pytest.mark.parametrize("counter_example", PROOFS)
def test_every_counter_example_has_its_tests(counter_example: str) -> None:
    for proof in PROOFS[counter_example]:
        found = re.fullmatch(r"([\w.]+)::(test_\w+)(?:\[(.+)\])?", proof)
        assert found is not None
        test = getattr(import_module(found[1]), found[2])
        marks = [mark for mark in getattr(test, "pytestmark", []) if mark.name == "parametrize"]
        assert found[3] is None or any(found[3] in mark.args[1] for mark in marks), f"no case {found[3]}"
