-- One database with a bit of everything that a backup may meet; names that only work when they are quoted everywhere.
CREATE ROLE zoo_reader;
CREATE ROLE "zoo Writer" LOGIN PASSWORD 'md5zoo';
GRANT zoo_reader TO "zoo Writer" WITH ADMIN OPTION;
ALTER ROLE zoo_reader SET search_path = 'a', 'b';
COMMENT ON ROLE zoo_reader IS 'reads';

CREATE SCHEMA app;
CREATE SCHEMA "Sch ema""x";
CREATE EXTENSION hstore SCHEMA public;

CREATE TYPE app.mood AS ENUM ('sad', 'so ''la la', 'glad');
CREATE TYPE app.pair AS (a integer, b app.mood);
CREATE DOMAIN app.positive AS integer CONSTRAINT above CHECK (VALUE > 0);
CREATE TYPE app.spread AS RANGE (subtype = float8);

CREATE TABLE app.plain (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    mood app.mood DEFAULT 'glad',
    pair app.pair,
    amount app.positive,
    twice integer GENERATED ALWAYS AS (amount * 2) STORED,
    tags text[],
    extra public.hstore,
    CONSTRAINT sane CHECK (amount < 1000000)
);
INSERT INTO app.plain (mood, pair, amount, tags, extra)
SELECT 'sad', ROW(i, 'glad'::app.mood)::app.pair, i, ARRAY['a' || i, E'back\\slash\ttab\nline'], public.hstore('k', i::text) FROM generate_series(1, 500) AS i;
CREATE INDEX "in dex" ON app.plain (lower(tags[1])) WHERE amount > 10;
COMMENT ON COLUMN app.plain.amount IS 'how many';
COMMENT ON CONSTRAINT sane ON app.plain IS 'a bound';
CREATE STATISTICS app.stats ON mood, amount FROM app.plain;

CREATE TABLE "Sch ema""x"."tab
le ""ü""" ("co""l
umn" text, "SELECT" integer UNIQUE);
INSERT INTO "Sch ema""x"."tab
le ""ü""" VALUES ('x', 1), (NULL, 2), ('\.', 3), (E'\\.m1 1 true', 4);
COMMENT ON TABLE "Sch ema""x"."tab
le ""ü""" IS 'odd; -- name';

CREATE TABLE app."a.b" (c integer);
CREATE TABLE app.nothing ();
INSERT INTO app.nothing DEFAULT VALUES;
INSERT INTO app.nothing DEFAULT VALUES;

CREATE TABLE app.parent (id integer, note text);
CREATE TABLE app.child (more text) INHERITS (app.parent);
INSERT INTO app.parent VALUES (1, 'p');
INSERT INTO app.child VALUES (2, 'c', 'm');

CREATE TABLE app.events (at date NOT NULL, what text) PARTITION BY RANGE (at);
CREATE TABLE app.events_2025 PARTITION OF app.events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE app.events_rest PARTITION OF app.events DEFAULT;
CREATE INDEX ON app.events (at);
INSERT INTO app.events VALUES ('2025-05-05', 'x'), ('2026-06-06', 'y'), ('2027-07-07', 'z');

CREATE TABLE app.hashed (m app.mood NOT NULL, n integer) PARTITION BY HASH (m);
CREATE TABLE app.hashed_0 PARTITION OF app.hashed FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE app.hashed_1 PARTITION OF app.hashed FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO app.hashed VALUES ('sad', 1), ('glad', 2), ('so ''la la', 3);

CREATE UNLOGGED TABLE app.unlogged (a integer);
INSERT INTO app.unlogged VALUES (7);
CREATE TABLE app.named_by_role (who regrole);
CREATE TABLE app.linked (id integer PRIMARY KEY, plain_id bigint REFERENCES app.plain (id) DEFERRABLE);

CREATE VIEW app.seen AS SELECT id, amount FROM app.plain;
CREATE RULE redirect AS ON INSERT TO app.seen DO INSTEAD NOTHING;
CREATE MATERIALIZED VIEW app.summed AS SELECT mood, count(*) AS n FROM app.plain GROUP BY mood;
CREATE VIEW app.one AS SELECT 1 AS a;

CREATE FUNCTION app.add(a integer, b integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT a + b';
CREATE FUNCTION app.add(a text, b text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT a || b';
CREATE PROCEDURE app.nop() LANGUAGE plpgsql AS $$ BEGIN -- keeps this line
END $$;
CREATE AGGREGATE app.total(integer) (SFUNC = app.add, STYPE = integer, INITCOND = '0');
CREATE FUNCTION app.same_mood(app.mood, app.mood) RETURNS boolean LANGUAGE sql AS 'SELECT $1 = $2';
CREATE FUNCTION app.same_text(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT $1 = $2';
CREATE OPERATOR app.=== (LEFTARG = app.mood, RIGHTARG = app.mood, FUNCTION = app.same_mood);
CREATE OPERATOR app.=== (LEFTARG = text, RIGHTARG = text, FUNCTION = app.same_text);
CREATE CAST (app.pair AS text) WITH INOUT;
CREATE FUNCTION app.stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TRIGGER "a b c" BEFORE UPDATE ON app.plain FOR EACH ROW EXECUTE FUNCTION app.stamp();
CREATE TRIGGER "a b c" BEFORE UPDATE ON app.linked FOR EACH ROW EXECUTE FUNCTION app.stamp();
COMMENT ON TRIGGER "a b c" ON app.plain IS 'one of two';
CREATE FUNCTION app.watch() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN END $$;
CREATE EVENT TRIGGER zoo_watch ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION app.watch();

ALTER TABLE app.plain ENABLE ROW LEVEL SECURITY;
CREATE POLICY "only own" ON app.plain FOR SELECT TO zoo_reader, "zoo Writer" USING (amount > 5);
CREATE POLICY "only own" ON app.linked USING (true);

CREATE SEQUENCE app."Counter" START 5;
SELECT nextval('app."Counter"');
CREATE TABLE app.counted (n integer DEFAULT nextval('app."Counter"'));
ALTER SEQUENCE app."Counter" OWNED BY app.counted.n;

CREATE PUBLICATION zoo_pub FOR TABLE app.plain (id, amount) WHERE (id > 0), app.linked;
CREATE FOREIGN DATA WRAPPER zoo_wrapper;
CREATE SERVER zoo_server FOREIGN DATA WRAPPER zoo_wrapper;
CREATE USER MAPPING FOR zoo_reader SERVER zoo_server;
CREATE FOREIGN TABLE app.far (a integer) SERVER zoo_server;
CREATE TEXT SEARCH CONFIGURATION app.words (COPY = pg_catalog.simple);
CREATE COLLATION app."col l" FROM "C";

GRANT USAGE ON SCHEMA app TO zoo_reader;
GRANT SELECT ON app.plain TO zoo_reader WITH GRANT OPTION;
GRANT SELECT (id), UPDATE (plain_id) ON app.linked TO "zoo Writer";
GRANT INSERT (n) ON app.counted TO "zoo Writer";
ALTER DEFAULT PRIVILEGES FOR ROLE "zoo Writer" IN SCHEMA app GRANT SELECT ON TABLES TO zoo_reader;
ALTER DEFAULT PRIVILEGES FOR ROLE "zoo Writer" GRANT EXECUTE ON FUNCTIONS TO zoo_reader;
ALTER TABLE app.child OWNER TO "zoo Writer";

SELECT lo_from_bytea(70001, 'small');
SELECT lo_from_bytea(70002, decode(repeat('00ff10', 300000), 'hex'));
SELECT lo_from_bytea(70003, '');
GRANT SELECT ON LARGE OBJECT 70001 TO zoo_reader;
COMMENT ON LARGE OBJECT 70002 IS 'a picture';
