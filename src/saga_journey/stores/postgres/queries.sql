-- Every statement of the PostgreSQL store, apart from what is written in batches (migrations/0002_functions.sql).
-- Everything is named with its schema: behind a pooler, no connection remembers a search path.

-- Whole numbers and booleans come as the text of an array (batches.py says why).

-- name: start_runs
select * from saga_journey.start_runs(
    $1::text::integer[], $2, $3::text::integer[], $4, $5, $6, $7, $8::text::integer[], $9, $10, $11);

-- name: commit_turns
select saga_journey.commit_turns(
    $1::text::integer[], $2, $3::text::integer[], $4::text::bigint[], $5::text::integer[], $6::text::integer[], $7, $8,
    $9::text::integer[], $10, $11::text::integer[], $12, $13::text::integer[], $14::text::boolean[],
    $15::text::integer[], $16);

-- name: tenant_number
select saga_journey.tenant_number($1);

-- name: save_definition
select saga_journey.save_definition($1, $2, $3, $4, $5, $6, coalesce($7, saga_journey.clock()));

-- name: send_command
select is_new, given from saga_journey.send_command($1, $2, $3, $4, $5, $6);

-- name: clock
select saga_journey.clock();

-- name: enter_owner
insert into saga_journey.owner (lease, lease_until, seen_at)
select $1, n + $1, n from (select coalesce($2, saga_journey.clock()) as n) t
returning owner;

-- name: renew_owner
-- Gives when its lease was last found to have run out: just now, and its runs may have been taken from it. (Not whether:
-- what is sent again because the answer was lost must give the same.) An owner that was forgotten meanwhile is entered
-- again under its number.
insert into saga_journey.owner as o (owner, lease, lease_until, seen_at, lapsed_at, taken) overriding system value
select $1, $2, n + $2, n, n, true from (select coalesce($3, saga_journey.clock()) as n) t
on conflict (owner) do update set
    lease = excluded.lease, lease_until = excluded.lease_until, seen_at = excluded.seen_at, dead_since = null,
    lapsed_at = case when o.lease_until < excluded.seen_at then excluded.seen_at else o.lapsed_at end
returning lapsed_at;

-- name: leave_owner
-- What it still holds is left for others: its lease is over now.
with gone as (
    delete from saga_journey.owner o
    where o.owner = $1 and not exists (select from saga_journey.run r where r.owner = $1 and r.due_at is not null)
    returning owner
)
update saga_journey.owner o set lease = 0, lease_until = 0
where o.owner = $1 and not exists (select from gone);

-- name: held
select tenant, run from saga_journey.run where owner = $1 and due_at is not null;

-- name: workers
select o.owner, o.lease_until >= coalesce($1, saga_journey.clock()),
    (select count(*) from saga_journey.run r where r.owner = o.owner and r.due_at is not null), o.seen_at, o.lease_until
from saga_journey.owner o order by o.owner;

-- name: bury_owners
-- Those whose lease is over. Rows that somebody else is changing are somebody else's to judge.
update saga_journey.owner o set dead_since = $2
from (
    select owner from saga_journey.owner
    where owner <> $1 and dead_since is null and lease_until < $2
    order by owner for no key update skip locked
) d
where o.owner = d.owner;

-- name: forget_owners
-- The dead who left nothing, after a while.
delete from saga_journey.owner o
where o.owner in (
    select owner from saga_journey.owner d
    where d.owner <> $1 and d.dead_since < $2 - 10 * d.lease
        and not exists (select from saga_journey.run r where r.owner = d.owner and r.due_at is not null)
    for update skip locked
);

-- name: how_it_stands
-- Store time; whether anybody else is alive, or was $3 seconds ago and may come back; whether this worker may judge who is
-- dead; and when the server came up (0 in a test with its own time). Who was down cannot know: after the server came up,
-- or this worker came back, every lease gets its time once more.
select n, exists (select from saga_journey.owner o where o.owner <> $1 and o.lease_until + $3 >= n),
    not exists (
        select from saga_journey.owner o
        where o.owner = $1 and (o.lease_until < n or o.lapsed_at + o.lease > n)),
    case when $2 is null then extract(epoch from pg_postmaster_start_time())::double precision else 0 end
from (select coalesce($2, saga_journey.clock()) as n) t;

-- name: dead_owners
-- Those that left runs, locked: their last batch has ended. $3: when the server came up.
with dead as materialized (
    select owner from saga_journey.owner o
    where owner <> $1 and lease_until < $2 and $3 + lease < $2
        and exists (select from saga_journey.run r where r.owner = o.owner and r.due_at is not null)
    order by owner
)
select owner from dead where pg_try_advisory_xact_lock(saga_journey.fence(), owner);

-- name: still_dead
-- Looked at again under the lock: it may have renewed its lease just before. From now on each of its writes is checked.
update saga_journey.owner set taken = true where owner = any($1::integer[]) and lease_until < $2
returning owner, dead_since;

-- What is taken is found in a part of its own that is `materialized`, here and below. A mere subquery the server may run
-- again for each row of the table, as it does when it believes that to be empty; and each time it skips what it has
-- taken before, and finds as many more.

-- name: take_orphans
-- Runs of dead owners. $5: those of definitions in $4, or else the others. $6: those whose attempt was never lost
-- before, or else the others: what died with its owner has been lost once more than is written. $7: those that are to be
-- undone, or else the others.
with f as materialized (
    select tenant, run from saga_journey.run
    where owner = any($3::integer[]) and due_at is not null
        and (definition = any($4::integer[])) = $5 and (lost < 1) = $6 and (status = 'compensating' or turning) = $7
    limit $8 for no key update skip locked
)
update saga_journey.run r set owner = $1, epoch = r.epoch + 1, updated_at = $2, turning = false,
    empty_claims = case when exists (
        select from saga_journey.journal j where j.tenant = r.tenant and j.run = r.run and j.epoch = r.epoch)
        then 0 else r.empty_claims + 1 end
from f
where r.tenant = f.tenant and r.run = f.run
returning r.tenant, r.run;

-- name: fragile_groups
-- The tenants and definitions of runs that wait and may kill their worker, the longest due first; of the first so many
-- runs: there are few, or something is very wrong.
select f.tenant, f.definition, d.name, t.name
from (
    select tenant, definition, due_at from saga_journey.run
    where owner is null and due_at is not null and lost >= 2 and due_at <= $1 and definition = any($2::integer[])
    order by due_at limit 1000
) f
join saga_journey.definition d on d.definition = f.definition join saga_journey.tenant t on t.tenant = f.tenant
group by 1, 2, 3, 4 order by min(f.due_at);

-- name: take_fragile
-- One of them.
with f as materialized (
    select tenant, run from saga_journey.run
    where owner is null and due_at is not null and lost >= 2 and due_at <= $2 and tenant = $3 and definition = $4
    order by due_at limit 1 for no key update skip locked
)
update saga_journey.run r set owner = $1, epoch = r.epoch + 1, updated_at = $2, empty_claims = 0, turning = false
from f
where r.tenant = f.tenant and r.run = f.run
returning r.tenant, r.run;

-- name: take_unserved
-- Due since $3 and longer, of definitions that nobody serves. They are looked for without a lock, in the queue of each
-- definition: by due_at alone, all that waits for others would be read first.
with f as materialized (
    select w.tenant, w.run
    from (
        (
            select q.tenant, q.run
            from saga_journey.definition d cross join (values (0), (1)) as way(undoing) cross join lateral (
                select tenant, run from saga_journey.run x
                where (x.status = 'compensating' or x.turning)::integer = way.undoing
                    and x.tenant = d.tenant and x.definition = d.definition
                    and x.owner is null and x.due_at < 1e17 and x.lost < 2 and x.due_at <= $3
                order by x.due_at limit $5
            ) q
            where d.definition = any($4::integer[]) limit $5
        )
        union all
        (
            select tenant, run from saga_journey.run
            where owner is null and due_at is not null and lost >= 2 and due_at <= $3
                and definition = any($4::integer[])
            order by due_at limit $5
        )
    ) found join saga_journey.run w on w.tenant = found.tenant and w.run = found.run
    where w.owner is null and w.due_at <= $3
    limit $5 for no key update of w skip locked
)
update saga_journey.run r set owner = $1, epoch = r.epoch + 1, updated_at = $2, empty_claims = 0, turning = false
from f
where r.tenant = f.tenant and r.run = f.run
returning r.tenant, r.run;

-- name: other_definitions
-- Of journeys, as far as the worker knows them; sessions need no worker.
select definition from saga_journey.definition
where kind is null and not definition = any($1::integer[]) and definition <= $2;

-- name: due_groups
-- Who waits: each tenant and definition with due runs, from the one after ($3, $4) on, at most $7 of them; and how many
-- each has, as far as that matters to who shares $5 places fairly. $8: there are limits, so up to $5 of each matter.
-- Groups are found by jumping over the index (a loose index scan), so a million waiting runs cost as much as one.
-- Of each group are counted first as many as it gets if all have enough; only when that does not fill the places, and
-- of those that had enough, as many more as are left. `is true` keeps the definitions a hash that is looked into.
with recursive grp as (
    (
        select r.tenant, r.definition, r.due_at from saga_journey.run r
        where (r.status = 'compensating' or r.turning)::integer = $1::boolean::integer
            and r.owner is null and r.due_at < 1e17 and r.lost < 2 and (r.tenant, r.definition) > ($3, $4)
        order by r.tenant, r.definition, r.due_at limit 1
    )
    union all
    select n.tenant, n.definition, n.due_at from grp cross join lateral (
        select r.tenant, r.definition, r.due_at from saga_journey.run r
        where (r.status = 'compensating' or r.turning)::integer = $1::boolean::integer
            and r.owner is null and r.due_at < 1e17 and r.lost < 2
            and (r.tenant, r.definition) > (grp.tenant, grp.definition)
        order by r.tenant, r.definition, r.due_at limit 1
    ) n
),
waiting as materialized (
    select grp.tenant, grp.definition from grp
    where grp.due_at <= $2 and (grp.definition in (select unnest($6::integer[]))) is true
    limit $7
),
share as materialized (
    select case when $8 then $5::bigint else ($5 + count(*) - 1) / greatest(count(*), 1) end as most from waiting
),
first as materialized (
    select w.tenant, w.definition, case when share.most = 1 then 1 else (
        select count(*) from (
            select from saga_journey.run r
            where (r.status = 'compensating' or r.turning)::integer = $1::boolean::integer
                and r.tenant = w.tenant and r.definition = w.definition
                and r.owner is null and r.due_at < 1e17 and r.lost < 2 and r.due_at <= $2
            limit share.most
        ) x
    ) end as due
    from waiting w cross join share
),
rest as materialized (select $5 - sum(due) as places from first)
select f.tenant, f.definition, d.name, t.name, case when f.due < share.most or rest.places <= 0 then f.due else (
        select count(*) from (
            select from saga_journey.run r
            where (r.status = 'compensating' or r.turning)::integer = $1::boolean::integer
                and r.tenant = f.tenant and r.definition = f.definition
                and r.owner is null and r.due_at < 1e17 and r.lost < 2 and r.due_at <= $2
            limit share.most + rest.places
        ) x
    ) end
from first f cross join share cross join rest
join saga_journey.definition d on d.definition = f.definition join saga_journey.tenant t on t.tenant = f.tenant
order by f.tenant, f.definition;

-- name: take_due
-- So many runs of each group, the longest due first.
with f as materialized (
    select w.tenant, w.run from unnest($4::integer[], $5::integer[], $6::integer[]) as g(tenant, definition, most)
    cross join lateral (
        select tenant, run from saga_journey.run w
        where (w.status = 'compensating' or w.turning)::integer = $3::boolean::integer
            and w.tenant = g.tenant and w.definition = g.definition
            and w.owner is null and w.due_at < 1e17 and w.lost < 2 and w.due_at <= $2
        order by w.due_at limit g.most for no key update skip locked
    ) w
)
update saga_journey.run r set owner = $1, epoch = r.epoch + 1, updated_at = $2, empty_claims = 0, turning = false
from f
where r.tenant = f.tenant and r.run = f.run
returning r.tenant, r.run;

-- name: lock_limits
-- Claims of workers with limits go one after the other: else two would count the same free places.
select pg_advisory_xact_lock(saga_journey.fence(), 0);

-- name: in_use
-- How many runs are held, of each tenant and journey.
select t.name, d.name, count(*) from saga_journey.run r
join saga_journey.definition d on d.definition = r.definition join saga_journey.tenant t on t.tenant = r.tenant
where r.owner is not null group by 1, 2;

-- name: record
select r.tenant, r.run, r.saga, t.name, d.name, d.version, r.definition, r.status, r.owner, r.epoch,
    r.started_at, r.updated_at, r.due_at, r.empty_claims, r.lost
from unnest($1::integer[], $2::bigint[]) as wanted(tenant, run)
join saga_journey.run r on r.tenant = wanted.tenant and r.run = wanted.run
join saga_journey.definition d on d.definition = r.definition join saga_journey.tenant t on t.tenant = r.tenant;

-- name: still_ours
-- A claim whose COMMIT got no answer: it waits for whatever is still under way, and tells what it has become. Not by
-- owner: rows that are not ours yet would not be waited for.
select tenant, run, epoch, owner from saga_journey.run
where (tenant, run) in (select * from unnest($1::integer[], $2::bigint[]))
order by tenant, run for no key update;

-- name: journals
select j.tenant, j.run, j.seq, j.epoch, j.at, j.events
from unnest($1::integer[], $2::bigint[]) as wanted(tenant, run)
join saga_journey.journal j on j.tenant = wanted.tenant and j.run = wanted.run
order by j.tenant, j.run, j.seq;

-- name: journal
select seq, epoch, at, events from saga_journey.journal where tenant = $1 and run = $2 order by seq;

-- name: last_seq
-- Counts the events of the last turn without decoding any of them here.
select seq + json_array_length(events::json) from saga_journey.journal
where tenant = $1 and run = $2 order by seq desc limit 1;

-- name: next_due
-- The next run that nobody owns and that is not due yet: what is due already and was not claimed is not for this worker.
select min(due_at) from saga_journey.run where owner is null and due_at is not null and due_at > $1;

-- name: open_commands
select tenant, run, command, name, body from saga_journey.command
where answer is null and tenant = any($1::integer[]) and run = any($2::bigint[]) order by sent_at;

-- name: commands_for_owner
select c.tenant, c.run, c.command, c.name, c.body
from saga_journey.command c join saga_journey.run r on r.tenant = c.tenant and r.run = c.run
where c.answer is null and r.owner = $1 order by c.sent_at;

-- name: answer
select answer from saga_journey.command where tenant = $1 and run = $2 and command = $3;

-- name: wake_needy
update saga_journey.run set due_at = coalesce($2, saga_journey.clock())
where needs and owner is null and definition = any($1::integer[]);

-- name: definition_number
select definition from saga_journey.definition where tenant = $1 and hash = $2;

-- name: definition_body
select body from saga_journey.definition where definition = $1;

-- name: definition_of_tenant
-- Of a journey: a session has nothing to execute.
select body from saga_journey.definition where definition = $1 and tenant = $2 and kind is null;

-- name: definition_bodies
-- Of journeys: sessions need no worker.
select definition, body from saga_journey.definition where definition > $1 and kind is null order by definition;

-- name: unfinished
-- Open runs are exactly those with a due_at. They are looked at only when there is such a definition: mostly there is
-- none.
select r.saga from saga_journey.run r
where r.definition = any(array(
        select definition from saga_journey.definition where name = $1 and version = $2 and hash <> $3))
    and r.due_at is not null and r.status not in ('completed', 'compensated', 'resolved', 'cancelled')
    and exists (select from saga_journey.definition where name = $1 and version = $2 and hash <> $3)
limit 10;

-- name: in_flight
-- A page of open runs.
select r.tenant, r.run, r.saga, t.name, r.definition
from (
    select tenant, run, saga, definition from saga_journey.run
    where due_at is not null and status not in ('completed', 'compensated', 'resolved', 'cancelled')
        and (tenant, run) > ($1, $2)
        and ($3::text is null
            or definition = any(array(select definition from saga_journey.definition where name = $3)))
        and ($4::text is null or tenant = (select tenant from saga_journey.tenant where name = $4))
    order by tenant, run limit $5
) r
join saga_journey.tenant t on t.tenant = r.tenant
order by r.tenant, r.run;

-- name: statuses
select tenant, run, status from saga_journey.run where tenant = any($1::integer[]) and run = any($2::bigint[]);

-- name: find
select r.tenant, r.run, r.saga, t.name, d.name, d.version, r.definition, r.status, r.owner, r.epoch,
    r.started_at, r.updated_at, r.due_at, r.empty_claims, r.lost
from saga_journey.tenant t join saga_journey.run r on r.tenant = t.tenant
join saga_journey.definition d on d.definition = r.definition
where t.name = $1 and r.saga = $2;

-- name: prune
select gone, one_tenant, one_run from saga_journey.prune($1, $2, $3);

-- name: is_there
-- It waits for whoever is taking it out, and tells what has become of it.
select from saga_journey.run where tenant = $1 and run = $2 for no key update;

-- name: is_archived
select from saga_journey.archive a join saga_journey.tenant t on t.tenant = a.tenant where t.name = $1 and a.saga = $2;

-- name: notify
select pg_notify('saga_journey', $1);
