-- 18: keys over time, virtual columns, constraints that are not enforced, named NOT NULL, generated columns in publications.
create table kinds.virtual (a int not null, b int generated always as (a * 2) virtual, c int generated always as (a * 3) stored, d int generated always as (a + 1)); insert into kinds.virtual values (1), (2);
create table kinds.periods (id int4range, valid daterange, primary key (id, valid without overlaps), unique (valid, id)); insert into kinds.periods values ('[1,2)', '[2024-01-01,2025-01-01)'), ('[1,2)', '[2025-01-01,2026-01-01)');
create table kinds.during (id int4range, valid daterange, parent int4range, primary key (id, valid without overlaps), foreign key (parent, period valid) references kinds.periods (id, period valid)); insert into kinds.during values ('[7,8)', '[2024-06-01,2025-06-01)', '[1,2)');
create table kinds.believed (a int constraint hoped check (a > 0) not enforced, c int, constraint hoped_fk foreign key (c) references kinds.target not enforced); insert into kinds.believed values (-1, 99);
create table kinds.named (a int constraint a_is_there not null, b int, c int constraint c_own not null no inherit, d int); alter table kinds.named add constraint b_some_day not null b not valid; alter table kinds.named add primary key (d); comment on constraint a_is_there on kinds.named is 'n';
insert into kinds.named values (1, 2, 3, 4); create table kinds.named_child (e int) inherits (kinds.named); alter table kinds.named_child add constraint own_name not null e; create table kinds.named_late (a int not null, b int not null, c int, d int not null, e int); alter table kinds.named_late inherit kinds.named;
alter table kinds.part_ref add constraint unproven foreign key (c) references kinds.target not valid;
create publication pub_generated for table kinds.virtual (a, c) with (publish_generated_columns = stored);
create function kinds.old_new() returns void language sql begin atomic update kinds.strict set b = 'y' where a = 1 returning old.b, new.b; end;
create index concurrently_like on kinds.virtual (a); create domain kinds.required as int constraint given not null; create collation kinds.unicode (provider = builtin, locale = 'PG_UNICODE_FAST');
alter default privileges for role zoo_owner grant select on large objects to zoo_anon;
