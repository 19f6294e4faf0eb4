-- A project on a Supabase database, run as `postgres`, as its migrations and its users would have made it.

CREATE SCHEMA supabase_migrations;
CREATE TABLE supabase_migrations.schema_migrations (version text NOT NULL PRIMARY KEY, statements text[], name text);
INSERT INTO supabase_migrations.schema_migrations VALUES
  ('20260101000000', ARRAY['create table public.profiles ()'], 'profiles'), ('20260102000000', ARRAY['select 1'], 'more');

DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'reporting') THEN
    CREATE ROLE reporting LOGIN PASSWORD 'platform-reporting';
    ALTER ROLE reporting SET statement_timeout TO '30s';
  END IF;
END $$;

CREATE SCHEMA private;
CREATE TYPE public.app_role AS ENUM ('owner', 'admin', 'member');

CREATE TABLE public.profiles (
  id uuid NOT NULL PRIMARY KEY REFERENCES auth.users (id) ON DELETE CASCADE,
  full_name text NOT NULL DEFAULT '',
  updated_at timestamptz NOT NULL DEFAULT '2026-01-01'
);
COMMENT ON TABLE public.profiles IS 'one a user; made by a trigger on auth.users';
CREATE TABLE public.user_roles (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  user_id uuid NOT NULL REFERENCES auth.users (id) ON DELETE CASCADE,
  role public.app_role NOT NULL,
  department text,
  permissions jsonb NOT NULL DEFAULT '{}',
  expires_at timestamptz,
  is_active boolean NOT NULL DEFAULT true,
  UNIQUE (user_id, role)
);
CREATE TABLE public.role_permissions (role public.app_role NOT NULL, permission text NOT NULL, PRIMARY KEY (role, permission));
CREATE TABLE public.projects (
  id serial PRIMARY KEY,
  owner uuid NOT NULL REFERENCES public.profiles (id),
  name text NOT NULL CHECK (name <> ''),
  slug text GENERATED ALWAYS AS (lower(name)) STORED
);
CREATE INDEX projects_owner_idx ON public.projects (owner);
CREATE TABLE public.messages (id bigserial PRIMARY KEY, project integer NOT NULL REFERENCES public.projects (id), body text);
CREATE TABLE public.invoices (id bigint PRIMARY KEY, amount numeric(12, 2) NOT NULL, note text);
CREATE TABLE public.api_keys (id bigint PRIMARY KEY, owner uuid REFERENCES public.profiles (id), value text NOT NULL);
CREATE TABLE private.ledger (id bigint PRIMARY KEY, entry text);

-- narrower than the default privileges: nothing for anon here, reading only for authenticated there
REVOKE ALL ON public.invoices FROM anon, authenticated;
GRANT SELECT (id, amount) ON public.invoices TO authenticated;
GRANT SELECT ON public.invoices TO reporting;
REVOKE ALL ON public.api_keys FROM anon, authenticated, service_role;
REVOKE INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER ON public.role_permissions FROM anon, authenticated;
REVOKE ALL ON SEQUENCE public.messages_id_seq FROM anon;

ALTER TABLE public.profiles ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.user_roles ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.role_permissions ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.projects ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.messages ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.invoices ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.api_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.api_keys FORCE ROW LEVEL SECURITY;

CREATE FUNCTION public.has_role(wanted public.app_role) RETURNS boolean
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
  SELECT EXISTS (SELECT FROM public.user_roles WHERE user_id = auth.uid() AND role = wanted AND is_active)
$$;
CREATE FUNCTION public.is_encrypted(value text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$ SELECT value LIKE 'enc:%' $$;
CREATE FUNCTION public.encrypt_api_key(value text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT 'enc:' || encode(convert_to(value, 'UTF8'), 'base64')
$$;
CREATE FUNCTION public.decrypt_api_key(value text) RETURNS text LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
  SELECT convert_from(decode(substr(value, 5), 'base64'), 'UTF8')
$$;
REVOKE ALL ON FUNCTION public.decrypt_api_key FROM PUBLIC, anon, authenticated;
CREATE FUNCTION public.encrypt_before_write() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NOT public.is_encrypted(NEW.value) THEN
    NEW.value := public.encrypt_api_key(NEW.value);
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER encrypt_before_write BEFORE INSERT OR UPDATE ON public.api_keys
  FOR EACH ROW EXECUTE FUNCTION public.encrypt_before_write();
CREATE VIEW public.open_projects WITH (security_invoker = true) AS SELECT id, name FROM public.projects;

CREATE POLICY "Users read their own profile" ON public.profiles FOR SELECT TO authenticated USING (id = auth.uid());
CREATE POLICY "Users change their own profile" ON public.profiles FOR UPDATE TO authenticated
  USING (id = auth.uid()) WITH CHECK (id = auth.uid());
CREATE POLICY "Own roles" ON public.user_roles FOR SELECT TO authenticated USING (user_id = auth.uid());
CREATE POLICY "Admins grant roles" ON public.user_roles TO authenticated USING (public.has_role('admin'));
CREATE POLICY "Matrix is readable" ON public.role_permissions FOR SELECT TO anon, authenticated USING (true);
CREATE POLICY "Own projects" ON public.projects TO authenticated USING (owner = auth.uid()) WITH CHECK (owner = auth.uid());
CREATE POLICY "Never the archived" ON public.projects AS RESTRICTIVE FOR SELECT TO authenticated USING (name NOT LIKE 'archived%');
CREATE POLICY "Messages of own projects" ON public.messages TO authenticated
  USING (EXISTS (SELECT FROM public.projects p WHERE p.id = project AND p.owner = auth.uid()));
CREATE POLICY "Invoices" ON public.invoices FOR SELECT TO authenticated, reporting USING (true);

-- what a project hangs on the platform's own tables
CREATE FUNCTION public.handle_new_user() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
  INSERT INTO public.profiles (id, full_name) VALUES (NEW.id, coalesce(NEW.raw_user_meta_data ->> 'full_name', ''));
  RETURN NEW;
END $$;
CREATE TRIGGER on_auth_user_created AFTER INSERT ON auth.users FOR EACH ROW EXECUTE FUNCTION public.handle_new_user();
CREATE POLICY "Avatars are public" ON storage.objects FOR SELECT USING (bucket_id = 'avatars');
CREATE POLICY "Own folder" ON storage.objects FOR INSERT TO authenticated
  WITH CHECK (bucket_id = 'avatars' AND (storage.foldername(name))[1] = auth.uid()::text);
CREATE POLICY "Members listen" ON realtime.messages FOR SELECT TO authenticated USING (extension = 'broadcast');
ALTER PUBLICATION supabase_realtime ADD TABLE public.projects, public.messages;

INSERT INTO auth.users (instance_id, id, aud, role, email, encrypted_password, email_confirmed_at, raw_app_meta_data, raw_user_meta_data, created_at)
SELECT '00000000-0000-0000-0000-000000000000', format('00000000-0000-4000-8000-%s', lpad(n::text, 12, '0'))::uuid, 'authenticated',
       'authenticated', format('user%s@example.com', n),
       '$2a$10$' || substr(replace(encode(sha256(convert_to('platform user ' || n, 'UTF8')), 'base64'), '+', '.') || repeat('x', 53), 1, 53),
       '2026-01-02T03:04:05Z', '{"provider": "email"}', jsonb_build_object('full_name', 'User ' || n), '2026-01-01'
  FROM generate_series(1, 20) AS n;
INSERT INTO auth.identities (provider_id, user_id, identity_data, provider, id)
SELECT id::text, id, jsonb_build_object('sub', id, 'email', upper(email)), 'email', id FROM auth.users;
INSERT INTO auth.sessions (id, user_id, aal, ip) SELECT id, id, 'aal1', '192.0.2.1' FROM auth.users WHERE email < 'user2';
INSERT INTO auth.refresh_tokens (token, user_id, revoked, session_id) SELECT 'token-' || id, user_id, false, id FROM auth.sessions;
INSERT INTO auth.mfa_factors SELECT id, id, 'phone', 'totp', 'verified', 'JBSWY3DPEHPK3PXP' FROM auth.users WHERE email = 'user1@example.com';

INSERT INTO public.user_roles (user_id, role, department, permissions)
SELECT id, (ARRAY['owner', 'admin', 'member'])[1 + right(id::text, 2)::int % 3]::public.app_role, 'research', '{"export": true}' FROM auth.users;
INSERT INTO public.role_permissions VALUES ('owner', 'delete'), ('admin', 'invite'), ('member', 'read');
INSERT INTO public.projects (owner, name) SELECT id, 'Project of ' || full_name FROM public.profiles ORDER BY id;
INSERT INTO public.messages (project, body) SELECT id, E'line one\nline two \\ ' || name FROM public.projects;
INSERT INTO public.invoices SELECT n, n * 10.5, NULL FROM generate_series(1, 50) AS n;
INSERT INTO public.api_keys SELECT n, NULL, 'secret ' || n FROM generate_series(1, 5) AS n;
INSERT INTO private.ledger SELECT n, 'entry ' || n FROM generate_series(1, 10) AS n;
INSERT INTO storage.buckets (id, name, public) VALUES ('avatars', 'avatars', true), ('documents', 'documents', false);
INSERT INTO storage.objects (bucket_id, name, owner_id, metadata)
SELECT 'avatars', id || '/me.png', id, '{"size": 1234, "mimetype": "image/png"}' FROM auth.users;
INSERT INTO realtime.messages (topic, extension, payload, inserted_at) VALUES ('room', 'broadcast', '{"n": 1}', '2026-01-01T12:00:00');
SELECT vault.create_secret('the key of the mail service', 'mail');
SELECT cron.schedule('nightly', '0 3 * * *', 'DELETE FROM public.messages WHERE false');
SELECT cron.schedule('hourly', '0 * * * *', 'SELECT 1');
SELECT cron.alter_job(jobid, active := false) FROM cron.job WHERE jobname = 'hourly';
SELECT lo_from_bytea(0, '\x000102ff');
