"""Shared settings."""

import signal

from hypothesis import settings

# A Python that is started in the background ignores Ctrl-C, and so would all that it starts, also
# what tests start to interrupt it.
signal.signal(signal.SIGINT, signal.default_int_handler)

# No deadlines, since the first call compiles.

settings.register_profile("default", deadline=None, derandomize=True)
settings.load_profile("default")
