"""What every test shares: hypothesis draws the same few examples each time, so the gate never depends on luck.

`HYPOTHESIS_PROFILE=explore pytest …` draws new ones, and more of them; what it finds becomes a named test.
"""

import os
import signal
import sys

from hypothesis import settings

# A shell in the background ignores SIGINT for all it starts; the programs under test are to hear it.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Programs under test start hundreds of times: without compiled modules each start would compile all of them again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

settings.register_profile("gate", derandomize=True, deadline=None, print_blob=True, max_examples=30)
settings.register_profile("explore", derandomize=False, deadline=None, print_blob=True, max_examples=200)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "gate"))
