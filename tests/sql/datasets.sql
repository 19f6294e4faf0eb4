-- A table of every type that a mapping to other engines knows, with the values that break mappings.
CREATE TYPE public.mood AS ENUM ('sad', 'so-so', 'it''s "fine"');
CREATE TYPE public.point2 AS (x integer, label text);
CREATE TYPE public.span AS RANGE (subtype = numeric);
CREATE DOMAIN public.amount AS numeric(10, 2) CONSTRAINT positive CHECK (VALUE >= 0 OR VALUE = 'NaN');
CREATE DOMAIN public.price AS public.amount DEFAULT 1;
CREATE DOMAIN public."odd AS text;" AS character varying(40) COLLATE "C" NOT NULL DEFAULT 'a AS b';
CREATE DOMAIN public.numbers AS integer[];

CREATE TABLE public.everything (
    id bigint PRIMARY KEY, b boolean, i2 smallint, i4 integer, o oid, x xid, f4 real, f8 double precision,
    n numeric, n5 numeric(5, 2), n38 numeric(38, 10), n39 numeric(39, 1), nd numeric(12), m money,
    d date, ts timestamp, ts0 timestamp(0), tz timestamptz, t time, tt timetz, iv interval,
    u uuid, tx text, vc character varying(20), c character(5), nm name, ch "char", by bytea, j json, jb jsonb, xm xml,
    bi bit(3), vb bit varying, ip inet, ci cidr, mc macaddr, p point, bx box, tv tsvector, tq tsquery, lsn pg_lsn, x8 xid8,
    r int4range, tr tstzrange, sp public.span, e public.mood, co public.point2, pr public.price, od public."odd AS text;",
    ai integer[], at text[], af double precision[], an numeric(5, 2)[], ad timestamptz[], ab bytea[], aj jsonb[], ae public.mood[],
    ac public.point2[], ap public.price[], abx box[], dn public.numbers, ab1 boolean[]
);
INSERT INTO public.everything (id, od) VALUES (0, '');
INSERT INTO public.everything VALUES (1, true, -32768, 2147483647, 4294967295, '4294967295', 'NaN', 'NaN',
    'NaN', 'NaN', 'NaN', 'NaN', 'NaN', '-92233720368547758.08',
    'infinity', '-infinity', 'infinity', 'infinity', '24:00:00', '00:00:00.000001+14:59', '-1 mons +2 days -03:00:00.5',
    '00000000-0000-0000-0000-000000000000', '', '', '', '', '', '', '{}', 'null', '<a>&lt;</a>',
    B'000', B'', '10.0.0.1', '10.0.0.0/8', '08:00:2b:01:02:03', '(NaN,Infinity)', '(1,1),(0,0)', '''a'':1 b:2', 'a & !b', '0/0', '0',
    'empty', '(,)', '[1.0,2.00)', 'sad', '(,)', 'NaN', ' ',
    '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}');
INSERT INTO public.everything VALUES (2, false, 32767, -2147483648, 0, '0', '-0', '-0',
    '1.00', '-999.99', '1234567890123456789012345678.0123456789', 12345678901234567890123456789012345678.9, -999999999999, '0.00',
    '4713-01-01 BC', '4713-01-01 00:00:00.000001 BC', '0001-01-01', '0001-12-31 23:59:59.999999+00 BC', '00:00', '23:59:59-12', '1 year',
    'ffffffff-ffff-ffff-ffff-ffffffffffff', E'tab\tnew\nline\rback\\slash\b\f\v end', E'\\N', 'ab', 'NULL', 'x', '\x00ff5c09', E'{"a" :\t1.10, "b": [1, 2.50, null]}', '{"a": {"b": "tab\t"}}', '',
    B'101', B'1', '::1/64', '::/0', 'ff:ff:ff:ff:ff:ff', '(1.5,-0)', '(2,3),(-1,-2)', '', '''x y'' <-> z', 'FFFFFFFF/FFFFFFFF', '18446744073709551615',
    '[1,10)', '["2020-01-01 00:00:00+00",infinity)', '(,5]', 'it''s "fine"', '(1,"a ""b"" \\ c")', 3.50, '\',
    '{1,NULL,-3}', '{NULL,"NULL","","a,b","{x}","q\"uo\\te"," ",é,𝄞}', '{NaN,-0,Infinity,0.1,1e300,5e-324}', '{1.00,NaN,NULL}',
    '{2020-01-01 00:00:00+00,infinity}', '{"\\x00ff",NULL}', '{"{\"a\": 1}",null,NULL}', '{sad,"it''s \"fine\"",NULL}',
    '{"(1,a)","(,\"b,c\")"}', '{1.00,2.50}', '{(1,1),(0,0);(3,3),(2,2)}', '{7}', '{t,f,NULL}');
INSERT INTO public.everything VALUES (3, NULL, 0, 0, NULL, NULL, 'Infinity', '-Infinity',
    'Infinity', 0.00, 0.0000000001, 0.1, 0, '-0.01',
    '5874897-12-31', '294276-12-31 23:59:59.999999', '10000-01-01', '20000-02-29 12:00:00.5+00', NULL, NULL, '00:00:00',
    NULL, '﻿bom', 'x', 'abcde', NULL, NULL, '\x', '"\u00e9"', '"\\"', NULL,
    NULL, NULL, '1.2.3.4/8', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
    '(1,5)', NULL, NULL, 'so-so', NULL, NULL, 'x',
    '[0:1]={1,2}', '{{a,b},{c,d}}', '{1}', '{999.99}', '{0044-03-15 12:00:00+00 BC,NULL,1900-01-01 00:00:00.1+00}', '{"\\x"}', '{}', '{so-so}',
    '{}', '{NaN}', '{(1,1),(0,0)}', '[5:6]={1,NULL}', '{f}');
INSERT INTO public.everything (id, od, f4, f8, d, ts, tz, n5) VALUES
    (4, 'a', 1e6, 1e15, '292277-12-31', '294276-01-01', '294276-12-31 23:59:59.999999+00', 1), (5, 'b', 999999, 1e14, '292278-01-01', '0044-03-15 BC', '1582-10-10 00:00:00+00', -0.01),
    (6, 'c', 1e-4, 1e-5, '1582-10-10', '1500-02-28 12:34:56.7', '0001-01-01 00:00:00+00', 0.5), (7, 'd', 1e-5, 1e23, '0001-01-01', '9999-12-31 23:59:59.999999', '9999-12-31 23:59:59.999999+00', 123.4),
    (8, 'e', 3.4028235e38, 1.7976931348623157e308, '9999-12-31', '1970-01-01', '1969-12-31 23:59:59.999999+00', 9), (9, 'f', 1e-45, 5e-324, '1969-12-31', '1969-12-31 23:59:59.999999', '1970-01-01 00:00:00+00', 9);

CREATE TABLE public."Names" ("ID" integer, id text, "Id" boolean, snapshot text, "_EXACT" date, "a=b" integer, "q""u" text);
INSERT INTO public."Names" VALUES (1, 'one', true, 's', 'infinity', 5, 'x'), (NULL, NULL, NULL, NULL, NULL, NULL, NULL);
CREATE TABLE public.names (n integer);
INSERT INTO public.names VALUES (1);
CREATE TABLE public.one (t text);
INSERT INTO public.one VALUES (NULL), (''), ('﻿'), ('\.'), ('\N'), (E'\n');
CREATE TABLE public.nothing ();
INSERT INTO public.nothing DEFAULT VALUES;
INSERT INTO public.nothing DEFAULT VALUES;
CREATE TABLE public.no_rows (id integer, d date);
CREATE TABLE public.computed (a integer, twice integer GENERATED ALWAYS AS (a * 2) STORED, t text);
INSERT INTO public.computed (a, t) SELECT n, 't' || n FROM generate_series(1, 100) n;
CREATE SCHEMA other;
CREATE TABLE other."we.ird/name" (id integer);
INSERT INTO other."we.ird/name" VALUES (42);
