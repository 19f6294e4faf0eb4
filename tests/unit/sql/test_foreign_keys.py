"""Which columns refer, and whether a delete or an update cuts them off."""

from __future__ import annotations

import pytest

from vault.sql.foreign_keys import ForeignKey, read_foreign_key

START = "ALTER TABLE ONLY public.items ADD CONSTRAINT k FOREIGN KEY "


@pytest.mark.parametrize(
    ("definition", "columns", "actions"),
    [
        (f"{START}(a) REFERENCES public.orders(id);", ("a",), ("", "")),
        (f"{START}(a) REFERENCES public.orders(id) ON DELETE CASCADE;", ("a",), ("", "")),
        (f"{START}(a) REFERENCES public.orders(id) ON UPDATE SET NULL;", ("a",), ("", "SET NULL")),
        (f"{START}(a) REFERENCES public.orders(id) ON UPDATE CASCADE ON DELETE SET NULL;", ("a",), ("SET NULL", "")),
        (
            f'{START}(a, "B c") REFERENCES x.y(id, b) MATCH FULL ON DELETE SET NULL (a) DEFERRABLE;',
            ("a", "B c"),
            ("SET NULL", ""),
        ),
        (
            f"{START}(a) REFERENCES public.orders(id) ON UPDATE SET DEFAULT ON DELETE SET NULL NOT VALID;",
            ("a",),
            ("SET NULL", "SET DEFAULT"),
        ),
        (f"{START}(a, PERIOD at) REFERENCES public.orders(id, PERIOD at);", ("a", "at"), ("", "")),
        (
            'ALTER TABLE ONLY "foreign".key ADD CONSTRAINT "x(" FOREIGN KEY (a) REFERENCES "on"."delete"(set);',
            ("a",),
            ("", ""),
        ),
    ],
)
def test_foreign_keys_are_read(definition: str, columns: tuple[str, ...], actions: tuple[str, str]) -> None:
    on_delete, on_update = actions
    follows = "ON UPDATE CASCADE" in definition
    assert read_foreign_key(definition) == ForeignKey(
        columns=columns, on_delete=on_delete, on_update=on_update, follows=follows
    )


def test_what_is_no_foreign_key_is_none() -> None:
    assert read_foreign_key("ALTER TABLE ONLY public.t ADD CONSTRAINT k CHECK ((a > 0));") is None
