-- Takes out families of runs that ended before that moment, at most so many families; says how many runs that were, and
-- names one of them (by which one sees whether it happened, should the answer to the COMMIT be lost). Each family begins
-- with a run that no other one started. Rows that somebody is changing are left alone, and with them their family.
drop function saga_journey.prune(double precision, integer, boolean);

create function saga_journey.prune(
    p_before double precision, p_most integer, p_archive boolean,
    out gone bigint, out one_tenant integer, out one_run bigint
) language plpgsql set search_path = saga_journey, pg_temp as $$
declare
    first record;
    members bigint[];
    locked bigint[];
    families integer := 0;
begin
    gone := 0;
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
        one_tenant := first.tenant;
        one_run := first.run;
    end loop;
end $$;
