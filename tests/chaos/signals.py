"""How a process is told to end, and does so when it has done what it is at."""

from __future__ import annotations

import asyncio
import signal


def told_to_end() -> asyncio.Event:
    """Set by SIGTERM."""
    over = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)
    return over
