"""Connecting to a server the one right way, and telling its errors apart: by SQLSTATE, for messages are translated."""

from __future__ import annotations

import errno
import shlex
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import asyncpg

from saga_journey.errors import StoreError, StoreFull, StoreReadOnly, StoreUnreachable
from saga_journey.stores.postgres.rights import grants_to_work, to_paste
from saga_journey.stores.server_url import Address, parse_url, shown

__all__ = ["Address", "connect", "connected", "explain", "lost", "parse_url", "shown", "try_again"]

SESSION = {"default_transaction_isolation": "read committed", "idle_in_transaction_session_timeout": "10s"}
"""After a lock, the next statement must see what others have committed meanwhile; and a process that is frozen in the
middle of a transaction must not hold its locks for ever."""
ANSWER = 30.0
"""Seconds for an answer, also to BEGIN and COMMIT: a connection may be dropped without anybody being told."""
TIMEOUT = 10.0
"""Seconds for a connection, when neither the caller nor the URL says."""

REFUSED = errno.ECONNREFUSED
TOO_MANY, STARTING, CANCELED, NO_RIGHTS = "53300", "57P03", "57014", "42501"
UNKNOWN_OUTCOME = frozenset(["40003", "57P01", "57P02", "57P04", "57P05", "25P03", "25P04"])
"""The server ended the session: an administrator or a crash, the database was dropped, a timeout of the session."""
AGAIN = frozenset(["40000", "40001", "40P01", "55P03", CANCELED, TOO_MANY, "53200", STARTING])
"""Rolled back, for a reason that passes: serialization, deadlock, a lock, time, connections, memory, starting up."""


async def connect(address: Address, timeout: float | None = None) -> asyncpg.Connection:  # noqa: ASYNC109
    """A connection, in at most `timeout` seconds (the URL's `connect_timeout`, else 10). Raises StoreError."""
    seconds = timeout or address.timeout or TIMEOUT
    # What was prepared in one transaction is not there in the next one, when a pooler stands between.
    cached = 0 if address.pooler else 100
    settings = None if address.pooler else SESSION  # behind a pooler, each transaction says it itself
    try:
        return await asyncpg.connect(
            address.dsn, timeout=seconds, statement_cache_size=cached, server_settings=settings, command_timeout=ANSWER
        )
    except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
        raise explain(error, address) from error


@asynccontextmanager
async def connected(address: Address) -> AsyncIterator[asyncpg.Connection]:
    """The same for as long as the block lasts. What the driver raises in it is raised as StoreError."""
    db = await connect(address)
    try:
        async with with_explanations(address):
            yield db
            await db.close(timeout=2)
    finally:
        db.terminate()


@asynccontextmanager
async def with_explanations(at: str | Address) -> AsyncIterator[None]:
    """What the driver raises in the block is raised as StoreError."""
    try:
        yield
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
        raise explain(error, at) from error


@asynccontextmanager
async def one_transaction(db: asyncpg.Connection) -> AsyncIterator[None]:
    """So that a question and its parameters reach the same session, also behind a pooler. One under way will do."""
    if db.is_in_transaction():
        yield
        return
    async with db.transaction():
        yield


def lost(error: BaseException) -> bool:
    """The connection is gone, or cannot be used any more: nobody knows what became of what was sent last."""
    if isinstance(error, asyncpg.PostgresError):
        return code_of(error) in UNKNOWN_OUTCOME or code_of(error).startswith("08")
    if isinstance(error, asyncpg.InterfaceError):  # the driver says no SQLSTATE; `ValueError`: a wrong argument
        return not isinstance(error, ValueError) and "closed" in str(error)
    return isinstance(error, (OSError, asyncpg.InternalClientError))  # a timeout is an OSError too


def try_again(error: BaseException) -> bool:
    """Nothing was written, for a reason that passes by itself: the same batch may be sent again."""
    if isinstance(error, StoreUnreachable):  # as `connect` says it
        return True
    return isinstance(error, asyncpg.PostgresError) and code_of(error) in AGAIN


def code_of(error: BaseException | None) -> str:
    """The SQLSTATE, or nothing."""
    return str(getattr(error, "sqlstate", None) or "")


# --- errors as a user should read them --------------------------------------------------------------------------------


def explain(error: BaseException, at: str | Address) -> StoreError:
    """The error as a user should read it; never with the password. A StoreError is given back as it is."""
    if isinstance(error, StoreError):
        return error
    where = parse_url(at) if isinstance(at, str) else at
    if isinstance(error, asyncpg.PostgresError):
        known = _BY_CODE.get(code_of(error)) or (_gone if lost(error) else _other)
        return known(where, error)
    if isinstance(error, asyncpg.ClientConfigurationError) or type(error) is ValueError:
        return StoreError(f"{where.shown}: {_brief(error)}")
    if isinstance(error, asyncpg.TargetServerAttributeNotMatched):
        return StoreUnreachable(f"{where.host}: no server there is what target_session_attrs asks for")
    return _no_answer(where, error) if lost(error) else _other(where, error)


def _no_answer(where: Address, error: BaseException) -> StoreError:
    """What the network says, before the server says anything."""
    hint = "check the host and the port of the URL, and that the server runs"
    if _is_refused(error):
        return StoreUnreachable(f"nobody listens on {where.host}: {hint}")
    if isinstance(error, FileNotFoundError) and where.host.startswith("/"):
        return StoreUnreachable(f"there is no socket of a server in {where.host}: {hint}")
    if isinstance(error, FileNotFoundError):
        return StoreError(f"{where.shown}: a file of its parameters is not there ({error.filename or _brief(error)})")
    if isinstance(error, socket.gaierror):
        return StoreUnreachable(f"no such host: {where.host}; check the host of the URL")
    if isinstance(error, ssl.SSLError):
        return StoreError(f"{where.host}: the encrypted connection failed ({_brief(error)}): see sslmode in the URL")
    if isinstance(error, TimeoutError):
        return StoreUnreachable(f"{where.host} does not answer in time: {hint}; or something else listens there")
    return StoreUnreachable(f"no connection to {where.host}, or no more ({_brief(error) or type(error).__name__})")


def _is_refused(error: BaseException) -> bool:
    """By every address that the host has: what asyncio then raises names them all, and is of no narrower kind."""
    said = str(error)
    return isinstance(error, ConnectionRefusedError) or 0 < said.count("[Errno ") == said.count(f"[Errno {REFUSED}]")


def _gone(where: Address, error: BaseException) -> StoreError:
    return StoreUnreachable(f"{where.host} ended the connection ({_brief(error)})")


def _other(where: Address, error: BaseException) -> StoreError:
    return StoreError(f"{where.shown}: {type(error).__name__}: {_brief(error)}")


def _brief(error: BaseException) -> str:
    """What the server or the system says, in one line."""
    if isinstance(error, (asyncpg.PostgresError, asyncpg.InterfaceError)):
        said = ": ".join(filter(None, [str(error.args[0]), error.detail]))
    else:
        said = str(error.args[-1] if isinstance(error, OSError) and error.args else error)
    return " ".join(said.split())


def _starting(where: Address, error: BaseException) -> StoreError:
    return StoreUnreachable(f"{where.host} takes no connections now ({_brief(error)}): it starts or shuts down; wait")


def _too_many(where: Address, error: BaseException) -> StoreError:
    return StoreUnreachable(
        f"{where.host} has no connection left ({_brief(error)}): close some, raise max_connections, or put a pooler "
        "before it and say ?pooler=transaction"
    )


def _disk_full(where: Address, error: BaseException) -> StoreError:
    return StoreFull(f"{where.host} has no room on its disk ({_brief(error)}): free some, nothing is lost")


def _read_only(where: Address, error: BaseException) -> StoreError:
    return StoreReadOnly(
        f"{where.host} takes no writes ({_brief(error)}): it is a standby, or set to read only; give the URL of the "
        "primary, or of both with ?target_session_attrs=read-write"
    )


def _no_rights(where: Address, error: BaseException) -> StoreError:
    return StoreReadOnly(
        f"role {where.role!r} lacks rights on {where.database!r} at {where.host} ({_brief(error)}); an administrator "
        f"runs, in that database:\n{to_paste(grants_to_work(where.role, where.database))}"
    )


def _canceled(where: Address, error: BaseException) -> StoreError:
    return StoreError(
        f"{where.host} took too long ({_brief(error)}): see statement_timeout of the role, the database or the URL, "
        "and what else the server does"
    )


def _locked(where: Address, error: BaseException) -> StoreError:
    return StoreError(f"{where.host}: something stays locked by somebody else ({_brief(error)}): try again")


def _wrong_password(where: Address, error: BaseException) -> StoreError:
    return StoreError(
        f"{where.host} does not accept the password of role {where.role!r}: check the user and the password of the "
        "URL (special characters as %40 and so on), PGPASSWORD or ~/.pgpass"
    )


def _turned_away(where: Address, error: BaseException) -> StoreError:
    said = getattr(error, "server_source_function", None)
    if said == "InitializeSessionUserId":
        what, hint = f"has no role {where.role!r}, or it may not log in", "check the user of the URL, or: create role"
    else:
        what, hint = f"turns role {where.role!r} away", "check pg_hba.conf of the server, and sslmode in the URL"
    return StoreError(f"{where.host} {what} ({_brief(error)}): {hint}")


def _no_database(where: Address, error: BaseException) -> StoreError:
    return StoreError(
        f"there is no database {where.database!r} at {where.host}: check the end of the URL, or make it: "
        f"createdb {shlex.quote(where.database)}"
    )


def _no_schema(where: Address, error: BaseException) -> StoreError:
    return StoreError(f"{where.shown} is not yet a database of saga-journey ({_brief(error)}): saga db migrate")


_BY_CODE: dict[str, Callable[[Address, BaseException], StoreError]] = {
    TOO_MANY: _too_many,
    STARTING: _starting,
    CANCELED: _canceled,
    "53100": _disk_full,
    "25006": _read_only,
    NO_RIGHTS: _no_rights,
    "55P03": _locked,
    "28P01": _wrong_password,
    "28000": _turned_away,
    "3D000": _no_database,
    "3F000": _no_schema,
    "42P01": _no_schema,
}
