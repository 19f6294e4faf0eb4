"""What a patch of rows calls, as SQL of the session that runs it: text alone, for `patch`.

A table is looked at before any is changed. Then rows go and come in the order of foreign keys, for a session that could not switch
them off; where a row that stays would refer to what goes until it is changed itself, what comes does so before what goes.
"""

from __future__ import annotations

from typing import Final

_CONDITIONS: Final = """\
-- Whether `a` and `b` have the same key: by the operators of a unique index of `target` over it, else by text.
create or replace function pg_temp.pgvault_same(target regclass, keys text[], a text, b text) returns text language plpgsql as $$
declare
    operators text[];
begin
    select array(select format('operator(%I.%s)', s.nspname, p.oprname)
                   from unnest(keys) with ordinality as k(name, place)
                   join pg_attribute c on c.attrelid = target and c.attname = k.name
                   join generate_series(0, i.indnkeyatts - 1) as n on i.indkey[n] = c.attnum
                   join pg_opclass o on o.oid = i.indclass[n]
                   join pg_amop f on f.amopfamily = o.opcfamily and f.amopstrategy = 3
                                 and f.amoplefttype = o.opcintype and f.amoprighttype = o.opcintype
                   join pg_operator p on p.oid = f.amopopr
                   join pg_namespace s on s.oid = p.oprnamespace
                  order by k.place)
      into operators
      from pg_index i join pg_class x on x.oid = i.indexrelid join pg_am m on m.oid = x.relam
     where i.indrelid = target and i.indisunique and m.amname = 'btree' and i.indpred is null and i.indexprs is null
       and array(select c.attname::text from generate_series(0, i.indnkeyatts - 1) as n
                   join pg_attribute c on c.attrelid = target and c.attnum = i.indkey[n] order by 1)
           = array(select name from unnest(keys) as name order by 1)
     order by i.indisprimary desc
     limit 1;
    return (select string_agg(
                case when cardinality(operators) = cardinality(keys)
                     then format('%s.%I %s %s.%I', a, name, operators[place], b, name)
                     else format('%s.%I::text is not distinct from %s.%I::text', a, name, b, name) end,
                ' and ' order by place)
              from unnest(keys) with ordinality as k(name, place));
end $$;

-- Whether all columns of both print alike.
create or replace function pg_temp.pgvault_alike(columns text[], a text, b text) returns text language sql as $$
    select format('row(%s)::text = row(%s)::text', string_agg(format('%s.%I', a, name), ', ' order by place),
                  string_agg(format('%s.%I', b, name), ', ' order by place))
      from unnest(columns) with ordinality as c(name, place)
$$;

-- A table without those that inherit from it, or a partitioned one with its partitions.
create or replace function pg_temp.pgvault_only(target regclass) returns text language sql as $$
    select case relkind when 'p' then '' else 'only ' end || target::text from pg_class where oid = target
$$;

create or replace function pg_temp.pgvault_names(columns text[]) returns text language sql as $$
    select string_agg(quote_ident(name), ', ' order by place) from unnest(columns) with ordinality as c(name, place)
$$;

create or replace function pg_temp.pgvault_count(query text) returns bigint language plpgsql as $$
declare
    counted bigint;
begin
    execute 'select count(*) from ' || query into counted;
    return counted;
end $$;
"""

_GUARD: Final = """\
-- Have no trigger, rule or foreign key act on what the patch does, or refuse.
create or replace procedure pg_temp.pgvault_guard(target regclass) language plpgsql as $$
declare
    fires text := 'AR';
    parts regclass[];
    acting text;
begin
    begin
        perform set_config('session_replication_role', 'replica', true);
    exception when insufficient_privilege then
        fires := 'OA';
    end;
    select array_agg(relid) || target into parts from pg_partition_tree(target);
    select string_agg(what, ', ' order by what) into acting from (
        select format('trigger %I of %s', tgname, tgrelid::regclass) from pg_trigger
         where tgrelid = any(parts) and not tgisinternal and position(tgenabled in fires) > 0
        union all
        select format('rule %I of %s', rulename, ev_class::regclass) from pg_rewrite
         where ev_class = any(parts) and ev_type <> '1' and position(ev_enabled in fires) > 0
        union all
        select format('foreign key %I of %s', conname, conrelid::regclass) from pg_constraint
         where contype = 'f' and confrelid = target and fires = 'OA'
           and (confdeltype in ('c', 'n', 'd') or confupdtype in ('c', 'n', 'd'))) as those(what);
    if acting is not null then
        raise exception 'the patch would set off: %', acting
            using hint = 'run it as a role that may set session_replication_role; one that is enabled ALWAYS or for REPLICA, disable first';
    end if;
end $$;

-- What nobody looked at while triggers were off: rows that refer to what is not there. Only those that the patch touched.
create or replace procedure pg_temp.pgvault_keys(target regclass, written text, gone text, columns text[])
    language plpgsql as $$
declare
    one record;
    broken boolean;
begin
    if current_setting('session_replication_role') <> 'replica' then
        return;
    end if;
    for one in
        select c.conname, c.conrelid::regclass as child, c.confrelid::regclass as parent,
               string_agg(format('r.%I is not null', k.attname), ' and ') as filled,
               string_agg(format('p.%I operator(%I.%s) r.%I', f.attname, s.nspname, o.oprname, k.attname), ' and ') as named,
               string_agg(format('p.%I operator(%I.%s) g.%I', f.attname, s.nspname, o.oprname, f.attname), ' and ') as kept,
               string_agg(format('g.%I operator(%I.%s) r.%I', f.attname, s.nspname, o.oprname, k.attname), ' and ') as lost,
               array_agg(k.attname::text) <@ columns and c.conrelid = target as refers,
               array_agg(f.attname::text) <@ columns and c.confrelid = target as referred
          from pg_constraint c, unnest(c.conkey, c.confkey, c.conpfeqop) as x(here, there, equal)
          join pg_operator o on o.oid = x.equal join pg_namespace s on s.oid = o.oprnamespace, pg_attribute k, pg_attribute f
         where c.contype = 'f' and c.convalidated and (c.conrelid = target or c.confrelid = target)
           and k.attrelid = c.conrelid and k.attnum = x.here and f.attrelid = c.confrelid and f.attnum = x.there
         group by c.oid, c.conname, c.conrelid, c.confrelid
    loop
        broken := false;
        if one.refers then
            execute format('select exists (select from %s as r where %s and not exists (select from %s as p where %s))',
                           written, one.filled, one.parent, one.named) into broken;
        end if;
        if one.referred and not broken then
            execute format('select exists (select from %s as g where not exists (select from %s as p where %s)'
                           ' and exists (select from %s as r where %s))', gone, one.parent, one.kept, one.child, one.lost)
               into broken;
        end if;
        if broken then
            raise exception 'rows of % would refer to rows of % that are not there (%)', one.child, one.parent, one.conname
                using hint = 'make the patch of both tables';
        end if;
    end loop;
end $$;
"""

_LOOKS: Final = """\
-- What is to be done: a line for each table that is not as it will be. `place`: parents before their children.
create temporary table pgvault_tables (number int primary key, target regclass, old_rows text, new_rows text, columns text[],
    changed text[], keys text[], was text, will text, place int, replaced boolean) on commit drop;

-- old_rows: what is deleted, and what is updated as it was; new_rows: what is inserted, and what is updated as it will be.
create or replace procedure pg_temp.pgvault_look(
    number int, target regclass, old_rows text, new_rows text, columns text[], changed text[], keys text[]) language plpgsql as $$
declare
    places text := format('pgvault_at_%s', number);
    here text := pg_temp.pgvault_only(target);
    old_here text := pg_temp.pgvault_same(target, keys, 't', 'o');
    new_here text := pg_temp.pgvault_same(target, keys, 't', 'n');
    alike_key text := pg_temp.pgvault_same(target, keys, 'o', 'n');
    old_there bigint; new_there bigint; old_count bigint; new_count bigint; taken bigint; kept bigint;
    replaced boolean;
    beyond text;
begin
    execute format('create temporary table %s on commit drop as select o.ctid as staged, t.tableoid as leaf, t.ctid as place'
                   ' from %s as o join %s as t on %s where %s',
                   places, old_rows, here, old_here, pg_temp.pgvault_alike(columns, 't', 'o'));
    old_there := pg_temp.pgvault_count(places);
    old_count := pg_temp.pgvault_count(old_rows);
    new_count := pg_temp.pgvault_count(new_rows);
    taken := pg_temp.pgvault_count(format('%s as n where exists (select from %s as t where %s) and not exists (select from %s as o where %s)',
                                          new_rows, here, new_here, old_rows, alike_key));
    if old_there <> old_count or taken > 0 then
        new_there := pg_temp.pgvault_count(format('%s as n join %s as t on %s where %s', new_rows, here, new_here,
                                                  pg_temp.pgvault_alike(columns, 't', 'n')));
        kept := pg_temp.pgvault_count(format('%s as o where exists (select from %s as t where %s) and not exists (select from %s as n where %s)',
                                             old_rows, here, old_here, new_rows, alike_key));
        if new_there = new_count and kept = 0 then
            raise notice '%: applied already, nothing is done', target;
            return;
        end if;
        raise exception '% is not as the patch expects it: % of % rows are there as they were, % that it inserts are there already',
            target, old_there, old_count, taken using hint = 'nothing was changed; compare anew';
    end if;
    select string_agg(quote_ident(attname), ', ') into beyond from pg_attribute
     where attrelid = target and attnum > 0 and not attisdropped and attgenerated = '' and attname <> all(columns);
    select exists (select from pg_attribute where attrelid = target and attname = any(changed) and attidentity = 'a')
        or (cardinality(changed) > 0 and exists (
            select from pg_index i where i.indrelid = target and (i.indisunique or i.indisexclusion)
               and (i.indexprs is not null or i.indpred is not null or exists (
                    select from pg_attribute a where a.attrelid = target and a.attnum = any(i.indkey) and a.attname = any(changed)))))
      into replaced;
    -- A row whose key prints otherwise and is the same key to the server came as one that goes and one that comes.
    replaced := replaced or pg_temp.pgvault_count(format('%s as o join %s as n on %s where not %s', old_rows, new_rows, alike_key,
                                                         pg_temp.pgvault_alike(keys, 'o', 'n'))) > 0;
    if replaced and beyond is not null then
        raise exception 'rows of % would lose what is in %: a unique key changes, so that they are replaced', target, beyond
            using hint = 'make the patch of two snapshots that have these columns';
    end if;
    insert into pgvault_tables values (number, target, old_rows, new_rows, columns, changed, keys, '', '', null, replaced);
end $$;

-- Without a key. rows: with how often each is there before, and after.
create or replace procedure pg_temp.pgvault_look_whole(
    number int, target regclass, rows text, columns text[], was text, will text) language plpgsql as $$
declare
    places text := format('pgvault_at_%s', number);
    counted text := format('%s as r where (select count(*) from %s as a where a.staged = r.ctid) <> r.%%I', rows, places);
    unlike bigint;
begin
    execute format('create temporary table %s on commit drop as select r.ctid as staged, t.tableoid as leaf, t.ctid as place,'
                   ' row_number() over (partition by r.ctid) as number from %s as r join %s as t on %s',
                   places, rows, pg_temp.pgvault_only(target), pg_temp.pgvault_alike(columns, 't', 'r'));
    unlike := pg_temp.pgvault_count(format(counted, was));
    if unlike > 0 then
        if pg_temp.pgvault_count(format(counted, will)) = 0 then
            raise notice '%: applied already, nothing is done', target;
            return;
        end if;
        raise exception '% is not as the patch expects it: % rows are not there as often as they were', target, unlike
            using hint = 'nothing was changed; compare anew';
    end if;
    insert into pgvault_tables values (number, target, rows, rows, columns, '{}', '{}', was, will, null, false);
end $$;
"""

_STEPS: Final = """\
create or replace procedure pg_temp.pgvault_take(one int) language plpgsql as $$
declare
    t pgvault_tables%rowtype;
    goes text := '';
begin
    select * into t from pgvault_tables where number = one;
    if cardinality(t.keys) = 0 then
        goes := format(' and a.number <= o.%I - o.%I', t.was, t.will);
    elsif not t.replaced then
        goes := format(' and not exists (select from %s as n where %s)', t.new_rows, pg_temp.pgvault_same(t.target, t.keys, 'o', 'n'));
    end if;
    execute format('delete from %s as t using pgvault_at_%s as a join %s as o on o.ctid = a.staged'
                   ' where t.tableoid = a.leaf and t.ctid = a.place%s', pg_temp.pgvault_only(t.target), one, t.old_rows, goes);
end $$;

create or replace procedure pg_temp.pgvault_put(one int) language plpgsql as $$
declare
    t pgvault_tables%rowtype;
    names text;
    comes text := '';
begin
    select * into t from pgvault_tables where number = one;
    names := pg_temp.pgvault_names(t.columns);
    if cardinality(t.keys) = 0 then
        comes := format(', generate_series(1, n.%I - n.%I)', t.will, t.was);
    elsif not t.replaced then
        comes := format(' where not exists (select from %s as o where %s)', t.old_rows, pg_temp.pgvault_same(t.target, t.keys, 'o', 'n'));
        if cardinality(t.changed) > 0 then
            execute format('update %s as t set %s from pgvault_at_%s as a join %s as o on o.ctid = a.staged join %s as n on %s'
                           ' where t.tableoid = a.leaf and t.ctid = a.place', pg_temp.pgvault_only(t.target),
                           (select string_agg(format('%I = n.%I', name, name), ', ') from unnest(t.changed) as name),
                           one, t.old_rows, t.new_rows, pg_temp.pgvault_same(t.target, t.keys, 'o', 'n'));
        end if;
    end if;
    execute format('insert into %s (%s) overriding system value select %s from %s as n%s', t.target, names, names, t.new_rows, comes);
end $$;

-- Foreign keys that nothing switched off hold after each statement: children go before their parents, and come after them.
create or replace procedure pg_temp.pgvault_change(takes_first boolean) language plpgsql as $$
declare
    one record;
begin
    for one in select number from pgvault_tables where takes_first and not replaced order by place desc, number loop
        call pg_temp.pgvault_take(one.number);
    end loop;
    for one in select number, replaced from pgvault_tables order by place, number loop
        if one.replaced then
            call pg_temp.pgvault_take(one.number);
        end if;
        call pg_temp.pgvault_put(one.number);
    end loop;
    for one in select number from pgvault_tables where not takes_first and not replaced order by place desc, number loop
        call pg_temp.pgvault_take(one.number);
    end loop;
end $$;

create or replace procedure pg_temp.pgvault_sure(one int) language plpgsql as $$
declare
    t pgvault_tables%rowtype;
    here text;
    rows bigint;
    there bigint;
begin
    select * into t from pgvault_tables where number = one;
    here := pg_temp.pgvault_only(t.target);
    rows := pg_temp.pgvault_count(t.new_rows);
    if cardinality(t.keys) = 0 then
        there := rows - pg_temp.pgvault_count(format('%s as r where (select count(*) from %s as t where %s) <> r.%I', t.new_rows, here,
                                                     pg_temp.pgvault_alike(t.columns, 't', 'r'), t.will));
    else
        there := pg_temp.pgvault_count(format('%s as n join %s as t on %s where %s', t.new_rows, here,
                                              pg_temp.pgvault_same(t.target, t.keys, 't', 'n'), pg_temp.pgvault_alike(t.columns, 't', 'n')));
    end if;
    if there <> rows then
        raise exception '%: % of % rows are there as the patch wants them', t.target, there, rows;
    end if;
    raise notice '%: % rows taken away or changed, % put or changed', t.target, pg_temp.pgvault_count(t.old_rows), rows;
end $$;

create or replace procedure pg_temp.pgvault_run() language plpgsql as $$
declare
    one record;
    placed bigint;
begin
    for round in 1 .. (select count(*) from pgvault_tables) loop
        update pgvault_tables c set place = round
         where c.place is null and not exists (
               select from pg_constraint k join pgvault_tables p on p.target = k.confrelid
                where k.contype = 'f' and k.conrelid = c.target and p.target <> c.target and p.place is null);
        get diagnostics placed = row_count;
        if placed = 0 then -- they refer to each other in a circle
            update pgvault_tables set place = round where number = (select min(number) from pgvault_tables where place is null);
        end if;
    end loop;
    set constraints all deferred;
    begin
        call pg_temp.pgvault_change(true);
    exception when foreign_key_violation then -- what refers to a row that goes refers to another one by now
        call pg_temp.pgvault_change(false);
    end;
    for one in select number from pgvault_tables order by number loop
        call pg_temp.pgvault_sure(one.number);
    end loop;
end $$;
"""

PROCEDURES: Final = f"{_CONDITIONS}\n{_GUARD}\n{_LOOKS}\n{_STEPS}"
