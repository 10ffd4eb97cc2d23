"""The README tells the truth: its first program prints what it says it prints, its second one is a saga."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from pathlib import Path

from saga_journey import Saga

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
PROGRAM, PRINTED = BLOCKS[0][1], BLOCKS[1][1]

# What the second program takes for granted.
SURROUNDINGS = """
from dataclasses import dataclass
from saga_journey import Context, Retry, Saga, external, milestone

Charge = Verdict = dict[str, str]

async def reserve_stock(ctx: Context["Order"]) -> str: ...
async def release_stock(ctx: Context["Order"], hold: str | None) -> None: ...
async def ask_fraud_team(ctx: Context["Order"]) -> None: ...
async def hand_to_carrier(ctx: Context["Order"]) -> None: ...
async def send_receipt(ctx: Context["Order"]) -> None: ...
"""


def run(place: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=place, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_the_first_program_has_twelve_lines_and_prints_what_it_says(tmp_path: Path) -> None:
    assert len([line for line in PROGRAM.splitlines() if line.strip()]) == 12
    assert run(tmp_path) == PRINTED


def test_run_again_it_is_the_same_saga(tmp_path: Path) -> None:
    run(tmp_path)
    assert run(tmp_path) == PRINTED.splitlines(keepends=True)[-1]


def test_the_second_program_is_a_saga(tmp_path: Path) -> None:
    program = tmp_path / "second.py"
    program.write_text(SURROUNDINGS + BLOCKS[3][1], "utf-8")
    checkout = runpy.run_path(str(program))["checkout"]
    assert isinstance(checkout, Saga)
    assert [m.id for m in checkout.definition.milestones] == [
        "reserve_stock",
        "charge_card",
        "fraud_check",
        "hand_to_carrier",
        "send_receipt",
    ]


def test_every_link_leads_somewhere() -> None:
    links = [link for link in re.findall(r"\]\(([^)]+)\)", README) if "://" not in link]
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
