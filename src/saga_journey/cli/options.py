"""What may be said with every command, before or after it."""

from __future__ import annotations

import getpass
import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from shlex import quote

from saga_journey.stores.server_url import shown

DEFAULT_DB = "sqlite:///journeys.db"
FLAGS = ("--json", "-y", "--yes", "--no-color", "--quiet", "-v", "--verbose")
VALUES = ("--db", "--tenant", "--user")


@dataclass(frozen=True, slots=True)
class Given:
    """The global options of this call."""

    db: str = DEFAULT_DB
    db_said: bool = False
    """On the command line: commands that we print repeat it."""
    json: bool = False
    tenant: str = "default"
    user: str | None = None
    yes: bool = False
    color: bool = True
    quiet: bool = False
    verbose: bool = False
    live: bool = field(default_factory=lambda: not os.environ.get("CI"))
    """A picture may move and a question may be asked, where there is a terminal."""

    @property
    def database(self) -> str:
        """`db` without a password: what may be shown."""
        return shown(self.db)

    def again(self, *words: str) -> str:
        """Another command on the same sagas, ready to be pasted; a password is left out."""
        said = ["saga", *words]
        if self.db_said:
            said += ["--db", self.database]
        if self.tenant != "default":
            said += ["--tenant", self.tenant]
        return " ".join(word if word == REASON else quote(word) for word in said)


REASON = '"…"'
"""Where a person writes why, in a command that we print."""


def os_user() -> str | None:
    """Who runs this, as the system knows them; None when it does not."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return None


def hoisted(arguments: Sequence[str], takes_value: Collection[str]) -> list[str]:
    """The same command line with its global options first, wherever they stood.

    `takes_value`: the options whose next word is their value, whatever it looks like. After `--` nothing moves.
    """
    first: list[str] = []
    rest: list[str] = []
    words = iter(arguments)
    for word in words:
        if word == "--":
            rest += [word, *words]
        elif word in VALUES:
            first += [word, *_next(words)]
        elif word in FLAGS or word.startswith(tuple(f"{name}=" for name in VALUES)):
            first.append(word)
        else:
            rest += [word, *_next(words)] if word in takes_value else [word]
    return first + rest


def _next(words: Iterator[str]) -> list[str]:
    return [following] if (following := next(words, None)) is not None else []
