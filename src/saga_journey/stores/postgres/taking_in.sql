-- What it takes to take another database in (taking_in.py).

-- name: patient
-- It may take long, and the server may wait for its client meanwhile; only to begin, nobody waits for ever. The source is
-- given up once this is committed, so it has to be on the disk by then.
select set_config(name, case name when 'lock_timeout' then '30s' when 'synchronous_commit' then 'on' else '0' end, true)
from pg_settings
where name in ('lock_timeout', 'statement_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout')
    or name = 'synchronous_commit' and setting = 'off';

-- name: clock
select extract(epoch from clock_timestamp())::double precision;

-- name: there
-- The tables of ours that are there.
select relname from pg_class
where relnamespace = to_regnamespace('saga_journey') and relkind = 'r' and relname = any($1::text[]);

-- name: took_in
select fingerprint, moved_at from saga_journey.moved_from;

-- name: lock
-- Who reads is let in, who writes has to wait.
lock table saga_journey.tenant, saga_journey.definition, saga_journey.owner, saga_journey.run, saga_journey.journal,
    saga_journey.start_key, saga_journey.command, saga_journey.outbox, saga_journey.archive, saga_journey.moved_from
in share row exclusive mode;

-- name: numbers
select nextval($1::text::regclass) from generate_series(1, $2::integer);

-- name: note
insert into saga_journey.moved_from (fingerprint, source, moved_at) values ($1, $2, saga_journey.clock())
returning moved_at;

-- name: counts
-- Of owners those that runs name, and that are registered.
select (select count(*) from saga_journey.tenant) as tenant,
    (select count(*) from saga_journey.definition) as definition,
    (select count(*) from saga_journey.owner o where o.owner in (select r.owner from saga_journey.run r)) as owner,
    (select count(*) from saga_journey.run) as run,
    (select count(*) from saga_journey.journal) as journal,
    (select count(*) from saga_journey.start_key) as start_key,
    (select count(*) from saga_journey.command) as command,
    (select count(*) from saga_journey.outbox) as outbox,
    (select count(*) from saga_journey.archive) as archive;

-- name: digests
-- As moving/journals.py does it.
select tenant, run, sha256(string_agg(
    int4send(seq) || int4send(epoch) || float8send(at) || convert_to(events, 'UTF8'), ''::bytea order by seq))
from saga_journey.journal group by tenant, run order by tenant, run;
