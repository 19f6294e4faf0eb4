"""What every store and every wrapper must do. Subclass it and give the fixture `store` an empty one. Spec 70-store."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from vault.errors import AlreadyExists, Malformed, NotFound, StoreError
from vault.limits import MIB
from vault.ports import ObjectStore

BAD_NAMES = [
    "",
    "/",
    "/a",
    "a/",
    "a//b",
    ".",
    "..",
    "a/../b",
    ".hidden",
    "a/.hidden",
    "A",
    "a b",
    "a\nb",
    "a\0b",
    "a\\b",
    "ä",
    "a%20b",
    "tmp/x",
    "a" * 256,
]


def names(store: ObjectStore, prefix: str = "") -> list[str]:
    return [file.name for file in store.list(prefix)]


class StoreSuite:
    """Two dozen demands; a store that keeps them can hold a repository."""

    def test_file_reads_back_as_put(self, store: ObjectStore) -> None:
        store.put("packs/ab-1.x_y", b"\x00\xff\n")
        assert store.get("packs/ab-1.x_y") == b"\x00\xff\n"

    @pytest.mark.spec("STORE-1")
    def test_taken_name_is_refused_and_keeps_its_bytes(self, store: ObjectStore) -> None:
        store.put("config", b"first")
        with pytest.raises(AlreadyExists, match="config"):
            store.put("config", b"second")
        assert store.get("config") == b"first"

    @pytest.mark.spec("STORE-1", "STORE-5")
    def test_the_same_bytes_again_are_refused_or_taken_for_the_same_put(self, store: ObjectStore) -> None:
        store.put("config", b"first")
        with suppress(AlreadyExists):
            store.put("config", b"first")
        assert store.get("config") == b"first"

    def test_missing_file_is_not_found(self, store: ObjectStore) -> None:
        store.put("packs/a", b"x")
        for name in ("nothing", "packs/b", "elsewhere/a"):
            with pytest.raises(NotFound, match=name):
                store.get(name)
            with pytest.raises(NotFound, match=name):
                store.get_range(name, 0, 1)

    def test_empty_file_is_a_file(self, store: ObjectStore) -> None:
        store.put("packs/empty", b"")
        assert store.get("packs/empty") == b""
        assert store.get_range("packs/empty", 0, 0) == b""
        assert [(file.name, file.size) for file in store.list("")] == [("packs/empty", 0)]

    @pytest.mark.spec("STORE-3")
    def test_range_is_exact(self, store: ObjectStore) -> None:
        data = bytes(range(256))
        store.put("a", data)
        for offset, length in ((0, 0), (0, 1), (0, 256), (255, 1), (100, 50), (256, 0)):
            assert store.get_range("a", offset, length) == data[offset : offset + length]

    @pytest.mark.spec("STORE-3")
    def test_range_past_the_end_is_malformed_and_names_the_file(self, store: ObjectStore) -> None:
        store.put("packs/a", bytes(10))
        for offset, length in ((0, 11), (9, 2), (10, 1), (11, 0), (2**62, 2**40)):
            with pytest.raises(Malformed, match="packs/a") as caught:
                store.get_range("packs/a", offset, length)
            assert caught.value.file == "packs/a"

    def test_list_ascends_by_whole_name_with_sizes(self, store: ObjectStore) -> None:
        expected = sorted(["a-b", "a.b", "a/x", "a/x-y", "a/x/1", "a/y", "a0", "b/a", "config", "tmpfile"])
        for name in reversed(expected):
            if name != "a/x":
                store.put(name, name.encode())
        expected.remove("a/x")
        assert [(file.name, file.size) for file in store.list("")] == [(name, len(name)) for name in expected]

    def test_list_gives_exactly_the_prefix(self, store: ObjectStore) -> None:
        for name in ("packs/aa", "packs/ab", "packs/b", "packs-x", "index/1-a", "index/2-a"):
            store.put(name, b"")
        assert names(store, "packs/") == ["packs/aa", "packs/ab", "packs/b"]
        assert names(store, "packs/a") == ["packs/aa", "packs/ab"]
        assert names(store, "packs") == ["packs-x", "packs/aa", "packs/ab", "packs/b"]
        assert names(store, "index/2") == ["index/2-a"]
        assert names(store, "snapshots/") == []
        assert names(store, "packs/aa/") == []

    def test_ages_come_from_the_store(self, store: ObjectStore) -> None:
        store.put("a", b"")
        assert [file.modified_ms >= 0 for file in store.list("")] == [True]

    def test_a_later_file_is_not_older(self, store: ObjectStore) -> None:
        for number in range(3):
            store.put(f"leases/{number}", b"")
        times = [file.modified_ms for file in store.list("leases/")]
        assert times == sorted(times)

    def test_it_says_whether_listings_may_be_late(self, store: ObjectStore) -> None:
        assert store.network == ""

    def test_large_file_reads_back(self, store: ObjectStore) -> None:
        data = b"".join(position.to_bytes(4, "big") for position in range(5 * MIB))
        store.put("packs/large", data)
        assert store.get("packs/large") == data
        assert store.get_range("packs/large", 4 * 1_000_000, 8) == data[4_000_000:4_000_008]

    @pytest.mark.spec("STORE-1")
    def test_one_of_eight_threads_wins_a_name(self, store: ObjectStore) -> None:
        start = threading.Barrier(8)

        def attempt(thread: int) -> bool:
            start.wait()
            try:
                store.put("packs/contested", bytes([thread]) * 100_000)
            except AlreadyExists:
                return False
            return True

        with ThreadPoolExecutor(8) as pool:
            won = list(pool.map(attempt, range(8)))
        assert won.count(True) == 1
        assert store.get("packs/contested") == bytes([won.index(True)]) * 100_000
        assert names(store) == ["packs/contested"]

    def test_reader_sees_nothing_or_all_bytes(self, store: ObjectStore) -> None:
        data = b"whole" * 200_000
        seen: set[int] = set()
        written = threading.Event()

        def read() -> None:
            done = False
            while not done:
                done = written.is_set()
                seen.update(file.size for file in store.list("packs/"))
                for number in range(20):
                    try:
                        seen.add(len(store.get(f"packs/{number}")))
                    except NotFound:
                        break

        with ThreadPoolExecutor(1) as pool:
            reading = pool.submit(read)
            try:
                for number in range(20):
                    store.put(f"packs/{number}", data)
            finally:
                written.set()
            reading.result()
        assert seen == {len(data)}

    def test_threads_put_and_pass_barriers_together(self, store: ObjectStore) -> None:
        def write(thread: int) -> None:
            for number in range(5):
                store.put(f"packs/{thread}-{number}", b"%d" % number)
            store.barrier()

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(write, range(4)))
        assert len(names(store, "packs/")) == 20

    @pytest.mark.spec("STORE-2")
    def test_deleted_file_is_gone_and_its_name_free(self, store: ObjectStore) -> None:
        store.put("packs/a", b"1")
        store.delete("packs/a")
        assert names(store) == []
        with pytest.raises(NotFound):
            store.get("packs/a")
        store.put("packs/a", b"2")
        assert store.get("packs/a") == b"2"

    def test_deleting_what_is_not_there_is_no_error(self, store: ObjectStore) -> None:
        store.delete("a")
        store.delete("packs/a")
        store.delete("packs/a/b")

    def test_many_names_are_deleted_at_once_whether_they_are_there_or_not(self, store: ObjectStore) -> None:
        for name in ("packs/a", "packs/b", "packs/c"):
            store.put(name, b"x")
        store.delete("packs/a", "packs/none", "packs/c")
        store.delete()
        assert [file.name for file in store.list("packs/")] == ["packs/b"]

    @pytest.mark.parametrize("name", BAD_NAMES)
    def test_bad_name_is_refused_with_its_reason(self, store: ObjectStore, name: str) -> None:
        calls = (lambda: store.put(name, b""), lambda: store.get(name), lambda: store.delete(name))
        for call in (*calls, lambda: store.get_range(name, 0, 0)):
            with pytest.raises(StoreError) as caught:
                call()
            assert caught.value.why
            assert not isinstance(caught.value, NotFound)
        assert names(store) == []

    @pytest.mark.parametrize("prefix", ["/", "..", "../", "a//", "tmp/", "A", "a/../"])
    def test_bad_prefix_is_refused(self, store: ObjectStore, prefix: str) -> None:
        with pytest.raises(StoreError, match="prefix"):
            list(store.list(prefix))

    def test_caller_may_reuse_its_buffer(self, store: ObjectStore) -> None:
        buffer = bytearray(b"before")
        store.put("a", bytes(buffer))
        buffer[:] = b"after!"
        assert store.get("a") == b"before"

    def test_barrier_can_be_passed_at_any_time(self, store: ObjectStore) -> None:
        store.barrier()
        store.put("packs/a", b"1")
        store.barrier()
        store.barrier()
        store.delete("packs/a")
        store.barrier()
        assert names(store) == []

    def test_url_says_where(self, store: ObjectStore) -> None:
        assert store.url
