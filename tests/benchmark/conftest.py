"""What several tests of the benchmark look at."""

import pytest
from small_run import small_run


@pytest.fixture(scope="session")
def whole(tmp_path_factory):
    out = tmp_path_factory.mktemp("whole")
    return out, small_run(out)
