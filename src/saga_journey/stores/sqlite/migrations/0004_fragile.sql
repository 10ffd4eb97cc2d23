-- Runs that may kill their worker are looked for at every claim: without this, among all that are due.
create index run_fragile on run (due_at) where owner is null and due_at is not null and lost >= 2;
