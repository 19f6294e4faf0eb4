-- 15: publications of rows, columns and schemas, NULLS NOT DISTINCT, invoker's views, SET NULL of columns, unlogged sequences.
alter publication pub set table app.users (id, email) where (id > 0), app.big where (t is not null and id < 5); alter publication zoo_pub set table odd.plain (id, amount) where (id > 0), odd.linked;
create publication pub_s for tables in schema app, "Sch ema""x", table kinds.whole;
create table kinds.strict (a int, b text, unique nulls not distinct (a)); create unique index strict_b on kinds.strict (b) nulls not distinct; insert into kinds.strict values (null, null), (1, 'x');
create view kinds.invoked with (security_invoker = true, security_barrier = true) as select * from kinds.stored;
create table kinds.half (a int, b int, foreign key (a, b) references kinds.target (b, c) on delete set null (a), foreign key (b) references kinds.target on delete set default (b)); insert into kinds.half values (2, 3);
create unlogged sequence kinds.quick; create unlogged table kinds.quick_table (a serial, b int generated always as identity); insert into kinds.quick_table default values; alter sequence kinds.quick_table_a_seq set logged;
alter subscription off set (disable_on_error = true);
