"""Moments and spans, as people say them and as programs read them. Seconds in, text out."""

from __future__ import annotations

import re
from datetime import UTC, datetime

UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 7 * 86400.0}
_AGE = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])", re.IGNORECASE)


def span(seconds: float) -> str:
    """How long: `40 ms`, `1.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`."""
    if seconds < 1:
        return f"{round(max(seconds, 0.0) * 1000)} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for size, name, smaller, small_name in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // smaller
            return f"{whole // size} {name}" + (f" {rest} {small_name}" if rest else "")
    return f"{whole} s"


def ago(at: float, now: float) -> str:
    """How far from now, in one unit: `just now`, `12 s ago`, `3 min ago`, `in 5 h`."""
    away = now - at
    if abs(away) < 2:
        return "just now"
    whole = round(abs(away))
    size, name = next(((s, n) for s, n in ((86400, "d"), (3600, "h"), (60, "min")) if whole >= s), (1, "s"))
    return f"{whole // size} {name} ago" if away > 0 else f"in {whole // size} {name}"


def clock(at: float) -> str:
    """The moment where you are: `2026-11-25 00:36:22`."""
    return _local(at).strftime("%Y-%m-%d %H:%M:%S")


def precise(at: float) -> str:
    """Only the time of day, with milliseconds."""
    return _local(at).strftime("%H:%M:%S.%f")[:-3]


def moment(at: float, now: float) -> str:
    """Absolute and relative: `2026-11-25 00:36:22 (3 min ago)`."""
    return f"{clock(at)} ({ago(at, now)})"


def iso(at: float | None) -> str | None:
    """For programs: RFC 3339 in UTC, with milliseconds. None for no moment, or one beyond the calendar."""
    if at is None or not 0 <= at < 253_402_300_800:
        return None
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def since(text: str, now: float) -> float:
    """`90s`, `30m`, `24h`, `7d`, `2w` before now, or a date with or without a time. Raises ValueError otherwise."""
    if age := _AGE.fullmatch(text.strip()):
        return now - float(age[1]) * UNITS[age[2].lower()]
    return datetime.fromisoformat(text.strip()).astimezone().timestamp()


def _local(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC).astimezone()
