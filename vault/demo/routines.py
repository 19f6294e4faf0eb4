"""SQL of the demo's functions, triggers, view and row-level security: 20 RPC functions, 4 for encryption, 88 policies."""

from __future__ import annotations

from typing import Final

AUTHORIZATION_SQL: Final = """
CREATE FUNCTION public.has_role(wanted public.app_role) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
  SELECT EXISTS (
    SELECT FROM public.user_roles r
    WHERE r.user_id = auth.uid() AND r.role = wanted AND r.is_active
      AND (r.expires_at IS NULL OR r.expires_at > pg_catalog.now()))
$$;
CREATE FUNCTION public.has_permission(resource_name text, verb text) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
  SELECT EXISTS (
    SELECT FROM public.user_roles r
    JOIN public.role_permissions p ON p.role = r.role AND p.resource = resource_name
    WHERE r.user_id = auth.uid() AND r.is_active
      AND (r.expires_at IS NULL OR r.expires_at > pg_catalog.now())
      AND CASE verb WHEN 'read' THEN p.can_read WHEN 'write' THEN p.can_write WHEN 'delete' THEN p.can_delete END)
$$;
CREATE FUNCTION public.is_admin() RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT public.has_role('admin') OR public.has_role('owner')
$$;
CREATE FUNCTION public.my_department() RETURNS integer LANGUAGE sql STABLE AS $$
  SELECT department_id FROM public.profiles WHERE id = auth.uid()
$$;
CREATE FUNCTION public.grant_role(to_user uuid, wanted public.app_role, until timestamptz DEFAULT NULL) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
  IF NOT public.is_admin() THEN RAISE EXCEPTION 'only an admin grants roles'; END IF;
  INSERT INTO public.user_roles (user_id, role, expires_at, granted_by) VALUES (to_user, wanted, until, auth.uid())
  ON CONFLICT (user_id, role) DO UPDATE SET is_active = true, expires_at = excluded.expires_at;
END $$;
CREATE FUNCTION public.revoke_role(from_user uuid, wanted public.app_role) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
  IF NOT public.is_admin() THEN RAISE EXCEPTION 'only an admin revokes roles'; END IF;
  UPDATE public.user_roles SET is_active = false WHERE user_id = from_user AND role = wanted;
  RETURN FOUND;
END $$;
"""

REPORTING_SQL: Final = """
CREATE FUNCTION public.usage_by_day(since date) RETURNS TABLE (day date, events bigint, total numeric)
LANGUAGE sql STABLE AS $$
  SELECT (at AT TIME ZONE 'UTC')::date, count(*), sum(cost) FROM public.ai_usage_events
  WHERE at >= since GROUP BY 1 ORDER BY 1
$$;
CREATE FUNCTION public.cost_of_user(who uuid) RETURNS numeric LANGUAGE sql STABLE AS $$
  SELECT coalesce(sum(cost), 0) FROM public.ai_usage_events WHERE user_id = who
$$;
CREATE FUNCTION public.open_tasks(project bigint) RETURNS SETOF public.tasks LANGUAGE sql STABLE AS $$
  SELECT * FROM public.tasks WHERE project_id = project AND state <> 'done' ORDER BY due NULLS LAST, id
$$;
CREATE FUNCTION public.customer_revenue(code text) RETURNS numeric LANGUAGE sql STABLE AS $$
  SELECT sum(revenue) FROM public.customers WHERE country = code
$$;
CREATE FUNCTION public.conversation_text(conversation bigint) RETURNS text LANGUAGE sql STABLE AS $$
  SELECT string_agg(author || ': ' || body, E'\\n' ORDER BY id) FROM public.ai_messages
  WHERE conversation_id = conversation -- one line a message
$$;
CREATE FUNCTION public.unread_count() RETURNS bigint LANGUAGE sql STABLE AS $$
  SELECT count(*) FROM public.notifications WHERE user_id = auth.uid() AND read_at IS NULL
$$;
"""

APPLICATION_SQL: Final = """
CREATE FUNCTION public.search_documents(words text) RETURNS SETOF public.documents LANGUAGE sql STABLE AS $$
  SELECT * FROM public.documents WHERE search @@ plainto_tsquery('english', words)
$$;
CREATE FUNCTION public.latest_version(document uuid) RETURNS integer LANGUAGE sql STABLE AS $$
  SELECT max(version) FROM public.document_versions WHERE document_id = document
$$;
CREATE FUNCTION public.finish_task(task bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  UPDATE public.tasks SET state = 'done' WHERE id = task;
  IF NOT FOUND THEN RAISE EXCEPTION 'no such task: %', task; END IF;
END $$;
CREATE FUNCTION public.mark_read(notification bigint) RETURNS void LANGUAGE sql AS $$
  UPDATE public.notifications SET read_at = now() WHERE id = notification AND user_id = auth.uid()
$$;
CREATE FUNCTION public.setting(name text, fallback jsonb DEFAULT 'null') RETURNS jsonb LANGUAGE sql STABLE AS $$
  SELECT coalesce((SELECT value FROM public.app_settings WHERE key = name), fallback)
$$;

CREATE FUNCTION public.touch_updated_at() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.updated_at := greatest(NEW.updated_at, OLD.updated_at);
  RETURN NEW;
END $$;
CREATE FUNCTION public.handle_new_user() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
  INSERT INTO public.profiles (id, display_name, email, created_at, updated_at)
  VALUES (NEW.id, coalesce(NEW.raw_user_meta_data ->> 'name', NEW.email), NEW.email, NEW.created_at, NEW.created_at);
  RETURN NEW;
END $$;
CREATE FUNCTION public.audit_role_grant() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    INSERT INTO public.role_grant_audit (user_id, role, action) VALUES (OLD.user_id, OLD.role, 'revoked');
    RETURN OLD;
  END IF;
  INSERT INTO public.role_grant_audit (user_id, role, action, by_user, detail, at)
  VALUES (NEW.user_id, NEW.role, CASE TG_OP WHEN 'INSERT' THEN 'granted' ELSE 'changed' END, NEW.granted_by,
          pg_catalog.jsonb_build_object('active', NEW.is_active, 'expires_at', NEW.expires_at), NEW.granted_at);
  RETURN NEW;
END $$;
CREATE TRIGGER profiles_updated BEFORE UPDATE ON public.profiles
  FOR EACH ROW EXECUTE FUNCTION public.touch_updated_at();
CREATE TRIGGER tasks_updated BEFORE UPDATE ON public.tasks FOR EACH ROW EXECUTE FUNCTION public.touch_updated_at();
CREATE TRIGGER on_auth_user_created AFTER INSERT ON auth.users
  FOR EACH ROW EXECUTE FUNCTION public.handle_new_user();
CREATE TRIGGER user_roles_audit AFTER INSERT OR UPDATE OR DELETE ON public.user_roles
  FOR EACH ROW EXECUTE FUNCTION public.audit_role_grant();
"""

ENCRYPTION_SQL: Final = """
-- DEMO ONLY: a toy cipher, so that the demo needs no extension. It protects nothing; use pgcrypto or a real vault.
CREATE FUNCTION public.is_encrypted(value text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
  SELECT coalesce(value LIKE 'demo:v1:%', false)
$$;
CREATE FUNCTION public.encrypt_api_key(plain text, secret text DEFAULT 'demo-secret') RETURNS text
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  data bytea := convert_to(plain, 'UTF8');
  pad bytea;
BEGIN -- DEMO ONLY
  IF plain IS NULL OR public.is_encrypted(plain) THEN RETURN plain; END IF;
  FOR i IN 0 .. length(data) - 1 LOOP
    IF i % 32 = 0 THEN pad := sha256(convert_to(secret || ':' || (i / 32), 'UTF8')); END IF;
    data := set_byte(data, i, get_byte(data, i) # get_byte(pad, i % 32));
  END LOOP;
  RETURN 'demo:v1:' || encode(data, 'hex');
END $$;
CREATE FUNCTION public.decrypt_api_key(sealed text, secret text DEFAULT 'demo-secret') RETURNS text
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  data bytea;
  pad bytea;
BEGIN -- DEMO ONLY
  IF NOT public.is_encrypted(sealed) THEN RETURN sealed; END IF;
  data := decode(substr(sealed, 9), 'hex');
  FOR i IN 0 .. length(data) - 1 LOOP
    IF i % 32 = 0 THEN pad := sha256(convert_to(secret || ':' || (i / 32), 'UTF8')); END IF;
    data := set_byte(data, i, get_byte(data, i) # get_byte(pad, i % 32));
  END LOOP;
  RETURN convert_from(data, 'UTF8');
END $$;
CREATE FUNCTION public.encrypt_api_key_on_write() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.api_key := public.encrypt_api_key(NEW.api_key);
  RETURN NEW;
END $$;
CREATE TRIGGER ai_providers_encrypt BEFORE INSERT OR UPDATE OF api_key ON public.ai_providers_unified
  FOR EACH ROW EXECUTE FUNCTION public.encrypt_api_key_on_write();
CREATE VIEW public.ai_providers_masked WITH (security_barrier) AS
  SELECT id, name, base_url, is_enabled, public.is_encrypted(api_key) AS key_is_encrypted, left(api_key, 14) AS key_start
  FROM public.ai_providers_unified;
REVOKE EXECUTE ON FUNCTION public.decrypt_api_key(text, text) FROM PUBLIC, anon, authenticated;
"""


def policies_sql(table: str) -> str:
    """Enable row-level security on a table of `public` and create its four policies."""
    lines = [f"ALTER TABLE public.{table} ENABLE ROW LEVEL SECURITY;"]
    owned = {
        "profiles": "id = auth.uid()",
        "user_roles": "user_id = auth.uid()",
        "ai_conversations": "user_id = auth.uid()",
        "notifications": "user_id = auth.uid()",
        "tasks": "assignee_id = auth.uid()",
        "documents": "owner_id = auth.uid()",
    }
    own = f"{owned[table]} OR " if table in owned else ""
    for verb, right in (("SELECT", "read"), ("INSERT", "write"), ("UPDATE", "write"), ("DELETE", "delete")):
        rule = f"({own}public.has_permission('{table}', '{right}'))"
        clause = {"INSERT": f"WITH CHECK {rule}", "UPDATE": f"USING {rule} WITH CHECK {rule}"}.get(
            verb, f"USING {rule}"
        )
        lines.append(
            f'CREATE POLICY "{table}: {verb.lower()}" ON public.{table} FOR {verb} TO authenticated\n  {clause};'
        )
    return "\n".join(lines) + "\n"
