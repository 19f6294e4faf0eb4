-- Roles of a Supabase cluster, seen once a server. Run as supabase_admin, the bootstrap superuser.
-- `postgres` exists and is demoted; names, attributes and memberships follow supabase/postgres (2022-06 to 2024-06).

ALTER ROLE postgres NOSUPERUSER CREATEROLE CREATEDB LOGIN REPLICATION BYPASSRLS PASSWORD 'platform-postgres';
ALTER ROLE supabase_admin PASSWORD 'platform-admin';

CREATE ROLE anon NOLOGIN NOINHERIT;
CREATE ROLE authenticated NOLOGIN NOINHERIT;
CREATE ROLE service_role NOLOGIN NOINHERIT BYPASSRLS;
CREATE ROLE authenticator LOGIN NOINHERIT PASSWORD 'platform-authenticator';
CREATE ROLE supabase_auth_admin LOGIN NOINHERIT CREATEROLE PASSWORD 'platform-auth';
CREATE ROLE supabase_storage_admin LOGIN NOINHERIT CREATEROLE PASSWORD 'platform-storage';
CREATE ROLE supabase_replication_admin LOGIN REPLICATION;
CREATE ROLE supabase_read_only_user LOGIN BYPASSRLS;
CREATE ROLE supabase_realtime_admin NOLOGIN NOINHERIT;
CREATE ROLE supabase_functions_admin LOGIN NOINHERIT CREATEROLE;
CREATE ROLE dashboard_user NOLOGIN CREATEDB CREATEROLE REPLICATION;
CREATE ROLE pgbouncer LOGIN PASSWORD 'platform-pooler';

GRANT anon, authenticated, service_role TO authenticator;
GRANT pg_read_all_data TO supabase_read_only_user;
GRANT authenticator TO supabase_storage_admin;

GRANT supabase_auth_admin, supabase_storage_admin, supabase_realtime_admin, authenticator TO postgres;
GRANT anon, authenticated, service_role TO postgres WITH ADMIN OPTION;
GRANT pg_read_all_data, pg_monitor, pg_signal_backend TO postgres;
GRANT SET ON PARAMETER session_replication_role TO postgres; -- stands for what supautils allows

ALTER ROLE postgres SET search_path TO "$user", public, extensions;
ALTER ROLE supabase_admin SET search_path TO "$user", public, auth, extensions;
ALTER ROLE supabase_auth_admin SET search_path TO auth;
ALTER ROLE supabase_auth_admin SET idle_in_transaction_session_timeout TO '60s';
ALTER ROLE supabase_storage_admin SET search_path TO storage;
ALTER ROLE supabase_read_only_user SET default_transaction_read_only TO on;
ALTER ROLE anon SET statement_timeout TO '3s';
ALTER ROLE authenticated SET statement_timeout TO '8s';
ALTER ROLE authenticator SET statement_timeout TO '8s';
ALTER ROLE authenticator SET lock_timeout TO '8s';
