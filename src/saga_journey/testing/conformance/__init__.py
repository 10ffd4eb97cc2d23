"""What every store must keep: the promises of `ports.Store`, one test each. Needs pytest, and no plugin of it.

    from saga_journey.testing.conformance import StoreConformance

    class TestMyStore(StoreConformance):
        @pytest.fixture(autouse=True)
        def database(self, tmp_path):
            self.url = f"mystore://{tmp_path}"          # a new, empty database for each test

        async def open(self):
            return await MyStore.open(self.url)         # one more process on it

A store that only one process can have open at a time, as one in memory, is an `OneProcessConformance`: what several do
at once is left out. `outbox` and `publish` say what lies behind the port; a test that needs one of them is skipped when
it is left out. `tell_time` says how a store is given a time of its own, which is `store.now = …` otherwise: no test
sleeps, and the clock of all processes is moved by hand.

    starting     what is accepted is there, and there once
    committing   a turn is written as a whole, once, under the newest claim, or not at all
    claiming     what is due goes to one worker, with all that it needs to go on
    sharing      who gets how much, and how much at most
    owning       who is alive, and what it holds
    commanding   what people and other processes say
    hearing      who waits for another process is called
    racing       many workers, as it comes
    reading      runs, what is in flight, definitions
    tenants      nothing of one is answered to another one
    counting     figures
    store_time   one time for all, never backwards
    pruning      what ended long ago goes
    texts        what is written comes back as it was
"""

import pytest

_CHAPTERS = (
    *("chapter", "claiming", "commanding", "committing", "counting", "hearing", "owning"),
    *("pruning", "racing", "reading", "sharing", "stage", "starting", "store_time", "tenants", "texts"),
)
pytest.register_assert_rewrite(*(f"{__name__}.{chapter}" for chapter in _CHAPTERS))  # an assert tells what it saw

from saga_journey.testing.conformance.claiming import Claiming, ClaimingTogether  # noqa: E402
from saga_journey.testing.conformance.commanding import Commanding, CommandingTogether  # noqa: E402
from saga_journey.testing.conformance.committing import Committing, CommittingTogether  # noqa: E402
from saga_journey.testing.conformance.counting import Counting  # noqa: E402
from saga_journey.testing.conformance.hearing import HearingTogether  # noqa: E402
from saga_journey.testing.conformance.owning import Owning, OwningTogether  # noqa: E402
from saga_journey.testing.conformance.pruning import Pruning, PruningTogether  # noqa: E402
from saga_journey.testing.conformance.racing import RacingTogether  # noqa: E402
from saga_journey.testing.conformance.reading import Reading, ReadingTogether  # noqa: E402
from saga_journey.testing.conformance.sharing import Sharing, SharingTogether  # noqa: E402
from saga_journey.testing.conformance.starting import Starting, StartingTogether  # noqa: E402
from saga_journey.testing.conformance.store_time import StoreTime, StoreTimeTogether  # noqa: E402
from saga_journey.testing.conformance.tenants import Tenants  # noqa: E402
from saga_journey.testing.conformance.texts import Texts  # noqa: E402

__all__ = ["OneProcessConformance", "StoreConformance"]


class OneProcessConformance(
    Starting, Committing, Claiming, Sharing, Owning, Commanding, Reading, Tenants, Counting, StoreTime, Pruning, Texts
):
    """What one process may rely on."""


class StoreConformance(
    OneProcessConformance,
    StartingTogether,
    CommittingTogether,
    ClaimingTogether,
    SharingTogether,
    OwningTogether,
    CommandingTogether,
    HearingTogether,
    RacingTogether,
    ReadingTogether,
    StoreTimeTogether,
    PruningTogether,
):
    """What any number of processes may rely on, each of which opens the store for itself."""
