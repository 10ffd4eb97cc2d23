"""Retention: runs that finished long ago are taken out of the tables, a few at a time."""

from __future__ import annotations

import logging

from saga_journey.config import Settings
from saga_journey.engines.embedded.clock import pass_until
from saga_journey.errors import StoreError
from saga_journey.ports import Clock, Store

log: logging.Logger = logging.getLogger("saga_journey.engine")

AT_ONCE = 200
"""So many families of finished runs are taken out together."""
BREATH, EVERY = 0.5, 60.0
"""Between two batches while there is more, and between two looks (seconds)."""


async def prune(store: Store, clock: Clock, settings: Settings) -> None:
    """For ever: small batches with a breath between them, so that nobody waits behind the cleaning."""
    assert settings.keep_finished is not None, "else everything is kept"
    while True:
        try:
            before = clock.now() - settings.keep_finished
            pruned = await store.prune(before, AT_ONCE, archive=settings.archive_finished)
        except StoreError as error:
            log.warning("finished sagas could not be taken out: %s", error)
            pruned = 0
        await pass_until(clock, clock.now() + (BREATH if pruned >= AT_ONCE else EVERY))
