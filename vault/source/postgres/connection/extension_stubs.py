"""Stand-ins for extensions that a server does not have: functions of their names and types, so that tables whose defaults call them come.

What has a counterpart in PostgreSQL itself works (random UUIDs); the rest raises an error when it is called, and never returns
something wrong. A server finds them by `extension_control_path`, so from 18 on; older ones mostly have their own contrib modules.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

SETTING: Final = "extension_control_path"
SINCE_MAJOR: Final = 18
_DIRECTORY: Final = "extension"
_UUID: Final = "SELECT pg_catalog.gen_random_uuid()"

_UUID_OSSP: Final[Mapping[str, tuple[str, str]]] = {
    "uuid_nil()": ("uuid", "SELECT '00000000-0000-0000-0000-000000000000'::pg_catalog.uuid"),
    "uuid_ns_dns()": ("uuid", "SELECT '6ba7b810-9dad-11d1-80b4-00c04fd430c8'::pg_catalog.uuid"),
    "uuid_ns_url()": ("uuid", "SELECT '6ba7b811-9dad-11d1-80b4-00c04fd430c8'::pg_catalog.uuid"),
    "uuid_ns_oid()": ("uuid", "SELECT '6ba7b812-9dad-11d1-80b4-00c04fd430c8'::pg_catalog.uuid"),
    "uuid_ns_x500()": ("uuid", "SELECT '6ba7b814-9dad-11d1-80b4-00c04fd430c8'::pg_catalog.uuid"),
    "uuid_generate_v1()": ("uuid", ""),
    "uuid_generate_v1mc()": ("uuid", ""),
    "uuid_generate_v3(namespace uuid, name text)": ("uuid", ""),
    "uuid_generate_v4()": ("uuid", _UUID),
    "uuid_generate_v5(namespace uuid, name text)": ("uuid", ""),
}
_PGCRYPTO: Final[Mapping[str, tuple[str, str]]] = {
    **dict.fromkeys(("digest(text, text)", "digest(bytea, text)"), ("bytea", "")),
    **dict.fromkeys(("hmac(text, text, text)", "hmac(bytea, bytea, text)"), ("bytea", "")),
    **dict.fromkeys(("crypt(text, text)", "gen_salt(text)", "gen_salt(text, int4)"), ("text", "")),
    **dict.fromkeys(("encrypt(bytea, bytea, text)", "decrypt(bytea, bytea, text)"), ("bytea", "")),
    **dict.fromkeys(("encrypt_iv(bytea, bytea, bytea, text)", "decrypt_iv(bytea, bytea, bytea, text)"), ("bytea", "")),
    "gen_random_bytes(int4)": ("bytea", ""),
    "gen_random_uuid()": ("uuid", _UUID),
    **{
        f"pgp_{kind}({first}, {key}{options})": (result, "")
        for kind, first, key, result in (
            ("sym_encrypt", "text", "text", "bytea"),
            ("sym_encrypt_bytea", "bytea", "text", "bytea"),
            ("sym_decrypt", "bytea", "text", "text"),
            ("sym_decrypt_bytea", "bytea", "text", "bytea"),
            ("pub_encrypt", "text", "bytea", "bytea"),
            ("pub_encrypt_bytea", "bytea", "bytea", "bytea"),
            ("pub_decrypt", "bytea", "bytea", "text"),
            ("pub_decrypt_bytea", "bytea", "bytea", "bytea"),
        )
        for options in ("", ", text", *((", text, text",) if kind.startswith("pub_decrypt") else ()))
    },
    "pgp_key_id(bytea)": ("text", ""),
    "armor(bytea)": ("text", ""),
    "armor(bytea, text[], text[])": ("text", ""),
    "dearmor(text)": ("bytea", ""),
    "pgp_armor_headers(text, key OUT text, value OUT text)": ("SETOF record", ""),
}
STUBS: Final[Mapping[str, Mapping[str, tuple[str, str]]]] = {"uuid-ossp": _UUID_OSSP, "pgcrypto": _PGCRYPTO}
"""Extension -> function with its arguments -> what it returns, and its body in SQL; without one it raises an error."""


def write_stubs(place: Path, wanted: Iterable[tuple[str, str]]) -> frozenset[str]:
    """Write those of `wanted` (name, version) that there are below `place`, readable for the server; their names. Raises  OSError"""
    directory = place / _DIRECTORY
    directory.mkdir(parents=True, exist_ok=True)
    for one in (place, directory):
        one.chmod(0o755)
    written = set()
    for name, version in wanted:
        if name in STUBS and version.replace(".", "").isalnum():
            _write(
                directory / f"{name}.control", f"comment = 'stub'\ndefault_version = '{version}'\nrelocatable = true\n"
            )
            _write(directory / f"{name}--{version}.sql", "".join(_functions(name)))
            written.add(name)
    return frozenset(written)


def _functions(name: str) -> Iterable[str]:
    for function, (result, body) in STUBS[name].items():
        volatile = "VOLATILE" if "random" in function or "generate_v" in function else "IMMUTABLE"
        refusal = f"BEGIN RAISE EXCEPTION 'the extension {name} is not on this machine'; END"
        language, text = ("sql", body) if body else ("plpgsql", refusal)
        yield f"CREATE FUNCTION {function} RETURNS {result} LANGUAGE {language} {volatile} STRICT PARALLEL SAFE AS $stub${text}$stub$;\n"


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o644)
