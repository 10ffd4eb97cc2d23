"""Moving a run to another definition: of the same journey, and different in policies only.

How long and how often is asked when something is decided, and never when a journal is folded: so the run stands where
it stood, and what follows is decided by the new policies. A clock that has struck under them already strikes at once;
what is being called keeps the time that it was given; attempts that were made count.
"""

from __future__ import annotations

from collections.abc import Collection

from saga_journey.core import commands as cmd
from saga_journey.core import events as ev
from saga_journey.core.codec import decode_definition, encode_definition
from saga_journey.core.definition import JourneyDefinition
from saga_journey.core.difference import difference
from saga_journey.core.events import Event
from saga_journey.core.state import RunState
from saga_journey.errors import DefinitionError, Rejected

TOLD = 3


def on_move(state: RunState, c: cmd.Move, now: float, calling: Collection[int]) -> list[Event]:
    """Raises Rejected `final`, `not_only_policies`, or `invalid_definition`."""
    if state.final is not None:
        raise Rejected("final", f"the saga is {state.final}: no policy will be asked for again")
    new = _read(c)
    between = difference(state.definition, new)
    if between.same:
        return []
    if not between.only_policies:
        more = [change.sentence for change in between.changes if change.kind not in ("policy", "said")]
        told = "; ".join(more[:TOLD]) + (" …" if len(more) > TOLD else "")
        raise Rejected("not_only_policies", f"more than policies would change: {told}")
    return [ev.DefinitionMoved(encode_definition(new), state.definition.hash, c.who, c.reason)]


def _read(c: cmd.Move) -> JourneyDefinition:
    try:
        return decode_definition(c.definition)
    except (DefinitionError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Rejected("invalid_definition", str(error)) from None
