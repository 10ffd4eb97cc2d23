"""Everything this library raises, in one family; and the three verdicts a handler raises.

SagaJourneyError
├── DefinitionError            a definition cannot work; `.problems` lists every reason
│   └── DefinitionChanged      one (name, version) with two meanings while runs of the first are unfinished
├── NotJson                    a value cannot be recorded as JSON; `.path` says where
├── InvalidInput               the input of a saga does not fit its declared type
├── CannotDecode               what is stored does not fit today's type
├── KeyConflict                the same idempotency key with another body
├── UnknownSaga                no such saga for this tenant
│   └── Archived               it ended long ago and was taken out; nothing can be done with it any more
├── UnknownJourney             no such journey was designed for this tenant
├── UnknownMilestone           a journey has no such milestone; `.known` are those it has
├── UnknownJourneyType         no template has that name, and no milestones were given
├── UnknownSession             no such session for this tenant
├── UnknownArea                a session has no such area; `.known` are those it has
├── Rejected                   a command was answered "no"; `.code` says why, nothing changed
├── StillRunning               `outcome(timeout=…)` gave up waiting; the saga goes on
├── NoResult                   `ctx.result(x)`: x has no result
│   └── AmbiguousResult        … or more than one milestone uses that function
├── Overloaded                 the door is closed for now: too many runnable sagas
├── Closed                     these journeys were closed
└── StoreError                 the database cannot do what was asked
    ├── StoreFull              no room on the disk; reads go on, writes resume by themselves
    ├── StoreUnreachable       the database server does not answer; everything resumes when it does
    ├── StoreReadOnly          the file or its directory cannot be written
    ├── SchemaTooNew           written by a newer version of this library
    └── StoreBroken            the disk failed a write: this process must end and recover

Verdict                        raised by handlers, never by the library
├── Refused                    a definite business "no": nothing happened
├── Working                    accepted, not finished: ask again
└── Misconfigured              the participant turned the call away: wrong key, wrong route
"""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Collection, Sequence
from typing import ClassVar

_brief = reprlib.Repr()
_brief.maxstring = _brief.maxother = 100


def brief(value: object) -> str:
    """What somebody gave, as a message shows it: at most 100 characters of a text, a few items of a list."""
    return _brief.repr(value)


def did_you_mean(name: object, known: Collection[str]) -> str:
    """ " (did you mean 'x'?)", or nothing when no known name comes near."""
    close = difflib.get_close_matches(str(name), known, 1)
    return f" (did you mean {close[0]!r}?)" if close else ""


class SagaJourneyError(Exception):
    """The root of everything this library raises."""


class DefinitionError(SagaJourneyError):
    """A definition cannot work. `problems` holds every reason, each a sentence that names the milestone.

    When several journeys, opened together, have problems, each problem names its journey too.
    """

    def __init__(self, name: str, problems: Sequence[str], has: str = "") -> None:
        self.name = name
        self.problems: tuple[str, ...] = tuple(problems)
        count = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        has = has or f"journey {brief(name)} has"
        super().__init__("\n".join([f"{has} {count}:", *(f"  - {p}" for p in self.problems)]))


class DefinitionChanged(DefinitionError):
    """One (name, version) means two things while runs of the older meaning are unfinished: raise the version."""


class NotJson(SagaJourneyError):
    """A value cannot be recorded: not JSON, or beyond the limits (depth 64, 1 MiB, integers beyond 2**53)."""

    def __init__(self, path: str, problem: str) -> None:
        self.path = path
        self.problem = problem
        super().__init__(f"{path}: {problem}")


class InvalidInput(SagaJourneyError):
    """The input of a saga does not fit the type that its definition declares; nothing was started."""


class CannotDecode(SagaJourneyError):
    """What is stored does not fit today's type: an older version of the code wrote it."""


class KeyConflict(SagaJourneyError):
    """The idempotency key belongs to a saga that was started with another input; nothing was started."""

    def __init__(self, journey: str, key: str, saga_id: str) -> None:
        self.journey: str = journey
        self.key: str = key
        self.saga_id: str = saga_id
        super().__init__(
            f"key {brief(key)} of journey {journey!r} belongs to {saga_id}, which was started with another input: "
            "use another key, or start with the same input to get that saga"
        )


class UnknownSaga(SagaJourneyError):
    """No saga of this tenant has this id. Another tenant's saga does not exist for you."""

    _says: ClassVar[str] = "no saga {} here: `saga ls` lists the ones you can see"

    def __init__(self, saga_id: str) -> None:
        self.saga_id = saga_id
        super().__init__(self._says.format(brief(saga_id)))


class Archived(UnknownSaga):
    """It ended long ago, and was moved to the archive: it cannot be undone or asked any more."""

    _says: ClassVar[str] = "{} ended long ago and was archived: what it was is in the table `archive`"


class UnknownJourney(SagaJourneyError):
    """No journey with this id, or of this name, is known for this tenant. `hint` says what to do instead."""

    def __init__(
        self, journey_id: object, hint: str = ": design it first, and keep the journey_id that it gives"
    ) -> None:
        self.journey_id = journey_id
        super().__init__(f"no journey {brief(journey_id)} here{hint}")


class UnknownMilestone(SagaJourneyError):
    """The journey has no milestone of that name. `known` are those it has."""

    def __init__(self, milestone: object, journey: str, known: Sequence[str], hint: str = "") -> None:
        self.milestone = milestone
        self.known: tuple[str, ...] = tuple(known)
        super().__init__(f"no milestone {brief(milestone)} in {journey!r}{hint}: there is {', '.join(self.known)}")


class UnknownSession(SagaJourneyError):
    """No session of this tenant has this id. Another tenant's session does not exist for you."""

    def __init__(self, session_id: object) -> None:
        self.session_id = session_id
        super().__init__(
            f"no session {brief(session_id)} here: keep the session_id that starting it gave, and its tenant"
        )


class UnknownArea(SagaJourneyError):
    """The session has no area (the four-pillar journey: no pillar) of that name."""

    def __init__(self, area: object, known: Sequence[str], word: str = "area", hint: str = "") -> None:
        self.area = area
        self.known: tuple[str, ...] = tuple(known)
        super().__init__(f"no {word} {brief(area)} here{hint}: there is {', '.join(self.known)}")


class UnknownJourneyType(SagaJourneyError):
    """No template has this name, and no milestones were given."""

    def __init__(self, journey_type: str, known: Sequence[str], meant: str = "") -> None:
        self.journey_type = journey_type
        there_is = f"there is {', '.join(known)}" if known else "there is none"
        super().__init__(
            f"no template is called {brief(journey_type)}{meant}: {there_is}; or give the milestones yourself"
        )


class Rejected(SagaJourneyError):
    """A command was answered "no" and changed nothing. `code` is stable, the message says what to do instead."""

    def __init__(self, code: str, detail: str) -> None:
        self.code = code
        self.detail = detail
        super().__init__(f"{code}: {detail}")


class StillRunning(SagaJourneyError):
    """`outcome(timeout=…)` gave up waiting. The saga goes on; call again to wait on."""


class NoResult(SagaJourneyError):
    """The milestone asked for has no result: it was skipped, not reached, or never answered."""


class AmbiguousResult(NoResult):
    """More than one milestone uses that function: name the milestone by its object or id."""


class Overloaded(SagaJourneyError):
    """Too many sagas are waiting to be moved; nothing was started. Try again after `retry_in` seconds."""

    def __init__(self, waiting: int, retry_in: float) -> None:
        self.waiting: int = waiting
        self.retry_in: float = retry_in
        super().__init__(f"{waiting} sagas wait to be moved: try again in {retry_in:g} s, or raise `backlog=`")


class Closed(SagaJourneyError):
    """These journeys are closed: open them again. Nothing is lost, the next owner goes on where they stopped."""


class StoreError(SagaJourneyError):
    """The database cannot do what was asked."""


class StoreFull(StoreError):
    """The disk has no room. Nothing new is accepted; what is known is written first when there is room again."""


class StoreUnreachable(StoreError):
    """The database server does not answer. What is known is kept, and written first when it is back."""


class StoreReadOnly(StoreError):
    """The database, or the directory it lies in, cannot be written by this process."""


class SchemaTooNew(StoreError):
    """The database was written by a newer version of this library: upgrade, or open another file."""


class StoreBroken(StoreError):
    """The disk failed a write. This process must end; the next one recovers what was acknowledged."""


class Verdict(Exception):
    """What a handler raises to say more than "it failed". Anything else it raises means: unknown."""


class Refused(Verdict):
    """A definite business "no", and nothing happened: "card declined".

    Raised by an action: the milestone is not retried and not undone, the others are.
    Raised by an undo: it cannot be undone; the saga waits for a person.
    """

    def __init__(self, reason: str = "refused") -> None:
        self.reason = reason
        super().__init__(reason)


class Working(Verdict):
    """Accepted but not finished: the engine asks again after `retry_in` seconds, with the same key and attempt."""

    def __init__(self, retry_in: float = 5.0) -> None:
        self.retry_in = retry_in
        super().__init__(f"still working, ask again in {retry_in:g} s")


class Misconfigured(Verdict):
    """The participant turned the call away before looking at it (401, 403, 404, 405): nothing happened.

    Retried by policy; then the saga waits for a person. It never compensates by itself.
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)
