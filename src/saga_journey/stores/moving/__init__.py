"""Moving a database to another store while runs are in flight: everything goes along, or nothing.

ports      what a database can do that is moved away, and one that takes it in
move       the plan, and the move itself
journals   a journal as both sides compare it, and whether it folds
mark       what is left behind
"""
