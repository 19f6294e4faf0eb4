"""Connection strings as users type them: told apart, named, and refused when they carry a secret.

Pure text. Never connects; never repeats a string that it refuses.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote

from vault.errors import UsageError

LOCAL_HOSTS: Final = frozenset({"127.0.0.1", "localhost", "[::1]"})
_SECRET: Final = re.compile(r"pass(?!file)|pwd|secret", re.IGNORECASE)
"""In the name of a setting: those of libpq that hold a secret, and what other programs call them."""
_URL: Final = re.compile(
    r"\s*[a-z][a-z0-9+.:-]*://(?:(?P<user>[^:@/]*)(?::(?P<password>[^@/]*))?@)?(?P<hosts>[^/?]*)(?:/(?P<name>[^?]*))?(?:\?(?P<query>.*))?",
    re.DOTALL | re.IGNORECASE,
)
"""As libpq divides it, which other URLs are not: a password may have brackets, `?` and `#`, and nothing of it is refused.

libpq takes two schemes only; in what it refuses, of another driver or with a capital, a password is one all the same.
"""
_HOST: Final = re.compile(r"(\[[^]]*\]|[^:]*)(?::(.*))?", re.DOTALL)
_ASTRAY: Final = re.compile(r"\s*+(?:[a-z][a-z0-9+.:-]*:/+)?[^:/@?=\[]*:(?!\d*[,/?])[^@]+@", re.DOTALL | re.IGNORECASE)
"""`USER:PASSWORD@` where libpq sees a port or a name: a `/` in the password, or no scheme before it."""
_PAIR: Final = re.compile(r"\s*([^\s=]+)\s*=\s*('(?:[^'\\]|\\.)*'|(?:[^\s\\]|\\.)*)", re.DOTALL)
_USERINFO: Final = re.compile(r"(://[^/\s:@]*):[^/\s]*@")
_QUERY: Final = re.compile(r"([?&])([^=&\s]++)(=[^&\s]*)?")
"""Also without a value: whoever looks for one anew behind each `?` looks at a long text a thousand times."""
_KEYWORD: Final = re.compile(
    r"((?:pass(?:word|wd)?|pwd|secret)\s*=\s*)(?!\0)('(?:[^'\\]|\\.)*'|(?:[^\s\\]|\\.)+)", re.IGNORECASE | re.DOTALL
)
"""Up to a blank, as a password may have an `&`; of a query, where that ends one, the value is a `\\0` by then."""


def refuse_password(text: str, *, where: str, command: str = "backup") -> None:
    """Raises  UsageError: the string carries a secret, which a process list or a file would show to others"""
    given = [(key, value) for key, value in settings_of(text) if value]
    within = [value for key, value in given if key == "dbname" and "://" in value]
    if any(_SECRET.search(key) for key, _ in given) or any(map(_ASTRAY.match, (text, *within))):
        raise UsageError(
            f"{where} holds a password",
            why="a secret is never a flag's value: every user of the machine can read it in the process list",
            hint=_line_that_works(text, command)
            or "leave it out, and set PGPASSFILE (a 0600 file) or PGPASSWORD in the environment",
        )


def _line_that_works(text: str, command: str) -> str:
    """For the database of `supabase start`, whose password is the same on every machine; for others nothing is repeated."""
    given = {key: value for key, value in settings_of(text) if value}
    host, port = given.pop("host", ""), given.pop("port", "")
    name, user = given.pop("dbname", ""), given.pop("user", "")
    known = (user, given.pop("password", ""), name, port) == ("postgres", "postgres", "postgres", "54322")
    if not known or host not in LOCAL_HOSTS or given:
        return ""
    url = f"postgresql://postgres@{host}:54322/postgres"
    return f"PGPASSWORD=postgres pgvault {command} -d {url}"


def refuse_unusable(database: str, *, command: str) -> None:
    """What -d may not be. Raises  UsageError: empty, as from an unset variable, where libpq would guess; a password in it"""
    if not database.strip():
        raise UsageError("-d/--database is empty", why="it names no database", hint="-d DATABASE, or leave -d out")
    refuse_password(database, where="-d/--database", command=command)


def settings_of(text: str) -> list[tuple[str, str]]:
    """Keyword and value of each part of a URL or of `key=value ...`; a bare word is the database's name."""
    if (found := _URL.match(text)) is not None:
        hosts = [match.groups("") for part in found["hosts"].split(",") if (match := _HOST.match(part))]
        parts = [("user", found["user"] or ""), ("password", found["password"] or ""), ("dbname", found["name"] or "")]
        parts += [("host", ",".join(host for host, _ in hosts)), ("port", ",".join(port for _, port in hosts))]
        parts += [pair.partition("=")[::2] for pair in (found["query"] or "").split("&")]
        return [(unquote(key), unquote(value.strip(" "))) for key, value in parts]
    if "=" in text:
        return [(match[1], _unquoted(match[2])) for match in _PAIR.finditer(text)]
    return [("dbname", text)]


def database_name(text: str) -> str | None:
    names = [value for key, value in settings_of(text) if key == "dbname" and value]
    return names[-1] if names else None


_LOOPBACK: Final = frozenset({"", "localhost", "127.0.0.1", "::1", "[::1]"})
_PORT: Final = "5432"
_PLATFORM_HOST: Final = re.compile(r"db\.([a-z0-9]{16,32})\.supabase\.(?:co|red|net)")
_PLATFORM_USER: Final = re.compile(r"[^.]+\.([a-z0-9]{16,32})")


def project_of(text: str, environment: Mapping[str, str]) -> str | None:
    """The reference of a hosted Supabase project, which stands in the host's name, or before a pooler's in the user's."""
    given = dict(settings_of(text)) if text else {}
    host = (given.get("host") or environment.get("PGHOST") or "").lower()
    if match := _PLATFORM_HOST.match(host):
        return match[1]
    user = given.get("user") or environment.get("PGUSER") or ""
    match = _PLATFORM_USER.fullmatch(user) if ".pooler.supabase." in host else None
    return None if match is None else match[1]


def place_of(text: str, environment: Mapping[str, str]) -> str:
    """`HOST:PORT`, of several hosts all; one spelling for this machine. A service alone is its name."""
    given = dict(settings_of(text)) if text else {}
    service = given.get("service") or environment.get("PGSERVICE")
    hosts = given.get("host") or given.get("hostaddr")
    if not hosts and service:
        return service
    hosts = hosts or environment.get("PGHOST") or environment.get("PGHOSTADDR") or ""
    ports = (given.get("port") or environment.get("PGPORT") or _PORT).split(",")
    named = [host.lower() if "/" not in host else host for host in hosts.split(",")]
    return ",".join(_with_port(host, ports[min(at, len(ports) - 1)]) for at, host in enumerate(named))


def client_words(text: str) -> list[str]:
    """-h, -p and -U of PostgreSQL's own clients, as far as the text says them; what it does not, libpq finds for them too."""
    keywords = {key: value for key, value in settings_of(text) if value} if text else {}
    found = (
        ("-h", ",".join(host.strip("[]") for host in keywords.get("host", "").split(","))),
        ("-p", keywords.get("port", "")),
        ("-U", keywords.get("user", "")),
    )
    return [word for option, value in found if value for word in (option, value)]


def _with_port(host: str, port: str) -> str:
    return f"{'localhost' if host in _LOOPBACK else host}:{port or _PORT}"


def as_conninfo(text: str) -> str:
    """What libpq takes: a bare word becomes `dbname=`, all else stays as typed."""
    if "://" in text or "=" in text or not text:
        return text
    return "dbname='" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def redacted(text: str) -> str:
    """The text with every password of a URL or connection string replaced; for messages of any origin."""
    queries = _QUERY.sub(_without_value, _USERINFO.sub(r"\1:***@", text))
    return _KEYWORD.sub(r"\1***", queries).replace("\0", "***")


def _without_value(match: re.Match[str]) -> str:
    """Names in a query may be percent-encoded, as libpq accepts them."""
    return f"{match[1]}{match[2]}=\0" if match[3] and _SECRET.search(unquote(match[2])) else match[0]


def _unquoted(value: str) -> str:
    bare = value[1:-1] if value.startswith("'") and value.endswith("'") and len(value) >= 2 else value
    return re.sub(r"\\(.)", r"\1", bare, flags=re.DOTALL)
