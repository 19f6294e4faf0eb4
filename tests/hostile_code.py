"""A database in which somebody who is no superuser owns a table for every place where a server might evaluate code, each with a canary.

`act` of a place writes the place's name into a file beside the server's data if it runs as a superuser, also after it tried
to become again who logged in. Places that only a superuser can arrange, with code of somebody else, are among them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from psycopg import sql

from tests.fix_postgres import Cluster

OWNER: Final = "mallory"
MARK: Final = "pgvault-canaries"
ROWS: Final = 200

_CODE: Final = """
CREATE SCHEMA {s} AUTHORIZATION mallory;
GRANT USAGE ON SCHEMA {s} TO PUBLIC;
SET ROLE mallory;
CREATE FUNCTION {s}.act() RETURNS int VOLATILE LANGUAGE plpgsql SET search_path = '' AS $act$
BEGIN
  BEGIN
    PERFORM pg_catalog.set_config('role', 'none', true);
  EXCEPTION WHEN OTHERS THEN NULL;
  END;
  IF (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user) THEN
    COPY (SELECT '{place}') TO PROGRAM 'cat >> {mark}';
  END IF;
  RETURN 1;
END $act$;
CREATE FUNCTION {s}.evil(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN {s}.act(); END';
CREATE FUNCTION {s}.evil_equal(int, int) RETURNS bool IMMUTABLE LANGUAGE plpgsql AS 'BEGIN PERFORM {s}.act(); RETURN $1 = $2; END';
CREATE FUNCTION {s}.evil_compare(int, int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS
  'BEGIN PERFORM {s}.act(); RETURN CASE WHEN $1 < $2 THEN -1 WHEN $1 > $2 THEN 1 ELSE 0 END; END';
CREATE FUNCTION {s}.evil_trigger() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM {s}.act(); RETURN coalesce(new, old); END';
CREATE OPERATOR {s}.=== (LEFTARG = int, RIGHTARG = int, FUNCTION = {s}.evil_equal);
CREATE TABLE {s}.t (id int PRIMARY KEY, a int, b int);
INSERT INTO {s}.t SELECT n, n, n FROM generate_series(1, {rows}) n;
"""

_DOMAIN: Final = "CREATE DOMAIN {s}.d AS int CHECK (VALUE > {s}.evil(1) - 1);"
_CLASS: Final = (
    "".join(
        f"CREATE FUNCTION {{s}}.{name}(int, int) RETURNS bool IMMUTABLE LANGUAGE plpgsql AS"
        f" 'BEGIN PERFORM {{s}}.act(); RETURN $1 {like} $2; END';"
        f" CREATE OPERATOR {{s}}.{like}# (LEFTARG = int, RIGHTARG = int, FUNCTION = {{s}}.{name});"
        for name, like in (("below", "<"), ("at_most", "<="), ("at_least", ">="), ("above", ">"))
    )
    + "RESET ROLE; CREATE OPERATOR CLASS {s}.own FOR TYPE int USING btree AS OPERATOR 1 {s}.<#, OPERATOR 2 {s}.<=#,"
    " OPERATOR 3 {s}.===, OPERATOR 4 {s}.>=#, OPERATOR 5 {s}.>#, FUNCTION 1 {s}.evil_compare(int, int); SET ROLE mallory;"
)
"""An operator class, which only a superuser can make, with functions of the owner's."""

PLACES: Final[Mapping[str, str]] = {
    "index expression": "CREATE INDEX ON {s}.t ((a + {s}.evil(1)))",
    "index predicate": "CREATE INDEX ON {s}.t (a) WHERE a > {s}.evil(1)",
    "index predicate by an operator": "CREATE INDEX ON {s}.t (a) WHERE 1 OPERATOR({s}.===) 1",
    "index predicate with a cast to a domain": _DOMAIN + "CREATE INDEX ON {s}.t (a) WHERE 1::{s}.d > 0",
    "index predicate of a partitioned table": "CREATE TABLE {s}.root (id int, a int, b int) PARTITION BY RANGE (id);"
    " CREATE INDEX ON {s}.root (a) WHERE a > {s}.evil(1); CREATE TABLE {s}.leaf PARTITION OF {s}.root FOR VALUES FROM (0) TO (1000);"
    " INSERT INTO {s}.root SELECT * FROM {s}.t",
    "statistics expression": "CREATE STATISTICS {s}.s ON (a + {s}.evil(1)), b FROM {s}.t",
    "exclusion constraint": "ALTER TABLE {s}.t ADD EXCLUDE USING btree ((a + {s}.evil(1)) WITH =)",
    "key by an operator class": _CLASS + "CREATE UNIQUE INDEX ON {s}.t (a {s}.own)",
    "partition key": "CREATE TABLE {s}.root (a int, b int) PARTITION BY RANGE ((a + {s}.evil(1)));"
    " CREATE TABLE {s}.leaf PARTITION OF {s}.root FOR VALUES FROM (0) TO (10000); INSERT INTO {s}.root SELECT a, b FROM {s}.t",
    "partition key by an operator class": _CLASS
    + "CREATE TABLE {s}.root (a int, b int) PARTITION BY RANGE (a {s}.own);"
    " CREATE TABLE {s}.leaf PARTITION OF {s}.root FOR VALUES FROM (0) TO (10000); INSERT INTO {s}.root SELECT a, b FROM {s}.t",
    "check of a table": "ALTER TABLE {s}.t ADD CHECK (a > {s}.evil(1) - 1)",
    "check of a domain": _DOMAIN + "ALTER TABLE {s}.t ADD c {s}.d DEFAULT 5",
    "check of a domain within an array of composites": _DOMAIN + "CREATE TYPE {s}.pair AS (x {s}.d);"
    " ALTER TABLE {s}.t ADD c {s}.pair[] DEFAULT ARRAY[ROW(1)::{s}.pair]",
    "range over an operator class": _CLASS + "CREATE TYPE {s}.r AS RANGE (subtype = int, subtype_opclass = {s}.own);"
    " ALTER TABLE {s}.t ADD c {s}.r DEFAULT '[1,5)'",
    "stored generated column": "ALTER TABLE {s}.t ADD c int GENERATED ALWAYS AS (a + {s}.evil(1)) STORED",
    "default of a column": "ALTER TABLE {s}.t ADD c int; ALTER TABLE {s}.t ALTER c SET DEFAULT {s}.evil(1)",
    "default of an argument": "CREATE FUNCTION {s}.f(x int DEFAULT {s}.evil(1)) RETURNS int LANGUAGE sql AS 'SELECT x'",
    "policy": "ALTER TABLE {s}.t ENABLE ROW LEVEL SECURITY; ALTER TABLE {s}.t FORCE ROW LEVEL SECURITY;"
    " CREATE POLICY p ON {s}.t USING (a > {s}.evil(1)) WITH CHECK (a > {s}.evil(1))",
    "view": "CREATE VIEW {s}.v AS SELECT {s}.evil(1) AS a FROM {s}.t",
    "materialized view": "CREATE MATERIALIZED VIEW {s}.m AS SELECT {s}.evil(1) AS a FROM {s}.t",
    "rule": "CREATE RULE r AS ON INSERT TO {s}.t DO ALSO SELECT {s}.evil(1)",
    "trigger": "CREATE TRIGGER g BEFORE INSERT OR UPDATE OR DELETE ON {s}.t FOR EACH ROW EXECUTE FUNCTION {s}.evil_trigger()",
    "trigger that is always enabled": "CREATE TRIGGER g BEFORE INSERT ON {s}.t FOR EACH ROW EXECUTE FUNCTION {s}.evil_trigger();"
    " ALTER TABLE {s}.t ENABLE ALWAYS TRIGGER g",
    "condition of a trigger": "CREATE TRIGGER g BEFORE INSERT ON {s}.t FOR EACH ROW WHEN (new.a > {s}.evil(1))"
    " EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "cast to text": "CREATE TYPE {s}.pair AS (x int); CREATE FUNCTION {s}.shown({s}.pair) RETURNS text IMMUTABLE LANGUAGE plpgsql AS"
    " 'BEGIN PERFORM {s}.act(); RETURN ''x''; END'; CREATE CAST ({s}.pair AS text) WITH FUNCTION {s}.shown({s}.pair) AS IMPLICIT;"
    " ALTER TABLE {s}.t ADD c {s}.pair DEFAULT ROW(1)::{s}.pair",
    "aggregate": "CREATE AGGREGATE {s}.total(int) (SFUNC = {s}.evil_compare, STYPE = int, INITCOND = '0')",
    "index predicate beside a foreign key": "CREATE TABLE {s}.child (id int, a int REFERENCES {s}.t);"
    " INSERT INTO {s}.child SELECT n, n FROM generate_series(1, 50) n; CREATE INDEX ON {s}.child (a) WHERE a > {s}.evil(1);"
    " CREATE INDEX ON {s}.t (a) WHERE a > {s}.evil(1)",
    "child of a table of somebody else": "CREATE TABLE {s}.child (id int, customer int REFERENCES public.customers ON DELETE SET NULL);"
    " INSERT INTO {s}.child SELECT n, n FROM generate_series(1, 10) n; CREATE INDEX ON {s}.child (customer) WHERE customer > {s}.evil(1);"
    " CREATE TRIGGER g AFTER UPDATE ON {s}.child FOR EACH ROW EXECUTE FUNCTION {s}.evil_trigger()",
    "function of a superuser that calls it": "RESET ROLE; ALTER TABLE {s}.t OWNER TO postgres; CREATE FUNCTION {s}.f(int) RETURNS int"
    " IMMUTABLE LANGUAGE sql RETURN {s}.evil($1); CREATE INDEX ON {s}.t (a) WHERE a > {s}.f(1)",
    "index on a table of a superuser": "RESET ROLE; ALTER TABLE {s}.t OWNER TO postgres; CREATE INDEX ON {s}.t ((a + {s}.evil(1)))",
    "names of the search path": """
CREATE FUNCTION {s}.current_setting(text) RETURNS text VOLATILE LANGUAGE plpgsql AS
  'BEGIN PERFORM {s}.act(); RETURN pg_catalog.current_setting($1); END';
CREATE FUNCTION {s}.pg_backend_pid() RETURNS int VOLATILE LANGUAGE plpgsql AS 'BEGIN PERFORM {s}.act(); RETURN pg_catalog.pg_backend_pid(); END';
CREATE FUNCTION {s}.same(name, name) RETURNS bool VOLATILE LANGUAGE plpgsql AS 'BEGIN PERFORM {s}.act(); RETURN $1 OPERATOR(pg_catalog.=) $2; END';
CREATE OPERATOR {s}.= (LEFTARG = name, RIGHTARG = name, FUNCTION = {s}.same);
CREATE FUNCTION {s}.same(text, text) RETURNS bool VOLATILE LANGUAGE plpgsql AS 'BEGIN PERFORM {s}.act(); RETURN $1 OPERATOR(pg_catalog.=) $2; END';
CREATE OPERATOR {s}.= (LEFTARG = text, RIGHTARG = text, FUNCTION = {s}.same);
CREATE FUNCTION {s}.both(int8, int8) RETURNS bool VOLATILE LANGUAGE plpgsql AS 'BEGIN PERFORM {s}.act(); RETURN $1 OPERATOR(pg_catalog.=) $2; END';
CREATE OPERATOR {s}.= (LEFTARG = int8, RIGHTARG = int8, FUNCTION = {s}.both);
CREATE VIEW {s}.pg_roles AS SELECT *, {s}.act() AS acted FROM pg_catalog.pg_roles;
CREATE VIEW {s}.pg_class AS SELECT *, {s}.act() AS acted FROM pg_catalog.pg_class;
CREATE VIEW {s}.pg_settings AS SELECT *, {s}.act() AS acted FROM pg_catalog.pg_settings;
CREATE VIEW {s}.pg_locks AS SELECT *, {s}.act() AS acted FROM pg_catalog.pg_locks""",
}
"""Where -> what arranges it, as OWNER until it resets the role; `{s}` is the place's own schema."""

SHOP: Final = """
CREATE TABLE public.customers (id int PRIMARY KEY, name text NOT NULL);
CREATE TABLE public.orders (id int PRIMARY KEY, customer int NOT NULL REFERENCES public.customers, note text);
INSERT INTO public.customers SELECT n, 'customer ' || n FROM generate_series(1, 10) n;
INSERT INTO public.orders SELECT n, 1 + n % 10, 'note ' || n FROM generate_series(1, 100) n;
GRANT REFERENCES, SELECT ON public.customers TO mallory;
"""
"""What the superuser owns, to be restored in the midst of it."""


def schema_of(place: str) -> str:
    return f"h{list(PLACES).index(place)}"


@contextmanager
def owner(cluster: Cluster) -> Iterator[None]:
    """The role OWNER, while it lasts; databases with something of it must be gone at the end."""
    with cluster.connect() as connection:
        connection.execute("CREATE ROLE mallory LOGIN")
        try:
            yield
        finally:
            connection.execute("DROP ROLE mallory")


@contextmanager
def hostile_database(cluster: Cluster, *, places: Mapping[str, str] = PLACES, shadowed: bool = True) -> Iterator[str]:
    """A database of OWNER with these places. `shadowed`: its search path begins with OWNER's own names."""
    name = cluster.createdb()
    try:
        with cluster.connect(name) as connection:
            connection.execute(SHOP)
            for place, statements in places.items():
                s = schema_of(place)
                code = _CODE.replace("{place}", place).replace("{mark}", MARK).replace("{rows}", str(ROWS))
                connection.execute((code + statements).replace("{s}", s).encode())
                connection.execute("RESET ROLE")
            connection.execute(sql.SQL("ALTER DATABASE {} OWNER TO mallory").format(sql.Identifier(name)))
            if shadowed:
                path = sql.SQL("ALTER DATABASE {} SET search_path = {}, pg_catalog, public").format(
                    sql.Identifier(name), sql.Identifier(schema_of("names of the search path"))
                )
                connection.execute(path)
        acted(cluster)  # making it ran much of it
        yield name
    finally:
        cluster.dropdb(name)


def acted(cluster: Cluster) -> set[str]:
    """Places whose code ran as a superuser since the last question."""
    with cluster.connect() as connection:
        found = connection.execute("SELECT pg_read_file(%s, 0, 1000000, true)", [MARK]).fetchall()[0][0]
        if found is not None:
            connection.execute(f"COPY (SELECT 1) TO PROGRAM 'cat; rm {MARK}'")
        return set((found or "").splitlines())
