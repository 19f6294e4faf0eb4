"""What messages call a table and an entry: one text for each, wherever it is named."""

from __future__ import annotations

import pytest

from tests.values import schema_entry
from vault.model import Identity, TableName
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
    entry = schema_entry(
        Identity(desc="POLICY", kind="policy", names=("public", "t", "owners only")), tag="t owners only"
    )
    assert entry.label == "POLICY t owners only"
