"""What holds for all tests."""

import os

# Coverage measures the workers of the tests, and no process that a test starts: these are killed, run out of disk,
# become nobody; and measuring hundreds of them would take minutes.
if "PYTEST_XDIST_WORKER" in os.environ:
    for name in [name for name in os.environ if name.startswith("COVERAGE")]:
        del os.environ[name]
