-- Fair claims, families, retention.

-- The run that a child's family began with; null for a run that nobody else started. It is deleted with that one.
alter table run add column family integer;

update run set family = (
    with recursive up(saga, run) as (
        select json_extract(j.events, '$[0][1].parent.saga_id'), null from journal j
        where j.tenant = run.tenant and j.run = run.run and j.seq = 1
        union all
        select json_extract(j.events, '$[0][1].parent.saga_id'), r.run from up
        join run r on r.tenant = run.tenant and r.saga = up.saga
        join journal j on j.tenant = r.tenant and j.run = r.run and j.seq = 1
    )
    select run from up where saga is null and run is not null
);

-- Up to this number, runs of the tenant may have been taken out: no number is given twice.
alter table tenant add column pruned_to integer not null default 0;

create index run_family on run (tenant, family) where family is not null;

create index start_key_run on start_key (tenant, run);

-- The queue: who waits, by what is to be done and by whom it is wanted, the longest due first.
-- turning: somebody has said that it is to be undone, and no worker has read that yet.
alter table run add column turning integer not null default 0;
create index run_queue on run ((status = 'compensating' or turning), tenant, definition, due_at)
where owner is null and due_at is not null;

-- What a run was, after it was taken out of the tables that are worked with: {turns: [[seq, epoch, at, events]],
-- commands: [[command, name, body, sent_at, answer, answered_at]]}.
create table archive (
    tenant integer not null,
    run integer not null,
    saga text not null,
    definition integer not null,
    status text not null,
    started_at real not null,
    ended_at real not null,
    body text not null,
    primary key (tenant, run)
) without rowid;

create unique index archive_saga on archive (tenant, saga);
