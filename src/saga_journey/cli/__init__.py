"""The command `saga`: a thin door to the library, for people at a terminal and for scripts.

    app          the commands and their options        options    what may be said with every command
    asking       ls, get, watch, history               commands   retry, skip, cancel … and what comes of them
    lanes        the two lanes of a saga, as text      plans      what a command would do, before it does it
    picture      a saga on one screen                  desk       the open journeys, and the saga that is meant
    demo, doctor, database                             screen     stdout, stderr, colour, and nothing harmful
    as_json      the documented JSON                   problems   exceptions → a sentence and an exit code

Commands never move a saga themselves: they are stored, and applied by the worker that owns it.
"""


def run() -> None:
    """Runs the command line of this process, and ends it with an exit code."""
    from saga_journey.cli.app import main

    main()
