"""Three versions of a journey are in flight, and a fourth one is to be deployed: which runs would lose something?"""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from saga_journey import Compensated, Failed, Journeys, Run, Saga, external
from saga_journey.authoring import Journey, MilestoneOf
from saga_journey.cli.journey_files import request_of
from saga_journey.core import events as ev
from tests.acceptance.participant import away, refuse
from tests.acceptance.sagas import ONCE
from tests.acceptance.stage import Stage, ended
from tests.cli.stage import Cli, Done


class Yard:
    """Journeys whose milestones ask one participant; `approve` and `label` are waited for, `charge` is the pivot.

    The gift wrapping of the first two versions is not offered any more; the third one differs from the fourth, which is
    to be deployed, in a timeout.
    """

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._steps: dict[str, MilestoneOf[Any, Any]] = {}
        self.v1 = self.build(1, "wrap", "reserve", "approve", "charge", "label", "ship")
        self.v2 = self.build(2, "reserve", "wrap", "approve", "charge", "label", "ship")
        self.v3 = self.build(3, "reserve", "approve", "charge", "label", "ship", timeout=9.0)
        self.v4 = self.build(4, "reserve", "approve", "charge", "label", "ship")
        self.gift = self.build(1, "wrap", "approve", name="gift")

    def build(self, version: int, *names: str, name: str = "checkout", **policy: Any) -> Journey[Any]:
        steps = [self._step(milestone) for milestone in names]
        specs = [replace(step, spec=replace(step.spec, **policy)) for step in steps if step.spec is not None]
        return Saga(name, version=version, milestones=specs)

    def _step(self, name: str) -> MilestoneOf[Any, Any]:
        """One pair of functions for each name."""
        if name not in self._steps:
            if name in ("approve", "label"):
                self._steps[name] = external(name, undo=None, timeout=5000)
            else:
                undo, pivot = name in ("wrap", "reserve"), name == "charge"
                self._steps[name] = self._stage.step(name, undo=undo, pivot=pivot, retry=ONCE, undo_retry=ONCE)
        return self._steps[name]


class Fleet:
    """Runs of three versions, each where its name says."""

    def __init__(self, stage: Stage, journeys: Journeys) -> None:
        self._story = stage.story
        self._journeys = journeys
        self.ids: dict[str, str] = {}

    async def start(self, name: str, of: Journey[Any], tenant: str = "default") -> Run:
        run = await self._journeys.start(of, {"order": name}, user_context={"tenant_id": tenant})
        self.ids[name] = run.saga_id
        return run

    async def waits(self, name: str, of: Journey[Any], tenant: str = "default") -> Run:
        """Its first milestones are done, and `approve` is waited for."""
        run = await self.start(name, of, tenant)
        await self.done(run, of.definition.index["approve"])
        return run

    async def done(self, run: Run, milestones: int) -> None:
        await self._story.happened(ev.MilestoneCompleted, milestones, saga=run.saga_id)

    def named(self, ids: list[str]) -> list[str]:
        names = {saga_id: name for name, saga_id in self.ids.items()}
        return [names[saga_id] for saga_id in ids]


async def sail(stage: Stage, yard: Yard, journeys: Journeys) -> Fleet:
    """Everything that may be in flight when somebody deploys."""
    fleet = Fleet(stage, journeys)
    for name in ("1 wrapped", "1 wrapped too"):
        await fleet.waits(name, yard.v1)
    charged = await fleet.waits("1 charged", yard.v1)
    await charged.advance("approve")
    await fleet.done(charged, 4)
    await fleet.waits("2 of acme", yard.v2, tenant="acme")
    stage.participant.will("wrap", away())
    await ended(await fleet.start("2 being wrapped", yard.v2))
    stuck = await fleet.waits("2 stuck", yard.v2)
    stage.participant.will("wrap", refuse("the ribbon is cut"), op="undo")
    await stuck.advance("approve", outcome="refused")
    await ended(stuck)
    await fleet.waits("3", yard.v3)
    over = await fleet.waits("1 over", yard.v1)
    await over.advance("approve", outcome="refused")
    await ended(over)
    await fleet.waits("another journey", yard.gift)
    return fleet


@pytest.fixture
def cli(stage: Stage) -> Cli:
    cli = Cli(stage.folder)
    cli.fixed["SAGA_DB"] = stage.url
    return cli


@pytest.fixture
async def fleet(stage: Stage) -> Fleet:
    yard = Yard(stage)
    async with stage.moving(yard.v1, yard.v2, yard.v3, yard.gift) as journeys:
        return await sail(stage, yard, journeys)


async def deployed(cli: Cli, stage: Stage, *options: str) -> Done:
    path = Path(cli.folder, "new.json")
    path.write_text(json.dumps(request_of(Yard(stage).v4.definition)))
    return await asyncio.to_thread(cli, "journey", "deploy", "new.json", "--check", *options)


def meant(version: dict[str, Any], fleet: Fleet) -> dict[str, list[str]]:
    """The kinds of consequences, each with the runs that are named."""
    return {c["kind"]: sorted(fleet.named(c["saga_ids"])) for c in version["consequences"]}


@pytest.mark.anyio
async def test_the_right_runs_are_named(stage: Stage, cli: Cli, fleet: Fleet) -> None:
    checked = await deployed(cli, stage, "--json")
    assert checked.code == 4, checked.err
    said = checked.json()
    assert (said["journey"], said["version"], said["runs"], said["loses"]) == ("checkout", 4, 7, True)
    third, second, first = said["versions"]
    assert (first["version"], first["runs"], first["only_policies"]) == (1, 3, False)
    everyone = ["1 charged", "1 wrapped", "1 wrapped too"]
    assert meant(first, fleet) == {
        "undo_lost": ["1 wrapped", "1 wrapped too"],  # not the charged one: there is no way back for it
        "parked": everyone,
        "past_removed": everyone,
    }
    assert meant(second, fleet) == {
        "undo_lost": ["2 of acme", "2 stuck"],
        "parked": ["2 being wrapped", "2 of acme", "2 stuck"],
        "in_removed": ["2 being wrapped"],
        "past_removed": ["2 of acme", "2 stuck"],
    }
    assert (third["version"], third["only_policies"], third["loses"]) == (3, True, False)
    assert meant(third, fleet) == {"policies": ["3"]}
    assert "wrap is removed, undone by undo_wrap" in [change["sentence"] for change in first["changes"]]


@pytest.mark.anyio
async def test_nothing_is_lost_while_the_code_stays(stage: Stage, cli: Cli, fleet: Fleet) -> None:
    checked = await deployed(cli, stage, "--keeps", "wrap", "--keeps", "undo_wrap")
    assert checked.code == 0, checked.said
    assert "3 runs went past wrap, which is removed" in checked.out
    assert "1 run could be moved: only policies differ" in checked.out
    halfway = await deployed(cli, stage, "--keeps", "undo_wrap")
    assert (halfway.code, "would lose" in halfway.out) == (4, False)
    assert "3 runs would wait until a worker has wrap" in halfway.out


@pytest.mark.anyio
async def test_in_words(stage: Stage, cli: Cli, fleet: Fleet) -> None:
    checked = await deployed(cli, stage)
    assert checked.code == 4
    assert "2 runs would lose the undo of wrap: nothing has undo_wrap" in checked.out
    assert f"      {fleet.ids['1 wrapped']}, {fleet.ids['1 wrapped too']}\n" in checked.out
    assert fleet.ids["another journey"] not in checked.said
    assert fleet.ids["1 over"] not in checked.said


@pytest.mark.anyio
async def test_what_the_check_foretells_comes_true(stage: Stage, fleet: Fleet) -> None:
    """A worker of only the new code moves the third version; what loses its code is parked, and goes on with it."""
    yard = Yard(stage)
    async with stage.moving(yard.v4, handler_grace=0.0) as journeys:
        stage.clock.advance(6000.0)  # every answer that was waited for is late by now
        assert isinstance(await ended(journeys.run(fleet.ids["3"])), Compensated)
        wrapped = await ended(journeys.run(fleet.ids["1 wrapped"]))
        assert isinstance(wrapped, Failed)
        why = "no worker here has undo_wrap, wrap: open one that registers them"
        assert [a.detail for a in wrapped.attention] == [why]
    async with stage.moving(yard.v1, yard.v2, yard.gift):
        for name in ("1 wrapped", "1 wrapped too", "2 of acme", "another journey"):
            await stage.story.happened(ev.SagaCompensated, saga=fleet.ids[name])


@pytest.mark.anyio
async def test_one_version_with_two_meanings(stage: Stage, cli: Cli, fleet: Fleet) -> None:
    other = Yard(stage).build(3, "reserve", "approve", "charge", "ship")
    Path(cli.folder, "other.json").write_text(json.dumps(request_of(other.definition)))
    checked = await asyncio.to_thread(cli, "journey", "deploy", "other.json", "--check", "--json")
    said = checked.json()
    version = next(v for v in said["versions"] if v["version"] == 3)
    assert (checked.code, meant(version, fleet)["same_version"]) == (4, ["3"])


@pytest.mark.anyio
async def test_a_definition_that_cannot_run(stage: Stage, cli: Cli, fleet: Fleet) -> None:
    Path(cli.folder, "bad.json").write_text('{"name": "checkout", "milestones": [{"id": "a"}, {"id": "a"}]}')
    checked = await asyncio.to_thread(cli, "journey", "deploy", "bad.json", "--check")
    assert (checked.code, "'a' is there twice" in checked.err) == (6, True)
