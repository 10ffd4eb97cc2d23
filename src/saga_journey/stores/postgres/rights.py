"""What a role may do, as the statements that an administrator runs."""

from __future__ import annotations

from collections.abc import Sequence

SCHEMA = "saga_journey"


def quoted(name: str) -> str:
    """A name as SQL takes it, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


def grants_to_migrate(role: str, database: str) -> list[str]:
    """For a role that makes the schema itself, and brings it up to date."""
    return [f"grant create on database {quoted(database)} to {quoted(role)};"]


def grants_to_change(role: str, owner: str | None = None) -> list[str]:
    """For a role that changes a schema which somebody else has made. `owner`: who has tables in it already."""
    if owner is None:
        return [f"grant usage, create on schema {SCHEMA} to {quoted(role)};"]
    return [f"grant {quoted(owner)} to {quoted(role)};"]


def grants_to_work(role: str, database: str) -> list[str]:
    """For the role of an application or a worker: everything but changing the schema. Later tables are included."""
    to, all_in, later = f"to {quoted(role)}", f"in schema {SCHEMA}", f"alter default privileges in schema {SCHEMA}"
    return [
        f"grant connect on database {quoted(database)} {to};",
        f"grant usage on schema {SCHEMA} {to};",
        f"grant select, insert, update, delete on all tables {all_in} {to};",
        f"grant usage, select on all sequences {all_in} {to};",
        f"grant execute on all functions {all_in} {to};",
        f"{later} grant select, insert, update, delete on tables {to};",
        f"{later} grant usage, select on sequences {to};",
        f"{later} grant execute on functions {to};",
    ]


def to_paste(statements: Sequence[str]) -> str:
    return "\n".join(f"    {statement}" for statement in statements)
