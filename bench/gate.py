"""A gate: a figure that must not get worse than a bound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["ok", "MISSED", "not judged"]


@dataclass(frozen=True)
class Gate:
    """What is promised, what was measured (None: nothing that may be judged), and the bound it must keep to."""

    name: str
    figure: float | None
    bound: float
    at_least: bool

    @property
    def verdict(self) -> Verdict:
        if self.figure is None:
            return "not judged"
        kept = self.figure >= self.bound if self.at_least else self.figure <= self.bound
        return "ok" if kept else "MISSED"

    def __str__(self) -> str:
        figure = "-" if self.figure is None else f"{self.figure:,.4g}" if self.figure < 1000 else f"{self.figure:,.0f}"
        return f"{self.verdict:10}  {self.name:66} {figure:>9}  {'>=' if self.at_least else '<='} {self.bound:,.5g}"


def at_least(name: str, figure: float | None, bound: float) -> Gate:
    """More is better."""
    return Gate(name, figure, bound, at_least=True)


def at_most(name: str, figure: float | None, bound: float) -> Gate:
    """Less is better."""
    return Gate(name, figure, bound, at_least=False)


def exit_code(gates: Sequence[Gate]) -> int:
    """1 when one is missed; 3 when none is missed but one could not be judged; else 0."""
    verdicts = {gate.verdict for gate in gates}
    return 1 if "MISSED" in verdicts else 3 if "not judged" in verdicts else 0
