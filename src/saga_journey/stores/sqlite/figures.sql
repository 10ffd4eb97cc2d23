-- Figures about the runs of one tenant: how many, how long, where they stopped. Read only.
-- ?1 is the tenant's name, ?2 a JSON list of definitions, ?3 and ?4 the span of started_at (?4 is not in it).

-- name: journeys
-- Sessions have no milestones, so there is nothing to count.
select definition, name, version from definition
where tenant = (select tenant from tenant where name = ?1) and json_extract(body, '$.kind') is not 'session'
order by definition;

-- name: counts
-- A run came through, or it stopped, or it moves: an index for each, and a run is in one of them. The last one is that
-- of all tenants, and holds also runs that have ended and are being asked something.
select definition, 'completed', null, count(*), 0 from run indexed by run_completed
where tenant = (select tenant from tenant where name = ?1) and definition in (select value from json_each(?2))
  and started_at >= ?3 and started_at < ?4 and took is not null and stopped_milestone is null
group by definition
union all
select definition, status, stopped_milestone, count(*), sum(needs) from run indexed by run_stopped
where tenant = (select tenant from tenant where name = ?1) and definition in (select value from json_each(?2))
  and started_at >= ?3 and started_at < ?4 and stopped_milestone is not null
group by definition, stopped_milestone, status
union all
select definition, status, null, count(*), sum(needs) from run indexed by run_due
where tenant = (select tenant from tenant where name = ?1) and definition in (select value from json_each(?2))
  and started_at >= ?3 and started_at < ?4 and due_at is not null and stopped_milestone is null
  and status <> 'completed'
group by definition, status;

-- name: durations
-- By nearest rank. SQLite keeps what it materializes in the order in which it was put there.
with
    sorted as materialized (
        select took from run indexed by run_completed
        where tenant = (select tenant from tenant where name = ?1) and definition in (select value from json_each(?2))
          and started_at >= ?3 and started_at < ?4 and took is not null and stopped_milestone is null
        order by took
    ),
    whole as materialized (
        select count(*) as runs, avg(took) as average, min(took) as shortest, max(took) as longest from sorted
    )
select runs, average,
    (select took from sorted limit 1 offset (select (runs * 50 - 1) / 100 from whole)),
    (select took from sorted limit 1 offset (select (runs * 95 - 1) / 100 from whole)),
    shortest, longest
from whole where runs > 0;

-- name: over_time
-- ?3 are the periods of started_at, a JSON list of [since, until].
with period as materialized (
    select key as number, json_extract(value, '$[0]') as since, json_extract(value, '$[1]') as until from json_each(?3)
)
select since, until,
    (select count(*) from run indexed by run_completed
     where tenant = (select tenant from tenant where name = ?1) and definition in (select value from json_each(?2))
       and started_at >= since and started_at < until and took is not null and stopped_milestone is null),
    (select count(*) from run indexed by run_stopped
     where tenant = (select tenant from tenant where name = ?1) and definition in (select value from json_each(?2))
       and started_at >= since and started_at < until and stopped_milestone is not null),
    (select avg(took) from run indexed by run_completed
     where tenant = (select tenant from tenant where name = ?1) and definition in (select value from json_each(?2))
       and started_at >= since and started_at < until and took is not null and stopped_milestone is null)
from period order by number;

-- name: newest
-- Run numbers grow with time.
select run, saga, definition from run
where tenant = (select tenant from tenant where name = ?1) and definition in (select value from json_each(?2))
  and started_at >= ?3 and started_at < ?4
order by run desc limit ?5;

-- name: journal
select j.seq, j.epoch, j.at, j.events from journal j
where j.tenant = (select tenant from tenant where name = ?1) and j.run = ?2 order by j.seq;
