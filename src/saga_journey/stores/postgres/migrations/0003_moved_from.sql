-- Databases that this one has taken in.

-- fingerprint: a hash of all that it held, so that it is known again should its mark be missing. source: what it was
-- called there. moved_at: by the clock of this server.
create table saga_journey.moved_from (
    fingerprint text primary key,
    source text not null,
    moved_at double precision not null
);
