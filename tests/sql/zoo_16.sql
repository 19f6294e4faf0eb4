-- 16: storage named at creation, IS JSON, aggregates that came with it, options of subscriptions.
create table kinds.plainly (a text storage plain, b text storage default, c text, check (c is json object with unique keys)); insert into kinds.plainly values ('a', 'b', '{"x": 1}');
create view kinds.any_of as select any_value(id) as id, json_arrayagg(a order by id returning jsonb) as list, json_objectagg(id : a) as pairs from kinds.stored;
create index plainly_null on kinds.plainly (c) where c is json; create trigger emptied before truncate on kinds.ft for each statement execute function app.trg();
create function kinds.literals() returns bigint language sql begin atomic select 0x_ff + 1_000 + 0b101; end;
alter subscription off set (origin = none, run_as_owner = true, password_required = false);
