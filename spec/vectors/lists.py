"""Vectors of kind `repository` whose fault is in a list: nodes, sums, levels, keys, rows."""

from __future__ import annotations

from typing import Any

from spec.vectors import write
from spec.vectors.whole import Collected, Repo, of_files
from spec.vectors.write import CHUNKS, EXTENTS, FILE_CHUNK, FILES, ORDER, TABLES, encode, fixed


def directory(c: Collected, name: str, spec: str, expect: str, comment: str, reference: list[Any], repo: Repo) -> None:
    c.add(name, spec, expect, comment, (repo, repo.finish(repo.manifest(directories={"files": reference}))))


def six(repo: Repo) -> list[Any]:
    return [repo.file(b"%c" % letter, b"content %c" % letter) for letter in b"abcdef"]


def node(repo: Repo, level: int, members: list[Any], node_type: int = FILES) -> bytes:
    return repo.put(node_type, encode([level, members]))


def trees(c: Collected) -> None:
    repo = Repo()
    directory(c, "tree_two_levels", "TREE-5 TREE-6", "ok", "three leaves", of_files(six(repo), repo, every=2), repo)
    repo = Repo()
    many = [repo.file(b"%04d" % number, b"%d" % number) for number in range(300)]
    directory(c, "tree_by_the_rule", "TREE-4", "ok", "300 files, split by the keyed hash", of_files(many, repo), repo)
    for at, name in ((1, "items"), (2, "rows"), (3, "bytes")):
        repo = Repo()
        reference = of_files(six(repo), repo, every=2)
        reference[at] += 1
        directory(
            c, f"tree_root_{name}_wrong", "TREE-5", "malformed", f"one more in {name} than there is", reference, repo
        )
    for at, name in ((2, "items"), (3, "rows"), (4, "bytes")):
        repo = Repo()
        items = six(repo)
        children = [[part[-1][0], node(repo, 0, part), 3, 0, 27] for part in (items[:3], items[3:])]
        children[0][at] += 1
        sums = [sum(child[number] for child in children) for number in (2, 3, 4)]
        directory(c, f"tree_child_{name}_wrong", "TREE-5", "malformed", f"a child with one more in {name} than it has",
                  [node(repo, 1, children), *sums], repo)  # fmt: skip


def tree_shapes(c: Collected) -> None:
    repo = Repo()
    items = six(repo)
    leaf = node(repo, 0, items)
    faults: list[tuple[str, str, str, list[Any]]] = [
        ("child_many_times", "TREE-2", "one leaf named twenty times", [1, [[b"f", leaf, 6, 0, 54]] * 20]),
        (
            "child_many_times_other_keys",
            "TREE-2",
            "the same with keys that ascend",
            [1, [[b"f%02d" % n, leaf, 6, 0, 54] for n in range(20)]],
        ),
        ("level_skips", "TREE-6", "level 2 above level 0", [2, [[b"f", leaf, 6, 0, 54]]]),
        ("last_key_other", "TREE-2", "a child's key is not its last", [1, [[b"g", leaf, 6, 0, 54]]]),
    ]
    for name, spec, comment, value in faults:
        copy = Repo()
        six(copy)
        copy.put(FILES, encode([0, items]))
        sums = [sum(member[number] for member in value[1]) for number in (2, 3, 4)]
        directory(c, f"tree_{name}", spec, "malformed", comment, [copy.put(FILES, encode(value)), *sums], copy)
    repo = Repo()
    same = node(repo, 1, [[b"f", node(repo, 0, six(repo)), 6, 0, 54]])
    directory(
        c,
        "tree_level_stays",
        "TREE-6",
        "malformed",
        "level 1 above level 1",
        [node(repo, 1, [[b"f", same, 6, 0, 54]]), 6, 0, 54],
        repo,
    )
    repo = Repo()
    items = six(repo)
    low = node(repo, 0, [items[0], items[3]])
    high = node(repo, 0, [items[2], items[5]])
    directory(c, "tree_keys_overlap", "TREE-2", "malformed", "keys ascend in each leaf, not over them",
              [node(repo, 1, [[b"d", low, 2, 0, 18], [b"f", high, 2, 0, 18]]), 4, 0, 36], repo)  # fmt: skip
    repo = Repo()
    directory(c, "tree_node_missing", "OBJ-11", "missing", "a root that is nowhere", [fixed("nowhere"), 6, 0, 54], repo)
    repo = Repo()
    wrong = repo.put(EXTENTS, encode([0, six(repo)]))
    directory(
        c, "tree_node_of_another_type", "OBJ-18", "malformed", "files under an extent node", [wrong, 6, 0, 54], repo
    )


def chunk_items(c: Collected) -> None:
    repo = Repo()
    item = repo.file(b"a", b"content of a")
    item[4], item[9][0][0][1] = 11, 11
    directory(
        c,
        "chunk_length_wrong",
        "TREE-10",
        "malformed",
        "item and chunk item say 11 bytes, the chunk has 12",
        of_files([item], repo),
        repo,
    )
    repo = Repo()
    item = repo.file(b"a", *(b"%02d" % number for number in range(10)))
    item[9][1] = write.tree(
        [[write.object_id(FILE_CHUNK, b"%02d" % n), 2, n == 4] for n in range(10)], CHUNKS, repo.put
    )
    directory(c, "chunk_of_a_file_continues", "TREE-11", "malformed", "in a list of ten", of_files([item], repo), repo)


def rows(c: Collected) -> None:
    def table(name: str, spec: str, comment: str, extents: list[Any], repo: Repo) -> None:
        item = repo.table("item", *extents, rows=b"")
        c.add(name, spec, "malformed", comment, (repo, repo.finish(repo.manifest(database=repo.database([item])))))

    repo = Repo()
    one = repo.extent(0, b"1\ta\n2\tb\n")
    one[2] = 3
    table("rows_count_wrong", "TREE-10", "three rows announced, two there", [one], repo)
    repo = Repo()
    one = repo.extent(0, b"1\ta\n", b"2\tb\n")
    one[4][0][0][2] = True
    table("rows_continue_after_a_row_end", "TREE-11", "a whole row is said to continue", [one], repo)
    repo = Repo()
    one = repo.extent(0, b"1\ta", b"b\n")
    one[4][0][0][2] = False
    table("rows_break_unmarked", "TREE-11", "a broken row is not said to continue", [one], repo)
    repo = Repo()
    one = repo.extent(0, b"1\ta\n2\tb")
    one[4][0][0][2] = False
    one[2] = 1
    table("rows_last_without_end", "TREE-11", "the last row has no end", [one], repo)
    repo = Repo()
    one = repo.extent(0, *(b"%d\tx\n" % number for number in range(9)), b"9\tx")
    table("rows_last_continues_in_list", "TREE-11", "the last of ten chunks continues", [one], repo)
    repo = Repo()
    extents = [[*repo.extent(start, b"1\tx\n")[:5], [write.fixed("digest")], None] for start in (0, 1024)]
    comment = "digests in a list, of a table without generated columns"
    table("digests_of_no_column", "TREE-14", comment, extents, repo)
    repo = Repo()
    extents = [repo.extent(start, b"1\tx\n") for start in (0, 2048, 1024)]
    leaf = repo.put(EXTENTS, encode([0, extents]))
    item = repo.table("item", rows=b"")
    item[11] = [leaf, 3, 3, 12]
    reference = write.tree([item], TABLES, repo.put)
    made = (repo, repo.finish(repo.manifest(database=repo.database(reference))))
    c.add("extents_descending", "TREE-2", "malformed", "extents out of order", made)
    repo = Repo()
    database = repo.database([]) | {"order": repo.put(ORDER, b"\x80")}
    c.add(
        "order_malformed",
        "ENC-11",
        "malformed",
        "a schema order without entries",
        (repo, repo.finish(repo.manifest(database=database))),
    )
    repo = Repo()
    database = repo.database([])
    database["order"] = database["roles"]
    c.add(
        "order_of_another_type",
        "OBJ-18",
        "malformed",
        "roles in the place of the order",
        (repo, repo.finish(repo.manifest(database=database))),
    )


def values(c: Collected) -> None:
    """Of generated columns."""

    def one(name: str, spec: str, comment: str, *plains: bytes, digests: bytes, unmark: bool = False) -> None:
        repo = Repo()
        extent = repo.valued(repo.extent(0, b"1\ta\n2\tb\n"), *plains, columns=1)
        extent[5] = write.digests(digests, 1)
        if unmark:
            extent[6][0][0][2] = False
        item = repo.table("item", extent, rows=b"", generated=1)
        c.add(name, spec, "malformed", comment, (repo, repo.finish(repo.manifest(database=repo.database([item])))))

    one("values_of_fewer_rows", "TREE-15", "two rows, one value", b"10\n", digests=b"10\n")
    one("values_of_two_columns", "TREE-15", "two fields, one column", b"10\t1\n20\t2\n", digests=b"10\n20\n")
    one("values_of_other_digests", "SNAP-21", "digests of other values", b"10\n20\n", digests=b"10\n30\n")
    one("values_without_end", "TREE-11 TREE-15", "the last has no end", b"10\n20", digests=b"10\n20\n", unmark=True)
    one("values_break_unmarked", "TREE-11 TREE-15", "broken, and not said to continue",
        b"10\n2", b"0\n", digests=b"10\n20\n", unmark=True)  # fmt: skip


def paths(c: Collected) -> None:
    for name, expect, comment, others in (
        ("path_below_a_file", "malformed", "a is a file, a/b too", [b"a", b"a/b"]),
        (
            "path_deep_below_a_file",
            "malformed",
            "what stands between does not hide it",
            [b"a", b"a!", b"a!x", b"a/b/c"],
        ),
        ("path_beside_a_file", "ok", "a-b begins as a does", [b"a", b"a!", b"a-b"]),
    ):
        repo = Repo()
        reference = of_files([repo.file(path, b"content") for path in others], repo)
        directory(c, name, "TREE-13", expect, comment, reference, repo)
    repo = Repo()
    repo.outputs["link files 61"] = write.sha256(b"/etc")
    items = [write.other_item(b"a", "l", b"/etc", 0o777), repo.file(b"a/passwd", b"content")]
    directory(
        c, "path_below_a_link", "TREE-13", "malformed", "a is a link, a/passwd a file", of_files(items, repo), repo
    )


def agreement(c: Collected) -> None:
    """Order, entry list, entries; ledger and manifest."""
    names = [write.identity("TABLE", "table", ["public", name]) for name in ("a", "b")]

    def made(repo: Repo, listed: list[Any], ordered: list[Any]) -> None:
        database = repo.database([], order_entries=ordered, entries=write.tree(listed, write.ENTRIES, repo.put))
        pairs.append((repo, repo.finish(repo.manifest(database=database))))

    def stored(repo: Repo, name: list[Any], section: int = 2) -> bytes:
        return repo.put(write.ENTRY, encode(write.entry(name, section, "SELECT 1;\n")))

    pairs: list[tuple[Repo, dict[str, bytes]]] = []
    repo = Repo()
    a, b = (stored(repo, name) for name in names)
    made(repo, [[names[0], 2, a], [names[1], 2, b]], [[names[0], 2, a, []]])
    c.add("order_lacks_an_entry", "SNAP-3", "malformed", "two in the list, one in the order", pairs[-1])
    repo = Repo()
    a, b = (stored(repo, name) for name in names)
    made(repo, [[names[0], 2, a]], [[names[0], 2, b, []]])
    c.add("order_names_another_object", "SNAP-3", "malformed", "one identity, two objects", pairs[-1])
    repo = Repo()
    a = stored(repo, names[1])
    made(repo, [[names[0], 2, a]], [[names[0], 2, a, []]])
    c.add("entry_under_another_identity", "SNAP-3", "malformed", "the object of b under a", pairs[-1])
    repo = Repo()
    a = stored(repo, names[0], section=4)
    made(repo, [[names[0], 2, a]], [[names[0], 2, a, []]])
    c.add("entry_of_another_section", "SNAP-3", "malformed", "pre-data in the list, post-data in the object", pairs[-1])
    repo = Repo()
    files = repo.finish(repo.manifest(coverage={"rows": ["captured", 2]}))
    c.add("coverage_differs", "SNAP-4", "malformed", "two in the manifest, one in the ledger", (repo, files))
