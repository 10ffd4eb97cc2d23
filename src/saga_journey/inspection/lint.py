"""Second thoughts about a definition that can run: what its author would rather hear now than from a customer.

`bad` is a contradiction: something declared cannot be true, or can never happen. `look` is what is right in some
journeys and a slip in others; each can be answered in the definition itself, and is silent then.

What a milestone does to the world is declared: `effects` is "read_only" (nothing), "reversible" (its undo takes back
the very thing it gave, and needs it to be still there), "compensable" (its undo makes up for it by an effect of its
own) or "irreversible" (nothing takes it back, and what earlier milestones gave may be used up by it).

*Missing timeouts.* Every attempt has a timeout (60 s unless another one is said), attempts are counted, and "still
working" ends after 24 hours, so an action is never without a bound. What is: a child, which may wait for a person; and
what has a bound that nobody chose: an answer from outside that is waited for 60 s because no timeout was written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

from saga_journey.core.definition import JourneyDefinition, Milestone
from saga_journey.core.shape import END, is_choice
from saga_journey.inspection.paths import dead_arms, edges, later, places_of, reached, steps_by_milestone

DEFAULT_WAIT = 60.0


class Remark(NamedTuple):
    """One second thought. `code` is stable, `advice` is what to do; without a milestone it is about the journey."""

    code: str
    severity: Literal["look", "bad"]
    milestone: str | None
    sentence: str
    advice: str


def lint(definition: JourneyDefinition) -> list[Remark]:
    """Everything worth a second thought, in the order of the milestones."""
    ground = _Ground(definition)
    found = [remark for rule in _OF_THE_WHOLE for remark in rule(ground)]
    for place in range(len(definition.milestones)):
        found += [remark for rule in _OF_A_MILESTONE for remark in rule(ground, place)]
    order = {m.id: place for place, m in enumerate(definition.milestones)}
    return sorted(found, key=lambda remark: order.get(remark.milestone or "", -1))


class _Ground:
    """What the rules stand on: for each milestone what may follow it, and whether the saga can still turn back then."""

    def __init__(self, definition: JourneyDefinition) -> None:
        self.d = definition
        self.later = [later(definition, place) for place in range(len(definition.milestones))]
        pivot = definition.pivot
        self.past_pivot: frozenset[int] = frozenset() if pivot is None else self.later[pivot]

    def may_turn_back(self, place: int) -> bool:
        """Something that follows this milestone can fail, and then it is undone."""
        if self.d.kind != "saga" or place == self.d.pivot or place in self.past_pivot:
            return False
        following = (self.d.milestones[i] for i in self.later[place] - self.past_pivot)
        return any(m.kind != "timer" and not m.optional for m in following)

    def used_up_by(self, place: int) -> Iterator[Milestone]:
        """The irreversible milestones after this one, from behind which the saga can still turn back."""
        for i in sorted(self.later[place]):
            if self.d.milestones[i].effects == "irreversible" and self.may_turn_back(i):
                yield self.d.milestones[i]


# --- what is undone, and what is not ----------------------------------------------------------------------------------


def _no_undo(g: _Ground, place: int) -> Iterator[Remark]:
    """Undo coverage: what stays when a later milestone fails."""
    m = g.d.milestones[place]
    if m.undoable or m.kind == "timer" or m.effects in ("read_only", "irreversible"):
        return
    if m.effects is not None and g.may_turn_back(place):
        sentence = f"{m.id} is declared {m.effects}, and nothing undoes it"
        yield Remark("no_undo", "bad", m.id, sentence, "name its undo")
    elif m.at_most_once and g.d.kind == "saga" and place != g.d.pivot and place not in g.past_pivot:
        sentence = f"{m.id} is called at most once and has no undo: after a crash nobody knows whether it took place"
        yield Remark("at_most_once", "look", m.id, sentence, "give it an undo that looks it up by ctx.action_key")
    elif g.may_turn_back(place):
        sentence = f"{m.id} has no undo: when a later milestone fails, what it did stays"
        yield Remark("no_undo", "look", m.id, sentence, 'name its undo, or say effects="read_only" if it does nothing')


def _irreversible(g: _Ground, place: int) -> Iterator[Remark]:
    """An irreversible action before the pivot."""
    m = g.d.milestones[place]
    if m.effects != "irreversible":
        return
    if m.undo is not None and not m.pivot:
        sentence = f"{m.id} is declared irreversible, and {m.undo} is to undo it: one of the two is wrong"
        yield Remark("irreversible_undo", "bad", m.id, sentence, 'leave out the undo, or say effects="compensable"')
    if g.may_turn_back(place):
        pivot = None if g.d.pivot is None else g.d.milestones[g.d.pivot].id
        sentence = f"{m.id} cannot be taken back, and the saga can still turn back after it: then it stands alone"
        advice = f"move it behind the pivot {pivot}" if pivot else "make it the pivot, or let it be the last"
        yield Remark("irreversible_before_pivot", "bad", m.id, sentence, advice)


def _used_up(g: _Ground, place: int) -> Iterator[Remark]:
    """A milestone whose undo needs a result that a later milestone destroys."""
    m = g.d.milestones[place]
    if m.undo is None or not g.may_turn_back(place):
        return
    for other in g.used_up_by(place) if m.effects == "reversible" else ():
        sentence = f"{m.undo} takes back what {m.id} gave, and {other.id}, which is irreversible, may have used that up"
        advice = f"make {other.id} the pivot, or make up for {m.id} otherwise (compensable)"
        yield Remark("used_up", "bad", m.id, sentence, advice)
    for other in (g.d.milestones[i] for i in sorted(g.later[place])):
        if other.action == m.undo:
            sentence = f"{other.id} calls {m.undo} itself: it is called again to undo {m.id} when a later one fails"
            yield Remark("undone_twice", "look", m.id, sentence, f"let {m.undo} do nothing the second time")


def _needless_undo(g: _Ground, place: int) -> Iterator[Remark]:
    m = g.d.milestones[place]
    if m.effects == "read_only" and m.undo is not None:
        sentence = f"{m.id} is declared read_only, and {m.undo} is called to undo it"
        yield Remark("read_only_undo", "bad", m.id, sentence, "leave out the undo, or say what it does")


def _hasty_undo(g: _Ground, place: int) -> Iterator[Remark]:
    m = g.d.milestones[place]
    if m.undo is None:
        return
    if m.kind == "action" and m.undo_timeout < m.timeout:
        sentence = f"{m.undo} may take {m.undo_timeout:g} s, and {m.id}, which it undoes, {m.timeout:g} s"
        yield Remark("undo_timeout", "look", m.id, sentence, f"undo_timeout={m.timeout:g}, if undoing takes as long")
    if m.undo_retry.attempts == 1:
        sentence = f"{m.undo} is attempted once: the first lost answer leaves {m.id} standing and calls for a person"
        yield Remark("undo_once", "look", m.id, sentence, "more undo_retry.attempts; the default is 20, over two hours")


def _last_pivot(g: _Ground) -> Iterator[Remark]:
    pivot = None if g.d.pivot is None else g.d.milestones[g.d.pivot]
    if pivot is not None and g.d.kind == "saga" and not g.past_pivot and pivot.effects != "irreversible":
        sentence = f"the pivot {pivot.id} is the last: it only keeps a completed saga from being compensated"
        advice = 'leave out pivot, or say effects="irreversible" if that is why'
        yield Remark("pivot_last", "look", pivot.id, sentence, advice)


# --- how long it takes ------------------------------------------------------------------------------------------------


def _unbounded(g: _Ground, place: int) -> Iterator[Remark]:
    m = g.d.milestones[place]
    if m.kind == "external" and m.timeout == DEFAULT_WAIT:
        sentence = f"an answer to {m.id} is waited for {DEFAULT_WAIT:g} s, because no timeout says how long"
        yield Remark("default_wait", "look", m.id, sentence, "timeout= the seconds that somebody may take to answer")
    if m.kind == "child" and m.within is None and g.d.deadline is None:
        sentence = f"nothing bounds {m.id}: its child may wait for a person as long as it likes"
        yield Remark("unbounded", "look", m.id, sentence, "within= on the milestone, or deadline= on the journey")


def _too_late(g: _Ground, place: int) -> Iterator[Remark]:
    """The deadline of the journey is sooner than what is waited for."""
    m, deadline = g.d.milestones[place], g.d.deadline
    if deadline is not None and m.kind == "external" and m.timeout >= deadline and place not in g.past_pivot:
        sentence = f"an answer to {m.id} may take {m.timeout:g} s, and the deadline of the journey is {deadline:g} s"
        yield Remark("after_deadline", "look", m.id, sentence, "a later deadline, or a shorter timeout")


def _timers_too_late(g: _Ground) -> Iterator[Remark]:
    """Timers take their whole time, so the sum of those on the shortest way is certain."""
    if g.d.deadline is None:
        return
    over: dict[int, float] = {0: 0.0}
    for way in edges(g.d):
        if way.start not in over:
            continue
        takes = over[way.start] + _waits(g.d, way.start)
        if takes > g.d.deadline >= over[way.start] and not g.past_pivot.intersection(places_of(g.d, way.start)):
            name = next(g.d.milestones[p].id for p in places_of(g.d, way.start) if g.d.milestones[p].kind == "timer")
            sentence = f"{name} ends {takes:g} s after the start at the soonest, and the deadline is {g.d.deadline:g} s"
            yield Remark("after_deadline", "bad", name, sentence, "a later deadline, or a shorter timer")
            return
        over[way.target] = min(over.get(way.target, takes), takes)


def _waits(d: JourneyDefinition, step: int) -> float:
    """How long the timers of a step take: the longest branch of them."""
    branches = [[d.milestones[place] for place in branch] for branch in d.stages[step]]
    return max(sum(m.timeout for m in branch if m.kind == "timer") for branch in branches)


# --- where it goes on -------------------------------------------------------------------------------------------------


def _never(g: _Ground) -> Iterator[Remark]:
    """Unreachable milestones: `problems()` finds those that no way leads to, this those that no way is taken to."""
    dead = {(milestone, step): why for milestone, step, why in dead_arms(g.d)}
    for (milestone, step), why in dead.items():
        shown = "without a condition" if step.when is None else f"when {step.when}"
        sentence = f"after {milestone} it never goes on to {step.milestone} {shown}: {why}"
        yield Remark("dead_arm", "bad", milestone, sentence, "mend the condition, or leave that step out")
    if not dead:
        return
    steps = steps_by_milestone(g.d)
    taken = [way for way in edges(g.d) if (_leaves(g.d, way.start), way.said) not in dead]
    alive = reached(g.d, taken)
    for m in g.d.milestones:
        if steps[m.id] not in alive:
            sentence = f"{m.id} is never reached: no way to it is ever taken"
            yield Remark("unreachable", "bad", m.id, sentence, "leave it out, or mend the conditions before it")


def _leaves(d: JourneyDefinition, step: int) -> str:
    return d.milestones[places_of(d, step)[0]].id


def _choices(g: _Ground, place: int) -> Iterator[Remark]:
    m = g.d.milestones[place]
    if not is_choice(m):
        return
    if m.next_steps[-1].when is not None:
        sentence = f"after {m.id} no condition may hold: then the run waits for a person to choose"
        yield Remark("no_default", "look", m.id, sentence, "a last next step without a condition")
    arms = {step.milestone for step in m.next_steps if step.milestone != END}
    steps = steps_by_milestone(g.d)
    for arm in sorted(arms, key=lambda name: steps[name]):
        if (ends := _falls_into(g, steps[arm], {steps[other] for other in arms - {arm}})) is not None:
            last, other = ends
            sentence = f"the way of {arm} after {m.id} goes on with {other}, which is another way out of that choice"
            advice = f'next_steps=["{other}"] on {last} if that is meant, or where else it goes on'
            yield Remark("falls_through", "look", last, sentence, advice)


def _falls_into(g: _Ground, step: int, others: set[int]) -> tuple[str, str] | None:
    """Whether a way goes on with the first step of another one, only because that stands after it; and from where."""
    while step + 1 < len(g.d.stages):
        ends = g.d.milestones[places_of(g.d, step)[-1]]
        if ends.next_steps:
            return None
        step += 1
        if step in others:
            return ends.id, _leaves(g.d, step)
    return None


_OF_THE_WHOLE: tuple[Callable[[_Ground], Iterator[Remark]], ...] = (_last_pivot, _timers_too_late, _never)
_OF_A_MILESTONE: tuple[Callable[[_Ground, int], Iterator[Remark]], ...] = (
    _no_undo,
    _irreversible,
    _used_up,
    _needless_undo,
    _hasty_undo,
    _unbounded,
    _too_late,
    _choices,
)
