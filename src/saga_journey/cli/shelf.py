"""The journeys that the database keeps, and which one is meant: a name, a name with its version, or a hash."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple

from saga_journey.cli.desk import Desk, desk
from saga_journey.cli.journey_files import is_file, read_one
from saga_journey.cli.options import Given
from saga_journey.cli.problems import NOT_FOUND, USAGE, Problem, did_you_mean
from saga_journey.cli.screen import Screen
from saga_journey.core.definition import JourneyDefinition
from saga_journey.core.state import FINAL
from saga_journey.ports import Cohort, InFlight, StoredJourney

HASH = re.compile(r"(?:jrn_\d+_)?([0-9a-f]{6,32})")
"""The beginning of one, or a `journey_id`, which has it inside."""
EVER = 1e18
PAGE = 1000


async def in_flight(desk: Desk, journey: str, tenant: str | None) -> AsyncIterator[InFlight]:
    """The unfinished runs of a journey, of a tenant or of all of them."""
    page = await desk.journeys.store.in_flight(journey, tenant, limit=PAGE)
    while page:
        for run in page:
            yield run
        page = await desk.journeys.store.in_flight(journey, tenant, page[-1].key, PAGE)


class Kept(NamedTuple):
    """A definition of this tenant, and how many of its runs are unfinished."""

    number: int
    definition: JourneyDefinition
    in_flight: int


async def kept(desk: Desk) -> list[Kept]:
    """All that this tenant has stored: by name, the newest version first."""
    store, tenant = desk.journeys.store, desk.given.tenant
    rows = await store.figures.journeys(tenant)
    everything = Cohort(tuple(row.definition for row in rows), 0.0, EVER)
    open_runs: Counter[int] = Counter()
    for count in await store.figures.counts(tenant, everything):
        if count.status not in FINAL:
            open_runs[count.definition] += count.runs
    ordered = sorted(rows, key=lambda row: (row.name, -row.version, -row.definition))
    return [Kept(row.definition, await store.definition(row.definition), open_runs[row.definition]) for row in ordered]


async def meant(desk: Desk, reference: str) -> JourneyDefinition:
    """The journey that `NAME`, `NAME@VERSION`, `NAME@HASH` or the beginning of a hash means. Raises Problem else."""
    rows = await desk.journeys.store.figures.journeys(desk.given.tenant)
    name, at, version = reference.rpartition("@") if "@" in reference else (reference, "", "")
    named = [row for row in rows if row.name == name]
    if named and (version.isdecimal() or not HASH.fullmatch(version)):
        return await _of_version(desk, named, version if at else None)
    if by_hash := HASH.fullmatch(version if named else reference):
        definitions = [await desk.journeys.store.definition(row.definition) for row in rows]
        found = [d for d in definitions if d.hash.startswith(by_hash[1])]
        if len(found) > 1:
            raise Problem(USAGE, "ambiguous_journey", f"more than one hash begins with {reference}: say more of it")
        if found:
            return found[0]
    raise _unknown(desk, reference, rows)


async def _of_version(desk: Desk, named: Sequence[StoredJourney], version: str | None) -> JourneyDefinition:
    """The newest version when none is said; of two definitions with one version the hash has to be said."""
    wanted = str(max(row.version for row in named)) if version is None else version
    found = [row for row in named if str(row.version) == wanted]
    if not found:
        there = ", ".join(str(number) for number in sorted({row.version for row in named}))
        what = f"{named[0].name} has no version {wanted!r} here"
        raise Problem(NOT_FOUND, "unknown_journey", what, f"there is {there}")
    definitions = [await desk.journeys.store.definition(row.definition) for row in found]
    if len(found) > 1:
        hashes = "\n".join(d.hash for d in definitions)
        what = f"version {wanted} of {named[0].name} means {len(found)} things here: say the hash"
        raise Problem(USAGE, "ambiguous_journey", what, hashes)
    return definitions[0]


def _unknown(desk: Desk, reference: str, rows: Sequence[StoredJourney]) -> Problem:
    where = (
        f"looked in {desk.given.database}, tenant {desk.given.tenant}; a file is meant by its path: ./{reference}.json"
    )
    names = sorted({row.name for row in rows})
    hint = did_you_mean(reference.rpartition("@")[0] or reference, names)
    return Problem(
        NOT_FOUND, "unknown_journey", f"no journey {reference!r} here", f"{hint}\n{where}" if hint else where
    )


async def resolved(given: Given, screen: Screen, references: Sequence[str]) -> list[JourneyDefinition]:
    """What each of them means; the database is opened only for what is no file."""
    read = {reference: read_one(reference).definition for reference in references if is_file(reference)}
    if stored := [reference for reference in references if reference not in read]:
        async with desk(given, screen) as opened:
            read |= {reference: await meant(opened, reference) for reference in stored}
    return [read[reference] for reference in references]
