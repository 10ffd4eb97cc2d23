"""Tools to test journeys with, the ones that this library is tested with.

    scenario       given, when, then: what a journey does, without calling a handler
    clock          time that moves only when told: thirty days in milliseconds
    participants   services whose answers are scripted, and which keep books
    ledger         the books: what really reached the participants
    acknowledged   what clients were told
    checker        did a database keep every promise? (its laws are in `laws`)
    witness        notes inside the database what a journal alone cannot tell
    wrapping       a store around a store: where faults are put
    crash          kills a process at a chosen place
    faults         handlers of which one refuses, or whose answer is lost
    conformance    the suite that every store must pass, also one of yours

`databases`, `journal` and `evidence` are how the checker reads: a SQLite file by its path, any database by its URL.
Import what you need from its module; nothing is imported here.
"""
