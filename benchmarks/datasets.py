"""The data set `events` of the issues: about 460 MB of dump at scale 1, deterministic, loaded by the server itself."""

from __future__ import annotations

from typing import Any

import psycopg

EVENTS_ROWS = 2_000_000
PROFILES_ROWS = 300_000
USERS = 50_000

_SCHEMA = """
CREATE TABLE events (
    id bigint GENERATED ALWAYS AS IDENTITY,
    user_id uuid NOT NULL,
    kind text NOT NULL,
    payload jsonb NOT NULL,
    amount numeric(12, 2),
    at timestamptz NOT NULL
);
CREATE TABLE profiles (id uuid NOT NULL, email text NOT NULL, secret text NOT NULL, created_at timestamptz NOT NULL);
"""

_EVENTS = """
INSERT INTO events (user_id, kind, payload, amount, at)
SELECT md5('user' || (hashint8(i) & 2147483647) % %(users)s)::uuid,
       (ARRAY['view', 'click', 'purchase', 'login', 'logout'])[1 + (hashint8(i * 7) & 2147483647) %% 5],
       jsonb_build_object('page', '/products/' || (hashint8(i * 11) & 65535), 'referrer',
           substr(md5(i::text), 1, 16), 'duration_ms', (hashint8(i * 13) & 32767), 'ok', i %% 3 <> 0),
       round(((hashint8(i * 17) & 1048575) / 100.0)::numeric, 2),
       timestamptz '2026-01-01 00:00:00+00' + i * interval '7 seconds'
FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS i
"""

_PROFILES = """
INSERT INTO profiles
SELECT md5('profile' || i)::uuid, 'user' || i || '@example.org',
       md5('a' || i) || md5('b' || i) || md5('c' || i) || md5('d' || i) || md5('e' || i) || md5('f' || i),
       timestamptz '2025-01-01 00:00:00+00' + i * interval '97 seconds'
FROM generate_series(1, %(rows)s::bigint) AS i
"""

_INDEXES = """
ALTER TABLE events ADD PRIMARY KEY (id);
CREATE INDEX events_user_at ON events (user_id, at);
ALTER TABLE profiles ADD PRIMARY KEY (id);
ALTER TABLE profiles ADD UNIQUE (email);
"""


def load_events(connection: psycopg.Connection[Any], *, scale: float = 1.0) -> None:
    """Create and fill both tables; `scale` multiplies the rows. Ends with VACUUM ANALYZE and a checkpoint."""
    connection.autocommit = True
    connection.execute(_SCHEMA)
    append_events(connection, round(EVENTS_ROWS * scale))
    connection.execute(_PROFILES, {"rows": round(PROFILES_ROWS * scale)})
    connection.execute(_INDEXES)
    connection.execute("VACUUM ANALYZE")
    connection.execute("CHECKPOINT")


def append_events(connection: psycopg.Connection[Any], rows: int) -> None:
    """Add the next `rows` events."""
    row = connection.execute("SELECT coalesce(max(id), 0) FROM events").fetchone()
    assert row is not None, "an aggregate always gives a row"
    query = _EVENTS.replace(") % %(users)s", ") %% %(users)s")
    connection.execute(query, {"users": USERS, "first": row[0] + 1, "last": row[0] + rows})


def mixed_day(connection: psycopg.Connection[Any], day: int, *, scale: float) -> None:
    """Day 1 changes nothing. Later days: new rows and updates of recent ones, and in turn updates all over, deletions, maintenance."""
    if day == 1:
        return
    append_events(connection, round(8_000 * scale))
    connection.execute(
        f"UPDATE events SET amount = amount + 1 WHERE id > (SELECT max(id) * 0.98 FROM events) AND id % 4 = {day % 4}"
    )
    if day % 3 == 0:
        connection.execute(f"UPDATE events SET kind = kind || '*' WHERE id % 200 = {day}")
    if day % 5 == 0:
        connection.execute(f"DELETE FROM events WHERE id % 500 = {day}")
        connection.execute(f"UPDATE profiles SET secret = md5(secret) || secret WHERE hashtext(email) % 400 = {day}")
    if day % 7 == 0:
        connection.execute("VACUUM")
    if day == 12:
        connection.execute("ALTER TABLE profiles ADD COLUMN note text DEFAULT 'none'")
    if day == 20:
        connection.execute("VACUUM FULL profiles")
