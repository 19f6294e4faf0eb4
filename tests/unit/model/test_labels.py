"""What messages call a table and an entry: one text for each, wherever it is named."""

from __future__ import annotations

import pytest

from vault.model import Identity, SchemaEntry, Section, TableName
from vault.sql.names import qualified, show_name


@pytest.mark.parametrize(
    ("name", "shown", "quoted", "read_back"),
    [
        (TableName(schema="public", name="t"), "public.t", '"public"."t"', "public.t"),
        (TableName(schema="S", name="a b"), "S.a b", '"S"."a b"', '"S"."a b"'),
        (TableName(schema="s", name='x"y.z'), 's.x"y.z', '"s"."x""y.z"', 's."x""y.z"'),
    ],
)
def test_table_name_is_shown_without_quotes_and_only_shown(
    name: TableName, shown: str, quoted: str, read_back: str
) -> None:
    assert f"{name}" == str(name) == shown
    assert (qualified(name), show_name(name)) == (quoted, read_back)


def test_entry_is_called_by_its_kind_and_the_tag_of_the_dump() -> None:
    entry = SchemaEntry(
        identity=Identity(desc="POLICY", kind="policy", names=("public", "t", "owners only")),
        section=Section.POST_DATA,
        tag="t owners only",
        namespace="public",
        owner="postgres",
        definition="",
        drop="",
        tablespace="",
        table_access_method="",
    )
    assert entry.label == "POLICY t owners only"
