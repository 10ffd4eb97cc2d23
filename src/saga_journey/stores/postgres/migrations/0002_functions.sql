-- What is written, in one round trip for each batch. After a lock that it waited for, each statement of a function sees
-- what others have committed meanwhile; a single statement would go on with what it saw at its beginning.
-- Rows are locked in the order of (tenant, run), so that two batches wait for one another and do not embrace.

-- Advisory locks are (this number, an owner): shared by the owner's batches, exclusive while a run is taken from it.
create function saga_journey.fence() returns integer language sql immutable as 'select 1935763041';

create function saga_journey.clock() returns double precision language sql volatile as
'select extract(epoch from clock_timestamp())::double precision';

-- Commands after which a run is probably undone: it is claimed with those that are (core/commands.py has the names).
create function saga_journey.turns_back(p_name text) returns boolean language sql immutable as
$$select p_name in ('cancel', 'compensate', 'recall')$$;

-- What is acknowledged survives power loss, also where the role or the database asks for less.
create function saga_journey.be_durable() returns void language plpgsql as $$
begin
    if current_setting('synchronous_commit') = 'off' then
        perform set_config('synchronous_commit', 'on', true);
    end if;
end $$;

-- [[seq, item, kind, body]] of one run; a turn that is sent again brings them again.
create function saga_journey.write_outbox(p_tenant integer, p_run bigint, p_at double precision, p_rows jsonb)
returns void language sql set search_path = saga_journey, pg_temp as $$
    insert into outbox (tenant, run, seq, item, kind, body, at)
    select p_tenant, p_run, (o ->> 0)::integer, (o ->> 1)::integer, o ->> 2, o ->> 3, p_at
    from jsonb_array_elements(p_rows) o;
$$;

-- Runs that a turn of another run starts, and their own: [{saga, definition, turn, at, due, outbox, children}].
-- p_family: the run that their family began with.
create function saga_journey.start_children(p_tenant integer, p_family bigint, p_children jsonb) returns void
language plpgsql set search_path = saga_journey, pg_temp as $$
declare
    child record;
    number bigint;
begin
    for child in
        select * from jsonb_to_recordset(p_children) as c(
            saga text, definition integer, turn text, at double precision, due double precision,
            outbox jsonb, children jsonb)
    loop
        number := nextval('run_number');
        insert into run (tenant, run, saga, definition, status, due_at, epoch, started_at, updated_at, family)
        values (p_tenant, number, child.saga, child.definition, 'in_progress', child.due, 0, child.at, child.at,
            p_family);
        insert into journal (tenant, run, seq, epoch, at, events) values (p_tenant, number, 1, 0, child.at, child.turn);
        perform write_outbox(p_tenant, number, child.at, child.outbox);
        perform start_children(p_tenant, p_family, child.children);
    end loop;
end $$;

-- New runs. p_key null: without a key. p_sides: null, or {place: {outbox, children}}.
-- Gives for each place the run that it has now, the saga of that run, and whether that was started with the same input.
-- Another saga than the one that was sent: its key was taken before. What is sent again, because the answer was lost,
-- finds its own saga.
create function saga_journey.start_runs(
    p_tenant integer[], p_saga text[], p_definition integer[], p_journey text[], p_turn text[],
    p_at double precision[], p_due double precision[], p_owner integer[],
    p_key text[], p_fingerprint bytea[], p_sides jsonb
) returns table (r_run bigint, r_saga text, r_same boolean)
language plpgsql set search_path = saga_journey, pg_temp as $$
declare
    keyed constant boolean := cardinality(array_remove(p_key, null)) > 0;
    numbers constant bigint[] := array(select nextval('run_number') from unnest(p_saga));
    runs bigint[] := numbers;
    made integer;
    side record;
begin
    perform be_durable();
    if keyed then
        loop
            insert into start_key (tenant, journey, key, run, fingerprint)
            select n.* from unnest(p_tenant, p_journey, p_key, numbers, p_fingerprint)
                as n(tenant, journey, key, run, fingerprint)
            where n.key is not null
            order by n.tenant, n.journey, n.key, n.run
            on conflict do nothing;
            -- one that was there may go at this very moment, with its run: then it is free
            perform 1 from start_key k
            join (select distinct * from unnest(p_tenant, p_journey, p_key)) as n(tenant, journey, key)
                on k.tenant = n.tenant and k.journey = n.journey and k.key = n.key
            order by k.tenant, k.journey, k.key for key share of k;
            get diagnostics made = row_count;
            exit when made = (
                select count(distinct n) from unnest(p_tenant, p_journey, p_key) as n(tenant, journey, key)
                where n.key is not null);
        end loop;
        runs := array(
            select coalesce(k.run, n.run)
            from unnest(p_tenant, p_journey, p_key, numbers) with ordinality as n(tenant, journey, key, run, place)
            left join start_key k on k.tenant = n.tenant and k.journey = n.journey and k.key = n.key
            order by n.place);
    end if;
    insert into run (tenant, run, saga, definition, status, due_at, owner, epoch, started_at, updated_at)
    select n.tenant, n.number, n.saga, n.definition, 'in_progress', n.due, n.owner,
        case when n.owner is null then 0 else 1 end, n.at, n.at
    from unnest(p_tenant, numbers, runs, p_saga, p_definition, p_due, p_owner, p_at)
        as n(tenant, number, run, saga, definition, due, owner, at)
    where n.run = n.number
    on conflict (tenant, saga) do nothing;
    get diagnostics made = row_count;
    if made < cardinality(p_saga) then
        runs := array(
            select case when n.run = n.number then r.run else n.run end
            from unnest(p_tenant, p_saga, runs, numbers) with ordinality as n(tenant, saga, run, number, place)
            left join run r on r.tenant = n.tenant and r.saga = n.saga
            order by n.place);
    end if;
    insert into journal (tenant, run, seq, epoch, at, events)
    select n.tenant, n.run, 1, case when n.owner is null then 0 else 1 end, n.at, n.turn
    from unnest(p_tenant, numbers, runs, p_owner, p_at, p_turn) as n(tenant, number, run, owner, at, turn)
    where n.run = n.number;
    for side in select s.key::integer as place, s.value from jsonb_each(p_sides) s order by 1 loop
        if runs[side.place] = numbers[side.place] then
            perform write_outbox(p_tenant[side.place], runs[side.place], p_at[side.place], side.value -> 'outbox');
            perform start_children(p_tenant[side.place], runs[side.place], side.value -> 'children');
        end if;
    end loop;
    if made = cardinality(p_saga) then
        return query select n.run, n.saga, true from unnest(runs, p_saga) as n(run, saga);
    else
        return query
            select n.run, r.saga, n.key is null or k.fingerprint = n.fingerprint
            from unnest(p_tenant, runs, p_journey, p_key, p_fingerprint) with ordinality
                as n(tenant, run, journey, key, fingerprint, place)
            join run r on r.tenant = n.tenant and r.run = n.run
            left join start_key k on k.tenant = n.tenant and k.journey = n.journey and k.key = n.key
            order by n.place;
    end if;
end $$;

-- Turns of runs that these owners hold. p_events null: only the index row changes. c_…: the rows that change, by the
-- place of their turn. p_sides: null, or {place: {answers, outbox, starts, messages, moved}}.
--
-- p_checked: the row of each run is locked, and the turn is compared with what is there. Without it, nobody can take a
-- run from these owners meanwhile (they are locked), and they never lost one, so it is enough to see that the epoch is
-- the newest. When that is not so, nothing is written, and the answer is null or SJ001: send it again, checked.
--
-- Gives for each turn: 0 written, now or before; 1 another claim is newer; 2 another turn has its seq.
create function saga_journey.commit_turns(
    p_owners integer[], p_checked boolean,
    p_tenant integer[], p_run bigint[], p_seq integer[], p_epoch integer[], p_at double precision[], p_events text[],
    c_place integer[], c_status text[], c_owner integer[], c_due double precision[], c_lost integer[],
    c_needs boolean[], c_stopped integer[], p_sides jsonb
) returns smallint[]
language plpgsql set search_path = saga_journey, pg_temp set enable_hashjoin = off set enable_mergejoin = off as $$
declare
    size constant integer := cardinality(p_run);
    verdicts smallint[] := array_fill(0::smallint, array[cardinality(p_run)]);
    done boolean[];  -- written now, not before
    n integer;
    wanted integer;
    one record;
begin
    perform be_durable();
    perform pg_advisory_xact_lock_shared(fence(), o) from unnest(p_owners) o;
    if p_checked then
        done := array_fill(false, array[size]);
        for one in
            select * from unnest(p_tenant, p_run, p_seq, p_epoch, p_at, p_events) with ordinality
                as t(tenant, run, seq, epoch, at, events, place)
            order by t.tenant, t.run
        loop
            select r.epoch into n from run r where r.tenant = one.tenant and r.run = one.run for no key update;
            if one.events is not null and exists (
                select from journal j where j.tenant = one.tenant and j.run = one.run and j.seq = one.seq
                and j.epoch = one.epoch and j.events = one.events)
            then
                continue;
            elsif n is distinct from one.epoch then
                verdicts[one.place] := 1;
                continue;
            elsif one.events is not null then
                insert into journal (tenant, run, seq, epoch, at, events)
                values (one.tenant, one.run, one.seq, one.epoch, one.at, one.events) on conflict do nothing;
                if not found then
                    -- it may have waited for its own first attempt, whose answer was lost
                    if not exists (
                        select from journal j where j.tenant = one.tenant and j.run = one.run and j.seq = one.seq
                        and j.epoch = one.epoch and j.events = one.events)
                    then
                        verdicts[one.place] := 2;
                    end if;
                    continue;
                end if;
            end if;
            done[one.place] := true;
        end loop;
    else
        select count(*) into n from owner o where o.owner = any(p_owners) and not o.taken;
        if n < cardinality(p_owners) then
            return null;
        end if;
        insert into journal (tenant, run, seq, epoch, at, events)
        select t.* from unnest(p_tenant, p_run, p_seq, p_epoch, p_at, p_events)
            as t(tenant, run, seq, epoch, at, events)
        join run r on r.tenant = t.tenant and r.run = t.run and r.epoch = t.epoch
        where t.events is not null;
        get diagnostics n = row_count;
        if n < cardinality(array_remove(p_events, null)) then
            raise exception 'a claim has moved' using errcode = 'SJ001';
        end if;
    end if;
    if p_sides is not null then
        perform lock_recipients(p_tenant, p_run, c_place, p_sides);
    end if;
    if cardinality(c_place) > 0 then
        update run r set status = c.status, owner = c.owner, due_at = c.due, lost = c.lost, needs = c.needs,
            updated_at = p_at[c.place], stopped_milestone = c.stopped,
            -- measured when the run ends: what an ended run is asked afterwards does not make it longer
            took = case when c.due is not null then null when r.status = c.status then r.took
                else round((p_at[c.place] - r.started_at) * 1000000)::bigint end,
            empty_claims = case when c.owner is null then 0 else r.empty_claims end
        from unnest(c_place, c_status, c_owner, c_due, c_lost, c_needs, c_stopped)
            as c(place, status, owner, due, lost, needs, stopped)
        where r.tenant = p_tenant[c.place] and r.run = p_run[c.place] and r.epoch = p_epoch[c.place]
            and (done is null or done[c.place]);
        get diagnostics n = row_count;
        if done is null then
            wanted := cardinality(c_place);
        else
            select count(*) into wanted from unnest(c_place) c where done[c];
        end if;
        if n < wanted then
            raise exception 'a claim has moved' using errcode = 'SJ001';
        end if;
    end if;
    for one in select s.key::integer as place, s.value as side from jsonb_each(p_sides) s order by 1 loop
        if done is null or done[one.place] then
            perform write_sides(p_tenant[one.place], p_run[one.place], p_at[one.place], one.side);
        end if;
    end loop;
    -- a run that is released while a command waits for it stays due
    if array_position(c_owner, null) is not null and exists (select from command where answer is null) then
        update run r set due_at = p_at[c.place], turning = exists (
            select from command m
            where m.tenant = r.tenant and m.run = r.run and m.answer is null and turns_back(m.name))
        from unnest(c_place, c_owner) as c(place, owner)
        where c.owner is null and r.tenant = p_tenant[c.place] and r.run = p_run[c.place] and r.owner is null
            and exists (
                select from command m where m.tenant = r.tenant and m.run = r.run and m.answer is null);
    end if;
    return verdicts;
end $$;

-- Turns that say something to other runs lock all the rows that they will change, in one order.
create function saga_journey.lock_recipients(p_tenant integer[], p_run bigint[], c_place integer[], p_sides jsonb)
returns void language plpgsql set search_path = saga_journey, pg_temp as $$
begin
    if not exists (select from jsonb_each(p_sides) s where s.value ? 'messages') then
        return;
    end if;
    perform 1 from run r where (r.tenant, r.run) in (
        select p_tenant[c], p_run[c] from unnest(c_place) c
        union
        select t.tenant, t.run from jsonb_each(p_sides) s
        cross join jsonb_array_elements(s.value -> 'messages') m
        join run t on t.tenant = p_tenant[s.key::integer] and t.saga = m ->> 0)
    order by r.tenant, r.run for no key update;
end $$;

-- answers: [[command, answer]]; messages: [[saga, command, name, body]]; moved: {hash, name, version, body}.
create function saga_journey.write_sides(p_tenant integer, p_run bigint, p_at double precision, p_side jsonb)
returns void language plpgsql set search_path = saga_journey, pg_temp as $$
declare
    one jsonb;
    pinned integer;
begin
    for one in select * from jsonb_array_elements(p_side -> 'answers') loop
        update command set answer = one ->> 1, answered_at = p_at
        where tenant = p_tenant and run = p_run and command = one ->> 0;
    end loop;
    perform write_outbox(p_tenant, p_run, p_at, p_side -> 'outbox');
    if p_side ? 'starts' then
        perform start_children(p_tenant, coalesce(r.family, r.run), p_side -> 'starts')
        from run r where r.tenant = p_tenant and r.run = p_run;
    end if;
    if p_side ? 'moved' then
        one := p_side -> 'moved';
        pinned := save_definition(
            p_tenant, one ->> 'hash', one ->> 'name', (one ->> 'version')::integer, null, one ->> 'body', p_at);
        update run set definition = pinned where tenant = p_tenant and run = p_run;
    end if;
    for one in select * from jsonb_array_elements(p_side -> 'messages') loop
        insert into command (tenant, run, command, name, body, sent_at)
        select r.tenant, r.run, one ->> 1, one ->> 2, one ->> 3, p_at from run r
        where r.tenant = p_tenant and r.saga = one ->> 0
        on conflict do nothing;
        update run set due_at = p_at, turning = turning or turns_back(one ->> 2)
        where tenant = p_tenant and saga = one ->> 0 and owner is null;
    end loop;
end $$;

create function saga_journey.save_definition(
    p_tenant integer, p_hash text, p_name text, p_version integer, p_kind text, p_body text, p_at double precision
) returns integer language plpgsql set search_path = saga_journey, pg_temp as $$
declare
    number integer;
begin
    select definition into number from definition where tenant = p_tenant and hash = p_hash;
    if number is null then
        -- one after the other: a worker that asks for what is new since number 7 must not miss a 6 that comes later
        perform pg_advisory_xact_lock(fence(), -1);
        insert into definition (tenant, hash, name, version, kind, body, saved_at)
        values (p_tenant, p_hash, p_name, p_version, p_kind, p_body, p_at) on conflict do nothing;
        select definition into number from definition where tenant = p_tenant and hash = p_hash;
    end if;
    return number;
end $$;

create function saga_journey.tenant_number(p_name text) returns integer
language plpgsql set search_path = saga_journey, pg_temp as $$
declare
    number integer;
begin
    select tenant into number from tenant where name = p_name;
    if number is null then
        insert into tenant (name) values (p_name) on conflict do nothing;
        select tenant into number from tenant where name = p_name;
    end if;
    return number;
end $$;

-- A command, and a run that has to look at it. The row is locked first: a release either sees the command, or is seen.
-- Gives whether it is new, and the answer that it has already; null when there is no such run.
create function saga_journey.send_command(
    p_tenant integer, p_run bigint, p_command text, p_name text, p_body text, p_now double precision,
    out is_new boolean, out given text
) language plpgsql set search_path = saga_journey, pg_temp as $$
declare
    at constant double precision := coalesce(p_now, clock());
begin
    perform be_durable();
    perform 1 from run where tenant = p_tenant and run = p_run for no key update;
    if not found then
        return;
    end if;
    insert into command (tenant, run, command, name, body, sent_at)
    values (p_tenant, p_run, p_command, p_name, p_body, at) on conflict do nothing;
    is_new := found;
    if is_new then
        update run set due_at = at, turning = turning or turns_back(p_name)
        where tenant = p_tenant and run = p_run and owner is null;
    else
        select answer into given from command where tenant = p_tenant and run = p_run and command = p_command;
    end if;
end $$;

-- Takes out families of runs that ended before that moment, at most so many families; says how many runs that were. Each
-- begins with a run that no other one started. Rows that somebody is changing are left alone, and
-- with them their family.
create function saga_journey.prune(p_before double precision, p_most integer, p_archive boolean) returns bigint
language plpgsql set search_path = saga_journey, pg_temp as $$
declare
    first record;
    members bigint[];
    locked bigint[];
    families integer := 0;
    gone bigint := 0;
begin
    for first in
        select r.tenant, r.run from run r
        where r.family is null and r.due_at is null and r.started_at < p_before and r.updated_at < p_before
            and r.status in ('completed', 'compensated', 'resolved', 'cancelled')
        for no key update skip locked
    loop
        exit when families = p_most;
        members := array(
            select r.run from run r where r.tenant = first.tenant and (r.run = first.run or r.family = first.run));
        locked := array(
            select r.run from run r where r.tenant = first.tenant and r.run = any(members)
                and r.due_at is null and r.updated_at < p_before
            order by r.run for no key update skip locked);
        continue when cardinality(locked) < cardinality(members) or exists (
            select from outbox o where o.tenant = first.tenant and o.run = any(members) and o.published_at is null);
        if p_archive then
            insert into archive (tenant, run, saga, definition, status, started_at, ended_at, body)
            select r.tenant, r.run, r.saga, r.definition, r.status, r.started_at, r.updated_at, json_build_object(
                'turns', (
                    select coalesce(json_agg(json_build_array(j.seq, j.epoch, j.at, j.events::json) order by j.seq),
                        '[]')
                    from journal j where j.tenant = r.tenant and j.run = r.run),
                'commands', (
                    select coalesce(json_agg(json_build_array(c.command, c.name, c.body::json, c.sent_at,
                        c.answer::json, c.answered_at) order by c.sent_at), '[]')
                    from command c where c.tenant = r.tenant and c.run = r.run))::text
            from run r where r.tenant = first.tenant and r.run = any(members);
        end if;
        delete from journal t where t.tenant = first.tenant and t.run = any(members);
        delete from command t where t.tenant = first.tenant and t.run = any(members);
        delete from outbox t where t.tenant = first.tenant and t.run = any(members);
        delete from start_key t where t.tenant = first.tenant and t.run = any(members);
        delete from run t where t.tenant = first.tenant and t.run = any(members);
        families := families + 1;
        gone := gone + cardinality(members);
    end loop;
    return gone;
end $$;
