-- Names that only work when they are quoted everywhere, and what has no catalog id of its own.
CREATE SCHEMA odd;
CREATE SCHEMA "Sch ema""x";
CREATE EXTENSION hstore SCHEMA public;

CREATE TYPE odd.mood AS ENUM ('sad', 'so ''la la', 'glad');
CREATE TYPE odd.pair AS (a integer, b odd.mood);
CREATE DOMAIN odd.positive AS integer CONSTRAINT above CHECK (VALUE > 0);
CREATE TYPE odd.spread AS RANGE (subtype = float8);

CREATE TABLE odd.plain (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    mood odd.mood DEFAULT 'glad',
    pair odd.pair,
    amount odd.positive,
    twice integer GENERATED ALWAYS AS (amount * 2) STORED,
    tags text[],
    extra public.hstore,
    CONSTRAINT sane CHECK (amount < 1000000)
);
INSERT INTO odd.plain (mood, pair, amount, tags, extra)
SELECT 'sad', ROW(i, 'glad'::odd.mood)::odd.pair, i, ARRAY['a' || i, E'back\\slash\ttab\nline'], public.hstore('k', i::text) FROM generate_series(1, 500) AS i;
CREATE INDEX "in dex" ON odd.plain (lower(tags[1])) WHERE amount > 10;
COMMENT ON COLUMN odd.plain.amount IS 'how many';
COMMENT ON CONSTRAINT sane ON odd.plain IS 'a bound';
CREATE STATISTICS odd.stats ON mood, amount FROM odd.plain;

CREATE TABLE "Sch ema""x"."tab
le ""ü""" ("co""l
umn" text, "SELECT" integer UNIQUE);
INSERT INTO "Sch ema""x"."tab
le ""ü""" VALUES ('x', 1), (NULL, 2), ('\.', 3), (E'\\.m1 1 true', 4);
COMMENT ON TABLE "Sch ema""x"."tab
le ""ü""" IS 'odd; -- name';

CREATE TABLE odd."a.b" (c integer);
CREATE TABLE odd.nothing ();
INSERT INTO odd.nothing DEFAULT VALUES;
INSERT INTO odd.nothing DEFAULT VALUES;

CREATE TABLE odd.parent (id integer, note text);
CREATE TABLE odd.child (more text) INHERITS (odd.parent);
INSERT INTO odd.parent VALUES (1, 'p');
INSERT INTO odd.child VALUES (2, 'c', 'm');

CREATE TABLE odd.events (at date NOT NULL, what text) PARTITION BY RANGE (at);
CREATE TABLE odd.events_2025 PARTITION OF odd.events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE odd.events_rest PARTITION OF odd.events DEFAULT;
CREATE INDEX ON odd.events (at);
INSERT INTO odd.events VALUES ('2025-05-05', 'x'), ('2026-06-06', 'y'), ('2027-07-07', 'z');

CREATE TABLE odd.hashed (m odd.mood NOT NULL, n integer) PARTITION BY HASH (m);
CREATE TABLE odd.hashed_0 PARTITION OF odd.hashed FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE odd.hashed_1 PARTITION OF odd.hashed FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO odd.hashed VALUES ('sad', 1), ('glad', 2), ('so ''la la', 3);

CREATE UNLOGGED TABLE odd.unlogged (a integer);
INSERT INTO odd.unlogged VALUES (7);
CREATE TABLE odd.named_by_role (who regrole);
CREATE TABLE odd.linked (id integer PRIMARY KEY, plain_id bigint REFERENCES odd.plain (id) DEFERRABLE);

CREATE VIEW odd.seen AS SELECT id, amount FROM odd.plain;
CREATE RULE redirect AS ON INSERT TO odd.seen DO INSTEAD NOTHING;
CREATE MATERIALIZED VIEW odd.summed AS SELECT mood, count(*) AS n FROM odd.plain GROUP BY mood;
CREATE VIEW odd.one AS SELECT 1 AS a;

CREATE FUNCTION odd.add(a integer, b integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT a + b';
CREATE FUNCTION odd.add(a text, b text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT a || b';
CREATE PROCEDURE odd.nop() LANGUAGE plpgsql AS $$ BEGIN -- keeps this line
END $$;
CREATE AGGREGATE odd.total(integer) (SFUNC = odd.add, STYPE = integer, INITCOND = '0');
CREATE FUNCTION odd.same_mood(odd.mood, odd.mood) RETURNS boolean LANGUAGE sql AS 'SELECT $1 = $2';
CREATE FUNCTION odd.same_text(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT $1 = $2';
CREATE OPERATOR odd.=== (LEFTARG = odd.mood, RIGHTARG = odd.mood, FUNCTION = odd.same_mood);
CREATE OPERATOR odd.=== (LEFTARG = text, RIGHTARG = text, FUNCTION = odd.same_text);
CREATE CAST (odd.pair AS text) WITH INOUT;
CREATE FUNCTION odd.stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TRIGGER "a b c" BEFORE UPDATE ON odd.plain FOR EACH ROW EXECUTE FUNCTION odd.stamp();
CREATE TRIGGER "a b c" BEFORE UPDATE ON odd.linked FOR EACH ROW EXECUTE FUNCTION odd.stamp();
COMMENT ON TRIGGER "a b c" ON odd.plain IS 'one of two';
CREATE FUNCTION odd.watch() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN END $$;
CREATE EVENT TRIGGER zoo_watch ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION odd.watch();

ALTER TABLE odd.plain ENABLE ROW LEVEL SECURITY;
CREATE POLICY "only own" ON odd.plain FOR SELECT TO zoo_reader, "zoo Writer" USING (amount > 5);
CREATE POLICY "only own" ON odd.linked USING (true);

CREATE SEQUENCE odd."Counter" START 5;
SELECT nextval('odd."Counter"');
CREATE TABLE odd.counted (n integer DEFAULT nextval('odd."Counter"'));
ALTER SEQUENCE odd."Counter" OWNED BY odd.counted.n;

CREATE PUBLICATION zoo_pub FOR TABLE odd.plain, odd.linked;
CREATE FOREIGN DATA WRAPPER zoo_wrapper;
CREATE SERVER zoo_server FOREIGN DATA WRAPPER zoo_wrapper;
CREATE USER MAPPING FOR zoo_reader SERVER zoo_server;
CREATE FOREIGN TABLE odd.far (a integer) SERVER zoo_server;
CREATE TEXT SEARCH CONFIGURATION odd.words (COPY = pg_catalog.simple);
CREATE COLLATION odd."col l" FROM "C";

GRANT USAGE ON SCHEMA odd TO zoo_reader;
GRANT SELECT ON odd.plain TO zoo_reader WITH GRANT OPTION;
GRANT SELECT (id), UPDATE (plain_id) ON odd.linked TO "zoo Writer";
GRANT INSERT (n) ON odd.counted TO "zoo Writer";
ALTER DEFAULT PRIVILEGES FOR ROLE "zoo Writer" IN SCHEMA odd GRANT SELECT ON TABLES TO zoo_reader;
ALTER DEFAULT PRIVILEGES FOR ROLE "zoo Writer" GRANT EXECUTE ON FUNCTIONS TO zoo_reader;
ALTER TABLE odd.child OWNER TO "zoo Writer";

SELECT lo_from_bytea(70001, 'small');
SELECT lo_from_bytea(70002, decode(repeat('00ff10', 300000), 'hex'));
SELECT lo_from_bytea(70003, '');
GRANT SELECT ON LARGE OBJECT 70001 TO zoo_reader;
COMMENT ON LARGE OBJECT 70002 IS 'a picture';
