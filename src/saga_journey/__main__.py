"""The command `saga`. Stdlib only: without the `standard` extra it says how to get it."""

from __future__ import annotations

import sys


def main() -> None:
    try:
        from saga_journey.cli import run
    except ModuleNotFoundError as missing:
        if missing.name not in ("typer", "rich", "click"):
            raise
        print(
            'saga: the command line needs the extra "standard": pip install "saga-journey[standard]"', file=sys.stderr
        )
        sys.exit(2)
    run()


if __name__ == "__main__":
    main()
