-- A database that was moved to another one.

-- At most one row: where everything went (without a password), when by the clock there, and a hash of all that was here.
-- Whoever moves a database makes triggers, too (moved.py): from then on nothing can be written.
create table moved (
    one integer primary key check (one = 1),
    target text not null,
    moved_at real not null,
    fingerprint text not null
);
