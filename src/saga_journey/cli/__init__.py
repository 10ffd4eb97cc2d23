"""The command `saga`: a thin door to the library, for people at a terminal and for scripts.

    app              the command line as a whole           look, act, operate   its commands, a few lines each
    asking           ls, get, watch, history               sending   from a question to the answer of a saga's owner
    picture, lanes   a saga on one screen; its two lanes   plans     what a command would do, before it does it
    demo, doctor, schema, pruning                          desk      the open journeys, and the saga that is meant
    as_json          the documented JSON                   screen    stdout, stderr, colour, and nothing harmful
    group, problems  exceptions → a sentence and a code    database  looked at before it is opened: sqlite_file,
    worker           moves sagas; references what it opens           postgres_server; findings: what doctor says
    journeys         the commands about definitions        shelf     the definitions of the database, and which is meant
    journey_files    a journey out of data or a program    definitions, deploying, moving   what the commands do

Commands never move a saga themselves: they are stored, and applied by the worker that owns it.
"""

from saga_journey.cli.app import main as run

__all__ = ["run"]
