"""The laws of a saga, one file for each kind of evidence; `checker` knows them all.

    transitions   what may follow what (SEMANTICS B)       I2
    soundness     the journal in itself                    I2, I12, I13, I19
    shapes        blocks, choices, timers                  I2, I6, I13
    families      parents and their children               I1, I5 to I8, I15, I19, I20
    direction     one way there, one way back              I10, I11, I14
    effects       the journal against the participants     I3 to I8
    attempts      how often, how far apart, by which clock  I9, I16, I17
    standing      what is left at the end                  I15, I20
    outbox        what is told to the outside              I18
    clients       what was acknowledged                    I1, I20

A law is a function from the evidence of one saga to what breaks it: pairs of (invariant, sentence). It reads what
happened and asks nobody, least of all the engine.
"""

from collections.abc import Callable, Iterator

from saga_journey.testing.evidence import SagaEvidence

Broken = Iterator[tuple[str, str]]
Law = Callable[[SagaEvidence], Broken]
