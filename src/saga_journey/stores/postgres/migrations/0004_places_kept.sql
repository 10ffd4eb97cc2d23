-- A run that is due keeps its place in the queue when something is said to it: else who asks often waits for ever.
-- (`least` of nothing and a time is the time.)

-- answers: [[command, answer]]; messages: [[saga, command, name, body]]; moved: {hash, name, version, body}.
create or replace function saga_journey.write_sides(p_tenant integer, p_run bigint, p_at double precision, p_side jsonb)
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
        update run set due_at = least(due_at, p_at), turning = turning or turns_back(one ->> 2)
        where tenant = p_tenant and saga = one ->> 0 and owner is null;
    end loop;
end $$;

-- A command, and a run that has to look at it. The row is locked first: a release either sees the command, or is seen.
-- Gives whether it is new, and the answer that it has already; null when there is no such run.
create or replace function saga_journey.send_command(
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
        update run set due_at = least(due_at, at), turning = turning or turns_back(p_name)
        where tenant = p_tenant and run = p_run and owner is null;
    else
        select answer into given from command where tenant = p_tenant and run = p_run and command = p_command;
    end if;
end $$;
