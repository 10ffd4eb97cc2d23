-- What it takes to move a SQLite database to another store (reading_out.py). Numbers are those of the target once they
-- are known: in `there`, which lies in no file of the database.

-- name: make_there
create temp table there (
    kind text not null,
    tenant integer not null,
    number integer not null,
    there integer not null,
    primary key (kind, tenant, number)
) without rowid;

-- name: number
insert into temp.there (kind, tenant, number, there) values (?1, ?2, ?3, ?4);

-- name: in_flight
select count(*) from run
where due_at is not null and status not in ('completed', 'compensated', 'resolved', 'cancelled');

-- name: anchor
select boot_id, wall, boot from anchor;

-- name: latest_seen
select coalesce(max(seen_at), 0) from owner;

-- name: definition
select body from definition where definition = ?1;

-- name: count_owner
-- Those that hold runs, whether they are registered or not.
select count(distinct owner) from run where owner is not null;

-- name: order_tenant
select 0, tenant from tenant order by tenant;

-- name: order_definition
select 0, definition from definition order by definition;

-- name: order_owner
select distinct 0, owner from run where owner is not null order by owner;

-- name: order_archive
select tenant, run from archive order by started_at, tenant, run;

-- name: order_run
-- The oldest first, over all tenants. Within a tenant the order stays, also when its clock was set back once.
select tenant, run from run
order by max(started_at) over (partition by tenant order by run), tenant, run;

-- name: rows_tenant
select n.there as tenant, t.name
from tenant t cross join temp.there n on n.kind = 'tenant' and n.tenant = 0 and n.number = t.tenant
order by t.tenant;

-- name: rows_definition
select n.there as definition, t.there as tenant, d.hash, d.name, d.version,
    case when json_extract(d.body, '$.kind') = 'session' then 'session' end as kind, d.body, d.saved_at
from definition d
cross join temp.there n on n.kind = 'definition' and n.tenant = 0 and n.number = d.definition
cross join temp.there t on t.kind = 'tenant' and t.tenant = 0 and t.number = d.tenant
order by d.definition;

-- name: rows_owner
-- Dead ones: their lease is over since ever, and does not get its time again when the server was started anew.
select n.there as owner, 0.0 as lease, 0.0 as lease_until, coalesce(o.seen_at, 0.0) as seen_at, ?1 as dead_since,
    1 as taken
from temp.there n left join owner o on o.owner = n.number
where n.kind = 'owner' order by n.number;

-- name: rows_run
select t.there as tenant, n.there as run, r.saga, d.there as definition, r.status, r.due_at, o.there as owner, r.epoch,
    r.empty_claims, r.lost, r.needs, r.started_at, r.updated_at, r.took, r.stopped_milestone, f.there as family
from run r
cross join temp.there t on t.kind = 'tenant' and t.tenant = 0 and t.number = r.tenant
cross join temp.there n on n.kind = 'run' and n.tenant = r.tenant and n.number = r.run
cross join temp.there d on d.kind = 'definition' and d.tenant = 0 and d.number = r.definition
left join temp.there o on o.kind = 'owner' and o.tenant = 0 and o.number = r.owner
left join temp.there f on f.kind = 'run' and f.tenant = r.tenant and f.number = r.family
order by r.tenant, r.run;

-- name: rows_journal
select t.there as tenant, n.there as run, j.seq, j.epoch, j.at, j.events
from journal j
cross join temp.there t on t.kind = 'tenant' and t.tenant = 0 and t.number = j.tenant
cross join temp.there n on n.kind = 'run' and n.tenant = j.tenant and n.number = j.run
order by j.tenant, j.run, j.seq;

-- name: rows_start_key
select t.there as tenant, k.journey, k.key, n.there as run, k.fingerprint
from start_key k
cross join temp.there t on t.kind = 'tenant' and t.tenant = 0 and t.number = k.tenant
cross join temp.there n on n.kind = 'run' and n.tenant = k.tenant and n.number = k.run
order by k.tenant, k.journey, k.key;

-- name: rows_command
select t.there as tenant, n.there as run, c.command, c.name, c.body, c.sent_at, c.answer, c.answered_at
from command c
cross join temp.there t on t.kind = 'tenant' and t.tenant = 0 and t.number = c.tenant
cross join temp.there n on n.kind = 'run' and n.tenant = c.tenant and n.number = c.run
order by c.tenant, c.run, c.command;

-- name: rows_outbox
select t.there as tenant, n.there as run, o.seq, o.item, o.kind, o.body, o.at, o.published_at
from outbox o
cross join temp.there t on t.kind = 'tenant' and t.tenant = 0 and t.number = o.tenant
cross join temp.there n on n.kind = 'run' and n.tenant = o.tenant and n.number = o.run
order by o.tenant, o.run, o.seq, o.item;

-- name: rows_archive
select t.there as tenant, n.there as run, a.saga, d.there as definition, a.status, a.started_at, a.ended_at, a.body
from archive a
cross join temp.there t on t.kind = 'tenant' and t.tenant = 0 and t.number = a.tenant
cross join temp.there n on n.kind = 'archive' and n.tenant = a.tenant and n.number = a.run
cross join temp.there d on d.kind = 'definition' and d.tenant = 0 and d.number = a.definition
order by a.tenant, a.run;

-- name: journals
-- In the order of the target: tenants and runs have kept theirs.
select t.there, n.there, r.saga, r.definition, j.seq, j.epoch, j.at, j.events
from journal j cross join run r on r.tenant = j.tenant and r.run = j.run
cross join temp.there t on t.kind = 'tenant' and t.tenant = 0 and t.number = j.tenant
cross join temp.there n on n.kind = 'run' and n.tenant = j.tenant and n.number = j.run
order by j.tenant, j.run, j.seq;

-- name: contents_tenant
select tenant, name from tenant order by tenant;

-- name: contents_definition
select definition, tenant, hash, name, version, body, saved_at from definition order by definition;

-- name: contents_run
select tenant, run, saga, definition, status, due_at, owner, epoch, empty_claims, lost, needs, started_at, updated_at,
    took, stopped_milestone, family
from run order by tenant, run;

-- name: contents_journal
select tenant, run, seq, epoch, at, events from journal order by tenant, run, seq;

-- name: contents_start_key
select tenant, journey, key, run, fingerprint from start_key order by tenant, journey, key;

-- name: contents_command
select tenant, run, command, name, body, sent_at, answer, answered_at from command order by tenant, run, command;

-- name: contents_outbox
select tenant, run, seq, item, kind, body, at, published_at from outbox order by tenant, run, seq, item;

-- name: contents_archive
select tenant, run, saga, definition, status, started_at, ended_at, body from archive order by tenant, run;
