"""The machine, pure: no clock, no ids, no randomness, no I/O, no await.

    definition   what should happen            events     what did
    design       a definition from a request   commands   what arrives
    state        where a run stands            evolve     events -> state
    walk         where it goes next            machine    state + commands -> events
    progress     what readers see              codec      all of it <-> text

`machine.decide` is the way in; `reports` (what calls gave), `timers`, `operators` (what people say) and `stopping`
(how a run turns back) hold its rules; `difference` says what a new definition means for a run of an old one.
"""
