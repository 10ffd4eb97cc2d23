"""From an exception to what a person reads and a script gets: a sentence, what to do, an exit code.

  0 ok · 1 unexpected · 2 usage · 3 not found · 4 conflict or invalid state · 5 not allowed (kept for the server)
  6 validation · 7 the database cannot be used · 10 resolved · 11 compensated · 12 needs a person · 13 cancelled
124 no outcome yet · 130 interrupted
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

from saga_journey import errors
from saga_journey.core.state import SagaStatus

UNEXPECTED, USAGE, NOT_FOUND, CONFLICT, VALIDATION, UNREACHABLE = 1, 2, 3, 4, 6, 7
NO_OUTCOME, INTERRUPTED, PIPE_CLOSED = 124, 130, 141

OUTCOMES: dict[SagaStatus, int] = {
    SagaStatus.COMPLETED: 0,
    SagaStatus.RESOLVED: 10,
    SagaStatus.COMPENSATED: 11,
    SagaStatus.FAILED: 12,
    SagaStatus.CANCELLED: 13,
}
"""What `watch` and `get --exit-status` end with; NO_OUTCOME for any other status."""


class Problem(Exception):
    """What the command line says and ends with. `code` is stable, `hint` is what to do."""

    def __init__(self, exit_code: int, code: str, message: str, hint: str | None = None) -> None:
        self.exit_code: int = exit_code
        self.code: str = code
        self.message: str = message
        self.hint: str | None = hint
        super().__init__(message)

    def plain(self) -> dict[str, Any]:
        """As JSON, for `--json`."""
        said = {"code": self.code, "message": self.message, "hint": self.hint, "exit_code": self.exit_code}
        return {"error": said}


_EXITS: tuple[tuple[type[Exception], int, str], ...] = (
    (errors.UnknownSaga, NOT_FOUND, "unknown_saga"),
    (errors.UnknownJourney, NOT_FOUND, "unknown_journey"),
    (errors.InvalidInput, VALIDATION, "invalid_input"),
    (errors.NotJson, VALIDATION, "not_json"),
    (errors.DefinitionError, VALIDATION, "invalid_definition"),
    (errors.KeyConflict, CONFLICT, "key_conflict"),
    (errors.StillRunning, NO_OUTCOME, "still_running"),
    (errors.SchemaTooNew, UNREACHABLE, "schema_too_new"),
    (errors.StoreFull, UNREACHABLE, "store_full"),
    (errors.StoreUnreachable, UNREACHABLE, "store_unreachable"),
    (errors.StoreReadOnly, UNREACHABLE, "store_read_only"),
    (errors.StoreBroken, UNREACHABLE, "store_broken"),
    (errors.StoreError, UNREACHABLE, "store_error"),
)
_REJECTIONS = {"unknown_milestone": NOT_FOUND, "wrong_result": VALIDATION, "needs_result": VALIDATION}


def problem_of(error: Exception) -> Problem:
    """What to say of any exception; one that nobody foresaw is a bug of ours."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, errors.Rejected):
        return Problem(
            _REJECTIONS.get(error.code, CONFLICT), error.code, f"the answer is no ({error.code}): {error.detail}"
        )
    for kind, exit_code, code in _EXITS:
        if isinstance(error, kind):
            return Problem(exit_code, code, str(error))
    what = f"unexpected {type(error).__name__}: {error}"
    return Problem(
        UNEXPECTED, "unexpected", what, "this is a bug in saga-journey: the same command with -v shows where"
    )


def nearest(wanted: str, known: Sequence[str], *, like: float = 0.6) -> str | None:
    """What was probably meant."""
    return next(iter(get_close_matches(wanted, known, n=1, cutoff=like)), None)


def did_you_mean(wanted: str, known: Sequence[str]) -> str | None:
    """For a few names: the one that is near, else all of them."""
    found = nearest(wanted, known)
    if found is not None:
        return f"did you mean {found}?"
    return f"there is {', '.join(known)}" if known else None
