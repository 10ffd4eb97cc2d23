"""A witness inside the database: triggers note, in the same transaction, what a journal alone cannot tell (I2, I13).

Who held a run under which epoch; which epoch was the newest when a row was written; whether a row was ever changed or
deleted. Put there by a test, from outside: the store knows nothing of it, and what is rolled back was not seen.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

_SCRIPT = """
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


def install_witness(database: str | Path) -> None:
    """From now on every process that writes this database is seen. The database must have its schema already."""
    with closing(sqlite3.connect(database)) as db:
        db.executescript(_SCRIPT)
