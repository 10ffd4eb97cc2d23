"""What takes long and is shown in little elsewhere: `make thorough` runs it, any other run says that it did not."""

import os

import pytest

THOROUGH = bool(os.environ.get("SAGA_TEST_THOROUGH"))
LEFT_OUT = "minutes in all, and a shorter test shows the like in each run: make thorough"

thorough = pytest.mark.skipif(not THOROUGH, reason=LEFT_OUT)
