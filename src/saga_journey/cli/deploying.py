"""`saga journey deploy --check`: what new definitions mean for the runs that are unfinished. Looks, changes nothing.

A run keeps its definition, so what a deploy can take from it is code: the handlers that old definitions name and the
new ones do not. What counts as deployed together is everything that is given, with the children of it, and what
`--keeps` names. All tenants are looked at, since a worker serves them all.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from dataclasses import dataclass, field

from saga_journey.cli import as_json
from saga_journey.cli.definitions import ICONS
from saga_journey.cli.desk import Desk
from saga_journey.cli.journey_files import Read
from saga_journey.cli.problems import CONFLICT, Problem
from saga_journey.cli.screen import Line
from saga_journey.core.definition import JourneyDefinition
from saga_journey.core.difference import Consequence, Difference, consequences, difference
from saga_journey.core.lint import lint
from saga_journey.core.state import FINAL
from saga_journey.ports import InFlight

PAGE = 1000
NAMED = 10


@dataclass
class Affected:
    """One consequence, and the runs that it has it for; the first of them by their ids."""

    meant: Consequence
    runs: int = 0
    sagas: list[str] = field(default_factory=list)

    def count(self, saga_id: str) -> None:
        self.runs += 1
        if len(self.sagas) < NAMED:
            self.sagas.append(saga_id)


@dataclass
class Version:
    """The runs of one definition that are in flight, and what the deploy means for them."""

    between: Difference
    runs: int = 0
    affected: dict[Consequence, Affected] = field(default_factory=dict)

    @property
    def loses(self) -> bool:
        return any(meant.loses for meant in self.affected)

    def add(self, saga_id: str, found: Sequence[Consequence]) -> None:
        self.runs += 1
        for meant in found:
            self.affected.setdefault(meant, Affected(meant)).count(saga_id)

    def sorted(self) -> list[Affected]:
        """What loses something first, and then as `consequences` gives it: in the order of the milestones."""
        return sorted(self.affected.values(), key=lambda affected: not affected.meant.loses)


async def check(desk: Desk, files: Sequence[Read], keeps: Collection[str]) -> int:
    """Prints what it means for each journey; 4 when a run would lose something."""
    deployed = {d.hash: d for read in files for d in (read.definition, *read.children)}
    handlers = {name for d in deployed.values() for name in d.handlers()} | set(keeps)
    _must_be_one_of_each(list(deployed.values()))
    worst = 0
    for new in deployed.values():
        versions = await _versions(desk, new, handlers)
        _print(desk, new, versions)
        worst = CONFLICT if any(version.loses for version in versions) else worst
    return worst


def _must_be_one_of_each(deployed: Sequence[JourneyDefinition]) -> None:
    """One (name, version) has one meaning (`open_journeys` would refuse)."""
    seen: dict[tuple[str, int], str] = {}
    for d in deployed:
        if seen.setdefault((d.name, d.version), d.hash) != d.hash:
            what = f"version {d.version} of {d.name} is there twice, with two meanings: raise the version of one"
            raise Problem(CONFLICT, "same_version", what)


async def _versions(desk: Desk, new: JourneyDefinition, handlers: Collection[str]) -> list[Version]:
    """Every definition of that journey that has runs in flight, the newest version first."""
    found: dict[str, Version] = {}
    async for run in _in_flight(desk, new.name):
        old = await desk.journeys.store.definition(run.definition)
        version = found.get(old.hash) or found.setdefault(old.hash, Version(difference(old, new)))
        meant = await _consequences(desk, run, version.between, handlers)
        if meant is not None:
            version.add(run.saga_id, meant)
    versions = [version for version in found.values() if version.runs]
    return sorted(versions, key=lambda version: -version.between.old.version)


async def _in_flight(desk: Desk, journey: str) -> AsyncIterator[InFlight]:
    page = await desk.journeys.store.in_flight(journey, limit=PAGE)
    while page:
        for run in page:
            yield run
        page = await desk.journeys.store.in_flight(journey, after=page[-1].key, limit=PAGE)


async def _consequences(
    desk: Desk, run: InFlight, between: Difference, handlers: Collection[str]
) -> list[Consequence] | None:
    """None when it has ended meanwhile."""
    if between.same:
        return []
    try:
        state = await desk.journeys._runs.state(run)
    except (KeyError, TypeError, ValueError):
        return [Consequence("unreadable", None, True, "cannot be read by this version: saga doctor, saga history")]
    return None if state.final in FINAL else consequences(between, state, handlers)


# --- saying it --------------------------------------------------------------------------------------------------------


def _print(desk: Desk, new: JourneyDefinition, versions: Sequence[Version]) -> None:
    if desk.given.json:
        desk.screen.json(as_json.deploy(new, lint(new), versions))
        return
    runs = sum(version.runs for version in versions)
    head = f"{new.name} version {new.version}: {_runs(runs)} in flight"
    desk.screen.out([ICONS["bad" if any(v.loses for v in versions) else "ok"], (f" {head}", "strong")])
    for version in versions:
        desk.screen.out(*_version(version))


def _version(version: Version) -> Iterator[Line]:
    old, new = version.between.old, version.between.new
    if version.between.same:
        yield [(f"  version {old.version}: {_runs(version.runs)}, of this very definition", "dim")]
        return
    same_number = f" ({old.hash[:12]})" if old.version == new.version else ""
    yield [(f"  version {old.version}{same_number}: {_runs(version.runs)}", "strong")]
    for affected in version.sorted():
        icon = ICONS["bad" if affected.meant.loses else "look"]
        yield [("    ", ""), icon, (f" {_runs(affected.runs)} {affected.meant.sentence}", "")]
        more = f" … and {affected.runs - NAMED} more" if affected.runs > NAMED else ""
        yield [(f"        {' '.join(affected.sagas)}{more}", "dim")]
    if not version.affected:
        yield [("    ", ""), ICONS["ok"], (" nothing: they go on as they are", "")]


def _runs(count: int) -> str:
    return "1 run" if count == 1 else f"{count} runs"
