"""`saga journey deploy --check`: what new definitions mean for the runs that are unfinished. Looks, changes nothing.

A run keeps its definition, so what a deploy can take from it is code: the handlers that old definitions name and the
new ones do not. What counts as deployed together is everything that is given, with the children of it, and what
`--keeps` names. All tenants are looked at, since a worker serves them all.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from textwrap import wrap

from saga_journey.cli import as_json
from saga_journey.cli.affected import Affected, Version
from saga_journey.cli.desk import Desk
from saga_journey.cli.journey_files import Read
from saga_journey.cli.options import REASON
from saga_journey.cli.problems import CONFLICT, Problem
from saga_journey.cli.screen import Line
from saga_journey.cli.shelf import in_flight
from saga_journey.cli.words import ICONS
from saga_journey.core.definition import JourneyDefinition
from saga_journey.core.difference import Consequence, Difference, consequences, difference
from saga_journey.core.state import FINAL
from saga_journey.inspection.lint import lint
from saga_journey.ports import InFlight

WIDEST = 120


async def check(desk: Desk, files: Sequence[Read], keeps: Collection[str]) -> int:
    """Prints what it means for each journey; 4 when a run would lose something."""
    deployed = {d.hash: d for read in files for d in (read.definition, *read.children)}
    references = {read.definition.hash: read.reference for read in files}
    handlers = {name for d in deployed.values() for name in d.handlers()} | set(keeps)
    _must_be_one_of_each(list(deployed.values()))
    worst = 0
    missing: set[str] = set()
    for name in dict.fromkeys(d.name for d in deployed.values()):
        news = sorted((d for d in deployed.values() if d.name == name), key=lambda d: -d.version)
        versions = await _versions(desk, news, handlers)
        _print(desk, news[0], versions, references)
        missing.update(h for version in versions for h in version.between.old.handlers() if h not in handlers)
        worst = CONFLICT if any(version.loses for version in versions) else worst
    if missing:
        kept = " ".join(f"--keeps {name}" for name in sorted(missing))
        desk.screen.hint(f"if workers keep that code, say so: {kept}")
    return worst


def _must_be_one_of_each(deployed: Sequence[JourneyDefinition]) -> None:
    """One (name, version) has one meaning (`open_journeys` would refuse)."""
    seen: dict[tuple[str, int], str] = {}
    for d in deployed:
        if seen.setdefault((d.name, d.version), d.hash) != d.hash:
            what = f"version {d.version} of {d.name} is there twice, with two meanings: raise the version of one"
            raise Problem(CONFLICT, "same_version", what)


async def _versions(desk: Desk, news: Sequence[JourneyDefinition], handlers: Collection[str]) -> list[Version]:
    """Every definition of that journey that has runs in flight, the newest version first.

    Each is held against the one that is deployed under its version, and where none is against the newest.
    """
    found: dict[str, Version] = {}
    by_version = {new.version: new for new in news}
    async for run in in_flight(desk, news[0].name, None):
        old = await desk.journeys.store.definition(run.definition)
        if old.hash not in found:
            found[old.hash] = Version(difference(old, by_version.get(old.version, news[0])))
        version = found[old.hash]
        meant = await _consequences(desk, run, version.between, handlers)
        if meant is not None:
            version.add(run.saga_id, meant)
    versions = [version for version in found.values() if version.runs]
    return sorted(versions, key=lambda version: -version.between.old.version)


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


def _print(desk: Desk, new: JourneyDefinition, versions: Sequence[Version], references: Mapping[str, str]) -> None:
    if desk.given.json:
        desk.screen.json(as_json.deploy(new, lint(new), versions))
        return
    count = sum(version.runs for version in versions)
    icon = ICONS["bad" if any(version.loses for version in versions) else "ok"]
    desk.screen.out([icon, (f" {new.name} version {new.version}: {runs(count)} in flight", "strong")])
    for version in versions:
        desk.screen.out(*_version(version, min(desk.screen.width, WIDEST)))
    for between in (version.between for version in versions):
        reference = references.get(between.new.hash)
        if between.only_policies and not between.same and reference is not None:
            words = ("journey", "move", reference, "--from", between.old.hash[:12], "--reason", REASON)
            desk.screen.hint(f"to move those of version {between.old.version}: {desk.given.again(*words)}")


def _version(version: Version, width: int) -> Iterator[Line]:
    old, new = version.between.old, version.between.new
    if version.between.same:
        yield [(f"  version {old.version}: {runs(version.runs)}, of this very definition", "dim")]
        return
    same_number = f" ({old.hash[:12]})" if old.version == new.version else ""
    yield [(f"  version {old.version}{same_number}: {runs(version.runs)}", "strong")]
    before: list[str] = []
    for affected in version.sorted():
        icon = ICONS["bad" if affected.meant.loses else "look"]
        yield [("    ", ""), icon, (f" {runs(affected.runs)} {affected.meant.sentence}", "")]
        yield from [] if affected.sagas == before else _names(affected, width)
        before = affected.sagas
    if not version.affected:
        yield [("    ", ""), ICONS["ok"], (" nothing: they go on as they are", "")]


def _names(affected: Affected, width: int) -> Iterator[Line]:
    more = affected.runs - len(affected.sagas)
    text = ", ".join(affected.sagas) + (f", and {more} more" if more else "")
    for row in wrap(text, width, initial_indent=" " * 6, subsequent_indent=" " * 6, break_long_words=False):
        yield [(row, "dim")]


def runs(count: int) -> str:
    """`1 run`, `3 runs`."""
    return "1 run" if count == 1 else f"{count} runs"
