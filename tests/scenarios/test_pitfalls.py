"""Which test proves that a known way to lose data silently is closed: rows of the list that the project's issue on fidelity is built on.

A way without a test, or a test that went away, fails here. Numbers are the list's; what is missing among them is not closed yet.
"""

from __future__ import annotations

import re
from importlib import import_module

import pytest

CHANGES = "tests.scenarios.test_capture_changes"
DATABASE = "tests.scenarios.test_capture_database"
ENCODINGS = "tests.scenarios.test_capture_encodings"
EXPORT = "tests.scenarios.test_export_database"
FAILURES = "tests.scenarios.test_capture_failures"
GAPS = "tests.scenarios.test_capture_gaps"
MAJORS = "tests.scenarios.test_majors"
MEMBERS = "tests.scenarios.test_members"
PLATFORM = "tests.scenarios.test_capture_platform"
READING = "tests.scenarios.test_reuse_reading"
RESTORE = "tests.scenarios.test_restore_database"
RESTORE_NEWER = "tests.scenarios.test_restore_newer_platform"
RESTORE_PLATFORM = "tests.scenarios.test_restore_platform"
SESSION = "tests.scenarios.test_restore_session"
SURROUNDINGS = "tests.scenarios.test_restore_surroundings"
COMPONENTS = "tests.cli.test_components"
DETAILS = "tests.scenarios.test_details"
TIMEOUTS = "tests.scenarios.test_capture_timeouts"

PROOFS: dict[str, tuple[str, ...]] = {
    "1 a reader whom row-level security filters": (
        f"{FAILURES}::test_a_reader_whom_row_level_security_filters_is_refused",
        f"{READING}::test_a_reader_who_becomes_filtered_while_the_backup_runs_ends_it",
    ),
    "2 an owner whom FORCE ROW LEVEL SECURITY filters": (
        f"{GAPS}::test_the_owner_of_a_table_with_forced_row_security_reads_all_of_it_or_nothing",
        f"{PLATFORM}::test_who_may_read_all_reads_what_a_superuser_reads",
    ),
    "3 settings of sessions": (f"{READING}::test_settings_of_the_database_change_no_text",),
    "4 timeouts of roles": (
        f"{TIMEOUTS}::test_a_backup_outlasts_the_timeouts_of_its_role",
        f"{TIMEOUTS}::test_the_timeouts_do_end_an_ordinary_session",
    ),
    "5 definitions newer than the snapshot": (
        f"{CHANGES}::test_definitions_that_change_meanwhile_are_named",
        f"{CHANGES}::test_ordinary_traffic_is_no_change_of_definitions",
    ),
    "6 queues behind our locks": (
        f"{FAILURES}::test_a_lock_that_stays_names_who_holds_it",
        f"{CHANGES}::test_a_table_that_others_queue_for_is_read_by_the_leader",
        f"{CHANGES}::test_pg_dump_does_not_queue_behind_somebody_who_waits_for_us",
    ),
    "7 foreign keys and triggers when rows are loaded": (
        f"{MAJORS}::test_zoo_restored_into_its_own_major_equals_its_source",
    ),
    "8 generated and identity columns": (f"{DATABASE}::test_rows_are_those_of_copy",),
    "9 what belongs to extensions": (
        f"{MEMBERS}::test_what_users_did_to_an_extension_comes_back",
        f"{MEMBERS}::test_tables_that_became_members_come_back_as_members",
        f"{RESTORE}::test_rows_in_tables_of_extensions_come_back",
    ),
    "11 owners that the restorer cannot become": (
        f"{RESTORE_PLATFORM}::test_project_restored_into_a_fresh_platform_equals_its_source",
    ),
    "12 replacing what a platform manages": (
        f"{RESTORE_PLATFORM}::test_what_differs_is_shown_and_replaced_only_on_request",
        f"{RESTORE_PLATFORM}::test_dropped_policy_and_function_come_back_alone",
    ),
    "13 owners and grants left out to be quiet": (
        f"{RESTORE_PLATFORM}::test_project_restored_into_a_fresh_platform_equals_its_source",
        f"{MAJORS}::test_zoo_restored_into_its_own_major_equals_its_source",
    ),
    "14 default privileges of the target": (
        f"{RESTORE_PLATFORM}::test_project_restored_into_a_fresh_platform_equals_its_source",
        f"{RESTORE}::test_grants_come_back_exactly_where_the_target_has_default_privileges",
        f"{SESSION}::test_created_objects_have_builtin_privileges_whatever_the_targets_defaults_are",
    ),
    "15 roles that the target does not have": (
        f"{RESTORE}::test_missing_roles_come_with_passwords_memberships_and_settings",
        f"{SESSION}::test_missing_owner_is_noted_and_the_object_is_there",
    ),
    "16 rows that violate their own constraints": (
        f"{RESTORE}::test_no_table_is_lost_when_rows_violate_what_they_should_obey",
        f"{SESSION}::test_violated_key_becomes_a_plain_index_and_names_its_columns",
        f"{SESSION}::test_violated_foreign_key_comes_not_valid",
    ),
    "17 versions of collations": (f"{SURROUNDINGS}::test_versions_of_collations_are_recorded",),
    "18 names that an empty search path does not find": (
        f"{SURROUNDINGS}::test_unqualified_names_in_bodies_are_found_in_the_owners_path",
        f"{SURROUNDINGS}::test_names_that_the_owners_path_does_not_hold_are_reported_by_entry",
    ),
    "19 poolers in transaction mode": (f"{FAILURES}::test_a_pooler_in_transaction_mode_is_refused",),
    "20 versions of client and server": (
        f"{FAILURES}::test_a_pg_dump_older_than_the_server_is_refused",
        f"{MAJORS}::test_pg_restore_of_every_major_lists_the_exported_archive",
    ),
    "21 SQL edited as text": (
        f"{DATABASE}::test_functions_carry_their_whole_definition",
        f"{EXPORT}::test_psql_restores_the_script",
    ),
    "22 what other tools leave out of a platform's database": (
        f"{PLATFORM}::test_what_hangs_on_tables_of_the_platform_is_captured",
        f"{PLATFORM}::test_who_may_read_all_reads_what_a_superuser_reads",
    ),
    "23 managed schemas that only the platform changes": (
        f"{RESTORE_NEWER}::test_rows_come_by_the_names_of_columns_and_migrations_of_the_platform_stay",
        f"{RESTORE_NEWER}::test_values_of_columns_that_the_platform_no_longer_has_stay_out_and_are_told",
    ),
    "24 rows of storage that are guarded against deletion": (
        f"{RESTORE_NEWER}::test_guarded_rows_of_storage_are_deleted_on_request_only",
    ),
    "25 keys outside the database": (
        f"{COMPONENTS}::test_a_supabase_project_says_what_lies_elsewhere_until_that_is_accepted",
    ),
    "26 jobs of cron": (f"{RESTORE_PLATFORM}::test_project_restored_into_a_fresh_platform_equals_its_source",),
    "27 membership in publications": (
        f"{PLATFORM}::test_what_hangs_on_tables_of_the_platform_is_captured",
        f"{RESTORE_PLATFORM}::test_project_restored_into_a_fresh_platform_equals_its_source",
    ),
    "28 partitions by hash of an enum": (
        f"{DATABASE}::test_tables_say_what_their_rows_depend_on",
        f"{DETAILS}::test_rows_whose_leaf_or_column_order_changes_come_back",
    ),
    "29 children of an inheritance parent": (f"{DATABASE}::test_rows_are_those_of_copy",),
    "30 order of columns": (f"{DETAILS}::test_rows_whose_leaf_or_column_order_changes_come_back",),
    "31 encodings, bytes that are no text": (
        f"{DATABASE}::test_rows_and_definitions_keep_the_encoding_of_the_server",
        f"{ENCODINGS}::test_object_of_an_sql_ascii_database_is_named",
        f"{ENCODINGS}::test_rows_of_any_bytes_and_definitions_in_utf8_are_captured",
    ),
    "32 what may not be read": (
        f"{FAILURES}::test_unreadable_tables_are_refused_by_name",
        f"{PLATFORM}::test_an_older_project_is_refused_with_every_object_that_cannot_be_read",
        f"{PLATFORM}::test_gaps_of_an_older_project_are_all_named_and_nothing_else_is_missing",
        f"{GAPS}::test_a_sequence_without_select_is_refused_or_named",
        f"{GAPS}::test_large_objects_that_nobody_may_read_are_refused_or_named",
        f"{GAPS}::test_subscriptions_are_for_superusers_and_a_gap_for_others",
        f"{GAPS}::test_options_of_user_mappings_that_are_hidden_are_named",
        f"{GAPS}::test_passwords_of_roles_come_only_with_the_right_to_read_them",
        f"{COMPONENTS}::test_an_older_supabase_project_is_refused_then_saved_with_its_gaps",
    ),
    "34 code of strangers in views": (f"{GAPS}::test_a_reading_session_expands_no_view",),
    "36 materialized views": (
        f"{RESTORE}::test_materialized_view_whose_owner_is_filtered_comes_back",
        f"{DETAILS}::test_materialized_view_that_cannot_be_computed_is_named_and_empty",
    ),
}
"""Number and way -> tests, as pytest names them."""


@pytest.mark.parametrize("way", PROOFS)
def test_every_way_to_lose_data_has_its_tests(way: str) -> None:
    for proof in PROOFS[way]:
        found = re.fullmatch(r"([\w.]+)::(test_\w+)", proof)
        assert found is not None
        assert callable(getattr(import_module(found[1]), found[2]))
