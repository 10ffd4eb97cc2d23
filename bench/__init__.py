"""The benchmark of saga-journey: `python -m bench`, from the root of the repository.

Work W (`workload`) runs through each contestant (`floor`, `ours`, `dbos_peer`). `measure` takes one point in one
process, `rounds` lets the contestants take turns, `report` prints and keeps the figures, `judge` holds them against
the gates. `memory`, `recovery` and `imports` each measure one promise of their own.
"""
