"""A web server that writes one session, as a process. It says "open"; then it does what it reads on stdin.

note <name> <n>   n notes of its own, as fast as it can; says "noted" when all of them are durable
leave             it closes its journeys and ends with 0
"""

from __future__ import annotations

import asyncio
import json
import sys

from saga_journey import open_journeys
from tests.acceptance.programs.worker import lines, say


async def work(url: str, session_id: str) -> None:
    async with open_journeys(url) as journeys:
        say("open")
        async for line in lines():
            match line.split():
                case ["note", name, count]:
                    for n in range(int(count)):
                        await journeys.session.update_area_state(session_id, "reading", {f"{name}-{n}": n})
                    say("noted")
                case ["leave"]:
                    return


if __name__ == "__main__":
    asyncio.run(work(**json.loads(sys.argv[1])))
