"""What each failure of the system becomes, and that a failed sync is never one to try again."""

from __future__ import annotations

import errno
import os

import pytest

from vault.errors import StoreDenied, StoreError, StoreFull, Unavailable
from vault.store.oserror import full_or_failed, no_repository, store_error

KINDS = [
    (errno.ENOSPC, StoreFull, "free space"),
    (errno.EDQUOT, StoreFull, "free space"),
    (errno.EFBIG, StoreFull, "free space"),
    (errno.EACCES, StoreDenied, "rights to it"),
    (errno.EPERM, StoreDenied, "rights to it"),
    (errno.EROFS, StoreError, "mount the file system writable"),
    (errno.EIO, StoreError, ""),
]
PASSING = [errno.ETIMEDOUT, errno.ESTALE, errno.EAGAIN]


@pytest.mark.parametrize(("number", "kind", "hint"), KINDS)
def test_failure_that_stays_has_its_kind_and_what_to_do(number: int, kind: type[StoreError], hint: str) -> None:
    for translate in (full_or_failed, store_error):
        made = translate(OSError(number, os.strerror(number)), "cannot write a")
        assert type(made) is kind
        assert (str(made), made.why) == ("cannot write a", os.strerror(number))
        assert hint in made.hint
        assert bool(made.hint) is bool(hint)


@pytest.mark.parametrize("number", PASSING)
def test_failure_that_passes_is_tried_again_unless_a_sync_failed(number: int) -> None:
    error = OSError(number, os.strerror(number))
    again = store_error(error, "cannot write a")
    assert type(again) is Unavailable
    assert again.why == os.strerror(number)
    assert type(full_or_failed(error, "cannot write a")) is StoreError


def test_failure_without_a_number_says_what_it_says() -> None:
    for error in (store_error(OSError("odd"), "m"), full_or_failed(OSError("odd"), "m")):
        assert (type(error), error.why) == (StoreError, "odd")


def test_absent_repository_is_made_by_a_command_that_can_be_typed() -> None:
    error = no_repository("/srv/a b")
    assert str(error) == "no repository at /srv/a b"
    assert error.hint.endswith("pgvault init -r '/srv/a b'")
