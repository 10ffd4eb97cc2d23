"""The plan of a move, and the move itself.

1. The source is locked: no worker of it lives, and nobody can write it any more.
2. The target is locked, and it is empty. Or it took in exactly this source before: then only step 6 is left to do.
3. Whatever has a number gets another one there. Runs keep their order, also over all tenants.
4. All rows go over, and are compared: how many there are, and of each run that its journal is the same, and folds.
5. The target commits.
6. The source commits its mark, in the transaction that locked it.

Who dies before 5 has changed nothing. Between 5 and 6 both hold the same, and the same move again only writes the mark.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from saga_journey.errors import StoreError
from saga_journey.stores.moving.journals import Folding, digest
from saga_journey.stores.moving.mark import Mark, sentence
from saga_journey.stores.moving.ports import NUMBERED, TABLES, Counts, Here, Source, Target, There

T = TypeVar("T")

BREATH = 2000
"""After so many rows the loop has its turn, so that a Ctrl-C is heard."""

NOTHING = "nothing was moved"

Told = Callable[[str, int, int], None]
"""Hears what is being done, how many rows are through, and how many there are."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a move would do. `done`: it was done before. `again`: so was all but the mark, at that time."""

    here: Here
    there: There
    done: bool
    again: float | None

    @property
    def ahead(self) -> float:
        """By so many seconds the time of the target is ahead of that of the source."""
        return self.there.now - self.here.now


class Moved(NamedTuple):
    """What went along. `again`: the target had it already, and only the mark was missing."""

    mark: Mark
    counts: Counts
    again: bool


def silent(what: str, through: int, of: int) -> None:
    """For who does not want to hear of it."""


async def plan(source: Source, target: Target, told: Told = silent) -> Plan:
    """Looks at both, and changes nothing. Raises StoreError when they cannot be moved as they are."""
    here, there = source.look(), await target.look()
    if here.mark is not None:
        if here.mark.fingerprint not in there.took_in:
            raise StoreError(sentence(source.name, here.mark))
        return Plan(here, there, done=True, again=None)
    again = None
    if there.took_in and not here.behind:
        again = there.took_in.get(await _fingerprint(source, here.counts, told))
    if there.occupied and again is None:
        raise StoreError(not_empty(target.name, there))
    return Plan(here, there, done=False, again=again)


async def move(source: Source, target: Target, told: Told = silent) -> Moved:
    """Raises StoreError; then nothing was moved, unless its sentence says something else.

    Cancelled before the target commits, it has changed nothing; from then on it goes to its end.
    """
    counts = source.lock()
    fingerprint = await _fingerprint(source, counts, told)
    before = at = await target.lock(fingerprint)
    if at is None:
        await _number(source, target)
        await _copy(source, target, counts, told)
        at = await target.note(fingerprint, source.name)
        await _compare(source, target, counts, told)
    mark = Mark(target.name, at, fingerprint)
    source.mark(mark)
    await _to_its_end(_commit(source, target))
    return Moved(mark, counts, before is not None)


def not_empty(name: str, there: There) -> str:
    """Why a target cannot take anything in."""
    if there.took_in:
        why = "it took in a database before, and this is another one, or it was written since"
    else:
        why = f"it has rows in {', '.join(there.occupied)}"
    return f"{name} is not empty: {why}; {NOTHING}. Give it a database of its own (createdb)"


# --- step by step -----------------------------------------------------------------------------------------------------


async def _fingerprint(source: Source, counts: Counts, told: Told) -> str:
    whole = hashlib.sha256()
    async with _paced(source.contents(), "reading", sum(counts.values()), told) as pieces:
        async for piece in pieces:
            whole.update(piece)
    return whole.hexdigest()


async def _number(source: Source, target: Target) -> None:
    for kind in NUMBERED:
        for keys in source.unnumbered(kind):
            source.number(kind, keys, await target.numbers(kind, len(keys)))


async def _copy(source: Source, target: Target, counts: Counts, told: Told) -> None:
    now = await target.now()
    for table in TABLES:
        columns, rows = source.rows(table, now)
        async with _paced(rows, f"copying {table}", counts[table], told) as paced:
            await target.take_in(table, columns, paced)


async def _compare(source: Source, target: Target, counts: Counts, told: Told) -> None:
    """Raises StoreError unless all of it has arrived."""
    arrived = await target.counts()
    for table in TABLES:
        if arrived[table] != counts[table]:
            what = f"{source.name} has {counts[table]} rows in {table}, and {arrived[table]} of them arrived"
            raise StoreError(f"{what}; {NOTHING}")
    await _compare_journals(source, target, counts["run"], told)


async def _compare_journals(source: Source, target: Target, runs: int, told: Told) -> None:
    folding = Folding(source)
    async with target.digests() as digests, _paced(source.journals(), "comparing", runs, told) as journals:
        async for run in journals:
            try:
                folding.fold(run)
            except Exception as error:
                what = f"the journal of {run.saga} cannot be read by this version"
                raise StoreError(f"{what} ({type(error).__name__}: {error}); {NOTHING}") from error
            if await anext(digests, None) != (run.tenant, run.run, digest(run.rows)):
                raise StoreError(f"the journal of {run.saga} did not arrive as it is; {NOTHING}")
        if await anext(digests, None) is not None:
            raise StoreError(f"more journals arrived than {source.name} has; {NOTHING}")


async def _commit(source: Source, target: Target) -> None:
    await target.commit()
    try:
        source.commit()
    except StoreError as error:
        what = f"{target.name} has everything, but {source.name} could not be marked as moved ({error})"
        raise StoreError(f"{what}: let nobody open it before the same command has done that") from error


# --- how --------------------------------------------------------------------------------------------------------------


async def _to_its_end(work: Awaitable[None]) -> None:
    """Whoever says stop is not heard any more."""
    task = asyncio.ensure_future(work)
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            continue
    task.result()


def _paced(rows: Iterable[T], what: str, of: int, told: Told) -> AbstractAsyncContextManager[AsyncIterator[T]]:
    """The same rows; tells how many are through, and lets the loop have its turn."""
    return aclosing(_each(rows, what, of, told))


async def _each(rows: Iterable[T], what: str, of: int, told: Told) -> AsyncGenerator[T, None]:
    through = 0
    for row in rows:
        if through % BREATH == 0:
            told(what, through, of)
            await asyncio.sleep(0)
        through += 1
        yield row
    told(what, through, of)
