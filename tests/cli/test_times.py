"""Moments and spans in words."""

import pytest

from saga_journey.cli.times import ago, iso, moment, since, span

NOW = 1_764_000_000.0


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-1, "0 ms"),
        (0.0402, "40 ms"),
        (1.44, "1.4 s"),
        (42, "42 s"),
        (60, "1 min"),
        (200, "3 min 20 s"),
        (3 * 3600, "3 h"),
        (7500, "2 h 5 min"),
        (273600, "3 d 4 h"),
    ],
)
def test_span(seconds: float, said: str) -> None:
    assert span(seconds) == said


@pytest.mark.parametrize(
    ("away", "said"),
    [
        (0, "just now"),
        (12, "12 s ago"),
        (190, "3 min ago"),
        (7300, "2 h ago"),
        (200_000, "2 d ago"),
        (-300, "in 5 min"),
    ],
)
def test_ago(away: float, said: str) -> None:
    assert ago(NOW - away, NOW) == said


def test_absolute_and_relative() -> None:
    assert moment(NOW - 60, NOW).endswith("(1 min ago)")


@pytest.mark.parametrize(("at", "said"), [(NOW, "2025-11-24T16:00:00.000Z"), (None, None), (1e18, None)])
def test_for_programs(at: float | None, said: str | None) -> None:
    assert iso(at) == said


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("90s", NOW - 90),
        ("30m", NOW - 1800),
        ("1.5h", NOW - 5400),
        ("7D", NOW - 7 * 86400),
        ("2w", NOW - 14 * 86400),
        ("2025-11-24T16:00:00Z", NOW),
    ],
)
def test_since(text: str, at: float) -> None:
    assert since(text, NOW) == at


def test_since_a_day_begins_at_midnight_here() -> None:
    assert iso(since("2025-11-24", NOW)) is not None


@pytest.mark.parametrize("text", ["", "yesterday", "24", "h", "2025-13-01"])
def test_not_a_moment(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        since(text, NOW)
