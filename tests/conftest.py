"""Shared settings."""

import signal

import pytest
from hypothesis import settings

# A Python that is started in the background ignores Ctrl-C, and so would all that it starts, also
# what tests start to interrupt it.
signal.signal(signal.SIGINT, signal.default_int_handler)

# No deadlines, since the first call compiles.

settings.register_profile("default", deadline=None, derandomize=True)
settings.load_profile("default")


@pytest.fixture
def one_thread():
    """Has torch compute on one thread, as in trainings: on small graphs more are slower."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
