-- The first schema. Everything lies in a schema of its own. The tenant is part of every key.
-- Times are seconds since the epoch by the clock of this server; durations are seconds.

create table saga_journey.tenant (
    tenant integer generated always as identity primary key,
    name text not null unique
);

-- What a run is pinned to. The body is canonical JSON, the hash is of that. Kind: 'session', or null for a journey.
create table saga_journey.definition (
    definition integer generated always as identity primary key,
    tenant integer not null,
    hash text not null,
    name text not null,
    version integer not null,
    kind text,
    body text not null,
    saved_at double precision not null,
    unique (tenant, hash)
);

create index definition_name on saga_journey.definition (name, version);

-- Numbers runs over all tenants; a larger number was started later, or nearly so.
create sequence saga_journey.run_number;

-- One row for each run: an index on its journal. due_at: when it needs a worker by the clock alone
-- (a far future: never by itself; null: final). owner null: released, or never claimed.
-- took: from its start to its end in microseconds, null until it has ended. stopped_milestone: the place of the
-- milestone at which it stopped going forward (it failed, turned back or waits for a person there), null while it goes
-- on and when it came through; the number of milestones when it had come through and was undone afterwards.
-- turning: somebody has said that it is to be undone, and no worker has read that yet.
-- family: the run that the family of a child began with; null for a run that no other run started.
-- Pages are filled by half: a run changes when it starts, when it turns back, when it waits and when it ends.
create table saga_journey.run (
    tenant integer not null,
    run bigint not null,
    saga text not null collate "C",
    definition integer not null,
    status text not null,
    due_at double precision,
    owner integer,
    epoch integer not null,
    empty_claims integer not null default 0,
    lost integer not null default 0,
    needs boolean not null default false,
    started_at double precision not null,
    updated_at double precision not null,
    took bigint,
    stopped_milestone integer,
    family bigint,
    turning boolean not null default false,
    primary key (tenant, run)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.1,
        autovacuum_analyze_scale_factor = 0.02);

create unique index run_saga on saga_journey.run (tenant, saga);
create index run_held on saga_journey.run (owner, tenant, definition) where owner is not null;
create index run_standing on saga_journey.run (tenant, status, run) where status in ('failed', 'paused');
create index run_family on saga_journey.run (tenant, family) where family is not null;
-- What is old is where old runs are: enough to find what has to be taken out.
create index run_started on saga_journey.run using brin (started_at);
create index run_needs on saga_journey.run (definition) where needs;

-- The queue. A run that is started, moved and ended by one worker is in none of these. What waits for a person (due_at
-- is 1e18) is not in the first one: nobody looks for it there, however many tenants have such runs.
-- lost < 2: what may kill its workers (ports.FRAGILE) is kept apart, and claimed one at a time.
-- A number, not a boolean: the planner turns `(a = b) = false` into `a <> b`, and then knows no index for it. With the
-- status beside it groups are found and counted without looking at any row.
create index run_queue on saga_journey.run (
    ((status = 'compensating' or turning)::integer), tenant, definition, due_at)
include (status, turning) where owner is null and due_at < 1e17 and lost < 2;
create index run_fragile on saga_journey.run (due_at) where owner is null and due_at is not null and lost >= 2;
create index run_due on saga_journey.run (due_at) where owner is null and due_at is not null;

-- For figures. A run is in at most one of them: it came through, or it stopped, or it moves.
create index run_completed on saga_journey.run (tenant, definition, started_at, took)
where took is not null and stopped_milestone is null;
create index run_stopped on saga_journey.run (tenant, definition, stopped_milestone, status, needs, started_at)
where stopped_milestone is not null;

-- The truth: one row for each turn, its events as a JSON list.
create table saga_journey.journal (
    tenant integer not null,
    run bigint not null,
    seq integer not null,
    epoch integer not null,
    at double precision not null,
    events text not null,
    primary key (tenant, run, seq)
) with (autovacuum_vacuum_insert_scale_factor = 0.1);

-- The caller's idempotency keys.
create table saga_journey.start_key (
    tenant integer not null,
    journey text not null,
    key text not null,
    run bigint not null,
    fingerprint bytea not null,
    primary key (tenant, journey, key)
);

create index start_key_run on saga_journey.start_key (tenant, run);

-- What people and other processes said, with the answer they got.
create table saga_journey.command (
    tenant integer not null,
    run bigint not null,
    command text not null,
    name text not null,
    body text not null,
    sent_at double precision not null,
    answer text,
    answered_at double precision,
    primary key (tenant, run, command)
);

create index command_open on saga_journey.command (tenant, run, sent_at) where answer is null;

-- Processes that own runs. Alive: its lease, which it renews, is not over. taken: a run was taken from it, so each of
-- its writes has to prove that its claim is the newest one. lapsed_at: when it came back after its lease was over.
create table saga_journey.owner (
    owner integer generated always as identity primary key,
    lease double precision not null,
    lease_until double precision not null,
    seen_at double precision not null,
    dead_since double precision,
    lapsed_at double precision,
    taken boolean not null default false
) with (fillfactor = 50);

-- Events for the outside, in the commit that made them true.
create table saga_journey.outbox (
    tenant integer not null,
    run bigint not null,
    seq integer not null,
    item integer not null,
    kind text not null,
    body text not null,
    at double precision not null,
    published_at double precision,
    primary key (tenant, run, seq, item)
);

-- What a run was, after it was taken out of the tables that are worked with: {turns: [[seq, epoch, at, events]],
-- commands: [[command, name, body, sent_at, answer, answered_at]]}.
create table saga_journey.archive (
    tenant integer not null,
    run bigint not null,
    saga text not null collate "C",
    definition integer not null,
    status text not null,
    started_at double precision not null,
    ended_at double precision not null,
    body text not null,
    primary key (tenant, run)
);

create unique index archive_saga on saga_journey.archive (tenant, saga);
