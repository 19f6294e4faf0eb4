"""Which columns refer, and whether a delete cuts them off."""

from __future__ import annotations

import pytest

from vault.sql.foreign_keys import ForeignKey, read_foreign_key

START = "ALTER TABLE ONLY public.items ADD CONSTRAINT k FOREIGN KEY "


@pytest.mark.parametrize(
    ("definition", "columns", "cuts_off"),
    [
        (f"{START}(a) REFERENCES public.orders(id);", ("a",), ""),
        (f"{START}(a) REFERENCES public.orders(id) ON DELETE CASCADE;", ("a",), ""),
        (f"{START}(a) REFERENCES public.orders(id) ON UPDATE SET NULL;", ("a",), ""),
        (f"{START}(a) REFERENCES public.orders(id) ON UPDATE CASCADE ON DELETE SET NULL;", ("a",), "SET NULL"),
        (
            f'{START}(a, "B c") REFERENCES x.y(id, b) MATCH FULL ON DELETE SET NULL (a) DEFERRABLE;',
            ("a", "B c"),
            "SET NULL",
        ),
        (f"{START}(a) REFERENCES public.orders(id) ON DELETE SET DEFAULT NOT VALID;", ("a",), "SET DEFAULT"),
        (f"{START}(a, PERIOD at) REFERENCES public.orders(id, PERIOD at);", ("a", "at"), ""),
        (
            'ALTER TABLE ONLY "foreign".key ADD CONSTRAINT "x(" FOREIGN KEY (a) REFERENCES "on"."delete"(set);',
            ("a",),
            "",
        ),
    ],
)
def test_foreign_keys_are_read(definition: str, columns: tuple[str, ...], cuts_off: str) -> None:
    assert read_foreign_key(definition) == ForeignKey(columns=columns, cuts_off=cuts_off)


def test_what_is_no_foreign_key_is_none() -> None:
    assert read_foreign_key("ALTER TABLE ONLY public.t ADD CONSTRAINT k CHECK ((a > 0));") is None
