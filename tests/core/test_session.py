"""Sessions: areas entered at any time, what was done there kept, and what is complete derived, never stored."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saga_journey.core.canonical import MAX_BYTES, Json, encode
from saga_journey.core.session import (
    WIRE_NAMES,
    AreaEntered,
    AreaUpdated,
    End,
    Enter,
    JourneyLinked,
    LinkJourney,
    SessionCommand,
    SessionEnded,
    SessionEvent,
    SessionStarted,
    SessionState,
    Update,
    begin,
    decide,
    evolve,
)
from saga_journey.core.session_codec import decode_turn, encode_turn
from saga_journey.core.session_definition import Area, SessionDefinition
from saga_journey.errors import InvalidInput, NotJson, Rejected, UnknownArea

HOUSE = SessionDefinition(
    "house",
    version=1,
    areas=(
        Area("kitchen", "Kitchen", actions=("cook", "wash"), completion=("cooked", "washed", "tidy")),
        Area("garden", completion=("watered",)),
        Area("attic"),
    ),
)


def started(initial: str | None = None) -> SessionState:
    return begin(HOUSE, "session_1", "ann", initial, 100.0).state


def after(state: SessionState, *commands: SessionCommand, at: float = 200.0) -> SessionState:
    for command in commands:
        state = decide(state, command, at).state
    return state


def events(state: SessionState, command: SessionCommand) -> list[SessionEvent]:
    return decide(state, command, 200.0).events


# --- navigation ------------------------------------------------------------------------------------------------------


def test_it_starts_outside_or_in_an_area() -> None:
    outside, inside = started(), started("garden")
    assert (outside.current, outside.visited, outside.seq) == (None, (), 1)
    assert (inside.current, inside.visited, inside.seq) == ("garden", ("garden",), 2)
    assert (inside.user, inside.started_at, inside.percent) == ("ann", 100.0, 0)


def test_any_area_can_be_entered_at_any_time() -> None:
    state = after(started("attic"), Enter("kitchen"), Enter("garden"), Enter("attic"))
    assert (state.current, state.visited) == ("attic", ("attic", "kitchen", "garden"))


def test_entering_where_one_is_already_changes_nothing() -> None:
    assert events(started("attic"), Enter("attic")) == []
    assert events(started("attic"), Enter("garden", "ann")) == [AreaEntered("garden", "ann")]


def test_what_was_done_is_kept_when_one_leaves() -> None:
    state = after(started("kitchen"), Update("kitchen", {"cooked": True, "dish": "soup"}), Enter("garden"))
    assert state.area("kitchen").values == {"cooked": True, "dish": "soup"}
    assert state.area("garden").values == {}


def test_an_area_that_does_not_exist_is_told_with_those_that_do() -> None:
    state = started()
    commands: list[SessionCommand] = [Enter("kitchn"), Update("kitchn", {}), LinkJourney("kitchn", "jrn_1_a", 1, "s")]
    for command in commands:
        with pytest.raises(UnknownArea, match=r"no area 'kitchn' here \(did you mean 'kitchen'\?\)") as unknown:
            decide(state, command, 0.0)
        assert unknown.value.known == ("kitchen", "garden", "attic")
    strange: Any
    for strange in (None, 7, ["kitchen"], {}):
        with pytest.raises(UnknownArea):
            decide(state, Enter(strange), 0.0)


# --- what was done ---------------------------------------------------------------------------------------------------


def test_changes_replace_key_by_key_and_none_takes_away() -> None:
    state = after(started(), Update("attic", {"a": {"x": 1}, "b": 2}), Update("attic", {"a": {"y": None}, "b": None}))
    assert state.area("attic").values == {"a": {"y": None}}


def test_changes_that_change_nothing_are_not_recorded() -> None:
    state = after(started(), Update("attic", {"n": 1}))
    assert events(state, Update("attic", {})) == []
    assert events(state, Update("attic", {"n": 1})) == []
    assert events(state, Update("attic", {"never": None})) == []
    assert events(state, Update("attic", {"n": True})) == [AreaUpdated("attic", Json('{"n":true}'))]  # 1 == True


@pytest.mark.parametrize("changes", [None, 7, "cooked", ["cooked"]])
def test_changes_are_an_object(changes: Any) -> None:
    with pytest.raises(InvalidInput, match="the changes of 'kitchen' are"):
        decide(started(), Update("kitchen", changes), 0.0)


@pytest.mark.parametrize("changes", [{"x": {1, 2}}, {"x": float("nan")}, {7: True}, {"x": "\ud800"}, {"x": "a\0"}])
def test_changes_must_be_json(changes: Any) -> None:
    with pytest.raises(NotJson, match="kitchen"):
        decide(started(), Update("kitchen", changes), 0.0)


def test_the_state_of_an_area_does_not_grow_without_end() -> None:
    state = after(started(), Update("attic", {"a": "x" * (MAX_BYTES // 2)}))
    with pytest.raises(NotJson, match="the whole state of 'attic'"):
        decide(state, Update("attic", {"b": "x" * (MAX_BYTES // 2)}), 0.0)


# --- what is complete ------------------------------------------------------------------------------------------------


def test_an_area_is_complete_when_all_its_facts_are_true() -> None:
    state = after(started(), Update("kitchen", {"cooked": True, "tidy": True, "washed": False}))
    assert (state.met("kitchen"), state.missing("kitchen")) == (("cooked", "tidy"), ("washed",))
    assert (state.percent_of("kitchen"), state.is_complete("kitchen")) == (66, False)
    state = after(state, Update("kitchen", {"washed": True}))
    assert (state.percent_of("kitchen"), state.completed, state.percent) == (100, ("kitchen",), 33)


def test_a_fact_can_become_false_again() -> None:
    state = after(started(), Update("garden", {"watered": True}))
    assert state.completed == ("garden",)
    assert after(state, Update("garden", {"watered": False})).completed == ()
    assert after(state, Update("garden", {"watered": None})).completed == ()


@pytest.mark.parametrize("said", ["yes", 1, 0, [], {"ok": True}])
def test_a_fact_is_true_or_false_and_nothing_else(said: Any) -> None:
    with pytest.raises(InvalidInput, match=r"watered is .*: it decides whether 'garden' is complete"):
        decide(started(), Update("garden", {"watered": said}), 0.0)


def test_without_facts_a_visit_completes_an_area() -> None:
    assert (started().percent_of("attic"), started().is_complete("attic")) == (0, False)
    state = started("attic")
    assert (state.percent_of("attic"), state.completed, state.percent) == (100, ("attic",), 33)


def test_all_of_it() -> None:
    facts = {"cooked": True, "washed": True, "tidy": True}
    state = after(started("attic"), Update("kitchen", facts), Update("garden", {"watered": True}))
    assert (state.completed, state.percent) == (("kitchen", "garden", "attic"), 100)


# --- journeys in areas -----------------------------------------------------------------------------------------------


def test_a_link_is_recorded_once() -> None:
    link = LinkJourney("attic", "jrn_1_a", 1, "saga_1", "ann")
    state = started()
    assert events(state, link) == [JourneyLinked("attic", "jrn_1_a", 1, "saga_1", "ann")]
    assert events(after(state, link), link) == []


def test_each_start_of_a_journey_has_the_smallest_number_that_is_free() -> None:
    state = after(started(), LinkJourney("attic", "jrn_1_a", 1, "saga_1"), LinkJourney("attic", "jrn_1_a", 3, "saga_3"))
    attic = state.area("attic")
    assert [attic.next_number("jrn_1_a"), attic.next_number("jrn_1_a", after=2)] == [2, 4]
    assert [attic.next_number("jrn_2_b"), attic.next_number("jrn_2_b", after=1)] == [1, 2]
    assert state.area("garden").next_number("jrn_1_a") == 1


# --- the end ---------------------------------------------------------------------------------------------------------


def test_an_ended_session_changes_no_more_and_says_who_ended_it() -> None:
    state = after(started("attic"), End("ann", "moved out"))
    assert (state.ended_at, state.ended) == (200.0, SessionEnded("ann", "moved out"))
    commands: list[SessionCommand] = [
        Enter("garden"),
        Enter("nowhere"),
        Update("garden", {"watered": True}),
        LinkJourney("attic", "jrn_1_a", 1, "saga_1"),
        End(),
    ]
    for command in commands:
        with pytest.raises(Rejected, match=r"session_1 was ended by ann \(moved out\)") as no:
            decide(state, command, 300.0)
        assert no.value.code == "ended"


def test_the_reason_must_be_recordable() -> None:
    with pytest.raises(NotJson, match="reason"):
        decide(started(), End(None, "\ud800"), 0.0)


def test_a_clock_behind_the_journal_counts_as_its_last_time() -> None:
    assert after(started(), Enter("attic"), at=50.0).at == 100.0


# --- the journal -----------------------------------------------------------------------------------------------------

AWKWARD = 'quote " backslash \\ newline \n é \u2028 \U0001f600'


@pytest.mark.parametrize("kind", WIRE_NAMES)
def test_every_event_reads_back(kind: type) -> None:
    values = {"changes": encode({"a": [1, None, AWKWARD]}), "number": 3}
    needed = {f.name: values.get(f.name, AWKWARD) for f in fields(kind) if f.default is f.default_factory}
    all_of_them = {f.name: values.get(f.name, AWKWARD) for f in fields(kind)}
    for event in (kind(**needed), kind(**all_of_them)):
        assert decode_turn(encode_turn([event])) == [event]


def test_the_names_in_the_journal_are_for_ever() -> None:
    row = (
        '[["session_started",{"user":"ann"}],["area_entered",{"area":"attic","who":"ann"}],'
        '["area_updated",{"area":"attic","changes":{"n":1}}],'
        '["journey_linked",{"area":"attic","journey_id":"jrn_1_a","number":1,"saga_id":"saga_1"}],'
        '["session_ended",{"reason":"done"}]]'
    )
    turn: list[SessionEvent] = [
        SessionStarted("ann"),
        AreaEntered("attic", "ann"),
        AreaUpdated("attic", Json('{"n":1}')),
        JourneyLinked("attic", "jrn_1_a", 1, "saga_1"),
        SessionEnded(None, "done"),
    ]
    assert decode_turn(row) == turn
    assert encode_turn(turn) == row


# --- against a model -------------------------------------------------------------------------------------------------

AREAS = {area.id: area.completion for area in HOUSE.areas}
VALUES = st.one_of(st.none(), st.booleans(), st.booleans(), st.integers(0, 2), st.sampled_from(["", "x"]))
CHANGES = st.dictionaries(st.sampled_from(["cooked", "washed", "tidy", "watered", "n"]), VALUES, max_size=4)
WHERE = st.sampled_from([*AREAS, *AREAS, "cellar"])
COMMANDS = st.one_of(
    st.builds(Enter, WHERE),
    st.builds(Update, WHERE, CHANGES),
    st.builds(LinkJourney, WHERE, st.just("jrn_1_a"), st.integers(1, 2), st.just("saga_1")),
)


class Model:
    """A session as anybody would keep it: in dicts."""

    def __init__(self) -> None:
        self.values: dict[str, dict[str, Any]] = {area: {} for area in AREAS}
        self.links: set[tuple[str, int]] = set()
        self.visited: list[str] = []

    def takes(self, command: SessionCommand) -> bool:
        """Applies it; False when it has to be refused."""
        area = getattr(command, "area", "cellar")
        if area not in AREAS:
            return False
        if isinstance(command, Enter):
            self.visited += [area]
        elif isinstance(command, LinkJourney):
            self.links.add((area, command.number))
        elif isinstance(command, Update):
            if not all(command.changes.get(fact) in (None, True, False) for fact in AREAS[area]):
                return False
            if any(type(command.changes.get(fact)) is int for fact in AREAS[area]):
                return False
            for key, value in command.changes.items():
                self.values[area].pop(key, None)
                if value is not None:
                    self.values[area][key] = value
        return True

    def is_complete(self, area: str) -> bool:
        return all(self.values[area].get(fact) for fact in AREAS[area]) if AREAS[area] else area in self.visited


@given(st.lists(COMMANDS, max_size=12), st.lists(st.one_of(COMMANDS, st.builds(End)), max_size=3))
def test_it_agrees_with_a_model(commands: list[SessionCommand], late: list[SessionCommand]) -> None:
    state, model, rows = started(), Model(), [encode_turn([SessionStarted("ann")])]
    for command in commands:
        try:
            turn = decide(state, command, 200.0)
        except (UnknownArea, InvalidInput):
            assert not model.takes(command)
            continue
        assert model.takes(command)
        rows += [encode_turn(turn.events)] if turn.events else []
        assert evolve(state, turn.events, 200.0) == turn.state
        state = turn.state
        _agree(state, model)
    assert _folded(rows) == state
    _absorbs(decide(state, End(), 200.0).state, late)


def _agree(state: SessionState, model: Model) -> None:
    complete = [area for area in AREAS if model.is_complete(area)]
    for area, facts in AREAS.items():
        assert encode(sorted(state.area(area).values.items())) == encode(sorted(model.values[area].items()))
        assert {(area, link.number) for link in state.area(area).links} == {m for m in model.links if m[0] == area}
        assert (state.percent_of(area) == 100) == state.is_complete(area) == (area in complete)
        if facts:
            met = [fact for fact in facts if model.values[area].get(fact)]
            assert state.percent_of(area) == 100 * len(met) // len(facts)
    assert state.completed == tuple(complete)
    assert state.percent == 100 * len(complete) // len(AREAS)
    assert state.visited == tuple(dict.fromkeys(model.visited))
    assert state.current == (model.visited[-1] if model.visited else None)


def _folded(rows: list[str]) -> SessionState:
    """The state from its journal alone."""
    state = SessionState(HOUSE, "session_1")
    for place, row in enumerate(rows):
        state = evolve(state, decode_turn(row), 200.0 if place else 100.0)
    return state


def _absorbs(ended: SessionState, late: list[SessionCommand]) -> None:
    for command in late:
        with pytest.raises(Rejected, match="ended"):
            decide(ended, command, 300.0)
