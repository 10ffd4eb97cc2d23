"""How wide a text is where no browser measures it: estimated, generously; and what does not fit is cut."""

from __future__ import annotations

from unicodedata import east_asian_width

NAME, NOTE, CONDITION = 13.5, 11.5, 11.5
"""Sizes of text."""


def width(text: str, size: float, *, mono: bool) -> float:
    """How wide a text may be at most, in the fonts that are asked for."""
    if mono:
        return sum(1.0 if east_asian_width(c) in "WF" else 0.61 for c in text) * size
    return sum(_SANS.get(c, 1.0 if east_asian_width(c) in "WF" else 0.64) for c in text) * size


_SANS = {**dict.fromkeys("iljI.,:;'|!", 0.34), **dict.fromkeys("ftr()[]- /·", 0.44), **dict.fromkeys("mwMW@", 0.98)}


def cut(text: str, room: float, size: float, *, mono: bool) -> str:
    """As much of a text as fits; `…` says that there was more."""
    at_most = int(max(room, 0.0) / (0.3 * size)) + 2  # no text of more characters fits
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * at_most]).split())
    if len(text) <= 4 * at_most and width(line, size, mono=mono) <= room:
        return line
    line = line[:at_most]
    while line and width(line + "…", size, mono=mono) > room:
        line = line[:-1]
    return line + "…"


def spoken(seconds: float) -> str:
    """A span in the largest unit that says it exactly: `3 d`, `90 min`, `2.5 s`."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds // size:g} {unit}"
    return f"{seconds:g} s"
