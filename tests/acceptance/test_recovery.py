"""Many runs at once: what a recovery does to the process around it."""

from __future__ import annotations

import gc

import pytest

from saga_journey.engines.embedded.collector import MANY, Collector
from saga_journey.testing.clock import some_turns


@pytest.mark.anyio
async def test_the_collector_rests_after_a_big_claim_until_the_next_small_one() -> None:
    collector = Collector()
    assert gc.isenabled()
    try:
        collector.claimed(MANY - 1)
        assert gc.isenabled()
        collector.claimed(MANY)
        collector.claimed(MANY)
        assert not gc.isenabled()
        collector.claimed(3)
        assert gc.isenabled()
    finally:
        gc.enable()


@pytest.mark.anyio
async def test_it_wakes_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever happens to the claims that were to follow."""
    monkeypatch.setattr("saga_journey.engines.embedded.collector.AT_MOST", 0.0)
    try:
        Collector().claimed(MANY)
        assert not gc.isenabled()
        await some_turns()
        assert gc.isenabled()
    finally:
        gc.enable()


@pytest.mark.anyio
async def test_a_collector_that_somebody_else_stopped_stays_stopped() -> None:
    collector = Collector()
    gc.disable()
    try:
        collector.claimed(MANY)
        collector.claimed(1)
        assert not gc.isenabled()
    finally:
        gc.enable()
