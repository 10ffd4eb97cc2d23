"""What a session is about, as data: out of Python, out of a request, and out of a store."""

from __future__ import annotations

from typing import Any

import pytest

from saga_journey.core.codec import encode_definition
from saga_journey.core.session_codec import decode_definition
from saga_journey.core.session_definition import MAX_AREAS, MAX_NAMES, Area, SessionDefinition, read_request
from saga_journey.errors import DefinitionError

CONFIG: dict[str, Any] = {
    "name": "research",
    "version": 2,
    "areas": [
        {"id": "reading", "title": "Reading", "actions": ["add_paper"], "completion": ["papers_read"]},
        {"id": "writing"},
    ],
    "initial_area": "writing",
    "idempotency_key": "ann-1",
}
RESEARCH = SessionDefinition(
    "research", 2, (Area("reading", "Reading", ("add_paper",), ("papers_read",)), Area("writing"))
)


def problems(config: Any) -> tuple[str, ...]:
    with pytest.raises(DefinitionError) as wrong:
        read_request(config)
    return wrong.value.problems


def test_both_doors_lead_to_the_same_definition() -> None:
    request = read_request(CONFIG)
    assert request.definition == RESEARCH
    assert request.definition.hash == RESEARCH.hash
    assert (request.initial_area, request.idempotency_key) == ("writing", "ann-1")


def test_areas_are_all_that_is_required_and_null_says_nothing() -> None:
    request = read_request({"areas": [{"id": "a", "title": None}], "initial_area": None, "name": None})
    assert request.definition == SessionDefinition("session", 1, (Area("a"),))
    assert (request.initial_area, request.idempotency_key) == (None, None)


@pytest.mark.parametrize("definition", [RESEARCH, SessionDefinition("mvp", 1, (Area("a"),), word="pillar")])
def test_what_is_stored_reads_back(definition: SessionDefinition) -> None:
    again = decode_definition(encode_definition(definition))
    assert again == definition
    assert again.hash == definition.hash


def test_the_hash_follows_the_meaning_and_is_for_ever() -> None:
    assert encode_definition(RESEARCH) == (
        '{"kind":"session","name":"research","version":2,"areas":[{"id":"reading","title":"Reading",'
        '"actions":["add_paper"],"completion":["papers_read"]},{"id":"writing"}]}'
    )
    other = SessionDefinition("research", 2, tuple(reversed(RESEARCH.areas)))
    assert other.hash != RESEARCH.hash


def test_every_problem_of_a_config_is_told_at_once() -> None:
    config = {
        "nam": "x",
        "version": True,
        "areas": [
            {"id": "reading", "actions": ["a b", 7], "completion": ["done", "done"]},
            {"id": "reading", "titel": "Reading"},
            {"title": 3},
            {"id": "9lives", "title": "\ud800"},
            "writing",
        ],
        "initial_area": "readin",
        "idempotency_key": "",
    }
    told = problems(config)
    for expected in (
        "session_config.nam is not a field (did you mean 'name'?)",
        "session_config.version is True, which is a bool: it is a whole number",
        "areas[0].actions has 7, which is a int: it holds names",
        "area 'reading': actions has 'a b', which is no usable name",
        "area 'reading': completion has 'done' twice",
        "area 'reading' is there twice: give each its own id",
        "areas[1].titel is not a field (did you mean 'title'?)",
        "areas[2].title is 3, which is a int: it is a text",
        "areas[2] has no id",
        "area '9lives': the id is not usable: letters, digits, '_', '.', '-', at most 100, no digit first",
        "area '9lives': title: contains a lone surrogate, which is not a character",
        "areas[4] is 'writing', which is a str: it is an object with id, title, actions, completion",
        "initial_area is 'readin', which is no area (did you mean 'reading'?)",
        "idempotency_key has 0 characters: it is a text of 1 to 500",
    ):
        assert expected in told
    assert len(told) == 14


@pytest.mark.parametrize("config", [None, 7, "areas", [], [{"id": "a"}]])
def test_a_config_is_an_object(config: Any) -> None:
    (told,) = problems(config)
    assert told.startswith("session_config is ")
    assert told.endswith(": it is an object with name, version, areas, initial_area, idempotency_key")


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ({}, "session_config has no areas"),
        ({"areas": []}, "it has no areas"),
        ({"areas": "kitchen"}, "session_config.areas is 'kitchen', which is a str: it is a list"),
        ({"areas": [{"id": "a"}], "name": "my session"}, "the name 'my session' is not usable"),
        ({"areas": [{"id": "a"}], "version": 0}, "version is 0: versions count from 1"),
        ({"areas": [{"id": f"a{n}"} for n in range(MAX_AREAS + 1)]}, "it has 101 areas, at most 100 are possible"),
        (
            {"areas": [{"id": "a", "actions": [f"a{n}" for n in range(MAX_NAMES + 1)]}]},
            "area 'a': actions has 101 names, at most 100 are possible",
        ),
        ({"areas": [{"id": "a", "title": "x" * 501}]}, "area 'a': its title has 501 characters"),
        ({"areas": [{"id": "a"}], "idempotency_key": "\0"}, "idempotency_key: contains a NUL character"),
    ],
)
def test_one_problem(config: Any, problem: str) -> None:
    (told,) = problems(config)
    assert told.startswith(problem)


def test_a_definition_in_python_passes_through_the_same_check() -> None:
    with pytest.raises(DefinitionError, match="area 'a' is there twice"):
        SessionDefinition("x", 1, (Area("a"), Area("a")))
