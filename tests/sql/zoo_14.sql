-- 14: multiranges, SQL-standard bodies, compression, expressions in statistics.
create type kinds.span as range (subtype = int, multirange_type_name = kinds.spans, subtype_diff = int4range_subdiff);
do $$ begin if current_setting('server_version_num')::int < 170000 then revoke usage on type kinds.spans from public; grant usage on type kinds.spans to zoo_anon with grant option; end if; end $$;
create table kinds.multiranges (a int4multirange, b kinds.spans, c app.fr); insert into kinds.multiranges values ('{[1,3),[5,7)}', '{[2,4)}', '[1,2.5)');
create function kinds.standard(i int, out b int) language sql begin atomic select i + 1; select i + d from kinds.stored where id = i; end;
create function kinds.one_line(a int) returns int language sql immutable return a * 2;
create procedure kinds.out_proc(a int, out b text) language sql begin atomic select a::text; end;
create view kinds.uses_standard as select kinds.one_line(id) as two, (kinds.standard(id)) as n from kinds.stored;
create table kinds.squeezed (a text compression pglz, b text); insert into kinds.squeezed values (repeat('x', 9000), 'y');
create statistics kinds.of_expression on (a || 'x'), (id % 3) from kinds.stored; create statistics kinds.single on (id * 2) from kinds.stored;
create function kinds.subscripted(d jsonb) returns jsonb language plpgsql as 'begin d[''a''] := ''1''; return d; end';
alter table kinds.refers add primary key (a) include (b);
create table kinds.detached (k int, d date not null, v text); create index on kinds.detached (v); alter table kinds.detached alter d set default '2030-01-01';
alter subscription off set (streaming = on, binary = true);
