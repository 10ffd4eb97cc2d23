"""The benchmark of saga-journey: `python -m bench`, from the root of the repository.

Work W (`workload`) runs through each contestant (`contestants`), on a file of SQLite or on a PostgreSQL that is started
for it (`grounds`). `measure` takes one point in one process, `rounds` lets the contestants take turns, `report` prints
and keeps the figures, `judge` and `judge_postgres` hold them against the gates. `memory`, `recovery` and `imports`, and
on PostgreSQL `scaling` and `claims`, each measure one promise of their own.
"""
