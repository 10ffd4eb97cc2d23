"""A worker with rates for its handlers: `rates={"charge": {"at_once": 1}}`. Otherwise as `worker`."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from typing import Any

from saga_journey.config import Limits, Rate
from tests.acceptance.programs.worker import work


def limited(*, rates: dict[str, dict[str, Any]], **arguments: Any) -> dict[str, Any]:
    """The arguments of `work`."""
    return {**arguments, "limits": Limits(handlers={name: Rate(**rate) for name, rate in rates.items()})}


if __name__ == "__main__":
    logging.basicConfig(stream=sys.stdout, format="log %(message)s", level=logging.WARNING)
    asyncio.run(work(**limited(**json.loads(sys.argv[1]))))
