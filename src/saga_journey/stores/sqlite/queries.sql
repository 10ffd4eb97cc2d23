-- Every statement of the SQLite store. Parameters are numbered so that the reader can match them.

-- name: next_run
-- Run numbers are dense per tenant; the writer holds the write lock while it gives them out.
select max(coalesce((select max(run) from run where tenant = ?1), 0), pruned_to) + 1 from tenant where tenant = ?1;

-- name: insert_run
insert into run (tenant, run, saga, definition, status, due_at, owner, epoch, started_at, updated_at, family)
values (?1, ?2, ?3, ?4, 'in_progress', ?5, ?6, ?7, ?8, ?8, ?9);

-- name: family_of
select coalesce(family, run) from run where tenant = ?1 and run = ?2;

-- name: insert_first_turn
insert into journal (tenant, run, seq, epoch, at, events) values (?1, ?2, 1, ?3, ?4, ?5);

-- name: take_start_key
insert or ignore into start_key (tenant, journey, key, run, fingerprint) values (?1, ?2, ?3, ?4, ?5);

-- name: start_key_owner
select run, fingerprint, (select saga from run r where r.tenant = k.tenant and r.run = k.run)
from start_key k where tenant = ?1 and journey = ?2 and key = ?3;

-- name: insert_turn
-- Writes nothing when the claim is not the newest one: the number of rows tells.
insert into journal (tenant, run, seq, epoch, at, events)
select ?1, ?2, ?3, ?4, ?5, ?6 from run where tenant = ?1 and run = ?2 and epoch = ?4;

-- name: insert_own_turn
-- While no other connection has ever written here, no claim can have moved: nothing to look up.
insert into journal (tenant, run, seq, epoch, at, events) values (?1, ?2, ?3, ?4, ?5, ?6);

-- name: same_turn
-- Was exactly this turn written before? A commit whose answer was lost is compared, never repeated blindly.
select 1 from journal where tenant = ?1 and run = ?2 and seq = ?3 and epoch = ?4 and events = ?5;

-- name: change_run
-- `took` is measured when the run ends: what an ended run is asked afterwards does not make it longer.
update run set status = ?4, owner = ?5, due_at = ?6, lost = ?7, needs = ?8, updated_at = ?9, stopped_milestone = ?10,
    took = case when ?6 is not null then null when status = ?4 then took
        else cast(round((?9 - started_at) * 1000000) as integer) end,
    empty_claims = case when ?5 is null then 0 else empty_claims end
where tenant = ?1 and run = ?2 and epoch = ?3;

-- name: pin_run
-- In the commit of the turn that says so.
update run set definition = (select definition from definition where tenant = ?1 and hash = ?3)
where tenant = ?1 and run = ?2;

-- name: wake_if_commands
-- A run that is released while a command is waiting for it stays due.
update run set due_at = ?3, turning = exists (
    select 1 from command c
    where c.tenant = ?1 and c.run = ?2 and c.answer is null and c.name in ('cancel', 'compensate', 'recall'))
where tenant = ?1 and run = ?2 and owner is null
  and exists (select 1 from command c where c.tenant = ?1 and c.run = ?2 and c.answer is null);

-- name: any_open_command
select exists (select 1 from command where answer is null);

-- name: insert_outbox
insert into outbox (tenant, run, seq, item, kind, body, at) values (?1, ?2, ?3, ?4, ?5, ?6, ?7);

-- name: answer_command
update command set answer = ?4, answered_at = ?5 where tenant = ?1 and run = ?2 and command = ?3;

-- name: next_group
-- Who waits, after (?2, ?3): jumping over the index, so a million waiting runs cost as much as one.
select tenant, definition from run indexed by run_queue
where (status = 'compensating' or turning) = ?1 and owner is null and due_at is not null and (tenant, definition) > (?2, ?3)
order by tenant, definition limit 1;

-- name: due_of_group
-- The longest due first. ?6: the loss that makes a run fragile.
select tenant, run from run indexed by run_queue
where (status = 'compensating' or turning) = ?1 and owner is null and tenant = ?2 and definition = ?3 and due_at <= ?4
    and lost < ?6
order by due_at limit ?5;

-- name: group_names
select d.name, t.name from definition d, tenant t where t.tenant = ?1 and d.definition = ?2;

-- name: in_use
-- How many runs are held, of each tenant and journey.
select t.name, d.name, count(*) from run r
join definition d on d.definition = r.definition join tenant t on t.tenant = r.tenant
where r.owner is not null and r.due_at is not null group by 1, 2;

-- name: fragile_groups
-- The tenants and definitions of runs that nobody owns and that may kill their worker, the longest due first.
select r.tenant, r.definition, d.name, t.name from run r indexed by run_fragile
join definition d on d.definition = r.definition join tenant t on t.tenant = r.tenant
where r.owner is null and r.due_at <= ?1 and r.lost >= 2 and r.definition in (select value from json_each(?2))
group by 1, 2 order by min(r.due_at);

-- name: fragile
-- One of them.
select tenant, run from run indexed by run_fragile
where owner is null and due_at <= ?1 and lost >= 2 and tenant = ?2 and definition = ?3
order by due_at limit 1;

-- name: due_orphaned
-- Runs whose owner is dead. ?4: those that were lost less than ?5 times, or the others.
select tenant, run from run
where owner in (select value from json_each(?1)) and due_at is not null and (lost < ?5) = ?4
  and (status = 'compensating' or turning) = ?6
  and definition in (select value from json_each(?2))
limit ?3;

-- name: unserved
-- Due runs, unowned or orphaned, whose definitions nobody has claimed for the whole grace.
select r.tenant, r.run from run r left join owner o on o.owner = r.owner
where r.due_at is not null and definition not in (select value from json_each(?1)) and definition <= ?4
  and ((r.owner is null and r.due_at <= ?2) or (o.dead_since <= ?2))
limit ?3;

-- name: claim_run
-- A new epoch.
update run set owner = ?3, epoch = epoch + 1, updated_at = ?4, empty_claims = ?5, turning = 0
where tenant = ?1 and run = ?2;

-- name: record
select r.tenant, r.run, r.saga, t.name, d.name, d.version, r.definition, r.status, r.owner, r.epoch,
    r.started_at, r.updated_at, r.due_at, r.empty_claims, r.lost
from run r join definition d on d.definition = r.definition join tenant t on t.tenant = r.tenant
where r.tenant = ?1 and r.run = ?2;

-- name: journal
select seq, epoch, at, events from journal where tenant = ?1 and run = ?2 order by seq;

-- name: last_seq
-- Counts the events of the last turn without decoding any of them here.
select seq + json_array_length(events) from journal where tenant = ?1 and run = ?2 order by seq desc limit 1;

-- name: next_due
-- The next run that nobody owns and that is not due yet: what is due already and was not claimed is not for this worker.
select min(due_at) from run where owner is null and due_at > ?1;

-- name: open_commands
select tenant, run, command, name, body from command
where tenant = ?1 and run = ?2 and answer is null order by sent_at;

-- name: commands_for_owner
select c.tenant, c.run, c.command, c.name, c.body
from command c join run r on r.tenant = c.tenant and r.run = c.run
where c.answer is null and r.owner = ?1 order by c.sent_at;

-- name: store_command
insert or ignore into command (tenant, run, command, name, body, sent_at)
select tenant, run, ?3, ?4, ?5, ?6 from run where tenant = ?1 and run = ?2;

-- name: store_message
-- A command from one run to another one of its tenant.
insert or ignore into command (tenant, run, command, name, body, sent_at)
select tenant, run, ?3, ?4, ?5, ?6 from run where tenant = ?1 and saga = ?2;

-- name: make_recipient_due
update run set due_at = min(coalesce(due_at, ?3), ?3), turning = turning or ?4 in ('cancel', 'compensate', 'recall')
where tenant = ?1 and saga = ?2 and owner is null;

-- name: answer
select answer from command where tenant = ?1 and run = ?2 and command = ?3;

-- name: make_due
-- A command needs a worker now, also on a run that is final. After some commands a run is probably undone: it is claimed
-- with those that are (core/commands.py has the names).
update run set due_at = min(coalesce(due_at, ?3), ?3), turning = turning or ?4 in ('cancel', 'compensate', 'recall')
where tenant = ?1 and run = ?2 and owner is null;

-- name: wake_needy
update run set due_at = ?2
where needs = 1 and owner is null and definition in (select value from json_each(?1));

-- name: enter_owner
insert into owner (lease_until, seen_at) values (?1, ?2) returning owner;

-- name: renew_owner
update owner set lease_until = ?2, seen_at = ?3, dead_since = null where owner = ?1;

-- name: lease_until
select lease_until from owner where owner = ?1;

-- name: held
select tenant, run from run where owner = ?1 and due_at is not null;

-- name: owners
select owner, lease_until, dead_since from owner;

-- name: workers
select o.owner, o.lease_until, o.seen_at,
    (select count(*) from run r where r.owner = o.owner and r.due_at is not null)
from owner o order by o.owner;

-- name: bury_owner
update owner set dead_since = ?2 where owner = ?1 and dead_since is null;

-- name: forget_owner
-- Only when it owns nothing any more.
delete from owner where owner = ?1 and not exists (select 1 from run where owner = ?1 and due_at is not null);

-- name: tenant_number
select tenant from tenant where name = ?1;

-- name: insert_tenant
insert or ignore into tenant (name) values (?1);

-- name: insert_definition
insert or ignore into definition (tenant, hash, name, version, body, saved_at) values (?1, ?2, ?3, ?4, ?5, ?6);

-- name: definition_number
select definition from definition where tenant = ?1 and hash = ?2;

-- name: definition_body
select body from definition where definition = ?1;

-- name: definition_of_tenant
-- Of a journey: a session has nothing to execute.
select body from definition
where definition = ?1 and tenant = ?2 and json_extract(body, '$.kind') is not 'session';

-- name: definition_bodies
-- Of journeys: sessions need no worker.
select definition, body from definition
where definition > ?1 and json_extract(body, '$.kind') is not 'session';

-- name: unfinished
-- Open runs are exactly those with a due_at.
select r.saga from run r join definition d on d.definition = r.definition
where r.due_at is not null and d.name = ?1 and d.version = ?2 and d.hash <> ?3
  and r.status not in ('completed', 'compensated', 'resolved', 'cancelled') limit 10;

-- name: in_flight
-- A page of open runs. The index holds only these; sorting them is cheaper than walking past all that have ended.
select r.tenant, r.run, r.saga, t.name, r.definition
from run r indexed by run_due
join definition d on d.definition = r.definition join tenant t on t.tenant = r.tenant
where r.due_at is not null and r.status not in ('completed', 'compensated', 'resolved', 'cancelled')
  and (r.tenant, r.run) > (?1, ?2) and (?3 is null or d.name = ?3) and (?4 is null or t.name = ?4)
order by r.tenant, r.run limit ?5;

-- name: status
select status from run where tenant = ?1 and run = ?2;

-- name: find
select tenant, run from run where saga = ?2 and tenant = (select tenant from tenant where name = ?1);

-- name: read_anchor
select boot_id, wall, boot from anchor;

-- name: write_anchor
insert into anchor (one, boot_id, wall, boot) values (1, ?1, ?2, ?3)
on conflict (one) do update set boot_id = ?1, wall = ?2, boot = ?3;

-- name: ended
-- Families that have ended: a run that nobody else started, and all that it has. What waits to be published stays.
select r.tenant, r.run from run r
where r.family is null and r.due_at is null and r.status in ('completed', 'compensated', 'resolved', 'cancelled')
    and r.updated_at < ?1 and r.started_at < ?1
    and not exists (
        select 1 from run c where c.tenant = r.tenant and c.family = r.run and (
            c.due_at is not null or c.updated_at >= ?1 or exists (
                select 1 from outbox o where o.tenant = c.tenant and o.run = c.run and o.published_at is null)))
    and not exists (
        select 1 from outbox o where o.tenant = r.tenant and o.run = r.run and o.published_at is null)
order by r.tenant, r.run limit ?2;

-- name: family
-- With its first member, and whether it has ended.
select tenant, run, due_at is null from run where tenant = ?1 and run = ?2
union all
select tenant, run, due_at is null from run where tenant = ?1 and family = ?2;

-- name: archive_run
insert into archive (tenant, run, saga, definition, status, started_at, ended_at, body)
select tenant, run, saga, definition, status, started_at, updated_at, json_object(
    'turns', (
        select json_group_array(json_array(seq, epoch, at, json(events))) from (
            select seq, epoch, at, events from journal where tenant = ?1 and run = ?2 order by seq)),
    'commands', (
        select json_group_array(json_array(command, name, json(body), sent_at, json(answer), answered_at)) from (
            select * from command where tenant = ?1 and run = ?2 order by sent_at)))
from run where tenant = ?1 and run = ?2;

-- name: is_archived
select 1 from archive where saga = ?2 and tenant = (select tenant from tenant where name = ?1);

-- name: note_pruned
update tenant set pruned_to = max(pruned_to, ?2) where tenant = ?1;

-- name: delete_journal
delete from journal where tenant = ?1 and run = ?2;

-- name: delete_commands
delete from command where tenant = ?1 and run = ?2;

-- name: delete_outbox
delete from outbox where tenant = ?1 and run = ?2;

-- name: delete_start_key
delete from start_key where tenant = ?1 and run = ?2;

-- name: delete_run
delete from run where tenant = ?1 and run = ?2;

-- name: latest_seen
select max(seen_at) from owner;
