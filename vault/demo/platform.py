"""SQL of what the platform itself brings: roles, `auth`, the history table of migrations. No rows of the project.

Every password hash is a constant (bcrypt of `demo-password-N`, cost 10); no extension is needed.
"""

from __future__ import annotations

from typing import Final

PLATFORM_SQL: Final = """
DO $$
DECLARE wanted text;
BEGIN
  FOREACH wanted IN ARRAY ARRAY['anon', 'authenticated', 'service_role'] LOOP
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = wanted) THEN
      EXECUTE pg_catalog.format('CREATE ROLE %I NOLOGIN', wanted);
    END IF;
  END LOOP;
END $$;
ALTER ROLE service_role BYPASSRLS;
ALTER ROLE anon SET statement_timeout = '3s';
ALTER ROLE authenticated SET statement_timeout = '8s';

CREATE SCHEMA auth;
CREATE SCHEMA supabase_migrations;
GRANT USAGE ON SCHEMA public, auth TO anon, authenticated, service_role;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON TABLES TO anon, authenticated, service_role;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON SEQUENCES TO anon, authenticated, service_role;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON FUNCTIONS TO anon, authenticated, service_role;

CREATE TABLE auth.users (
  id uuid NOT NULL PRIMARY KEY,
  instance_id uuid,
  aud character varying(255),
  role character varying(255),
  email character varying(255) UNIQUE,
  encrypted_password character varying(255),
  email_confirmed_at timestamptz,
  phone text UNIQUE,
  phone_confirmed_at timestamptz,
  confirmed_at timestamptz GENERATED ALWAYS AS (LEAST(email_confirmed_at, phone_confirmed_at)) STORED,
  last_sign_in_at timestamptz,
  raw_app_meta_data jsonb,
  raw_user_meta_data jsonb,
  is_super_admin boolean,
  created_at timestamptz,
  updated_at timestamptz,
  banned_until timestamptz,
  deleted_at timestamptz
);
COMMENT ON TABLE auth.users IS 'Auth: Stores user login data within a secure schema.';
CREATE TABLE auth.identities (
  id uuid NOT NULL PRIMARY KEY,
  user_id uuid NOT NULL REFERENCES auth.users(id) ON DELETE CASCADE,
  provider text NOT NULL,
  provider_id text NOT NULL,
  identity_data jsonb NOT NULL,
  created_at timestamptz,
  UNIQUE (provider_id, provider)
);
ALTER TABLE auth.users ENABLE ROW LEVEL SECURITY;
ALTER TABLE auth.identities ENABLE ROW LEVEL SECURITY;
GRANT SELECT ON auth.users, auth.identities TO service_role;

CREATE FUNCTION auth.uid() RETURNS uuid LANGUAGE sql STABLE AS $$
  SELECT nullif(pg_catalog.current_setting('request.jwt.claim.sub', true), '')::uuid
$$;
CREATE FUNCTION auth.role() RETURNS text LANGUAGE sql STABLE AS $$
  SELECT nullif(pg_catalog.current_setting('request.jwt.claim.role', true), '')::text
$$;

CREATE TABLE supabase_migrations.schema_migrations (
  version text NOT NULL PRIMARY KEY,
  statements text[],
  name text
);
"""

PEOPLE: Final = (
    ("ada", "owner", "engineering", "$2a$10$pgvaultDemoSalt000000u0ClW88tnZSFsAxWQlH9zUr7GElO1BH2"),
    ("ben", "admin", "operations", "$2a$10$pgvaultDemoSalt000001u2u8jl40p.RA98/0BjzmI6CvSQSqoka2"),
    ("chloe", "editor", "marketing", "$2a$10$pgvaultDemoSalt000002uz3IWzAxdTBrLCXeLMRK8unRTxzzxbrq"),
    ("daniel", "support", "support", "$2a$10$pgvaultDemoSalt000003udYi/8ThPE/aYnvyrI12lWUA822n.6PC"),
    ("eva", "analyst", "finance", "$2a$10$pgvaultDemoSalt000004uAlh1ATJPerSLsgSoBmHoUDpSisKw2Uq"),
    ("farid", "viewer", "legal", "$2a$10$pgvaultDemoSalt000005uRnviEA3dRgireYVJMPgyoaE7eQkZ1de"),
)
"""(name, role, department, bcrypt hash of the six users."""


def user_id(position: int) -> str:
    """The id of PEOPLE[position]."""
    return f"00000000-0000-4000-8000-{position + 1:012d}"
