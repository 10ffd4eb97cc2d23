"""A witness inside the database: triggers note, in the same transaction, what a journal alone cannot tell (I2, I13).

Who held a run under which epoch; which epoch was the newest when a row was written; whether a row was ever changed or
deleted. Put there by a test, from outside: the store knows nothing of it, and what is rolled back was not seen.
"""

from __future__ import annotations

from contextlib import closing

from saga_journey.testing.databases import Database, look_into

_SQLITE = """
create table if not exists witness_holder (tenant integer, run integer, epoch integer, owner integer);
create table if not exists witness_write (tenant integer, run integer, seq integer, epoch integer, newest integer);
create table if not exists witness_change (tenant integer, run integer, seq integer, what text);

create trigger if not exists witness_started after insert on run when new.owner is not null begin
    insert into witness_holder values (new.tenant, new.run, new.epoch, new.owner);
end;
create trigger if not exists witness_claimed after update of owner, epoch on run
when new.owner is not null and (new.owner is not old.owner or new.epoch <> old.epoch) begin
    insert into witness_holder values (new.tenant, new.run, new.epoch, new.owner);
end;
create trigger if not exists witness_wrote after insert on journal begin
    insert into witness_write
    select new.tenant, new.run, new.seq, new.epoch, epoch from run where tenant = new.tenant and run = new.run;
end;
create trigger if not exists witness_changed after update on journal begin
    insert into witness_change values (old.tenant, old.run, old.seq, 'changed');
end;
create trigger if not exists witness_deleted after delete on journal begin
    insert into witness_change values (old.tenant, old.run, old.seq, 'deleted');
end;
create trigger if not exists witness_repinned after update of definition on run
when new.definition <> old.definition begin
    insert into witness_change values (old.tenant, old.run, 0, 'pinned to another definition');
end;
"""

# A rowid of its own, which SQLite gives to every table: rows of one run are numbered in the order of their writing.
_POSTGRES = """
create table if not exists saga_journey.witness_holder (
    tenant integer, run bigint, epoch integer, owner integer, rowid bigint generated always as identity);
create table if not exists saga_journey.witness_write (
    tenant integer, run bigint, seq integer, epoch integer, newest integer,
    rowid bigint generated always as identity);
create table if not exists saga_journey.witness_change (
    tenant integer, run bigint, seq integer, what text, rowid bigint generated always as identity);

create or replace function saga_journey.witness_owner() returns trigger language plpgsql as $$ begin
    insert into saga_journey.witness_holder values (new.tenant, new.run, new.epoch, new.owner);
    return null;
end $$;
create or replace function saga_journey.witness_turn() returns trigger language plpgsql as $$ begin
    insert into saga_journey.witness_write
    select new.tenant, new.run, new.seq, new.epoch, r.epoch
    from saga_journey.run r where r.tenant = new.tenant and r.run = new.run;
    return null;
end $$;
create or replace function saga_journey.witness_strange() returns trigger language plpgsql as $$ begin
    insert into saga_journey.witness_change values (old.tenant, old.run, old.seq, tg_argv[0]);
    return null;
end $$;
create or replace function saga_journey.witness_pin() returns trigger language plpgsql as $$ begin
    insert into saga_journey.witness_change values (old.tenant, old.run, 0, 'pinned to another definition');
    return null;
end $$;

create or replace trigger witness_started after insert on saga_journey.run
for each row when (new.owner is not null) execute function saga_journey.witness_owner();
create or replace trigger witness_claimed after update of owner, epoch on saga_journey.run
for each row when (new.owner is not null and (new.owner is distinct from old.owner or new.epoch <> old.epoch))
execute function saga_journey.witness_owner();
create or replace trigger witness_wrote after insert on saga_journey.journal
for each row execute function saga_journey.witness_turn();
create or replace trigger witness_changed after update on saga_journey.journal
for each row execute function saga_journey.witness_strange('changed');
create or replace trigger witness_deleted after delete on saga_journey.journal
for each row execute function saga_journey.witness_strange('deleted');
create or replace trigger witness_repinned after update of definition on saga_journey.run
for each row when (new.definition <> old.definition) execute function saga_journey.witness_pin();
"""


def install_witness(database: Database) -> None:
    """From now on every process that writes this database is seen. The database must have its schema already."""
    with closing(look_into(database, writing=True)) as looking:
        looking.execute(_SQLITE if looking.dialect == "sqlite" else _POSTGRES)
