"""SQL that fills the demo's tables: always the same rows, a few megabytes, no random functions and no clock."""

from __future__ import annotations

from typing import Final

from vault.demo.platform import PEOPLE, user_id

_EPOCH: Final = "timestamptz '2025-10-01 08:00:00+00'"
_USER: Final = "('00000000-0000-4000-8000-' || lpad((1 + {n} % 6)::text, 12, '0'))::uuid"


def people_sql() -> str:
    """Six users, their identities, departments, roles with their trail, and the matrix of permissions."""
    parts = ["INSERT INTO public.departments (name, cost_centre, created_at) VALUES"]
    parts.append(",\n".join(f"  ('{who[2]}', 'CC-{100 + at}', {_EPOCH})" for at, who in enumerate(PEOPLE)) + ";")
    for at, (name, role, department, password) in enumerate(PEOPLE):
        parts.append(_person_sql(at, name, password))
        until = "NULL" if role in ("owner", "admin") else f"{_EPOCH} + interval '{180 + 30 * at} days'"
        permissions = f'{{"exports": {"true" if at < 3 else "false"}, "limits": {{"requests": {1000 * (at + 1)}}}}}'
        parts.append(
            "INSERT INTO public.user_roles"
            " (user_id, role, department_id, is_active, expires_at, custom_permissions, granted_by, granted_at)\n"
            f"  VALUES ('{user_id(at)}', '{role}', (SELECT id FROM public.departments WHERE name = '{department}'),"
            f" {'false' if role == 'viewer' else 'true'}, {until}, '{permissions}', '{user_id(0)}', {_EPOCH});"
        )
        parts.append(
            "UPDATE public.profiles SET department_id ="
            f" (SELECT id FROM public.departments WHERE name = '{department}') WHERE id = '{user_id(at)}';"
        )
    parts.append(
        "INSERT INTO public.role_permissions\n"
        "  SELECT r.role, c.relname, true, r.role <= 'editor', r.role <= 'admin'\n"
        "  FROM unnest(enum_range(NULL::public.app_role)) AS r(role), pg_catalog.pg_class c\n"
        "  WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' ORDER BY 1, c.relname COLLATE \"C\";"
    )
    return "\n".join(parts) + "\n"


def _person_sql(at: int, name: str, password: str) -> str:
    mail = f"{name}@demo.example"
    return (
        "INSERT INTO auth.users (id, aud, role, email, encrypted_password, email_confirmed_at, last_sign_in_at,"
        " raw_app_meta_data, raw_user_meta_data, created_at, updated_at)\n"
        f"  VALUES ('{user_id(at)}', 'authenticated', 'authenticated', '{mail}', '{password}', {_EPOCH},"
        f" {_EPOCH} + interval '{at} hours',\n"
        f"""  '{{"provider": "email", "providers": ["email"]}}', '{{"name": "{name.title()}"}}', {_EPOCH}, {_EPOCH});\n"""
        "INSERT INTO auth.identities (id, user_id, provider, provider_id, identity_data, created_at)\n"
        f"  VALUES ('10000000-0000-4000-8000-{at + 1:012d}', '{user_id(at)}', 'email', '{user_id(at)}',"
        f""" '{{"email": "{mail}", "sub": "{user_id(at)}"}}', {_EPOCH});"""
    )


ROWS_SQL: Final = f"""
INSERT INTO public.ai_providers_unified (name, base_url, api_key, is_enabled, limits, updated_at) VALUES
  ('alpha', 'https://alpha.example/v1', 'ak-alpha-0123456789abcdef', true, '{{"rpm": 600}}', {_EPOCH}),
  ('beta', 'https://beta.example/v1', 'bk-beta-fedcba9876543210', true, '{{"rpm": 60, "burst": 5}}', {_EPOCH}),
  ('local', 'http://127.0.0.1:11434', NULL, false, '{{}}', {_EPOCH});
INSERT INTO public.ai_models (provider_id, name, price_per_million, context_tokens, tags)
  SELECT 1 + n % 3, 'model-' || n, (n * 1.25)::numeric(12,6), 4096 * (1 + n % 8), ARRAY['chat', 'tier ' || n % 3]
  FROM generate_series(1, 12) n;
INSERT INTO public.ai_conversations (user_id, model_id, title, created_at)
  SELECT {_USER.format(n="n")}, 1 + n % 12, 'Conversation ' || n, {_EPOCH} + n * interval '1 minute'
  FROM generate_series(1, 400) n;
INSERT INTO public.ai_messages (conversation_id, author, body, tokens, created_at)
  SELECT 1 + n % 400, CASE n % 2 WHEN 0 THEN 'user' ELSE 'assistant' END,
         'Message ' || n || E':\\t"' || md5(n::text) || E'"\\n' || repeat(md5((n * 7)::text) || ' ', 3),
         20 + n % 300, {_EPOCH} + n * interval '7 seconds'
  FROM generate_series(1, 6000) n;
INSERT INTO public.ai_usage_events (user_id, model_id, kind, detail, cost, at)
  SELECT {_USER.format(n="n")}, 1 + n % 12, (ARRAY['chat', 'embed', 'image'])[1 + n % 3],
         jsonb_build_object('request', md5(n::text), 'tokens', n % 2048, 'cached', n % 5 = 0),
         (n % 977)::numeric / 1000000, {_EPOCH} + n * interval '11 seconds'
  FROM generate_series(1, 12000) n;
INSERT INTO public.customers (name, country, owner_id, revenue, created_at)
  SELECT 'Customer ' || n || CASE n % 9 WHEN 0 THEN ' "Söhne", GmbH' ELSE '' END,
         (ARRAY['DE', 'FR', 'US', 'JP'])[1 + n % 4], {_USER.format(n="n")}, n * 137.25, {_EPOCH}
  FROM generate_series(1, 300) n;
INSERT INTO public.contacts (customer_id, full_name, email, phone)
  SELECT 1 + n % 300, 'Contact ' || n, 'contact' || n || '@demo.example',
         CASE n % 4 WHEN 0 THEN NULL WHEN 1 THEN '' ELSE '+49 30 ' || (100000 + n) END
  FROM generate_series(1, 900) n;
INSERT INTO public.projects (customer_id, name, runs, budget, is_archived)
  SELECT n, 'Project ' || n, daterange(date '2025-01-01' + n, date '2025-06-01' + n * 2), n * 1000, n % 10 = 0
  FROM generate_series(1, 60) n;
INSERT INTO public.tasks (project_id, assignee_id, title, state, due, estimate, updated_at)
  SELECT 1 + n % 60, {_USER.format(n="n")}, 'Task ' || n, (ARRAY['open', 'doing', 'done'])[1 + n % 3],
         CASE n % 7 WHEN 0 THEN NULL ELSE date '2025-10-01' + n % 90 END, (n % 40) * interval '30 minutes', {_EPOCH}
  FROM generate_series(1, 1500) n;
INSERT INTO public.task_comments (task_id, author_id, body, created_at)
  SELECT 1 + n % 1500, {_USER.format(n="n")}, E'See C:\\\\tasks\\\\' || n || ', please', {_EPOCH} + n * interval '1 hour'
  FROM generate_series(1, 2000) n;
INSERT INTO public.documents (id, title, owner_id, created_at)
  SELECT md5('document ' || n)::uuid, 'Report number ' || n || ' on running systems', {_USER.format(n="n")}, {_EPOCH}
  FROM generate_series(1, 120) n;
INSERT INTO public.document_versions (document_id, version, body, digest, created_at)
  SELECT md5('document ' || d)::uuid, v, repeat('Paragraph ' || md5((d * v)::text) || '. ', 20),
         sha256(convert_to(d || '/' || v, 'UTF8')), {_EPOCH} + v * interval '1 day'
  FROM generate_series(1, 120) d, generate_series(1, 3) v;
INSERT INTO public.tags (name) SELECT 'tag-' || n FROM generate_series(1, 15) n;
INSERT INTO public.document_tags SELECT md5('document ' || n)::uuid, 1 + n % 15 FROM generate_series(1, 120) n;
INSERT INTO public.notifications (user_id, subject, payload, read_at, created_at)
  SELECT {_USER.format(n="n")}, 'Notice ' || n, CASE n % 3 WHEN 0 THEN NULL ELSE jsonb_build_object('task', n) END,
         CASE n % 2 WHEN 0 THEN {_EPOCH} + n * interval '1 hour' END, {_EPOCH}
  FROM generate_series(1, 800) n;
INSERT INTO public.audit_log (actor, action, subject, address, at)
  SELECT {_USER.format(n="n")}, (ARRAY['login', 'export', 'edit'])[1 + n % 3], 'subject ' || md5(n::text),
         ('10.0.' || n % 256 || '.' || n % 250)::inet, {_EPOCH} + n * interval '90 seconds'
  FROM generate_series(1, 4000) n;
INSERT INTO public.app_settings (key, value, note, updated_at) VALUES
  ('theme', '"dark"', NULL, {_EPOCH}),
  ('features', '{{"chat": true, "beta": [1, 2.50, null]}}', '', {_EPOCH}),
  ('support_mail', '"help@demo.example"', 'shown in the footer', {_EPOCH});
SELECT pg_catalog.lo_from_bytea(70001, convert_to(repeat('A letter kept as a large object. ', 400), 'UTF8'));
COMMENT ON LARGE OBJECT 70001 IS 'demo letter';
"""


def day_sql(day: int) -> str:
    """The edits of simulated day `day` (from 2 on): some rows appended, some changed, few deleted."""
    user = _USER.format(n="n")
    return f"""
INSERT INTO public.ai_usage_events (user_id, model_id, kind, detail, cost, at)
  SELECT {user}, 1 + n % 12, 'chat', jsonb_build_object('request', md5('day {day} ' || n), 'tokens', n), n / 1e6,
         {_EPOCH} + {day} * interval '1 day' + n * interval '1 minute'
  FROM generate_series(1, 150) n;
INSERT INTO public.audit_log (actor, action, subject, at)
  SELECT {user}, 'login', 'day {day}', {_EPOCH} + {day} * interval '1 day' FROM generate_series(1, 40) n;
UPDATE public.tasks SET state = 'done', updated_at = {_EPOCH} + {day} * interval '1 day' WHERE id % 50 = {day};
DELETE FROM public.notifications WHERE id % 100 = {day};
UPDATE public.app_settings SET value = to_jsonb({day}), updated_at = {_EPOCH} + {day} * interval '1 day'
  WHERE key = 'theme';
"""


DAMAGE: Final = (
    ("delete two users", "DELETE FROM auth.users WHERE email IN ('daniel@demo.example', 'eva@demo.example')"),
    ("drop a policy", 'DROP POLICY "customers: select" ON public.customers'),
    ("drop a function", "DROP FUNCTION public.usage_by_day(date)"),
    ("empty a table", "TRUNCATE public.ai_usage_events"),
)
"""(what went wrong, the statement), as on a bad afternoon."""
