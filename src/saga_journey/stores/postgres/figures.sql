-- Figures about the runs of one tenant: how many, how long, where they stopped. Read only.
-- $1 is the tenant's name, $2 a list of definitions, $3 and $4 the span of started_at ($4 is not in it).

-- name: journeys
-- Sessions have no milestones, so there is nothing to count.
select definition, name, version from saga_journey.definition
where tenant = (select tenant from saga_journey.tenant where name = $1) and kind is null
order by definition;

-- name: counts
-- A run came through, or it stopped, or it moves: an index for each, and a run is in one of them. What moves waits for
-- a worker, or one holds it: these are no more than workers have slots. The last two are of all tenants, and hold also
-- runs that have ended and are being asked something.
select definition, 'completed', null::integer, count(*), 0::bigint from saga_journey.run
where tenant = (select tenant from saga_journey.tenant where name = $1) and definition = any($2::integer[])
    and started_at >= $3 and started_at < $4 and took is not null and stopped_milestone is null
group by definition
union all
select definition, status, stopped_milestone, count(*), count(*) filter (where needs) from saga_journey.run
where tenant = (select tenant from saga_journey.tenant where name = $1) and definition = any($2::integer[])
    and started_at >= $3 and started_at < $4 and stopped_milestone is not null
group by definition, stopped_milestone, status
union all
select definition, status, null, sum(runs)::bigint, sum(want_handlers)::bigint
from (
    select definition, status, count(*) as runs, count(*) filter (where needs) as want_handlers from saga_journey.run
    where tenant = (select tenant from saga_journey.tenant where name = $1) and definition = any($2::integer[])
        and started_at >= $3 and started_at < $4 and owner is null and due_at is not null
        and stopped_milestone is null and status <> 'completed'
    group by definition, status
    union all
    select definition, status, count(*), count(*) filter (where needs) from saga_journey.run
    where tenant = (select tenant from saga_journey.tenant where name = $1) and definition = any($2::integer[])
        and started_at >= $3 and started_at < $4 and owner is not null and due_at is not null
        and stopped_milestone is null and status <> 'completed'
    group by definition, status
) moving
group by definition, status;

-- name: durations
-- percentile_disc is by nearest rank: the first one at which that share of all is reached.
select count(*), sum(took)::double precision / count(*), percentile_disc(array[0.5, 0.95]) within group (order by took),
    min(took), max(took)
from saga_journey.run
where tenant = (select tenant from saga_journey.tenant where name = $1) and definition = any($2::integer[])
    and started_at >= $3 and started_at < $4 and took is not null and stopped_milestone is null
having count(*) > 0;

-- name: over_time
-- $3 and $4 are where the periods of started_at begin, and where they end.
select period.since, period.until, through.runs, stopped.runs, through.average
from unnest($3::double precision[], $4::double precision[]) with ordinality as period(since, until, number)
cross join lateral (
    select count(*) as runs, sum(took)::double precision / count(*) as average from saga_journey.run
    where tenant = (select tenant from saga_journey.tenant where name = $1) and definition = any($2::integer[])
        and started_at >= period.since and started_at < period.until
        and took is not null and stopped_milestone is null
) through
cross join lateral (
    select count(*) as runs from saga_journey.run
    where tenant = (select tenant from saga_journey.tenant where name = $1) and definition = any($2::integer[])
        and started_at >= period.since and started_at < period.until and stopped_milestone is not null
) stopped
order by period.number;

-- name: newest
-- At most $5 runs and their journals; the last one is that whose journal reaches $6 bytes of all.
-- Run numbers grow with time. How long a text is, is known without reading it.
with
    newest as materialized (
        select tenant, run, saga, definition from saga_journey.run
        where tenant = (select tenant from saga_journey.tenant where name = $1) and definition = any($2::integer[])
            and started_at >= $3 and started_at < $4
        order by run desc limit $5
    ),
    sized as (
        select newest.*, sum(journal.bytes) over (order by run desc) - journal.bytes as before
        from newest cross join lateral (
            select coalesce(sum(octet_length(events)), 0) as bytes from saga_journey.journal j
            where j.tenant = newest.tenant and j.run = newest.run
        ) journal
    )
select sized.run, sized.saga, sized.definition, j.seq, j.epoch, j.at, j.events
from sized left join saga_journey.journal j on j.tenant = sized.tenant and j.run = sized.run
where sized.before < $6
order by sized.run desc, j.seq;
