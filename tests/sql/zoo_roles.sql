-- Roles belong to the cluster: whoever comes first makes them.
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'zoo_reader') THEN
        CREATE ROLE zoo_reader;
        CREATE ROLE "zoo Writer" LOGIN PASSWORD 'SCRAM-SHA-256$4096:c3Nzc3Nzc3Nzc3Nzc3Nzcw==$a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=:dnZ2dnZ2dnZ2dnZ2dnZ2dnZ2dnZ2dnZ2dnZ2dnZ2dnY=';
        GRANT zoo_reader TO "zoo Writer" WITH ADMIN OPTION;
        ALTER ROLE zoo_reader SET search_path = 'a', 'b';
        COMMENT ON ROLE zoo_reader IS 'reads';
        CREATE ROLE zoo_anon;
        CREATE ROLE zoo_owner;
        CREATE ROLE zoo_other;
        CREATE ROLE zoo_super SUPERUSER;
    END IF;
END $$;
