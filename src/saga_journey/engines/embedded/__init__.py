"""The engine inside the user's own process: turns, calls, and a scheduler over a store.

owned.py      a run while this process owns it
turn.py       one turn: what arrived -> decide -> commit -> told. Every crash window is there
driver.py     moves a run: what is to be called next, one call, what was left behind
calls.py      one attempt under a time limit, and what is left of it when it does not end
pace.py       how fast handlers may be called
scheduler.py  which runs this process owns: claims, due timers, limits, release
lease.py      how long nobody may take them over
family.py     parents and children: what rides in each other's commits
retention.py  finished runs are taken out
watchers.py   who waits for a run to come to rest; observers.py: who is told of everything
engine.py     the parts together: start, command, wait, stop
"""

from saga_journey.engines.embedded.engine import EmbeddedEngine

__all__ = ["EmbeddedEngine"]
