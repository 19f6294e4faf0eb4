"""Faults of `tests/mutation.py` that change nothing anybody could notice, each with the reason: they are not counted.

A name is the file, the innermost function ("" for what runs on import) and the change as the program prints it. A name that
no fault has any more is an error, so that the list follows the code.
"""

from __future__ import annotations

from typing import Final

Name = tuple[str, str, str]

_LISTS: Final = "vault/pipeline/lists.py"
_DIFFERENCES: Final = "vault/pipeline/list_differences.py"
_COMPRESS: Final = "vault/pipeline/compress.py"
_COPYTEXT: Final = "vault/pipeline/copytext.py"
_LEVEL: Final = "the node's level says already whether its members are items; it is asked so that types are known"
_SIZE: Final = "zstd itself refuses a frame whose content is not as long as its header says; we say so again"
_WORDS: Final = "each error of the system has words; it is asked so that types are known"
_MEMORY: Final = "a bound of memory alone: what is read, written or told is the same"
_AT_ONCE: Final = "how many are asked for at a time changes no answer"
_ONE_TASK: Final = "one task is submitted, and a pool begins no thread that it has no task for"
_ONE_EACH: Final = "there is one for each, and made with it; strict only says so"
_NEW_BELOW: Final = "identity.sub == named and identity not in detached"

EQUIVALENT: Final[dict[Name, str]] = {
    (
        _LISTS,
        "_walk",
        "isinstance(child, tree.Child) and child.last_key >= start -> child.last_key >= start",
    ): _LEVEL,
    (
        _LISTS,
        "_walk",
        "for item in members if not isinstance(item, tree.Child) -> for item in members",
    ): _LEVEL,
    (
        _LISTS,
        "leaf",
        "for member in members if not isinstance(member, tree.Child) -> for member in members",
    ): _LEVEL,
    (
        _LISTS,
        "leaf",
        "for member in members if isinstance(member, tree.Child) -> for member in members",
    ): _LEVEL,
    (
        _DIFFERENCES,
        "_cut",
        "for member in members if not isinstance(member, tree.Child) -> for member in members",
    ): "items of a level above the lowest are never looked at",
    (
        _COMPRESS,
        "decompress",
        "rest or len(plain) != plain_length -> rest and len(plain) != plain_length",
    ): _SIZE,
    (_COMPRESS, "decompress", "rest or len(plain) != plain_length -> rest"): _SIZE,
    (_COMPRESS, "decompress", "rest or len(plain) != plain_length -> len(plain) != plain_length"): _SIZE,
    (
        "vault/repo/census.py",
        "",
        "50000 -> 50001",
    ): "how many places are remembered bounds memory, and changes no answer",
    (
        "vault/repo/census.py",
        "_listed",
        "len(self._found) >= _FOUND_MAX -> len(self._found) > _FOUND_MAX",
    ): "how many places are remembered bounds memory, and changes no answer",
    (
        "vault/repo/state.py",
        "resolve",
        "source or '' -> source",
    ): "only of a source that was named there can be no snapshot; it is asked so that types are known",
    (
        "vault/repo/state.py",
        "resolve",
        "here is not None and len(of_words) < len(known) -> len(of_words) < len(known)",
    ): "where nobody says what is meant here, every snapshot is meant; it is asked so that types are known",
    (
        "vault/repo/freshness.py",
        "",
        "64 -> 65",
    ): "how many places are remembered bounds a file, and is promised nowhere",
    (
        "vault/repo/runs.py",
        "_position",
        "self._layout.entries <= _FEW_ENTRIES -> self._layout.entries < _FEW_ENTRIES",
    ): "a look at the beginnings spares bisecting, and finds what that finds",
    (
        "vault/repo/runs.py",
        "",
        "16000 -> 16001",
    ): "a look at the beginnings spares bisecting, and finds what that finds",
    (
        "vault/repo/runs.py",
        "_note_beginnings",
        "1 -> 2",
    ): "a longer table says the same, and so does another mark in it",
    (
        "vault/repo/spool.py",
        "put",
        "16 -> 17",
    ): "any name will do that nothing else has",
    ("vault/repo/spool.py", "_made", "16 -> 17"): "any name will do that nothing else has",
    ("vault/repo/fragments.py", "", "4 -> 5"): "how many are read at a time bounds memory, and changes no answer",
    (
        "vault/repo/fragments.py",
        "read",
        "threads=threads -> threads=None",
    ): "no more are asked for ahead than that, however many threads there could be",
    ("vault/repo/fragments.py", "read", "True -> False"): _ONE_EACH,
    ("vault/repo/state.py", "scan", "True -> False"): _ONE_EACH,
    ("vault/repo/census.py", "__init__", "True -> False"): _ONE_EACH,
    ("vault/repo/census.py", "_listed", "True -> False"): _ONE_EACH,
    (
        "vault/repo/deltas.py",
        "_tried",
        "self._misses < _MISSES_MAX -> self._misses <= _MISSES_MAX",
    ): "only where two threads miss at the same time; then another one of each four chunks is tried",
    (
        "vault/repo/freshness.py",
        "_read",
        "error.strerror or '' -> error.strerror",
    ): _WORDS,
    (
        "vault/repo/writer.py",
        "",
        "4 -> 5",
    ): "how many objects wait for a fragment bounds memory, and what a retry sends once more",
    ("vault/repo/writer.py", "", "24 -> 25"): _MEMORY,
    ("vault/repo/reader.py", "", "16 -> 17"): _MEMORY,
    ("vault/repo/reader.py", "", "64 -> 65"): _MEMORY,
    ("vault/repo/reader.py", "", "4096 -> 4097"): _MEMORY,
    ("vault/repo/runs.py", "", "4096 -> 4097"): "how many entries are looked at in a piece, and changes no answer",
    ("vault/repo/workers.py", "", "8 -> 9"): _AT_ONCE,
    ("vault/repo/read_ahead.py", "", "8 -> 9"): _AT_ONCE,
    ("vault/repo/workers.py", "both", "1 -> 2"): _ONE_TASK,
    ("vault/repo/workers.py", "alongside", "1 -> 2"): _ONE_TASK,
    (
        "vault/repo/workers.py",
        "",
        "True -> False",
    ): "whoever ends a pool says whether he waits; the default is the library's",
    (
        "vault/repo/workers.py",
        "",
        "False -> True",
    ): "where a context ends by itself nothing waits to begin; the default is the library's",
    ("vault/repo/index.py", "", "1 -> 2"): "no fragment that can be read tells of a greater depth",
    (
        "vault/repo/read_ahead.py",
        "_pull",
        "0 -> 1",
    ): "an estimate, which is taken again exactly before it ends anything",
    (
        "vault/repo/reader.py",
        "get_many",
        "2 -> 3",
    ): "one more is pulled before the first is read, as four for each thread are right after it",
    (
        "vault/repo/reader.py",
        "_ahead",
        "self._meta is None or pack_class(object_type) is PackClass.META -> pack_class(object_type) is PackClass.META",
    ): "what reads ahead at hand does nothing; that it is not begun spares its time",
    (
        "vault/repo/writer.py",
        "publish",
        "pack is not None and pack.sealer.records -> pack is not None",
    ): "a pack is opened for an object that goes into it at once",
    (
        "vault/repo/uploads.py",
        "drain",
        "self._waiting or self._under_way -> self._under_way",
    ): "as long as any waits one is under way; if that ever fails, a backup that hangs is better than a pack that was not sent",
    (
        "vault/repo/uploads.py",
        "_kept",
        "error.strerror or str(error) -> error.strerror",
    ): _WORDS,
    ("vault/repo/freshness.py", "_read", "'' -> 'XX'"): _WORDS,
    ("vault/repo/dependents.py", "", "8000000 -> 8000001"): "a bound of memory alone, no multiple of anything",
    ("vault/repo/dependents.py", "", "256 -> 257"): "no byte chooses the bucket after the last",
    (
        "vault/store/local.py",
        "_read_exactly",
        "length > 0 -> length >= 0",
    ): "of no bytes the system gives none, which ends it too",
    (_DIFFERENCES, "_lower", "True -> False"): _ONE_EACH,
    (_LISTS, "_flush", "level.nodes_put += 1 -> level.nodes_put -= 1"): "all that is asked of it is whether it is 0",
    ("vault/pipeline/generated.py", "read", "0 -> 1"): _MEMORY,
    (
        _COPYTEXT,
        "beside",
        "True -> False",
    ): "blocks have as many rows on both sides, and as many columns as were counted",
    (
        _COPYTEXT,
        "",
        "'date' -> 'XXdate'",
    ): "field by field the same is written; whoever is named here is looked at in one go",
    (
        _COPYTEXT,
        "_are_numbers",
        "not nulls -> nulls",
    ): "a look that spares the closer one; what it alone lets through is digits and points behind a sign, which make no formula",
    ("vault/format/kit.py", "decode_kit", "True -> False"): "strict only proves to a reader what was compared above it",
    (
        "vault/ops/restore/plan/standing_keys.py",
        "parents_first",
        "candidate not in ordered and candidate not in on_the_way -> candidate not in on_the_way",
    ): "what was ordered is walked once more, and keeps its place",
    (
        "vault/ops/restore/plan/exchange.py",
        "_unknown_partition",
        f"identity.desc == 'TABLE ATTACH' and {_NEW_BELOW.replace('identity not in', '(identity not in')}) -> {_NEW_BELOW}",
    ): "no other entry has the name of a table beside its own address",
    (
        "vault/ops/restore/plan/decide_entries.py",
        "_decide",
        "'' -> 'XX'",
    ): "any text will do that is no definition",
}
