"""Which snapshot a word is, where one is damaged, where a source is meant, and what is said when there is none."""

from __future__ import annotations

from collections.abc import Callable, Collection

import pytest

from tests.fake_source import FakeDirectory
from tests.small_repository import new_repository, opened, put_manifest, take
from vault.errors import IntegrityError, Malformed, NotThere, UsageError
from vault.format.snapshot import snapshot_name
from vault.ids import SnapshotId
from vault.limits import FILE_BYTES_MAX
from vault.model import Manifest
from vault.repo.state import Open
from vault.store.memory import MemoryStore


@pytest.fixture
def ids(store: MemoryStore) -> dict[str, SnapshotId]:
    """Of `shop` two, the older tagged; of `blog` one, between them."""
    repo = new_repository(store)
    taken = {}
    for name, source, tags in (("old", "shop", {"release": "v1"}), ("blog", "blog", {}), ("new", "shop", {})):
        taken[name] = take(repo, None, {"lib": FakeDirectory({b"f": name.encode()})}, source=source, tags=tags).id
    return taken


def refused(repo: Open, kind: type[Exception], word: str, **asked: object) -> tuple[str, str, str]:
    with pytest.raises(kind) as caught:
        repo.resolve(word, **asked)  # type: ignore[arg-type]
    error = caught.value
    return str(error), error.why, error.hint  # type: ignore[attr-defined]


def harm(store: MemoryStore, snapshot: SnapshotId) -> str:
    name = snapshot_name(snapshot)
    store.files[name] = store.files[name][:-1] + b"?"
    return name


def test_a_time_means_nothing_certain_beside_a_damaged_snapshot(store: MemoryStore, ids: dict[str, SnapshotId]) -> None:
    name = harm(store, ids["new"])
    repo = opened(store)
    for word in ("latest", "latest~1", "2099-01-01"):
        with pytest.raises(Malformed) as caught:
            repo.resolve(word)
        told = caught.value
        assert (told.message, told.why) == (f"which snapshot {word} is cannot be told", f"1 damaged: {name}")
        assert (told.file, "pgvault check" in told.hint) == (name, True)
    assert repo.resolve("v1") == repo.resolve("release=v1") == repo.resolve(ids["old"].hex()[:12]) == ids["old"]


def test_an_id_that_may_be_a_damaged_snapshot_s_is_told_as_that(store: MemoryStore, ids: dict[str, SnapshotId]) -> None:
    name = harm(store, ids["new"])
    alike = snapshot_name(SnapshotId(bytes.fromhex(ids["old"].hex()[:-2] + "00")))
    store.files[alike] = b"junk"
    repo = opened(store)
    for word, message, file in (
        (ids["new"].hex()[:12], f"snapshot {ids['new'].hex()[:12]} cannot be read", name),
        (ids["old"].hex()[:12], f"which snapshot {ids['old'].hex()[:12]} is cannot be told", alike),
    ):
        with pytest.raises(Malformed) as caught:
            repo.resolve(word)
        assert (caught.value.message, caught.value.file) == (message, file)
        assert caught.value.hint == "run: pgvault check"
        assert caught.value.why
    assert repo.resolve(ids["blog"].hex()[:6]) == ids["blog"]


def test_a_source_that_is_not_there_is_told_with_those_that_are(store: MemoryStore, ids: dict[str, SnapshotId]) -> None:
    repo = opened(store)
    told = refused(repo, NotThere, "latest", source="shpo")
    assert told == (
        "no snapshot of source shpo",
        "the repository has those of: blog, shop",
        "did you mean --source shop?",
    )
    assert "name one of these with --source" in refused(repo, NotThere, "latest", source="warehouse")[2]
    assert refused(opened(new(MemoryStore())), NotThere, "latest", source="shop") == (
        "no snapshot latest",
        "the repository has 0 of source shop",
        "list them with: pgvault snapshots",
    )


def new(store: MemoryStore) -> MemoryStore:
    new_repository(store)
    return store


def meaning(*names: str) -> Callable[[Collection[str]], Collection[str]]:
    """The words mean snapshots of these sources, where they are there."""
    return lambda there: [name for name in names if name in there]


def test_a_word_means_a_snapshot_of_here_and_an_id_any(store: MemoryStore, ids: dict[str, SnapshotId]) -> None:
    repo = opened(store)
    assert repo.resolve("latest") == repo.resolve("latest", here=meaning("shop")) == ids["new"]
    assert repo.resolve("latest", here=meaning("blog")) == ids["blog"]
    assert repo.resolve("latest", "shop", here=meaning("blog")) == ids["new"]
    assert repo.resolve(ids["old"].hex(), here=meaning("blog")) == ids["old"]
    assert repo.resolve("v1", here=meaning("shop")) == ids["old"]
    assert refused(repo, NotThere, "v1", here=meaning("blog")) == (
        "no snapshot v1 of source blog",
        "blog is meant here, and has 1; the repository has those of: blog, shop",
        "if another source is meant, add it: --source shop",
    )
    assert refused(repo, NotThere, "latest~2", here=meaning("shop"))[1].startswith("shop is meant here, and has 2;")
    assert refused(repo, NotThere, "latest", here=lambda _: ["mine"])[:2] == (
        "no snapshot latest of source mine",
        "mine is meant here, and has 0; the repository has those of: blog, shop",
    )
    told = refused(repo, NotThere, "latest~3", here=meaning("shop", "blog"))
    assert told[1:] == ("the repository has 3", "the oldest is latest~2; they are listed by: pgvault snapshots")


def test_an_id_is_no_word_and_asks_nothing_of_here_unless_a_tag_is_written_so(
    store: MemoryStore, ids: dict[str, SnapshotId]
) -> None:
    repo = opened(store)

    def nobody(_: Collection[str]) -> Collection[str]:
        raise AssertionError("an id means one snapshot, wherever it is asked")

    for digits in (6, 12, 64):
        assert repo.resolve(ids["old"].hex()[:digits], here=nobody) == ids["old"]
    absent = "0" * 12
    assert refused(repo, NotThere, absent, here=nobody)[:2] == (f"no snapshot {absent}", "the repository has 3")
    tagged = take(repo, None, {"lib": FakeDirectory({})}, source="blog", tags={"build": "abcdef"}).id
    assert opened(store).resolve("abcdef", here=meaning("blog")) == tagged
    assert refused(opened(store), NotThere, "abcdef", here=meaning("shop"))[0] == "no snapshot abcdef of source shop"


def test_a_day_ends_before_the_next_one_begins(store: MemoryStore, manifest: Manifest) -> None:
    repo = opened(store)
    midnight_ms = 1_769_817_600_000
    made = [
        put_manifest(repo, manifest, sequence=number, created_ms=midnight_ms + after_ms)
        for number, after_ms in enumerate((-1, 0, 59_999, 60_000), 7)
    ]
    words = ("2026-01-30", "2026-01-30T23:59", "2026-01-31T00:00:00", "2026-01-31 00:00", "2026-01-31")
    assert [repo.resolve(word) for word in words] == [made[at] for at in (0, 0, 1, 2, 3)]


def test_a_time_of_several_sources_is_refused_where_it_must_be_certain(
    store: MemoryStore, ids: dict[str, SnapshotId]
) -> None:
    repo = opened(store)
    assert repo.resolve("latest", "blog", certain=True) == ids["blog"]
    assert repo.resolve("latest", here=meaning("shop"), certain=True) == ids["new"]
    assert repo.resolve("v1", certain=True) == ids["old"]
    assert refused(repo, UsageError, "latest", certain=True) == (
        "latest of which source?",
        "they are: blog, shop",
        "add --source blog, or another of them, or name it by its id",
    )


def test_a_word_that_means_none_is_told_with_one_that_is_near(store: MemoryStore, ids: dict[str, SnapshotId]) -> None:
    repo = opened(store)
    assert refused(repo, NotThere, "latst") == (
        "no snapshot latst",
        "the repository has 3",
        "did you mean latest? They are listed by: pgvault snapshots",
    )
    assert refused(repo, NotThere, "v2", source="blog")[1] == "the repository has 1 of source blog"
    assert refused(repo, NotThere, "abc12")[2] == "list them with: pgvault snapshots (an id needs 6 digits)"
    assert refused(repo, NotThere, "nothing like it")[2] == "list them with: pgvault snapshots"
    assert refused(repo, NotThere, "latest~3")[0] == "no snapshot latest~3"


def test_a_beginning_of_several_ids_or_a_tag_of_several_is_ambiguous(store: MemoryStore) -> None:
    repo = new_repository(store)
    made = [take(repo, None, {"lib": FakeDirectory({})}, tags={"release": "v1"}).id for _ in range(2)]
    message, why, hint = refused(opened(store), UsageError, "v1")
    assert (message, hint) == ("v1 names 2 snapshots", "name one by its id")
    assert set(why.split(", ")) == {one.hex()[:12] for one in made}


# --- files of snapshots -----------------------------------------------------------------------------


def test_a_snapshot_s_file_opens_or_is_only_listed(store: MemoryStore, ids: dict[str, SnapshotId]) -> None:
    repo = opened(store)
    absent = SnapshotId(bytes(32))
    assert [repo.opens(one) for one in (ids["old"], ids["new"], absent)] == [True, True, False]
    harm(store, ids["old"])
    assert repo.opens(ids["old"]), "it was read a moment ago"
    assert not opened(store).opens(ids["old"])
    assert [repo.lists(one) for one in (ids["old"], ids["new"], absent)] == [True, True, False]
    repo.listing()
    assert not repo.opens(ids["old"]), "since the last listing nobody read it"


def test_a_snapshot_under_another_name_or_of_any_length_is_damaged(
    store: MemoryStore, ids: dict[str, SnapshotId]
) -> None:
    renamed = SnapshotId(b"\7" * 32)
    store.files[snapshot_name(renamed)] = store.files[snapshot_name(ids["old"])]
    long = SnapshotId(b"\6" * 32)
    store.files[snapshot_name(long)] = bytes(FILE_BYTES_MAX + 1)
    readable, damaged = opened(store).listing()
    assert [one for one, _ in readable] == [ids["old"], ids["blog"], ids["new"]]
    assert {error.file: error.code for error in damaged} == {
        snapshot_name(renamed): "CONTENT_MISMATCH",
        snapshot_name(long): "LIMIT_EXCEEDED",
    }
    with pytest.raises(IntegrityError) as caught:
        opened(store).manifest(renamed)
    assert caught.value.object_id == renamed.hex()
