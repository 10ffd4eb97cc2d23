"""The engine inside the user's own process: turns, calls, and a scheduler over a store.

owned.py      a run while this process owns it
turn.py       one turn: what arrived -> decide -> commit -> told. Every crash window is there
calls.py      one attempt under a time limit, and what is left of it when it does not end
scheduler.py  which runs this process owns: claims, due timers, limits, release
lease.py      how long nobody may take them over
retention.py  finished runs are taken out
engine.py     the parts together: start, command, wait, stop
"""

from saga_journey.engines.embedded.engine import EmbeddedEngine

__all__ = ["EmbeddedEngine"]
