"""Where a PostgreSQL database is, read from its URL; and the URL as it may be shown. Needs no driver."""

from __future__ import annotations

import getpass
import importlib.util
import os
import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, unquote, urlencode

from saga_journey.errors import StoreError, did_you_mean

SCHEMES = ("postgresql://", "postgres://")
EXAMPLE = "postgresql://app@db.example.com:5432/journeys"

_DRIVER = (
    "host port dbname database user password passfile service target_session_attrs krbsrvname gsslib sslmode sslcert "
    "sslkey sslrootcert sslcrl sslpassword sslnegotiation ssl_min_protocol_version ssl_max_protocol_version"
)
_SESSION = (
    "application_name options search_path statement_timeout lock_timeout idle_in_transaction_session_timeout "
    "idle_session_timeout transaction_timeout tcp_keepalives_idle tcp_keepalives_interval tcp_keepalives_count "
    "tcp_user_timeout"
)
KNOWN = frozenset([*_DRIVER.split(), *_SESSION.split(), "pooler", "connect_timeout"])
"""Query parameters: what the driver knows, settings of a session, and the two that are ours."""
SECRET = frozenset(["password", "sslpassword"])


@dataclass(frozen=True, slots=True)
class Address:
    """A database on a server. `dsn` holds the password, `shown` does not."""

    dsn: str = field(repr=False)
    shown: str
    host: str
    """The hosts with their ports, as a person reads them: 'db.example.com:5432'."""
    role: str
    database: str
    pooler: bool
    """Behind a transaction pooler: nothing of a session stays from one transaction to the next."""
    timeout: float | None
    """`connect_timeout` of the URL: seconds to wait for a connection."""


def is_postgres(url: str) -> bool:
    return url.startswith(SCHEMES)


def must_have_driver() -> None:
    """Raises StoreError when asyncpg is not installed."""
    if importlib.util.find_spec("asyncpg") is None:
        raise StoreError('PostgreSQL needs asyncpg, which is not installed: pip install "saga-journey[postgres]"')


# --- the URL as it may be shown ---------------------------------------------------------------------------------------


def shown(url: str) -> str:
    """The URL without its password: nothing after the `:` of its user, and no secret parameter.

    Of a URL that is malformed rather too much is left out than too little. That of a file is given back as it is.
    """
    scheme, mark, rest = url.partition("://")
    if not mark or scheme == "sqlite":
        return url
    where, mark, query = rest.partition("?")
    if "@" in query and not _is_query(query):  # a "?" of the password
        where, mark, query = rest, "", ""
    head, at, tail = where.rpartition("@")
    tail = re.sub(r":[^/:\]]*[^/:\]\d,][^/]*", ":…", tail, count=1) if not at else tail
    return f"{scheme}://{head.partition(':')[0]}{at}{tail}{mark}{_without_secrets(query)}"


def _is_query(query: str) -> bool:
    return all(part.partition("=")[0] in KNOWN for part in query.split("&"))


def _without_secrets(query: str) -> str:
    return "&".join(part for part in query.split("&") if part.partition("=")[0] not in SECRET)


# --- reading it -------------------------------------------------------------------------------------------------------


def parse_url(url: str) -> Address:
    """The database of `postgresql://role:password@host:port/database?parameters`.

    What is missing there is taken from the parameters, then from PGHOST, PGUSER and so on, as the driver does.
    Raises StoreError, with a sentence that says which part is wrong and never the password.
    """
    if not is_postgres(url):
        raise _malformed(url, f"it does not begin with postgresql://{_driver_named(url)}")
    authority, path, query = _parts(url)
    asked = _parameters(url, query)
    login, _, hosts = authority.rpartition("@")
    role = unquote(login.partition(":")[0]) or asked.get("user") or os.environ.get("PGUSER") or getpass.getuser()
    database = unquote(path) or asked.get("dbname") or asked.get("database") or os.environ.get("PGDATABASE") or role
    ours = {name: asked.pop(name) for name in ("pooler", "connect_timeout") if name in asked}
    return Address(
        dsn=_dsn(authority, path, asked),
        shown=shown(url),
        host=_host(url, hosts, asked),
        role=role,
        database=database,
        pooler=_pooler(url, ours.get("pooler")),
        timeout=_seconds(url, ours.get("connect_timeout")),
    )


def _dsn(authority: str, path: str, asked: dict[str, str]) -> str:
    """For the driver, to which a "/" alone is a database without a name."""
    where = f"/{path}" if path else ""
    return f"postgresql://{authority}{where}" + (f"?{urlencode(asked, quote_via=quote)}" if asked else "")


def _malformed(url: str, what: str) -> StoreError:
    return StoreError(f"{shown(url)!r} is not a URL of a PostgreSQL database: {what} ({EXAMPLE})")


def _driver_named(url: str) -> str:
    return ": leave the name of the driver out" if re.match(r"postgres(ql)?\+\w+://", url) else ""


def _parts(url: str) -> tuple[str, str, str]:
    """What stands before the path, the path, the query. Raises for a password that was not written as a URL wants."""
    rest = url.split("://", 1)[1]
    where, _, query = rest.partition("?")
    authority, _, path = where.partition("/")
    if "#" in rest:
        raise _malformed(url, 'it has a "#": in a password, write it as %23')
    if authority.count("@") > 1 or "@" in path or ("@" in query and not _is_query(query)):
        raise _malformed(url, 'in a password, write "@" as %40, "/" as %2F, "?" as %3F, ":" as %3A')
    if "/" in path:
        raise _malformed(url, 'the name of the database has a "/": write it as %2F')
    return authority, path, query


def _parameters(url: str, query: str) -> dict[str, str]:
    try:
        asked = dict(parse_qsl(query, keep_blank_values=True, strict_parsing=True)) if query else {}
    except ValueError:
        raise _malformed(url, 'after the "?" come name=value, joined by "&"') from None
    for name in asked:
        if name not in KNOWN:
            raise _malformed(
                url, f"nothing is known of the parameter {name!r}{did_you_mean(name, KNOWN)}; leave it out"
            )
    return asked


def _host(url: str, hosts: str, asked: dict[str, str]) -> str:
    """The hosts, each with its port. Raises when a port is none."""
    hosts = unquote(hosts) or asked.get("host") or os.environ.get("PGHOST") or ""
    port = asked.get("port") or os.environ.get("PGPORT") or "5432"
    found = [_one_host(url, one, port) for one in hosts.split(",")] if hosts else [f"localhost:{port}"]
    return ", ".join(found)


def _one_host(url: str, host: str, default: str) -> str:
    if host.startswith("/"):
        return f"{host} (port {default})"
    parts = re.fullmatch(r"(\[[^\]]+\]|[^:\[\]]*)(?::([^:]*))?", host)
    if parts is None:
        raise _malformed(url, "an IPv6 address stands in brackets: [::1]:5432")
    if not parts[1]:
        raise _malformed(url, "the host is missing")
    port = parts[2] or default
    if not all(one.isascii() and one.isdigit() and 0 < int(one) < 65536 for one in port.split(",")):
        raise _malformed(url, "the port after its host is not a number from 1 to 65535")
    return f"{parts[1]}:{port}"


def _pooler(url: str, asked: str | None) -> bool:
    if asked not in (None, "transaction"):
        raise _malformed(url, f"pooler={asked!r} means nothing: pooler=transaction, or leave it out")
    return asked is not None


def _seconds(url: str, asked: str | None) -> float | None:
    if asked is None or asked == "0":
        return None
    if not (asked.isascii() and asked.isdigit()):
        raise _malformed(url, f"connect_timeout={asked!r} is not a whole number of seconds")
    return float(asked)
