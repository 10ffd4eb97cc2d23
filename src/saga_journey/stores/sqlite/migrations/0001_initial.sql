-- The first schema. The tenant is part of every key. Times are seconds since the epoch in store time.

-- Store time on this host: wall clock once, from then on the boot clock, which nobody sets.
create table anchor (
    one integer primary key check (one = 1),
    boot_id text not null,
    wall real not null,
    boot real not null
);

create table tenant (
    tenant integer primary key,
    name text not null unique
);

-- What a run is pinned to. The body is canonical JSON, the hash is of that.
create table definition (
    definition integer primary key,
    tenant integer not null,
    hash text not null,
    name text not null,
    version integer not null,
    body text not null,
    saved_at real not null,
    unique (tenant, hash)
);

-- One row for each run: an index on its journal. due_at: when it needs a worker by the clock alone
-- (a far future: never by itself; null: final). owner null: released, or never claimed.
-- took: from its start to its end in microseconds, null until it has ended. stopped_milestone: the place of the
-- milestone at which it stopped going forward (it failed, turned back or waits for a person there), null while it goes
-- on and when it came through; the number of milestones when it had come through and was undone afterwards.
create table run (
    tenant integer not null,
    run integer not null,
    saga text not null,
    definition integer not null,
    status text not null,
    due_at real,
    owner integer,
    epoch integer not null,
    empty_claims integer not null default 0,
    lost integer not null default 0,
    needs integer not null default 0,
    started_at real not null,
    updated_at real not null,
    took integer,
    stopped_milestone integer,
    primary key (tenant, run)
) without rowid;

create unique index run_saga on run (tenant, saga);
-- What comes after due_at is for figures: they read this index instead of the rows.
create index run_due on run (owner, due_at, definition, status, needs, stopped_milestone, started_at)
where due_at is not null;
create index run_standing on run (tenant, status, run) where status in ('failed', 'paused');
create index run_needs on run (definition) where needs = 1;

-- For figures. A run is in at most one of them: it came through, or it stopped. While it moves it is in run_due alone.
create index run_completed on run (tenant, definition, started_at, took, stopped_milestone)
where took is not null and stopped_milestone is null;
create index run_stopped on run (tenant, definition, stopped_milestone, status, needs, started_at)
where stopped_milestone is not null;

-- The truth: one row for each turn, its events as a JSON list.
create table journal (
    tenant integer not null,
    run integer not null,
    seq integer not null,
    epoch integer not null,
    at real not null,
    events text not null,
    primary key (tenant, run, seq)
) without rowid;

-- The caller's idempotency keys.
create table start_key (
    tenant integer not null,
    journey text not null,
    key text not null,
    run integer not null,
    fingerprint blob not null,
    primary key (tenant, journey, key)
) without rowid;

-- What people and other processes said, with the answer they got.
create table command (
    tenant integer not null,
    run integer not null,
    command text not null,
    name text not null,
    body text not null,
    sent_at real not null,
    answer text,
    answered_at real,
    primary key (tenant, run, command)
) without rowid;

create index command_open on command (tenant, run, sent_at) where answer is null;

-- Processes that own runs. Alive: it holds its lock file, or its lease is in the future.
create table owner (
    owner integer primary key autoincrement,
    lease_until real not null,
    seen_at real not null,
    dead_since real
);

-- Events for the outside, in the commit that made them true.
create table outbox (
    tenant integer not null,
    run integer not null,
    seq integer not null,
    item integer not null,
    kind text not null,
    body text not null,
    at real not null,
    published_at real,
    primary key (tenant, run, seq, item)
) without rowid;
